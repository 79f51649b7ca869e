// What: the names of the durabilities, as clients, configuration and answers write them.
// Threads: pure. Lifetime: constants. Limits: none. Failure: nullopt for what is none of them.
#pragma once

#include "store/log/format.h"

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

namespace millrace::store {

// In the order of Durability.
inline constexpr std::array<std::string_view, 3> kDurabilityTexts = {"memory", "os", "fsync"};

constexpr std::string_view durability_text(Durability durability) {
    return kDurabilityTexts[static_cast<std::size_t>(durability)];
}

constexpr std::optional<Durability> parse_durability(std::string_view text) {
    for (std::size_t i = 0; i < kDurabilityTexts.size(); ++i) {
        if (text == kDurabilityTexts[i]) return static_cast<Durability>(i);
    }
    return std::nullopt;
}

static_assert(parse_durability("fsync") == Durability::kFsync &&
              durability_text(Durability::kMemory) == "memory");

}  // namespace millrace::store
