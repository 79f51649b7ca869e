// What: what one run of a handler would have done, or what was recorded of it, in a form that two
//       can be compared in; and the comparison. The pieces are JSON texts, bounded for keeping.
// Threads: values and pure functions. Lifetime: own their text.
// Limits: kShown... below; whatever is longer is compared whole and shown cut.
// Failure: none.
#pragma once

#include "core/json_writer.h"
#include "runtime/delivery/script_types.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

inline constexpr std::size_t kShownTextBytesMax = 4u << 10;
inline constexpr std::size_t kShownItemsMax = 20;

struct ShadowOutcome {
    // False: nothing was recorded (the subscription is younger, or its outcome is gone).
    bool there = true;
    // False: of kv only that it is not known per delivery (recorded outcomes keep none).
    bool kv_known = true;
    bool result_known = true;
    std::uint32_t script_version = 0;
    std::string status;  // completed | failed | silent | fatal | timeout | memory
    std::string error;
    std::string result;                // JSON text; empty: null
    std::vector<std::string> emitted;  // JSON objects: pattern, payload and what else was given
    std::vector<std::string> kv;       // JSON objects: op, key, value
};

// How two outcomes differ; one bit each.
enum class ShadowDifference : std::uint8_t {
    kMissing = 1,  // the other side has nothing
    kStatus = 2,
    kError = 4,
    kResult = 8,
    kEmitted = 16,
    kKv = 32,
};

// Bits of ShadowDifference. A recorded failure is "failed" however it failed.
std::uint8_t compare_outcomes(const ShadowOutcome& now, const ShadowOutcome& against);

struct ShadowTotals {
    std::uint64_t compared = 0;
    std::uint64_t different = 0;
    std::uint64_t missing = 0;
    std::uint64_t status = 0;
    std::uint64_t error = 0;
    std::uint64_t result = 0;
    std::uint64_t emitted = 0;
    std::uint64_t kv = 0;

    void count(std::uint8_t differences);
    void add(const ShadowTotals& other);
};

// The whole of a run's output, without bounds; emitted events: emitted_json.h.
std::string kv_op_json(const KvOp& op);
// As emitted_json, of an event that is in the log.
std::string emitted_json_of(std::string_view pattern, std::string_view payload);

// "differs":[names], "now":{...}, "against":{...} inside the object that is open.
void append_difference(core::JsonWriter& json, std::uint8_t differences, const ShadowOutcome& now,
                       const ShadowOutcome& against);

}  // namespace millrace::runtime
