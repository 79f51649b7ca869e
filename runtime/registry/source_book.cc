#include "runtime/registry/source_book.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {

void SourceBook::load(const NumberedTable<Source>& sources) {
    sources.for_each([this](const SourceRef& source) {
        follow(DocumentChange<Source>{nullptr, source});
    });
}

void SourceBook::load(const NumberedTable<Tenant>& tenants) {
    tenants.for_each([this](const TenantRef& tenant) {
        follow(DocumentChange<Tenant>{nullptr, tenant});
    });
}

void SourceBook::follow(const DocumentChange<Tenant>& change) {
    const TenantRef& shown = change.after ? change.after : change.before;
    if (!shown) return;
    std::lock_guard lock(mutex_);
    if (change.after && change.after->suspended)
        suspended_.insert(shown->self().value);
    else
        suspended_.erase(shown->self().value);
    if (change.after) holders_[shown->self().value] = change.after->holder;
}

void SourceBook::use_default_holder(std::shared_ptr<identity::TenantHolder> holder) {
    std::lock_guard lock(mutex_);
    holders_.try_emplace(core::TenantId{}.value, std::move(holder));
}

std::shared_ptr<identity::TenantHolder> SourceBook::holder_of(core::TenantId tenant) const {
    std::lock_guard lock(mutex_);
    const auto at = holders_.find(tenant.value);
    return at == holders_.end() ? nullptr : at->second;
}

void SourceBook::follow(const DocumentChange<Source>& change) {
    const SourceRef& shown = change.after ? change.after : change.before;
    if (!shown) return;
    std::lock_guard lock(mutex_);
    std::vector<Entry>& entries = by_id_[shown->id];
    const auto there = std::find_if(entries.begin(), entries.end(), [&](const Entry& entry) {
        return entry.source->tenant == shown->tenant;
    });
    if (!change.after) {
        if (there != entries.end()) entries.erase(there);
        if (entries.empty()) by_id_.erase(shown->id);
    } else if (there != entries.end()) {
        there->source = change.after;
    } else {
        entries.push_back({change.after, std::make_shared<inbound::DeliveryRing>()});
    }
}

std::vector<SourceBook::Entry> SourceBook::find(std::string_view id,
                                                std::optional<core::TenantId> tenant) const {
    std::vector<Entry> found;
    std::lock_guard lock(mutex_);
    const auto entries = by_id_.find(id);
    if (entries == by_id_.end()) return found;
    for (const Entry& entry : entries->second) {
        const core::TenantId of = entry.source->tenant;
        if ((!tenant || of == *tenant) && !suspended_.contains(of.value)) found.push_back(entry);
    }
    return found;
}

}  // namespace millrace::runtime
