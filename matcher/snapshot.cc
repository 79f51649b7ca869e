#include "matcher/snapshot.h"

#include <algorithm>

namespace millrace::matcher {

MatchScratch::MatchScratch() : impl_(std::make_unique<Impl>()) {}
MatchScratch::~MatchScratch() = default;

Snapshot::Snapshot() : impl_(std::make_unique<Impl>()) {}
Snapshot::~Snapshot() = default;

const core::FieldPlan& Snapshot::plan() const { return *impl_->plan; }
std::size_t Snapshot::subscription_count() const { return impl_->subscriptions; }

bool Snapshot::has_tenant(core::TenantId tenant) const {
    const auto& parts = impl_->parts;
    return std::any_of(parts.begin(), parts.end(),
                       [&](const auto& part) { return part->has_tenant(tenant); });
}

void Snapshot::match(const core::Envelope& envelope, core::TenantId tenant,
                     const core::FieldTable& fields, MatchScratch& scratch,
                     std::vector<core::SubscriptionId>& out) const {
    MatchScratch::Impl& impl = scratch.impl();
    std::vector<Match>& matches = impl.matches;
    matches.clear();
    impl.eval.folded_of = nullptr;
    for (const auto& part : impl_->parts) {
        part->match(envelope, tenant, fields, impl_->version, impl.of(part->serial()), impl.eval,
                    matches);
    }
    out.clear();
    if (matches.size() > 1) {
        if (!std::is_sorted(matches.begin(), matches.end()))
            std::sort(matches.begin(), matches.end());
        matches.erase(std::unique(matches.begin(), matches.end()), matches.end());
    }
    for (const Match& match : matches) out.push_back(match.id);
}

}  // namespace millrace::matcher
