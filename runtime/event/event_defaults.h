// What: what the server fills in where a sender left a member out, in one place, so that the API,
//       the handlers' view and the identity of an event agree. Nothing of it is stored: a flag
//       beside the event says which members were missing.
// Threads: constants and pure functions. Lifetime: none. Limits: none. Failure: none.
#pragma once

#include <charconv>
#include <cstdint>
#include <string_view>

namespace millrace::runtime {

inline constexpr std::string_view kDefaultVersion = "1.0";
inline constexpr std::string_view kDefaultSourceType = "external";
inline constexpr std::string_view kDefaultSourceId = "unknown";
inline constexpr std::string_view kDefaultSourceJson = R"({"type":"external","id":"unknown"})";
inline constexpr std::string_view kDefaultTenantName = "default";
inline constexpr std::string_view kDeadLetterAddedPattern = "system.dlq.added";

// The fills stored beside an emitted event: how many handlers stand between it and a client, as
// decimal digits. Empty for what came from outside.
inline std::uint32_t causation_depth_of(std::string_view fills) {
    std::uint32_t depth = 0;
    std::from_chars(fills.data(), fills.data() + fills.size(), depth);
    return depth;
}

}  // namespace millrace::runtime
