// What: runs a program over a JSON value: does it fit, and if not, where and why.
// Threads: one owner each; programs are shared.
// Lifetime: borrows the program and the value for a call.
// Limits: kFailuresMax failures are told; kStepsMax steps a value (a schema whose branches multiply
//       meets it), kFramesMax subschemas inside each other: beyond either a value does not fit.
// Failure: none: a value fits or it does not.
#pragma once

#include "core/json_dom.h"
#include "runtime/schema/program.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::schema {

inline constexpr std::size_t kFailuresMax = 20;
inline constexpr std::uint64_t kStepsMax = 1'000'000;
inline constexpr std::size_t kFramesMax = 1000;

struct Failure {
    std::string pointer;  // into the value
    std::string keyword;
    std::string schema_path;  // "#/properties/amount/minimum"
    std::string message;
};

// Empty: it fits. At most `failures_max`; with 0 the first failure ends the work, and one without
// words comes back.
std::vector<Failure> validate(const Program& program, core::JsonElement value,
                              std::size_t failures_max = kFailuresMax);

bool fits(const Program& program, core::JsonElement value);

}  // namespace millrace::runtime::schema
