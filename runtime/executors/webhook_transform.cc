#include "runtime/executors/webhook_transform.h"

#include "core/crypto/digest.h"
#include "core/json_reader.h"
#include "core/json_validate.h"
#include "core/random.h"
#include "runtime/delivery/attempt_record.h"
#include "runtime/registry/executor_body.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {
namespace {

constexpr std::string_view kTransformShape =
    "must return {body = ..., headers = {...}}, or nil to send nothing";

core::Result<Reshaped> refused_shape(std::string what) {
    return core::fail(core::ErrorCode::kValidation, std::move(what));
}

// The lane's, but for what would differ from attempt to attempt.
class TransformHost final : public LuaHost {
public:
    TransformHost(LuaHost& lane, const TransformInput& input)
        : lane_(lane), now_us_(input.event->received_at_us), random_(seed_of(input.delivery_id)) {}

    KvAnswer kv_get(KvSpace space, std::string_view key, std::string& value_json) override {
        return lane_.kv_get(space, key, value_json);
    }
    KvAnswer kv_list(KvSpace space, std::string_view prefix, KvVisitor& visitor) override {
        return lane_.kv_list(space, prefix, visitor);
    }
    bool secret(std::string_view name, std::string& value) override {
        return lane_.secret(name, value);
    }
    bool hide_secrets(std::string& text) override { return lane_.hide_secrets(text); }
    std::int64_t wall_us() override { return now_us_; }
    std::int64_t monotonic_ns() override { return lane_.monotonic_ns(); }
    std::uint64_t random() override { return random_.next(); }

private:
    static std::uint64_t seed_of(std::string_view delivery_id) {
        const core::crypto::Digest digest = core::crypto::sha256(delivery_id);
        std::uint64_t seed = 0;
        for (std::size_t i = 0; i < 8; ++i) seed = seed << 8 | digest[i];
        return seed;
    }

    LuaHost& lane_;
    const std::int64_t now_us_;
    core::Random random_;
};

bool fail_transform(AttemptResult& result, std::string_view why,
                    AttemptOutcome how = AttemptOutcome::kFailed) {
    result.fail(std::string(kTransformFailed).append(why), how);
    return false;
}

AttemptOutcome transform_outcome_of(InvocationStatus status) {
    switch (status) {
        case InvocationStatus::kFatal: return AttemptOutcome::kFatal;
        case InvocationStatus::kSilent: return AttemptOutcome::kSilent;
        default: return AttemptOutcome::kFailed;
    }
}

}  // namespace

core::Result<Reshaped> read_reshaped(std::string_view result_json) {
    Reshaped out;
    out.skipped = result_json.empty() || result_json == "null";
    if (out.skipped) return out;
    core::JsonDom dom;
    core::JsonElement root;
    core::JsonMembers members;
    if (!dom.read(result_json, root) || !root.get(members))
        return refused_shape("it " + std::string(kTransformShape));
    bool has_body = false;
    for (const core::JsonMember member : members) {
        if (member.key == "body") {
            std::string_view text;
            has_body = !member.value.is_null();
            const bool plain = member.value.get(text);
            out.body = plain ? text : member.value.raw();
            out.content_type = !plain || core::json_validate(text) ? "application/json"
                                                                   : "text/plain; charset=utf-8";
            continue;
        }
        core::JsonMembers headers;
        if (member.key != "headers")
            return refused_shape("it returned the member \"" +
                                 std::string(member.key.substr(0, 64)) + "\"; it " +
                                 std::string(kTransformShape));
        // An empty table has neither names nor places.
        if (core::JsonArray none; member.value.get(none) && none.size() == 0) continue;
        if (!member.value.get(headers)) return refused_shape("headers must be a table of texts");
        for (const core::JsonMember header : headers) {
            const std::string name(header.key.substr(0, 128));
            std::string_view value;
            if (!header.value.get(value))
                return refused_shape("headers." + name + " must be a text");
            std::string wrong = wrong_header_name(header.key);
            if (wrong.empty()) wrong = wrong_header_value(value);
            if (!wrong.empty()) return refused_shape("headers." + name + " " + wrong);
            if (out.headers.size() == kWebhookHeadersMax)
                return refused_shape("headers has more than " + std::to_string(kWebhookHeadersMax) +
                                     " members");
            out.headers.emplace_back(header.key, value);
        }
    }
    if (!has_body) return refused_shape("it returned no body; it " + std::string(kTransformShape));
    return out;
}

bool WebhookTransform::returned(const Script& script, const TransformInput& input, LuaHost& host,
                                std::string& json, AttemptResult& result) {
    const auto compiled = scripts_.get(script);
    if (!compiled) return fail_transform(result, compiled.error().message);
    LuaVm& vm = *compiled->vm;
    InvocationContext context;
    if (input.subscription) {
        context.subscription_id = input.subscription->id;
        context.subscription_number = input.subscription->number.value;
    }
    context.script_id = script.id;
    context.script_version = script.version;
    context.execution_id = input.delivery_id;
    context.tenant_id = input.event->tenant_id;
    context.event_name = input.pattern;
    context.attempt = input.attempt;
    TransformHost own(host, input);
    const LuaTurn turn = vm.start(compiled->handle, *input.event, context, own);
    if (!turn.ended) {
        vm.drop(turn.run);
        return fail_transform(
            result,
            "AWAIT_NOT_ALLOWED: a transform can not wait for sdk.http, sdk.sleep, "
            "an action or a database");
    }
    const InvocationResult& done = vm.result();
    append_logs_json(result.logs_json, done);
    const bool completed = done.completed();
    const std::string error(done.error);
    const AttemptOutcome how = transform_outcome_of(done.status);
    const std::size_t emitted = done.emitted.size(), written = done.kv_ops.size();
    json = done.result_json;
    scripts_.discard_if_poisoned(&vm);
    if (!completed) return fail_transform(result, error, how);
    if (emitted + written != 0)
        return fail_transform(result, "a transform only reshapes: it emitted " +
                                          std::to_string(emitted) + " events and wrote kv " +
                                          std::to_string(written) + " times");
    return true;
}

bool WebhookTransform::run(const Script& script, const TransformInput& input, LuaHost& host,
                           Reshaped& out, AttemptResult& result) {
    std::string json;
    if (!returned(script, input, host, json, result)) return false;
    auto read = read_reshaped(json);
    if (!read) return fail_transform(result, read.error().message);
    out = std::move(*read);
    out.logs_json = std::move(result.logs_json);
    result.logs_json.clear();
    return true;
}

Executor::Start WebhookTransform::reshape(const Choice& choice, const AttemptInput& attempt,
                                          const TransformInput& input, Reshaped& out,
                                          AttemptResult& result) {
    const Script* const script = attempt.registry->script(choice.number);
    if (!script) {
        fail_transform(result, "script '" + std::string(choice.id) + "' does not exist");
        return Executor::Start::kDone;
    }
    if (!script->enabled) {
        result.fail("script '" + std::string(choice.id) + "' is disabled");
        return Executor::Start::kHeld;
    }
    if (!run(*script, input, *attempt.host, out, result)) return Executor::Start::kDone;
    if (!out.skipped) return Executor::Start::kPending;
    result.outcome = AttemptOutcome::kOk;
    result.outcome_text = "completed";
    result.result_json = kSkippedJson;
    result.logs_json = std::move(out.logs_json);
    return Executor::Start::kDone;
}

}  // namespace millrace::runtime
