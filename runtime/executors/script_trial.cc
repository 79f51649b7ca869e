#include "runtime/executors/script_trial.h"

#include "core/buffer.h"
#include "core/clock.h"
#include "core/decimal.h"
#include "core/event_parser.h"
#include "core/json_writer.h"
#include "core/random.h"
#include "runtime/delivery/attempt_record.h"
#include "runtime/delivery/emitted_json.h"
#include "runtime/delivery/event_input.h"
#include "runtime/delivery/script_emit.h"
#include "runtime/event/tenant_names.h"
#include "runtime/lua/lua_vm.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace millrace::runtime {
namespace {

// What the run sees. Nothing of it is written anywhere.
class TrialHost final : public LuaHost {
public:
    explicit TrialHost(const TrialCase& what) : case_(what), random_(what.seed) {
        text_ = what.event;
        text_.append(core::kPaddingBytes, ' ');
    }

    std::string_view event() const { return std::string_view(text_).substr(0, case_.event.size()); }

    KvAnswer kv_get(KvSpace space, std::string_view key, std::string& value) override {
        const std::size_t before = value.size();
        const KvAnswer answer = case_.kv_get ? case_.kv_get(space, key, value) : KvAnswer::kAbsent;
        if (answer == KvAnswer::kUnavailable) return answer;
        note_read(space, key,
                  answer == KvAnswer::kFound ? std::optional(value.substr(before)) : std::nullopt);
        return answer;
    }
    KvAnswer kv_list(KvSpace space, std::string_view prefix, KvVisitor& visitor) override {
        class Noting final : public KvVisitor {
        public:
            Noting(TrialHost& host, KvSpace space, KvVisitor& to)
                : host_(host), space_(space), to_(to) {}
            bool entry(std::string_view key, std::string_view value) override {
                host_.note_read(space_, key, std::string(value));
                return to_.entry(key, value);
            }

        private:
            TrialHost& host_;
            const KvSpace space_;
            KvVisitor& to_;
        } noting(*this, space, visitor);
        return case_.kv_list ? case_.kv_list(space, prefix, noting) : KvAnswer::kFound;
    }
    bool secret(std::string_view name, std::string& value) override {
        const bool there = case_.secret && case_.secret(name, value);
        if (there) secrets_.emplace(name);
        return there;
    }
    EmitCause emit_cause() override {
        core::EventParser parser;
        core::FieldPlan no_fields;
        core::FieldTable fields;
        EmitCause cause;
        if (case_.event_is_value) {
            cause.key = cause_key(case_.tenant, {}, case_.event_id);
            cause.event_id = case_.event_id;
        } else {
            parser.extract(event(), no_fields, &envelope_, fields);
            cause = emit_cause_of(case_.tenant, envelope_,
                                  envelope_.event_id.empty() ? case_.event_id : envelope_.event_id,
                                  context_);
        }
        cause.now_us = case_.now_us;
        return cause;
    }
    std::int64_t wall_us() override { return case_.now_us + waited_us_; }
    // What it waits for is there at once: its time goes by what it does, and by nothing else it
    // would end where a script waits again and again.
    std::int64_t monotonic_ns() override {
        return case_.now_us * 1000 + (real_.monotonic_ns() - began_ns_);
    }
    std::uint64_t random() override { return random_.next(); }

    void wait(double ms) { waited_us_ += static_cast<std::int64_t>(ms * 1000); }
    std::vector<TrialKv> take_reads() {
        std::vector<TrialKv> out;
        for (auto& [key, value] : reads_)
            out.push_back({"get", key.first, key.second, std::move(value), std::nullopt});
        return out;
    }

    std::vector<std::string> take_secrets() { return {secrets_.begin(), secrets_.end()}; }

private:
    void note_read(KvSpace space, std::string_view key, std::optional<std::string> value) {
        if (reads_.size() >= kReadsTold) return;
        reads_.emplace(std::pair(space, std::string(key)), std::move(value));
    }

    static constexpr std::size_t kReadsTold = 10'000;

    const TrialCase& case_;
    const core::RealClock real_{};
    const std::int64_t began_ns_ = real_.monotonic_ns();
    core::Random random_;
    std::string text_, context_;
    core::Envelope envelope_;
    std::int64_t waited_us_ = 0;
    std::set<std::string> secrets_;
    std::map<std::pair<KvSpace, std::string>, std::optional<std::string>> reads_;
};

// Calls are answered from the list, each answer once.
class Answers {
public:
    explicit Answers(const std::vector<RecordedAnswer>& list)
        : list_(list), used_(list.size(), false) {}

