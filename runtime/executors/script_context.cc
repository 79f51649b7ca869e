#include "runtime/executors/script_context.h"

#include "core/json_writer.h"
#include "runtime/delivery/event_input.h"
#include "runtime/event/json_scan.h"
#include "runtime/registry/hook.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {
namespace {

std::string_view without_quotes(std::string_view text) {
    return text.size() < 2 ? std::string_view() : text.substr(1, text.size() - 2);
}

// The event of a schedule says which time it stands for.
void tell_of_schedule(std::string_view event, InvocationContext& context) {
    context.event_data = member_of(event, "\"x-schedule\"");
    if (!context.event_data.empty()) context.event_name = "ScheduledTask";
}

// The same hook at work on the same entity again, because of itself.
void enter_chain(std::vector<std::string> chain, std::string link, ContextTexts& texts) {
    if (is_in_chain(chain, link)) texts.loop = "LOOP: " + link + " is at work because of itself";
    if (chain.size() >= kHookChainMax)
        texts.loop = "LOOP: " + std::to_string(chain.size()) + " hooks have led here";
    chain.push_back(std::move(link));
    texts.chain = join_chain(chain);
}

// The event of a change tells a hook of it.
void tell_of_change(const AttemptInput& input, InvocationContext& context, ContextTexts& texts) {
    const store::StoredEvent& event = *input.event;
    std::string_view type;
    HookPoint point{HookTime::kAfter, EntityVerb::kCreated};
    if (!read_entity_pattern(context.event_name, type, point.verb)) return;
    context.event_data = member_of(event.raw, "\"payload\"");
    context.event_name = hook_point_text(point);
    const std::string_view id = without_quotes(member_of(context.event_data, "\"id\""));
    const std::string_view hook =
        std::string_view(input.subscription->id).substr(kHookSubscriptionPrefix.size());
    enter_chain(chain_of_event(event.raw), hook_link(hook, type, id), texts);
}

// {id, name, role} of the key, and whose it is.
void append_user(const identity::Principal& caller, std::string& out) {
    if (!caller.key) return;
    core::JsonWriter json(out);
    json.begin_object().field("id", caller.key->id).field("name", caller.key->name);
    json.field("role", identity::role_text(caller.key->role));
    if (!caller.key->user.empty()) json.field("user", caller.key->user);
    json.end_object();
}

void be_hook(const EntityChange& change, const Script& script, InvocationContext& context,
             ContextTexts& texts) {
    const EntityHook& hook = change.hooks[change.next_hook];
    context.event_name = hook_point_text({HookTime::kBefore, change.verb});
    // Its emits are others than those of the hooks beside it.
    context.subscription_number = hook.number;
    context.timeout_ms = std::min(static_cast<std::uint32_t>(script.timeout_ms), kHookTimeoutMs);
    context.causation_depth = static_cast<std::uint32_t>(change.chain.size());
    enter_chain(change.chain, hook_link(hook.id, change.type, change.id), texts);
}

}  // namespace

InvocationContext context_of_call(const ScriptRunJob& call, const Script& script,
                                  ContextTexts& texts) {
    InvocationContext context;
    context.script_id = script.id;
    context.script_version = script.version;
    context.execution_id = call.execution_id;
    context.cause_id = call.execution_id;
    context.tenant_id = tenant_name(call.caller.tenant);
    context.event_name = call.endpoint ? "EndpointRequest" : "ApiRun";
    context.event_data = call.input_json;
    context.authenticated = call.endpoint ? call.endpoint->authenticated : true;
    if (call.endpoint) context.timeout_ms = call.endpoint->timeout_ms;
    context.may_subscribe = call.endpoint.has_value();
    append_user(call.caller, texts.request_user);
    context.request_user = texts.request_user;
    context.api_key_id = call.caller.key_id();
    if (call.entity) be_hook(call.entity->change, script, context, texts);
    return context;
}

InvocationContext context_of_delivery(const AttemptInput& input, const Script& script,
                                      ContextTexts& texts) {
    InvocationContext context = invocation_context_of(*input.event, *input.subscription, script);
    if (script.type == ScriptType::kScheduled) tell_of_schedule(input.event->raw, context);
    if (input.subscription->id.starts_with(kHookSubscriptionPrefix))
        tell_of_change(input, context, texts);
    context.execution_id_lazy = input.execution_id;
    context.replay_json = input.replay_json;
    context.attempt = input.attempt;
    return context;
}

}  // namespace millrace::runtime
