// What: retention's rules of one run, and what they allow to be gone. Drawn by the seed; most runs
//       have none.
// Threads: values. Lifetime: none. Limits: kPatterns. Failure: none.
#pragma once

#include "core/config.h"
#include "core/random.h"

#include <array>
#include <cstdint>
#include <string>

namespace millrace::sim {

inline constexpr std::size_t kPatterns = 4;  // "sim.p0" and so on

struct Keeping {
    std::int64_t age_us = 0;  // 0: no rule
    std::uint64_t bytes = 0;  // 0: no rule
    // By pattern: 0: no rule of its own; kForEver: kept whatever age_us says.
    static constexpr std::int64_t kForEver = -1;
    std::array<std::int64_t, kPatterns> rules{};

    bool any() const { return age_us != 0 || bytes != 0 || !text().empty(); }

    // Whether events of the pattern may be gone that came so long ago at the most.
    bool may_go(std::size_t pattern, std::int64_t came_before_us) const {
        if (bytes != 0) return true;
        const std::int64_t limit_us = rules[pattern] != 0 ? rules[pattern] : age_us;
        return limit_us > 0 && came_before_us > limit_us;
    }

    std::string text() const {
        std::string out;
        for (std::size_t i = 0; i < kPatterns; ++i) {
            if (rules[i] == 0) continue;
            const std::int64_t ms = rules[i] == kForEver ? 0 : rules[i] / 1000;
            out += "sim.p" + std::to_string(i) + "=" + std::to_string(ms) + "ms ";
        }
        return out;
    }

    void apply(core::Config& config) const {
        config.retention.age_us = age_us;
        config.retention.bytes = static_cast<std::int64_t>(bytes);
        config.retention.rules = text();
        config.retention.every_us = 10'000;
    }

    static Keeping draw(core::Random& random) {
        Keeping out;
        if (random.below(2) == 0) return out;
        const auto some_ms = [&random] {
            return static_cast<std::int64_t>(5 + random.below(200)) * 1000;
        };
        if (random.below(3) == 0) out.age_us = some_ms();
        if (random.below(4) == 0) out.bytes = 2000 + random.below(40'000);
        for (std::int64_t& rule : out.rules) {
            if (random.below(3) == 0) rule = random.below(4) == 0 ? kForEver : some_ms();
        }
        return out;
    }
};

}  // namespace millrace::sim
