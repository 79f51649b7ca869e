// The part of DeliveryRun that changes entities: the hooks before the change run as calls do, one
// after the other; then document, what the hooks have done and the event are in one commit, or
// nothing is.
#include "runtime/delivery/delivery_run.h"
#include "runtime/delivery/script_emit.h"

#include <utility>

namespace millrace::runtime {
namespace {

// One JSON array of two; each may be empty.
void append_array(std::string& to, std::string_view array) {
    if (array.size() <= 2) return;
    if (to.empty()) {
        to = array;
        return;
    }
    to.back() = ',';
    to += array.substr(1);
}

void put_rows(store::RowBatch& rows, core::TenantId tenant, const EntityChange& change) {
    const store::EntityKey key{tenant, change.type, change.id};
    if (change.verb == EntityVerb::kDeleted) return rows.erase_entity(key);
    rows.put_entity(key, {change.stamp_after.version, change.stamp_after.created_at_us,
                          change.stamp_after.updated_at_us, change.doc});
}

}  // namespace

// NOLINTNEXTLINE(misc-no-recursion): once a hook
bool DeliveryRun::next_hook(OpenJob& open, const RegistrySnapshot& registry) {
    ScriptRunJob& call = *open.job->run;
    EntityChange& change = call.entity->change;
    if (call.entity->began_ns == 0) call.entity->began_ns = now_ns_;
    // One that was switched off meanwhile is not asked.
    for (; change.hooks_left(); ++change.next_hook) {
        const EntityHook& hook = change.hooks[change.next_hook];
        const Script* script = registry.script(ScriptNumber(hook.script));
        if (!script || !script->enabled) continue;
        call.script_number = hook.script;
        call.input_json = hook_input(change);
        return true;
    }
    end_change(open, registry);
    return false;
}

// NOLINTNEXTLINE(misc-no-recursion): once a hook
void DeliveryRun::end_hook(OpenJob& open, const RegistrySnapshot& registry,
                           const AttemptResult& result) {
    ScriptRunJob& call = *open.job->run;
    EntityCall& entity = *call.entity;
    EntityChange& change = entity.change;
    append_array(entity.logs_json, result.logs_json);
    bool ok = result.outcome == AttemptOutcome::kOk;
    std::string why = result.error;
    if (ok) ok = take_hook_doc(change, result.effects.document, why);
    if (ok) {
        entity.effects.append(result.effects);
        ++change.next_hook;
        return start_call(open, registry);
    }
    auto answer = std::make_shared<ScriptRunResult>();
    answer->error = why;
    answer->reason = result.outcome == AttemptOutcome::kOk ? "failed" : result.outcome_text;
    answer->logs_json = entity.logs_json;
    answer->failed_hook = change.hooks[change.next_hook].id;
    answer->abort_json = result.effects.abort_json;
    if (const Script* script = registry.script(ScriptNumber(call.script_number))) {
        answer->started_at_us = entity.began_ns / 1000 + wall_minus_monotonic_us_;
        keep_run(call, *answer, record_of(call, *script, *answer, answer->result_json));
    }
    answer->entity = call.entity;
    answer_call(open, std::move(answer), entity.began_ns);
}

void DeliveryRun::end_change(OpenJob& open, const RegistrySnapshot& registry) {
    ScriptRunJob& call = *open.job->run;
    EntityCall& entity = *call.entity;
    EntityChange& change = entity.change;
    const core::TenantId tenant = call.caller.tenant;
    now_ns_ = deps_.clock->monotonic_ns();
    const std::int64_t now_us = wall_now_us();
    auto answer = std::make_shared<ScriptRunResult>();
    answer->entity = call.entity;
    answer->logs_json = entity.logs_json;
    settle_change(change, now_us);
    // Of a document that lives elsewhere, who is told afterwards is told by an event alone.
    const bool tells = change.elsewhere ? !change.asks_before : change.changed;
    std::string event;
    if (tells) {
        change.event_id = derive_event_id(cause_key(tenant, {}, call.execution_id), 0, 0).view();
        event = entity_event(change, now_us);
    }
    if (event.size() > entity.event_bytes_max) {
        answer->status = core::fail(
            core::Error(core::ErrorCode::kPayloadTooLarge,
                        "the event of this change would have " + std::to_string(event.size()) +
                            " bytes; the limit is " + std::to_string(entity.event_bytes_max))
                .bound(static_cast<std::int64_t>(entity.event_bytes_max)));
        return answer_call(open, std::move(answer), entity.began_ns);
    }
    if (change.changed || change.elsewhere) builder_.take(entity.effects, tenant, now_us);
    if (change.changed && !change.elsewhere) put_rows(builder_.rows(), tenant, change);
    if (tells) builder_.add_event(event, tenant, static_cast<std::uint8_t>(change.chain.size()));
    const Script* last =
        change.hooks.empty() ? nullptr : registry.script(ScriptNumber(change.hooks.back().script));
    if (last) {
        answer->started_at_us = entity.began_ns / 1000 + wall_minus_monotonic_us_;
        keep_run(call, *answer, record_of(call, *last, *answer, answer->result_json));
    }
    answer_call(open, std::move(answer), entity.began_ns);
}

}  // namespace millrace::runtime