    const RecordedAnswer* of_call(std::string_view method, std::string_view url) {
        return take([&](const RecordedAnswer& one) {
            return one.action.empty() && one.url == url &&
                   (one.method.empty() || one.method == method);
        });
    }
    const RecordedAnswer* of_action(std::string_view name) {
        return take([&](const RecordedAnswer& one) { return one.action == name; });
    }

private:
    template <typename Fits>
    const RecordedAnswer* take(Fits fits) {
        for (std::size_t i = 0; i < list_.size(); ++i) {
            if (used_[i] || !fits(list_[i])) continue;
            used_[i] = true;
            return &list_[i];
        }
        return nullptr;
    }
    const std::vector<RecordedAnswer>& list_;
    std::vector<bool> used_;
};

std::vector<courier::HttpAnswer> answer_calls(const LuaTurn& turn, Answers& answers,
                                              TrialOutcome& out) {
    std::vector<courier::HttpAnswer> given;
    for (const courier::HttpCall& call : turn.calls) {
        TrialCall told;
        told.method = call.method;
        told.url = call.url;
        told.body = call.body;
        told.headers = call.headers;
        courier::HttpAnswer answer;
        if (const RecordedAnswer* recorded = answers.of_call(call.method, call.url)) {
            answer = recorded->http;
            told.answered = true;
            told.status = answer.status;
        } else {
            answer.fault = courier::HttpFault::kBlocked;
            answer.message = "nothing is called in a trial, and no answer is recorded for " +
                             call.method + " " + call.url;
        }
        answer.url = call.url;
        out.calls.push_back(std::move(told));
        given.push_back(std::move(answer));
    }
    return given;
}

// A query as the input of an action called db.query.
std::string query_text(const OutsideAsk& ask) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("connection", ask.name).field("sql", ask.text);
    json.raw_field("params", ask.input_json).end_object();
    return out;
}

OutsideAnswer answer_ask(const LuaTurn& turn, Answers& answers, TrialOutcome& out) {
    TrialCall told;
    told.action = turn.ask.text.empty() ? turn.ask.name : "db.query";
    told.input = turn.ask.input_json;
    if (!turn.ask.text.empty()) told.input = query_text(turn.ask);
    OutsideAnswer answer;
    if (const RecordedAnswer* recorded = answers.of_action(told.action)) {
        answer = recorded->outside;
        told.answered = true;
        told.status = answer.status;
    } else {
        answer.code = "BLOCKED";
        answer.message =
            "nothing is called in a trial, and no answer is recorded for action " + told.action;
    }
    out.calls.push_back(std::move(told));
    return answer;
}

std::optional<std::string> incremented(const std::optional<std::string>& before, const KvOp& op) {
    core::Decimal sum = core::Decimal::of(std::int64_t{0});
    core::Decimal more = core::Decimal::of(op.delta);
    if (before && !core::Decimal::parse(*before, sum)) return before;
    if (!op.delta_text.empty() && !core::Decimal::parse(op.delta_text, more)) return before;
    if (!sum.add(more)) return before;
    std::string text;
    sum.append_to(text);
    return text;
}

// One line a key: from what was there to what would be.
void take_kv(const TrialCase& what, std::span<const KvOp> ops, TrialOutcome& out) {
    for (const KvOp& op : ops) {
        const auto same = [&](const TrialKv& one) {
            return one.space == op.space && one.key == op.key;
        };
        auto at = std::find_if(out.kv.begin(), out.kv.end(), same);
        if (at == out.kv.end()) {
            TrialKv fresh;
            fresh.space = op.space;
            fresh.key = op.key;
            std::string value;
            if (what.kv_get && what.kv_get(op.space, op.key, value) == KvAnswer::kFound)
                fresh.before = value;
            fresh.after = fresh.before;
            at = out.kv.insert(out.kv.end(), std::move(fresh));
        }
        switch (op.kind) {
            case KvOp::Kind::kSet:
                at->op = "set";
                at->after = std::string(op.value_json);
                break;
            case KvOp::Kind::kDelete:
                at->op = "delete";
                at->after.reset();
                break;
            case KvOp::Kind::kIncrement:
                at->op = "incr";
                at->after = incremented(at->after, op);
                break;
        }
    }
}

void append_kv(core::JsonWriter& json, std::string_view name, const std::vector<TrialKv>& list) {
    json.key(name).begin_array();
    for (const TrialKv& one : list) {
        const std::size_t cut = one.key.find('\0');
        json.begin_object().field("op", one.op);
        json.field("space", one.space == KvSpace::kKv ? "kv" : "cache");
        if (cut != 0 && cut != std::string::npos)
            json.field("namespace", std::string_view(one.key).substr(0, cut));
        json.field("key", cut == std::string::npos ? std::string_view(one.key)
                                                   : std::string_view(one.key).substr(cut + 1));
        json.raw_field("before", one.before ? std::string_view(*one.before) : "null");
        if (one.op != "get")
            json.raw_field("after", one.after ? std::string_view(*one.after) : "null");
        json.end_object();
    }
    json.end_array();
}

std::string kv_text(const std::vector<TrialKv>& list) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object();
    append_kv(json, "kv", list);
    json.end_object();
    return out;
}

void append_calls(core::JsonWriter& json, const std::vector<TrialCall>& calls) {
    json.key("calls").begin_array();
    for (const TrialCall& call : calls) {
        json.begin_object();
        if (!call.action.empty()) {
            json.field("action", call.action).raw_field("input", call.input);
        } else {
            json.field("method", call.method).field("url", call.url);
            json.key("headers").begin_object();
            for (const auto& [name, value] : call.headers) json.field(name, value);
            json.end_object();
            if (!call.body.empty()) json.field("body", call.body);
        }
        json.field("answered", call.answered);
        if (call.status != 0) json.field("status", call.status);
        json.end_object();
    }
    json.end_array();
}

