#include "matcher/snapshot.h"

#include <algorithm>

namespace millrace::matcher {

MatchScratch::MatchScratch() : impl_(std::make_unique<Impl>()) {}
MatchScratch::~MatchScratch() = default;

Snapshot::Snapshot() : impl_(std::make_unique<Impl>()) {}
Snapshot::~Snapshot() = default;

const core::FieldPlan& Snapshot::plan() const { return *impl_->plan; }
std::uint64_t Snapshot::version() const { return impl_->version; }
std::size_t Snapshot::subscription_count() const { return impl_->subscriptions; }

bool Snapshot::has_tenant(core::TenantId tenant) const {
    const auto& parts = impl_->parts;
    return std::any_of(parts.begin(), parts.end(),
                       [&](const auto& part) { return part->has_tenant(tenant); });
}

void Snapshot::expect(std::string_view pattern, core::TenantId tenant,
                      MatchScratch& scratch) const {
    // Only the first part is ever big.
    if (impl_->parts.empty()) return;
    const Index& index = *impl_->parts.front();
    if (index.outgrows_caches()) index.expect(pattern, tenant, scratch.impl().of(index.serial()));
}

void Snapshot::match(const core::Envelope& envelope, core::TenantId tenant,
                     const core::FieldTable& fields, MatchScratch& scratch,
                     std::vector<core::SubscriptionId>& out) const {
    MatchScratch::Impl& impl = scratch.impl();
    MatchList& matches = impl.matches;
    matches.clear();
    impl.eval.folded_of = nullptr;
    std::size_t met = 0;
    for (const auto& part : impl_->parts) {
        IndexScratch& index = impl.of(part->serial());
        part->match(envelope, tenant, fields, impl_->version, index, impl.eval, matches);
        met += index.met;
    }
    if (++impl.unsampled == LiveSample::kEvery) [[unlikely]] {
        impl.unsampled = 0;
        if (impl_->sample) impl_->sample->note(fields, met, matches.size());
    }
    matches.arrange();
    out.resize(matches.size());
    std::transform(matches.begin(), matches.end(), out.begin(), id_in);
}

}  // namespace millrace::matcher
