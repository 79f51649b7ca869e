#include "runtime/delivery/cancelled_events.h"

#include <charconv>
#include <cstdio>

namespace millrace::runtime {

std::string cancelled_event_id(core::LogPosition position) {
    char text[32];
    const int bytes =
        std::snprintf(text, sizeof text, "%04x%016llx", unsigned{position.shard.value},
                      static_cast<unsigned long long>(position.offset.value));
    return {text, static_cast<std::size_t>(bytes)};
}

std::optional<core::LogPosition> parse_cancelled_event_id(std::string_view id) {
    std::uint16_t shard = 0;
    std::uint64_t offset = 0;
    if (id.size() != 20) return std::nullopt;
    const auto read = [](std::string_view digits, auto& out) {
        const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), out, 16);
        return end.ec == std::errc() && end.ptr == digits.data() + digits.size();
    };
    if (!read(id.substr(0, 4), shard) || !read(id.substr(4), offset)) return std::nullopt;
    return core::LogPosition{core::ShardId{shard}, core::LogOffset{offset}};
}

bool CancelledEvents::add(core::LogPosition position) {
    const std::lock_guard lock(mutex_);
    if (places_.size() >= kCancelledMax && !places_.contains(position)) return false;
    places_.insert(position);
    count_.store(places_.size(), std::memory_order_relaxed);
    return true;
}

bool CancelledEvents::holds(core::LogPosition position) const {
    if (!any()) return false;
    const std::lock_guard lock(mutex_);
    return places_.contains(position);
}

}  // namespace millrace::runtime
