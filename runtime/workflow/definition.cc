// The first half of reading a definition: from JSON to steps, each error with its place.
#include "runtime/workflow/definition.h"

#include "core/duration.h"
#include "core/json_dom.h"
#include "runtime/workflow/condition.h"
#include "runtime/workflow/template.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>
#include <set>
#include <utility>

namespace millrace::runtime::workflow {
namespace {

using core::JsonElement;

constexpr std::array<std::pair<std::string_view, StepType>, 6> kTypes = {
    {{"action", StepType::kAction},
     {"condition", StepType::kCondition},
     {"parallel", StepType::kParallel},
     {"wait", StepType::kWait},
     {"sleep", StepType::kSleep},
     {"workflow", StepType::kWorkflow}}};
constexpr std::array<std::pair<std::string_view, RetryStrategy>, 4> kStrategies = {
    {{"none", RetryStrategy::kNone},
     {"fixed", RetryStrategy::kFixed},
     {"linear", RetryStrategy::kLinear},
     {"exponential", RetryStrategy::kExponential}}};
enum class StepPolicy : std::uint8_t { kRetry, kFail, kContinue, kCompensate };
constexpr std::array<std::pair<std::string_view, StepPolicy>, 4> kPolicies = {
    {{"retry", StepPolicy::kRetry},
     {"fail", StepPolicy::kFail},
     {"continue", StepPolicy::kContinue},
     {"compensate", StepPolicy::kCompensate}}};
constexpr std::array<std::pair<std::string_view, OnRunFailure>, 3> kRunPolicies = {
    {{"fail", OnRunFailure::kFail},
     {"compensate", OnRunFailure::kCompensate},
     {"pause", OnRunFailure::kPause}}};

// snake_case of a camelCase name.
std::string snake(std::string_view camel) {
    std::string out;
    for (const char c : camel) {
        if (c >= 'A' && c <= 'Z') {
            out += '_';
            out += static_cast<char>(c + 32);
        } else {
            out += c;
        }
    }
    return out;
}

// What all readers of one text share: the first error, and where the text begins.
struct Reading {
    const char* text = nullptr;
    std::optional<core::Error> error;

    void refuse(JsonElement at, const std::string& field, const std::string& what,
                std::int64_t limit = core::Error::kNoPosition) {
        if (error) return;
        error = core::Error(core::ErrorCode::kValidation, field + ": " + what)
                    .in(field)
                    .bound(limit)
                    .at(at.raw().data() - text);
    }
};

// An object whose members have two spellings; what nobody asks for is an error.
class Members {
public:
    Members(Reading& reading, JsonElement element, std::string path)
        : reading_(reading), element_(element), path_(std::move(path)) {
        if (!element.is_object())
            reading.refuse(element, path_.empty() ? "body" : path_,
                           "must be an object, not " + std::string(json_type_text(element)));
    }

    std::string full(std::string_view name) const {
        return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
    }
    std::optional<JsonElement> find(std::string_view camel) {
        std::optional<JsonElement> found;
        for (const std::string& name : {std::string(camel), snake(camel)}) {
            if (found && name == camel) continue;
            known_.insert(name);
            JsonElement value;
            if (element_.find(name, value) && !value.is_null()) found = value;
        }
        return found;
    }
    void refuse(JsonElement at, std::string_view name, const std::string& what,
                std::int64_t limit = core::Error::kNoPosition) {
        reading_.refuse(at, full(name), what, limit);
    }
    void missing(std::string_view name) { refuse(element_, name, "is required"); }

