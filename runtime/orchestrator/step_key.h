// What: the name of one step's work in one run, the same over all attempts and restarts: the
//       receiver's webhook-id, a command's delivery id, the cause of what is emitted.
// Threads: a pure function. Lifetime: values.
// Limits: kStepKeyBytesMax; what is longer is a hash of it. Failure: none: two steps never have one
//         key, whatever their ids are.
#pragma once

#include "core/made_id.h"

#include <xxhash.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::runtime {

inline constexpr std::size_t kStepKeyBytesMax = 120;  // what executors have room for

inline std::string step_key(std::string_view run, std::string_view step, std::uint64_t iteration,
                            bool undo) {
    std::string key(run);
    key.append(":").append(step).append(":").append(std::to_string(iteration));
    if (undo) key += ":undo";
    // Read from its end it is clear where the step's id does not hold what parts them; ids of runs
    // do, and keep the keys that receivers know.
    const bool clear = step.find(':') == std::string_view::npos;
    if (clear && key.size() <= kStepKeyBytesMax) return key;
    if (!clear) key.insert(0, std::to_string(run.size()) + ":" + std::to_string(step.size()) + ":");
    const XXH128_hash_t hash = XXH3_128bits(key.data(), key.size());
    std::string out = "wk_";
    core::append_id_digits(out, hash.high64, 13);
    core::append_id_digits(out, hash.low64, 13);
    return out;
}

}  // namespace millrace::runtime