std::string calls_text(const std::vector<TrialCall>& calls) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object();
    append_calls(json, calls);
    json.end_object();
    return out;
}

// Without the place: another version has other lines.
std::string_view first_line(std::string_view error) {
    error = error.substr(0, error.find('\n'));
    const std::size_t place = error.find(": ");
    return place == std::string_view::npos ? error : error.substr(place + 2);
}

}  // namespace

TrialOutcome try_script(const TrialCase& what, LuaWatchdogSlot* slot) {
    TrialOutcome out;
    const Script& script = *what.script;
    const auto failed = [&](std::string why) {
        out.status = "failed";
        out.error = std::move(why);
        return out;
    };
    LuaVm::Options options;
    options.memory_bytes_max = static_cast<std::size_t>(script.memory_bytes);
    options.watchdog_slot = slot;
    options.seed = what.seed;
    auto vm = LuaVm::create(options);
    if (!vm) return failed(vm.error().message);
    ScriptOptions compile;
    compile.permissions = script.permissions;
    compile.timeout_ms = static_cast<std::uint32_t>(script.timeout_ms);
    const auto handle = (*vm)->compile(script.source, script.name, compile);
    if (!handle) return failed(handle.error().message);

    TrialHost host(what);
    EventInput input = event_input_of(host.event(), what.tenant, what.now_us);
    input.kind = what.event_is_value ? EventInput::Kind::kValue : EventInput::Kind::kEvent;
    input.event_id = what.event_id;
    InvocationContext context;
    context.script_id = script.id;
    context.subscription_id = what.subscription_id;
    context.subscription_number = what.subscription_number;
    context.execution_id = "trial";
    context.tenant_id = tenant_name(what.tenant);
    context.event_name = what.event_is_value ? "ApiRun" : std::string_view{};
    if (what.event_is_value) context.event_data = input.text;
    context.cause_id = what.event_is_value ? std::string_view(what.event_id) : std::string_view{};
    context.script_version = script.version;
    context.started_at_us = what.now_us;

    Answers answers(what.answers);
    LuaTurn turn = (*vm)->start(*handle, input, context, host);
    while (!turn.ended) {
        switch (turn.wait.kind) {
            case LuaWait::Kind::kHttp:
                turn = (*vm)->resume(turn.run, answer_calls(turn, answers, out));
                break;
            case LuaWait::Kind::kAction:
                turn = (*vm)->resume(turn.run, {}, answer_ask(turn, answers, out));
                break;
            default: host.wait(turn.wait.ms); turn = (*vm)->resume(turn.run);
        }
    }
    const InvocationResult& done = (*vm)->result();
    out.status = invocation_status_text(done.status);
    out.error = done.error;
    out.result = done.result_json;
    append_logs_json(out.logs, done);
    for (const EmittedEvent& event : done.emitted) out.emitted.push_back(emitted_json(event));
    take_kv(what, done.kv_ops, out);
    AttemptEffects effects;
    (*vm)->swap_effects(effects);
    out.response = effects.response;
    out.reads = host.take_reads();
    out.secrets = host.take_secrets();
    return out;
}

void append_trial(std::string& json_object, const TrialOutcome& outcome) {
    std::string members;
    core::JsonWriter json(members);
    json.begin_object().field("status", outcome.status);
    json.raw_field("result", outcome.result.empty() ? "null" : std::string_view(outcome.result));
    json.field_or_null("error", outcome.error);
    json.raw_field("logs", outcome.logs.empty() ? "[]" : std::string_view(outcome.logs));
    if (!outcome.response.empty()) json.raw_field("response", outcome.response);
    json.key("emitted").begin_array();
    for (const std::string& event : outcome.emitted) json.raw(event);
    json.end_array();
    append_kv(json, "kv", outcome.kv);
    append_calls(json, outcome.calls);
    append_kv(json, "reads", outcome.reads);
    json.key("secrets").begin_array();
    for (const std::string& name : outcome.secrets) json.value(name);
    json.end_array();
    json.end_object();
    if (!json_object.ends_with('{')) json_object += ',';
    json_object.append(members, 1, members.size() - 2);
}

std::vector<std::string_view> trial_differences(const TrialOutcome& one,
                                                const TrialOutcome& other) {
    std::vector<std::string_view> names;
    if (one.status != other.status) names.push_back("status");
    if (first_line(one.error) != first_line(other.error)) names.push_back("error");
    if (one.result != other.result) names.push_back("result");
    if (one.response != other.response) names.push_back("response");
    if (one.emitted != other.emitted) names.push_back("emitted");
    if (kv_text(one.kv) != kv_text(other.kv)) names.push_back("kv");
    if (calls_text(one.calls) != calls_text(other.calls)) names.push_back("calls");
    return names;
}

}  // namespace millrace::runtime