    bool text(std::string_view name, std::string& out, std::size_t bytes_max = 4096) {
        const auto value = find(name);
        if (!value) return false;
        std::string_view text;
        if (!value->get(text)) {
            refuse(*value, name, "must be a text, not " + std::string(json_type_text(*value)));
            return false;
        }
        if (text.size() > bytes_max) {
            refuse(*value, name, "is longer than " + std::to_string(bytes_max) + " bytes",
                   static_cast<std::int64_t>(bytes_max));
            return false;
        }
        out = text;
        return true;
    }
    bool integer(std::string_view name, std::int64_t& out, std::int64_t min, std::int64_t max) {
        const auto value = find(name);
        if (!value) return false;
        std::int64_t number = 0;
        if (!value->get(number) || number < min || number > max) {
            refuse(
                *value, name,
                "must be a whole number from " + std::to_string(min) + " to " + std::to_string(max),
                number < min ? min : max);
            return false;
        }
        out = number;
        return true;
    }
    // Milliseconds, or a text as "5m".
    bool span(std::string_view name, std::string_view with_unit, std::int64_t& out,
              std::int64_t max) {
        if (integer(with_unit, out, 0, max)) return true;
        const auto value = find(name);
        if (!value) return false;
        std::string_view text;
        std::int64_t us = 0;
        std::int64_t ms = 0;
        if (value->get(text) && core::parse_duration_us(text, us))
            ms = us / 1000;
        else if (!value->get(ms))
            ms = -1;
        if (ms < 0 || ms > max) {
            refuse(*value, name, "must be a duration such as \"500ms\", \"5m\" or \"1h\"", max);
            return false;
        }
        out = ms;
        return true;
    }
    bool boolean(std::string_view name, bool& out) {
        const auto value = find(name);
        if (!value) return false;
        if (value->get(out)) return true;
        refuse(*value, name, "must be true or false");
        return false;
    }
    template <typename Enum, std::size_t N>
    bool choice(std::string_view name, Enum& out,
                const std::array<std::pair<std::string_view, Enum>, N>& choices) {
        std::string said;
        if (!text(name, said, 64)) return false;
        std::string expected;
        for (const auto& [word, value] : choices) {
            if (said == word) {
                out = value;
                return true;
            }
            expected.append(expected.empty() ? "" : ", ").append(word);
        }
        refuse(*find(name), name, "is \"" + said + "\"; expected one of: " + expected);
        return false;
    }
    // A value as it stands, compact.
    bool json(std::string_view name, std::string& out) {
        const auto value = find(name);
        if (!value) return false;
        out.clear();
        core::append_json(out, *value);
        return true;
    }
    void finish() {
        core::JsonMembers members;
        if (!element_.get(members)) return;
        std::set<std::string_view> seen;
        for (const core::JsonMember member : members) {
            if (!seen.insert(member.key).second)
                return refuse(member.value, member.key.substr(0, 64), "is there twice");
            if (known_.contains(std::string(member.key))) continue;
            return refuse(member.value, member.key.substr(0, 64), "is no member that is known");
        }
    }

private:
    Reading& reading_;
    JsonElement element_;
    std::string path_;
    std::set<std::string> known_;
};

bool is_step_id(std::string_view id) {
    return !id.empty() && id.size() <= kStepIdBytesMax &&
           std::all_of(id.begin(), id.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '_' || c == '-' || c == ':';
           });
}

RetryRule read_retry(Reading& reading, JsonElement element, const std::string& path) {
    RetryRule rule;
    Members in(reading, element, path);
    in.choice("strategy", rule.strategy, kStrategies);
    std::int64_t attempts = rule.attempts_max;
    std::int64_t retries = 0;
    in.integer("maxAttempts", attempts, 1, kAttemptsMax);
    if (in.integer("maxRetries", retries, 0, kAttemptsMax - 1)) attempts = retries + 1;
    rule.attempts_max = static_cast<std::uint32_t>(attempts);
    in.span("initialDelay", "initialDelayMs", rule.initial_ms, kDelayMsMax);
    in.span("maxDelay", "maxDelayMs", rule.max_ms, kDelayMsMax);
    if (const auto factor = in.find("backoffFactor")) {
        if (!factor->get(rule.factor) || rule.factor < 1 || rule.factor > 100)
            in.refuse(*factor, "backoff_factor", "must be a number from 1 to 100", 100);
    }
    in.finish();
    if (rule.strategy == RetryStrategy::kNone) rule.attempts_max = 1;
    return rule;
}

class Parser {
public:
    Parser(JsonElement root, const char* text, Unknown unknown) : root_(root), unknown_(unknown) {
        reading_.text = text;
    }

