#include "runtime/crossing/outbox_figures.h"

#include <algorithm>
#include <string>

namespace millrace::runtime::crossing {

OutboxFigures::Target& OutboxFigures::of(std::size_t to) {
    using core::Metric;
    Target& target = targets_[to];
    if (target.used) return target;
    const std::string name = std::to_string(to);
    target = {.sent = role_.counter(Metric::kOutboxEvents, {name, "sent"}),
              .failed = role_.counter(Metric::kOutboxEvents, {name, "failed"}),
              .entries = role_.gauge(Metric::kOutboxEntries, {name}),
              .oldest_age_seconds = role_.gauge(Metric::kOutboxOldestAge, {name}),
              .used = true};
    return target;
}

// A clock that was set back makes nothing younger than now.
void OutboxFigures::show(std::size_t to, std::uint64_t waiting, std::int64_t oldest_at_us,
                         std::int64_t now_us) {
    if (waiting == 0 && !targets_[to].used) return;
    const Target& target = of(to);
    const bool known = waiting > 0 && oldest_at_us > 0;
    target.entries.set(static_cast<std::int64_t>(waiting));
    target.oldest_age_seconds.set(
        known ? std::max<std::int64_t>(now_us - oldest_at_us, 0) / 1'000'000 : 0);
}

}  // namespace millrace::runtime::crossing
