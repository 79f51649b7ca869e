// What: the handlers of the route table, one function a route, one file a resource.
// Threads: the API thread. Lifetime: none. Limits: api.h.
// Failure: an Error becomes the error body.
#pragma once

#include "runtime/api/call.h"

namespace millrace::runtime::api {

// events.cc, trace.cc
void list_events(Call& call, const Respond& respond);  // answers later, if much is searched
Answer get_event(Call& call);
// graphql.cc: answers later
void query_graphql(Call& call, const Respond& respond);
void trace_event(Call& call, const Respond& respond);  // answers later
// event_cancel.cc: answers when what waited in rows has ended.
void cancel_event(Call& call, const Respond& respond);
// script_run.cc: answers later, through `respond`.
void run_script(Call& call, const Respond& respond);
// 403: the script's `allow` names neither the caller's key nor its role.
core::Status may_run(const identity::Principal& caller, const Script& script);
// script_try.cc
void try_script(Call& call, const Respond& respond);  // later
Answer rollback_script(Call& call);
// script_canary.cc
Answer put_canary(Call& call);
Answer get_canary(Call& call);
Answer delete_canary(Call& call);
Answer get_script(Call& call);
// actions.cc: answers when the action has.
void call_action(Call& call, const Respond& respond);
// subscriptions.cc
Answer list_subscriptions(Call& call);
// subscription_control.cc
Answer pause_subscription(Call& call);
Answer resume_subscription(Call& call);
void delete_subscription(Call& call, const Respond& respond);  // when nothing waits for it any more
// Its two steps, for another's: nobody sees it any more; then what waits for it is cleared away and
// it is gone, and `done` gets how many deliveries waited.
core::Result<DocumentChange<Subscription>> begin_closing(Call& call, const ChangeContext& context,
                                                         std::string_view id, Closing how);
void finish_closing(Call& call, core::Result<DocumentChange<Subscription>>&& begun,
                    const std::function<void(core::Result<std::uint64_t>&&)>& done);
// links.cc
Answer create_link(Call& call);
Answer get_link(Call& call);
Answer list_links(Call& call);
Answer put_link(Call& call);
Answer patch_link(Call& call);
// edges.cc
Answer enroll_edge(Call& call);
Answer patch_edge(Call& call);
Answer rotate_edge(Call& call);
void backfill_edge(Call& call, const Respond& respond);
Answer get_edge(Call& call);
Answer list_edges(Call& call);
Answer edge_filters(Call& call);
void take_batch(Call& call, const Respond& respond);  // when it is durable
// link_control.cc
Answer pause_link(Call& call);
Answer resume_link(Call& call);
Answer reset_link(Call& call);
void test_link(Call& call, const Respond& respond);  // when its peer has answered
// schedules.cc
Answer get_schedule(Call& call);
Answer list_schedules(Call& call);
// schedule_bulk.cc
Answer create_schedules(Call& call);
// schedule_control.cc
Answer list_schedule_runs(Call& call);
Answer preview_schedule(Call& call);
Answer pause_schedule(Call& call);
Answer resume_schedule(Call& call);
void trigger_schedule(Call& call, const Respond& respond);   // when it is durable
void backfill_schedule(Call& call, const Respond& respond);  // likewise
// workflows.cc
Answer create_workflow(Call& call);
Answer list_workflows(Call& call);
Answer get_workflow(Call& call);
Answer put_workflow(Call& call);
Answer patch_workflow(Call& call);
Answer delete_workflow(Call& call);
Answer list_workflow_versions(Call& call);
void execute_workflow(Call& call, const Respond& respond);  // when the run is durable, or has ended
// workflow_runs.cc: what changes a run answers when that is durable.
Answer list_workflow_runs(Call& call);
Answer get_workflow_run(Call& call);
Answer workflow_run_history(Call& call);
void rehearse_workflow_run(Call& call, const Respond& respond);
// workflow_keys.cc
Answer list_workflow_keys(Call& call);
Answer rotate_workflow_key(Call& call);
void cancel_workflow_run(Call& call, const Respond& respond);
void terminate_workflow_run(Call& call, const Respond& respond);
void pause_workflow_run(Call& call, const Respond& respond);
void resume_workflow_run(Call& call, const Respond& respond);
void signal_workflow_run(Call& call, const Respond& respond);
// endpoints.cc
void call_endpoint(Call& call, const Respond& respond);  // when its effects are durable
// entities.cc: writes when they are durable
void create_entity(Call& call, const Respond& respond);
void put_entity(Call& call, const Respond& respond);
void patch_entity(Call& call, const Respond& respond);
void delete_entity(Call& call, const Respond& respond);
void get_entity(Call& call, const Respond& respond);     // later, of a moment
void list_entities(Call& call, const Respond& respond);  // later, if it selects
// hooks.cc
Answer list_hooks(Call& call);
void run_hooks(Call& call, const Respond& respond);  // when what they do is durable
// match.cc
Answer match_subscriptions(Call& call);
// preview.cc: answers later.
void preview_subscription(Call& call, const Respond& respond);
// execution_list.cc, executions.cc
void list_executions(Call& call, const Respond& respond);  // answers later, if much is searched
Answer get_execution(Call& call);
// dead_letters.cc
void list_dead_letters(Call& call, const Respond& respond);  // later, if it selects
Answer get_dead_letter(Call& call);
Answer delete_dead_letter(Call& call);
Answer replay_dead_letter(Call& call);
void replay_dead_letters(Call& call, const Respond& respond);  // later, if it selects
// dead_letter_edit.cc
Answer put_dead_letter_event(Call& call);
// dead_letter_groups.cc: answer later
void list_dead_letter_groups(Call& call, const Respond& respond);
void patch_dead_letter_group(Call& call, const Respond& respond);
// dead_letter_rehearsal.cc: answers later
void rehearse_dead_letters(Call& call, const Respond& respond);
// retries.cc
Answer list_retries(Call& call);
// replays.cc
void start_replay(Call& call, const Respond& respond);
Answer list_replays(Call& call);
Answer get_replay(Call& call);
Answer cancel_replay(Call& call);
Answer list_replay_differences(Call& call);
// backups.cc: answers later.
void create_backup(Call& call, const Respond& respond);
// kv.cc: answers later.
void list_kv(Call& call, const Respond& respond);
// keys.cc
Answer create_key(Call& call);
// The same of a body that the server made; `text` is the key's own, which is in no answer.
Answer make_key(Call& call, std::string_view body, std::string& text);
Answer list_keys(Call& call);
Answer get_key(Call& call);
Answer patch_key(Call& call);
Answer delete_key(Call& call);
Answer rotate_key(Call& call);
// tenants.cc
Answer create_tenant(Call& call);
Answer list_tenants(Call& call);
Answer get_tenant(Call& call);
Answer patch_tenant(Call& call);
Answer delete_tenant(Call& call);
Answer tenant_usage(Call& call);
// audit_list.cc
Answer list_audit(Call& call);
void verify_audit(Call& call, const Respond& respond);  // answers later
// sources.cc
Answer create_source(Call& call);
Answer rotate_source(Call& call);
Answer list_source_deliveries(Call& call);
void test_source(Call& call, const Respond& respond);  // when its transform has run
// subscription_outside.cc
Answer create_subscription(Call& call);  // a webhook's secret is in the answer
Answer rotate_subscription_secret(Call& call);
void test_subscription(Call& call, const Respond& respond);  // later
// schemas.cc
Answer create_schema(Call& call);
Answer put_schema(Call& call);
Answer patch_schema(Call& call);
void validate_schema(Call& call, const Respond& respond);  // later where it asks scripts
Answer list_schema_violations(Call& call);
// schema_check.cc
void check_schema(Call& call, const Respond& respond);  // later: it reads the log
// cluster.cc: of a server that is a node of none
Answer outside_cluster(Call& call);
// who.cc
Answer me(Call& call);
Answer list_executors(Call& call);
Answer list_settings(Call& call);
Answer list_log(Call& call);
// sessions.cc
Answer open_session(Call& call);
Answer close_session(Call& call);
Answer open_portal(Call& call);
Answer enter_portal(Call& call);
// operation.cc
Answer stats(Call& call);
Answer healthz(Call& call);
Answer readyz(Call& call);
Answer metrics(Call& call);
Answer open_api(Call& call);

}  // namespace millrace::runtime::api