    core::Result<Definition> parse() {
        Members in(reading_, root_, "");
        in.text("id", out_.id, kStepIdBytesMax);
        in.text("name", out_.name, 256);
        std::int64_t version = 0;
        if (in.integer("version", version, 1, INT32_MAX))
            out_.version = static_cast<std::uint32_t>(version);
        std::string description;
        in.text("description", description, 4096);
        in.span("timeout", "timeoutMs", out_.timeout_ms, kStepTimeoutMsMax);
        in.json("output", out_.output);
        read_failure(in);
        read_actions(in);
        read_steps(in);
        in.finish();
        if (reading_.error) return core::fail(std::move(*reading_.error));
        if (auto graph = check_graph(out_); !graph) return core::fail(placed(graph.error()));
        check_templates();
        if (reading_.error) return core::fail(std::move(*reading_.error));
        out_.name_steps();
        return std::move(out_);
    }

private:
    // An error of the graph names a step; its place is the step's.
    core::Error placed(core::Error error) const {
        const std::size_t open = error.field.find('[');
        const auto index = static_cast<std::size_t>(std::atoi(error.field.c_str() + open + 1));
        if (index < elements_.size())
            error.position = elements_[index].raw().data() - reading_.text;
        return error;
    }

    void read_failure(Members& in) {
        const auto found = in.find("errorHandling");
        if (!found) return;
        Members of(reading_, *found, in.full("error_handling"));
        StepPolicy policy = StepPolicy::kRetry;
        if (of.choice("onStepFailure", policy, kPolicies)) policy_ = policy;
        of.choice("onWorkflowFailure", out_.on_failure, kRunPolicies);
        if (const auto rule = of.find("retryPolicy"))
            retry_ = read_retry(reading_, *rule, of.full("retry_policy"));
        of.finish();
    }

    void read_actions(Members& in) {
        const auto found = in.find("actions");
        if (!found) return;
        core::JsonMembers members;
        if (!found->get(members)) return in.refuse(*found, "actions", "must be an object");
        for (const core::JsonMember member : members) {
            if (out_.actions.size() >= kActionsMax) {
                return in.refuse(member.value, "actions",
                                 "has more than " + std::to_string(kActionsMax) + " members",
                                 kActionsMax);
            }
            std::string text;
            core::append_json(text, member.value);
            if (!member.value.is_object())
                return in.refuse(member.value, "actions." + std::string(member.key.substr(0, 64)),
                                 "must be an executor: an object with a type");
            out_.actions.emplace(member.key, std::move(text));
        }
    }

    void read_steps(Members& in) {
        const auto found = in.find("steps");
        core::JsonArray array;
        if (!found) return in.missing("steps");
        if (!found->get(array) || array.size() == 0 || array.size() > kStepsMax) {
            return in.refuse(*found, "steps",
                             "must be a list of 1 to " + std::to_string(kStepsMax) + " steps",
                             kStepsMax);
        }
        // Ids first: steps name those behind them.
        for (const JsonElement element : array) {
            const std::string path = "steps[" + std::to_string(elements_.size()) + "]";
            elements_.push_back(element);
            Members of(reading_, element, path);
            Step& step = out_.steps.emplace_back();
            if (!of.text("id", step.id, kStepIdBytesMax) && !reading_.error) of.missing("id");
            if (reading_.error) return;
            if (!is_step_id(step.id))
                return of.refuse(*of.find("id"), "id", "may hold letters, digits and _ - : only");
            const auto index = static_cast<StepIndex>(out_.steps.size() - 1);
            if (!by_id_.emplace(step.id, index).second)
                return of.refuse(*of.find("id"), "id", "\"" + step.id + "\" is there twice");
        }
        std::size_t parallels = 0;
        for (StepIndex i = 0; i < elements_.size() && !reading_.error; ++i) {
            read_step(i);
            parallels += out_.steps[i].type == StepType::kParallel;
        }
        if (parallels > kParallelsMax)
            in.refuse(*found, "steps",
                      "has more than " + std::to_string(kParallelsMax) + " parallel steps",
                      kParallelsMax);
    }

