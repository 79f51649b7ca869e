// What: a workflow as it is written: steps, where each leads to, what becomes of failures. Read
//       from JSON, checked as a whole: names that lead nowhere, cycles, steps that nothing reaches,
//       templates that name what can not be there. Members in snake_case or camelCase.
// Threads: immutable once made; any. Lifetime: values.
// Limits: kStepsMax steps, kParallelsMax of them parallel, kDefinitionBytesMax bytes.
// Failure: kValidation errors that name the member by its path and its byte in the text. A step
//       that is named and not there is a warning, and an error where that was asked for.
#pragma once

#include "core/result.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::runtime::workflow {

inline constexpr std::size_t kStepsMax = 10'000;
inline constexpr std::size_t kParallelsMax = 1'000;
inline constexpr std::size_t kStepIdBytesMax = 128;
inline constexpr std::size_t kDefinitionBytesMax = 1u << 20;
inline constexpr std::size_t kActionsMax = 1'000;
inline constexpr std::uint32_t kAttemptsMax = 100;
inline constexpr std::int64_t kDelayMsMax = 30LL * 86'400'000;
inline constexpr std::int64_t kStepTimeoutMsMax = 366LL * 86'400'000;

enum class StepType : std::uint8_t { kAction, kCondition, kParallel, kWait, kSleep, kWorkflow };
enum class RetryStrategy : std::uint8_t { kNone, kFixed, kLinear, kExponential };
// Of a step whose tries are used up.
enum class OnFailure : std::uint8_t { kFail, kContinue, kCompensate };
// Where a wait for an event reads from: where its run began, or where it begins itself.
enum class Since : std::uint8_t { kRun, kNow };
// Of a run that can not go on.
enum class OnRunFailure : std::uint8_t { kFail, kCompensate, kPause };

using StepIndex = std::uint32_t;
inline constexpr StepIndex kNoStep = UINT32_MAX;

struct RetryRule {
    RetryStrategy strategy = RetryStrategy::kExponential;
    std::uint32_t attempts_max = 3;  // the first one is counted
    std::int64_t initial_ms = 1'000;
    std::int64_t max_ms = 60'000;
    double factor = 2;

    bool operator==(const RetryRule&) const = default;
};
inline constexpr RetryRule kNoRetry{RetryStrategy::kNone, 1, 0, 0, 1};

// Before attempt number `attempt` + 1. `spread` of 1000 thousandths makes it up to a fifth longer.
std::int64_t delay_ms(const RetryRule& rule, std::uint32_t attempt, std::uint32_t spread);

struct Step {
    std::string id;
    std::string name;
    StepType type = StepType::kAction;
    std::string action;                 // kAction
    std::string input;                  // JSON with templates; empty: `data`
    std::string conditions;             // kCondition: a filter with templates, JSON
    std::vector<StepIndex> next;        // kNoStep: the path ends (its name was not found)
    std::vector<StepIndex> branches;    // kParallel: where each begins
    std::uint32_t branches_wanted = 0;  // kParallel: so many have to succeed
    RetryRule retry;
    OnFailure on_failure = OnFailure::kFail;
    std::int64_t timeout_ms = 0;  // 0: as long as what it starts takes
    bool at_most_once = false;
    std::string compensate;        // the action that undoes it; empty: none
    std::string compensate_input;  // JSON with templates; empty: {input, output?}
    std::string event;             // kWait: a pattern; empty: a signal
    std::string match;             // kWait: a filter with templates, JSON; empty: any
    Since since = Since::kRun;     // kWait
    std::string signal;            // kWait
    std::string duration;          // kSleep: JSON with templates: milliseconds, or a text "5m"
    std::string until;             // kSleep: JSON with templates: a time
    std::string workflow_id;       // kWorkflow
    std::uint32_t workflow_version = 0;  // kWorkflow; 0: the newest

    // Made when the whole is checked.
    StepIndex parent = kNoStep;    // the parallel step whose branches it belongs to
    std::uint32_t incoming = 0;    // edges that lead here
    std::uint32_t merge_rank = 0;  // outputs are laid over each other in this order
    // kParallel: by branch, the steps of it in their order.
    std::vector<std::vector<StepIndex>> regions;
};

struct Definition {
    std::string id;
    std::string name;
    std::uint32_t version = 0;  // 0: not said
    std::vector<Step> steps;
    std::map<std::string, std::string, std::less<>> actions;  // name to executor, JSON
    OnRunFailure on_failure = OnRunFailure::kFail;
    std::int64_t timeout_ms = 0;  // of a run; 0: none
    std::string output;           // JSON with templates; empty: what the last steps gave
    std::vector<std::string> warnings;
    // A run's own: its code asks for steps while it goes on (asked.h).
    bool grows = false;
    // Of one with many steps, made by name_steps(): a journal names a step in nearly every entry.
    std::map<std::string, StepIndex, std::less<>> by_id;

    StepIndex find(std::string_view step_id) const;
    // Once there are new ones.
    void name_steps();
};

enum class Unknown : std::uint8_t { kWarn, kRefuse };

inline constexpr std::array<std::pair<std::string_view, Since>, 2> kSinceTexts = {
    {{"run", Since::kRun}, {"now", Since::kNow}}};

core::Result<Definition> parse_definition(std::string_view json, Unknown unknown = Unknown::kWarn);

// The rule of a step alone; errors name `path`.
core::Result<RetryRule> parse_retry(std::string_view json, const std::string& path);

// The second half of it: the graph. Fills in what Step says is made; errors carry no position.
core::Status check_graph(Definition& definition);

std::string_view step_type_text(StepType type);

}  // namespace millrace::runtime::workflow
