// What: the answers that calls of a trial get, as JSON: [{"method","url","status","headers","body"}
//       or {"action","result"} ...], with "error":{"code","message"} for one that fails.
// Threads: pure. Lifetime: values. Limits: kRecordedAnswersMax.
// Failure: kValidation errors that name the member.
#pragma once

#include "core/json_reader.h"
#include "runtime/executors/script_trial.h"

#include <cstddef>
#include <string_view>
#include <vector>

namespace millrace::runtime {

inline constexpr std::size_t kRecordedAnswersMax = 1'000;

// The member `name` of the object, if it is there.
void read_recorded_answers(core::JsonObject& in, std::string_view name,
                           std::vector<RecordedAnswer>& out);

}  // namespace millrace::runtime