    void read_step(StepIndex index) {
        Step& step = out_.steps[index];
        Members in(reading_, elements_[index], "steps[" + std::to_string(index) + "]");
        (void)in.find("id");
        if (!in.text("name", step.name, 256)) step.name = step.id;
        std::string description;
        in.text("description", description, 4096);
        if (!in.choice("type", step.type, kTypes) && !reading_.error) in.missing("type");
        if (reading_.error) return;
        read_steps_named(in, "nextSteps", step.next);
        read_step_failure(in, step);
        in.span("timeout", "timeoutMs", step.timeout_ms, kStepTimeoutMsMax);
        switch (step.type) {
            case StepType::kAction: read_action(in, step); break;
            case StepType::kCondition: read_condition(in, step); break;
            case StepType::kParallel: read_parallel(in, step); break;
            case StepType::kWait: read_wait(in, step); break;
            case StepType::kSleep: read_sleep(in, step); break;
            case StepType::kWorkflow: read_child(in, step); break;
        }
        read_compensation(in, step);
        in.finish();
    }

    // Whoever says how a step is tried again means it, whatever the workflow says of failures.
    void read_step_failure(Members& in, Step& step) {
        StepPolicy policy = policy_;
        in.choice("onFailure", policy, kPolicies);
        step.retry =
            policy == StepPolicy::kRetry ? retry_.value_or(RetryRule{}) : retry_.value_or(kNoRetry);
        if (const auto rule = in.find("retryPolicy"))
            step.retry = read_retry(reading_, *rule, in.full("retry_policy"));
        step.on_failure = policy == StepPolicy::kContinue     ? OnFailure::kContinue
                          : policy == StepPolicy::kCompensate ? OnFailure::kCompensate
                                                              : OnFailure::kFail;
    }

    // Names of steps; those that are not there are told, and the path ends where they would be.
    void read_steps_named(Members& in, std::string_view name, std::vector<StepIndex>& out) {
        const auto found = in.find(name);
        if (!found) return;
        core::JsonArray array;
        std::string_view single;
        std::vector<JsonElement> items;
        if (found->get(array)) {
            for (const JsonElement item : array) items.push_back(item);
        } else if (found->get(single)) {
            items.push_back(*found);
        } else {
            return in.refuse(*found, snake(name), "must be a list of ids of steps");
        }
        for (std::size_t i = 0; i < items.size(); ++i) {
            const std::string at = snake(name) + "[" + std::to_string(i) + "]";
            std::string_view id;
            if (!items[i].get(id)) return in.refuse(items[i], at, "must be the id of a step");
            const auto step = by_id_.find(id);
            if (step == by_id_.end()) {
                unknown_step(in, items[i], at, id);
                out.push_back(kNoStep);
            } else if (std::find(out.begin(), out.end(), step->second) != out.end()) {
                return in.refuse(items[i], at, "names \"" + std::string(id) + "\" twice");
            } else {
                out.push_back(step->second);
            }
        }
    }

    void unknown_step(Members& in, JsonElement at, const std::string& name, std::string_view id) {
        const std::string what =
            "no step has the id \"" + std::string(id.substr(0, kStepIdBytesMax)) + "\"";
        if (unknown_ == Unknown::kRefuse) return in.refuse(at, name, what);
        out_.warnings.push_back(in.full(name) + ": " + what + "; the path ends there");
    }

    void read_action(Members& in, Step& step) {
        if (!in.text("action", step.action, 256) && !reading_.error) in.missing("action");
        if (!in.json("input", step.input)) in.json("parameters", step.input);
        in.boolean("atMostOnce", step.at_most_once);
        if (step.at_most_once) step.retry = kNoRetry;
    }

    void read_condition(Members& in, Step& step) {
        if (!in.json("conditions", step.conditions)) {
            if (!in.json("condition", step.conditions)) return in.missing("conditions");
        }
        const auto at = in.find("conditions");
        if (step.next.size() > 2) {
            in.refuse(*in.find("nextSteps"), "next_steps",
                      "a condition leads to one step if it holds and to another if not", 2);
        }
        if (auto read = check_filter(step.conditions); !read) {
            const std::string_view of = read.error().field;
            in.refuse(at ? *at : *in.find("condition"), "conditions",
                      (of.empty() ? "" : std::string(of) + ": ") + read.error().message);
        }
        step.retry = kNoRetry;
    }

