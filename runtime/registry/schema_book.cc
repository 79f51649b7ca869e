#include "runtime/registry/schema_book.h"

namespace millrace::runtime {

void ViolationRing::add(SchemaViolation violation) {
    std::lock_guard lock(mutex_);
    violation.number = ++count_;
    kept_.push_back(std::move(violation));
    if (kept_.size() > kViolationsKept) kept_.pop_front();
}

std::vector<SchemaViolation> ViolationRing::list(std::uint64_t before, std::size_t limit) const {
    std::vector<SchemaViolation> out;
    std::lock_guard lock(mutex_);
    for (auto at = kept_.rbegin(); at != kept_.rend() && out.size() < limit; ++at) {
        if (before == 0 || at->number < before) out.push_back(*at);
    }
    return out;
}

void SchemaSet::add(const Entry& entry) {
    OfTenant& of = tenants_[entry.schema->tenant.value];
    auto wildcard = matcher::parse_wildcard(entry.schema->pattern);
    if (!wildcard) return;  // it was checked when the document was read
    if (wildcard->stars() == 0)
        of.exact[wildcard->pieces.front()].push_back(entry);
    else
        of.wild.emplace_back(std::move(*wildcard), entry);
}

void SchemaBook::load(const NumberedTable<EventSchema>& schemas) {
    std::lock_guard lock(mutex_);
    schemas.for_each([this](const EventSchemaRef& schema) { put({nullptr, schema}); });
    publish();
}

void SchemaBook::follow(const DocumentChange<EventSchema>& change) {
    std::lock_guard lock(mutex_);
    put(change);
    publish();
}

void SchemaBook::put(const DocumentChange<EventSchema>& change) {
    const EventSchemaRef& shown = change.after ? change.after : change.before;
    if (!shown) return;
    if (!change.after) {
        entries_.erase(shown->number.value);
        return;
    }
    SchemaSet::Entry& entry = entries_[shown->number.value];
    entry.schema = change.after;
    if (!entry.ring) entry.ring = std::make_shared<ViolationRing>();
}

void SchemaBook::publish() {
    auto set = std::make_shared<SchemaSet>();
    bool any = false;
    for (const auto& [number, entry] : entries_) {
        if (entry.schema->mode == SchemaMode::kOff) continue;
        set->add(entry);
        any = true;
    }
    current_ = any ? std::move(set) : nullptr;
    version_.fetch_add(1, std::memory_order_release);  // pairs with the acquire in version()
}

std::shared_ptr<const SchemaSet> SchemaBook::current() const {
    std::lock_guard lock(mutex_);
    return current_;
}

std::shared_ptr<const ViolationRing> SchemaBook::violations(SchemaNumber number) const {
    std::lock_guard lock(mutex_);
    const auto found = entries_.find(number.value);
    return found == entries_.end() ? nullptr : found->second.ring;
}

}  // namespace millrace::runtime
