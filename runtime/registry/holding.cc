// When deliveries of a subscription wait, and which events it never gets.
#include "runtime/registry/registry_types.h"

#include <algorithm>

namespace millrace::runtime {
namespace {

// A shard that was not there yet begins at 0.
core::LogOffset at(const std::vector<core::LogOffset>& offsets, core::ShardId shard) {
    return shard.value < offsets.size() ? offsets[shard.value] : core::LogOffset{};
}

}  // namespace

bool OffPeriod::holds(core::LogPosition position) const {
    return position.offset >= at(from, position.shard) &&
           (to.empty() || position.offset < at(to, position.shard));
}

bool Subscription::is_effective_at(core::LogPosition position) const {
    return position.offset >= at(effective_from, position.shard) &&
           std::none_of(off_periods.begin(), off_periods.end(),
                        [&](const OffPeriod& period) { return period.holds(position); });
}

std::string_view held_because(const Subscription& subscription, const Script* script) {
    if (subscription.closing != Closing::kNo) return "it was removed";
    if (subscription.paused) return "it is paused";
    if (!subscription.active) return "it is not active";
    if (script && !script->enabled) return "its script is deactivated";
    return {};
}

}  // namespace millrace::runtime