    void read_parallel(Members& in, Step& step) {
        const auto found = in.find("branches");
        if (!found) return in.missing("branches");
        std::vector<StepIndex> named;
        read_steps_named(in, "branches", named);
        for (const StepIndex branch : named) {
            if (branch != kNoStep) step.branches.push_back(branch);
        }
        if (step.branches.empty() && !reading_.error)
            return in.refuse(*found, "branches", "names no step that is there");
        step.branches_wanted = static_cast<std::uint32_t>(step.branches.size());
        step.retry = kNoRetry;
        const auto join = in.find("join");
        if (!join) return;
        std::string_view word;
        std::int64_t count = 0;
        if (join->get(word) && word == "all") return;
        if (join->get(word) && word == "any") count = 1;
        if (count == 0 && (!join->get(count) || count < 1 ||
                           count > static_cast<std::int64_t>(step.branches.size()))) {
            return in.refuse(*join, "join",
                             "must be \"all\", \"any\" or a number from 1 to " +
                                 std::to_string(step.branches.size()),
                             static_cast<std::int64_t>(step.branches.size()));
        }
        step.branches_wanted = static_cast<std::uint32_t>(count);
    }

    void read_wait(Members& in, Step& step) {
        in.text("event", step.event, 1024);
        in.text("signal", step.signal, 256);
        in.choice("since", step.since, kSinceTexts);
        if (step.event.empty() == step.signal.empty() && !reading_.error)
            in.refuse(elements_[by_id_.at(step.id)], "event",
                      "a wait has an event (a pattern) or a signal (a name), one of them");
        if (in.json("match", step.match)) {
            if (auto read = check_filter(step.match); !read)
                in.refuse(*in.find("match"), "match", read.error().message);
        }
        step.retry = kNoRetry;
    }

    void read_sleep(Members& in, Step& step) {
        step.retry = kNoRetry;
        if (in.json("until", step.until)) return;
        if (in.json("durationMs", step.duration) || in.json("duration", step.duration)) {
            const auto at = in.find("durationMs") ? in.find("durationMs") : in.find("duration");
            std::int64_t us = 0;
            std::string_view text;
            if (has_template(step.duration)) return;
            if (at->get(us) && us >= 0 && us <= kStepTimeoutMsMax) return;
            if (at->get(text) && core::parse_duration_us(text, us)) return;
            return in.refuse(*at, "duration", "must be milliseconds or a duration such as \"5m\"",
                             kStepTimeoutMsMax);
        }
        in.missing("duration");
    }

    void read_child(Members& in, Step& step) {
        if (!in.text("workflowId", step.workflow_id, kStepIdBytesMax) && !reading_.error)
            in.missing("workflow_id");
        std::int64_t version = 0;
        if (in.integer("version", version, 1, INT32_MAX))
            step.workflow_version = static_cast<std::uint32_t>(version);
        in.json("input", step.input);
    }

    void read_compensation(Members& in, Step& step) {
        auto found = in.find("compensate");
        if (!found) found = in.find("compensation");
        if (!found) return;
        std::string_view action;
        if (found->get(action)) {
            step.compensate = action;
            return;
        }
        Members of(reading_, *found, in.full("compensate"));
        if (!of.text("action", step.compensate, 256) && !reading_.error) of.missing("action");
        of.json("input", step.compensate_input);
        of.finish();
    }

    // ---- templates

    void check_templates() {
        for (StepIndex i = 0; i < out_.steps.size() && !reading_.error; ++i) {
            const Step& step = out_.steps[i];
            const std::string path = "steps[" + std::to_string(i) + "].";
            const std::vector<bool> before = ancestors(i);
            const auto check = [&](const std::string& json, const char* member, bool itself) {
                check_template(json, path + member, elements_[i], &before, itself ? i : kNoStep);
            };
            check(step.input, "input", false);
            check(step.conditions, "conditions", false);
            check(step.match, "match", false);
            check(step.duration, "duration", false);
            check(step.until, "until", false);
            check_template(step.compensate_input, path + "compensate.input", elements_[i], nullptr,
                           i);
        }
        check_template(out_.output, "output", root_, nullptr, kNoStep);
    }

    // `before` null: any step may be named.
    void check_template(const std::string& json, const std::string& field, JsonElement at,
                        const std::vector<bool>* before, StepIndex itself) {
        auto checked = visit_templates(json, [&](const Template& one) -> core::Status {
            const std::vector<std::string>& parts = one.path.parts;
            if (parts[0] != "steps") return {};
            const std::string what = "{{" + one.path.text + "}} ";
            if (parts.size() < 2) return {};
            const auto step = by_id_.find(parts[1]);
            if (step == by_id_.end())
                return core::fail(core::ErrorCode::kValidation,
                                  what + "names nothing: no step has the id \"" + parts[1] + "\"");
            if (!before || step->second == itself || (*before)[step->second]) return {};
            return core::fail(core::ErrorCode::kValidation,
                              what + "names a step that does not come before this one");
        });
        if (checked) return;
        // The place of the template itself, where it stands in the text as it was written.
        const std::string_view raw = at.raw();
        const std::size_t open = checked.error().message.find("{{");
        const std::size_t close = checked.error().message.find("}}");
        std::size_t found = std::string_view::npos;
        if (open != std::string::npos && close != std::string::npos)
            found = raw.find(
                std::string_view(checked.error().message).substr(open + 2, close - open - 2));
        reading_.refuse(at, field, checked.error().message);
        if (found != std::string_view::npos)
            reading_.error->position += static_cast<std::int64_t>(found);
    }

    std::vector<bool> ancestors(StepIndex of) {
        if (leads_to_.empty()) {
            leads_to_.resize(out_.steps.size());
            const auto edge = [&](StepIndex from, StepIndex to) {
                if (to != kNoStep) leads_to_[to].push_back(from);
            };
            for (StepIndex i = 0; i < out_.steps.size(); ++i) {
                const Step& step = out_.steps[i];
                for (const StepIndex to : step.next) edge(i, to);
                for (const StepIndex to : step.branches) edge(i, to);
                // What follows a parallel step comes behind its branches.
                for (const StepIndex to : step.next) {
                    for (const auto& region : step.regions) {
                        for (const StepIndex inside : region) edge(inside, to);
                    }
                }
            }
        }
        std::vector<bool> seen(out_.steps.size(), false);
        std::vector<StepIndex> open = {of};
        while (!open.empty()) {
            const StepIndex at = open.back();
            open.pop_back();
            for (const StepIndex from : leads_to_[at]) {
                if (!seen[from]) open.push_back(from);
                seen[from] = true;
            }
        }
        return seen;
    }

    JsonElement root_;
    const Unknown unknown_;
    Reading reading_;
    Definition out_;
    StepPolicy policy_ = StepPolicy::kRetry;
    std::optional<RetryRule> retry_;
    std::map<std::string, StepIndex, std::less<>> by_id_;
    std::vector<JsonElement> elements_;
    std::vector<std::vector<StepIndex>> leads_to_;
};

}  // namespace

core::Result<RetryRule> parse_retry(std::string_view json, const std::string& path) {
    core::JsonDom dom;
    auto root = dom.parse(json);
    if (!root) return core::fail(std::move(root.error()));
    Reading reading;
    reading.text = root->raw().data();
    RetryRule rule = read_retry(reading, *root, path);
    if (reading.error) return core::fail(std::move(*reading.error));
    return rule;
}

core::Result<Definition> parse_definition(std::string_view json, Unknown unknown) {
    if (json.size() > kDefinitionBytesMax) {
        return core::fail(core::Error(core::ErrorCode::kPayloadTooLarge,
                                      "a workflow is " + std::to_string(json.size()) +
                                          " bytes long; the limit is " +
                                          std::to_string(kDefinitionBytesMax))
                              .bound(kDefinitionBytesMax));
    }
    core::JsonDom dom;
    auto root = dom.parse(json);
    if (!root) return core::fail(std::move(root.error()));
    const std::size_t blanks = json.find_first_not_of(" \t\r\n");
    return Parser(*root, root->raw().data() - (blanks == std::string_view::npos ? 0 : blanks),
                  unknown)
        .parse();
}

}  // namespace millrace::runtime::workflow
