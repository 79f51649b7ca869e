#include "runtime/api/api.h"

#include "io/error_body.h"
#include "io/error_headers.h"
#include "io/http_head.h"
#include "runtime/api/audit.h"
#include "runtime/api/documents.h"
#include "runtime/api/handlers.h"
#include "runtime/api/own_subscription.h"
#include "runtime/api/query_check.h"
#include "runtime/api/regex_aside.h"
#include "runtime/api/services.h"
#include "runtime/identity/token_bucket.h"
#include "store/rows/dead_letters.h"
#include "store/rows/retry_schedule.h"

#include <cstdint>
#include <map>
#include <string>

namespace millrace::runtime::api {
namespace {

using Handler = Answer (*)(Call&);

struct HandlerRow {
    RouteId id;
    Handler handler;
};

// Every route of RouteOwner::kApi but those that answer later.
constexpr HandlerRow kHandlers[] = {
    {RouteId::kGetEvent, get_event},
    {RouteId::kCreateScript, create_document<Script>},
    {RouteId::kListScripts, list_documents<Script>},
    {RouteId::kGetScript, get_script},
    {RouteId::kPutScript, change_document<Script, &DocumentTable<Script>::put>},
    {RouteId::kPatchScript, change_document<Script, &DocumentTable<Script>::patch>},
    {RouteId::kDeleteScript, delete_document<Script>},
    {RouteId::kListScriptVersions, list_document_versions<Script>},
    {RouteId::kGetScriptVersion, get_document_version<Script>},
    {RouteId::kCreateSecret, create_document<Secret>},
    {RouteId::kListSecrets, list_documents<Secret>},
    {RouteId::kGetSecret, get_document<Secret>},
    {RouteId::kPutSecret, change_document<Secret, &DocumentTable<Secret>::put>},
    {RouteId::kPatchSecret, change_document<Secret, &DocumentTable<Secret>::patch>},
    {RouteId::kDeleteSecret, delete_document<Secret>},
    {RouteId::kListSecretVersions, list_document_versions<Secret>},
    {RouteId::kRollbackScript, rollback_script},
    {RouteId::kPutCanary, put_canary},
    {RouteId::kGetCanary, get_canary},
    {RouteId::kDeleteCanary, delete_canary},
    {RouteId::kCreateAction, create_document<Action>},
    {RouteId::kListActions, list_documents<Action>},
    {RouteId::kGetAction, get_document<Action>},
    {RouteId::kPutAction, change_document<Action, &DocumentTable<Action>::put>},
    {RouteId::kPatchAction, change_document<Action, &DocumentTable<Action>::patch>},
    {RouteId::kDeleteAction, delete_document<Action>},
    {RouteId::kCreateSource, create_source},
    {RouteId::kListSources, list_documents<Source>},
    {RouteId::kGetSource, get_document<Source>},
    {RouteId::kPutSource, change_document<Source, &DocumentTable<Source>::put>},
    {RouteId::kPatchSource, change_document<Source, &DocumentTable<Source>::patch>},
    {RouteId::kDeleteSource, delete_document<Source>},
    {RouteId::kRotateSource, rotate_source},
    {RouteId::kListSourceDeliveries, list_source_deliveries},
    {RouteId::kCreateSchema, create_schema},
    {RouteId::kListSchemas, list_documents<EventSchema>},
    {RouteId::kGetSchema, get_document<EventSchema>},
    {RouteId::kPutSchema, put_schema},
    {RouteId::kPatchSchema, patch_schema},
    {RouteId::kDeleteSchema, delete_document<EventSchema>},
    {RouteId::kListSchemaVersions, list_document_versions<EventSchema>},
    {RouteId::kGetSchemaVersion, get_document_version<EventSchema>},
    {RouteId::kListSchemaViolations, list_schema_violations},
    {RouteId::kListSubscriptions, list_subscriptions},
    {RouteId::kMatchSubscriptions, match_subscriptions},
    {RouteId::kGetSubscription, get_document<Subscription>},
    {RouteId::kPauseSubscription, pause_subscription},
    {RouteId::kResumeSubscription, resume_subscription},
    {RouteId::kCreateLink, create_link},
    {RouteId::kListLinks, list_links},
    {RouteId::kGetLink, get_link},
    {RouteId::kPutLink, put_link},
    {RouteId::kPatchLink, patch_link},
    {RouteId::kDeleteLink, delete_document<Link>},
    {RouteId::kPauseLink, pause_link},
    {RouteId::kResumeLink, resume_link},
    {RouteId::kResetLink, reset_link},
    {RouteId::kEnrollEdge, enroll_edge},
    {RouteId::kListEdges, list_edges},
    {RouteId::kGetEdge, get_edge},
    {RouteId::kPatchEdge, patch_edge},
    {RouteId::kRotateEdge, rotate_edge},
    {RouteId::kDeleteEdge, delete_document<EdgeNode>},
    {RouteId::kEdgeFilters, edge_filters},
    {RouteId::kCreateSchedule, create_owning<Schedule>},
    {RouteId::kCreateSchedules, create_schedules},
    {RouteId::kListSchedules, list_schedules},
    {RouteId::kGetSchedule, get_schedule},
    {RouteId::kListScheduleRuns, list_schedule_runs},
    {RouteId::kPreviewSchedule, preview_schedule},
    {RouteId::kPauseSchedule, pause_schedule},
    {RouteId::kResumeSchedule, resume_schedule},
    {RouteId::kCreateEndpoint, create_document<Endpoint>},
    {RouteId::kListEndpoints, list_documents<Endpoint>},
    {RouteId::kGetEndpoint, get_document<Endpoint>},
    {RouteId::kPutEndpoint, change_document<Endpoint, &DocumentTable<Endpoint>::put>},
    {RouteId::kPatchEndpoint, change_document<Endpoint, &DocumentTable<Endpoint>::patch>},
    {RouteId::kDeleteEndpoint, delete_document<Endpoint>},
    {RouteId::kCreateHook, create_owning<Hook>},
    {RouteId::kListHooks, list_hooks},
    {RouteId::kGetHook, get_document<Hook>},
    {RouteId::kRotateSubscriptionSecret, rotate_subscription_secret},
    {RouteId::kGetExecution, get_execution},
    {RouteId::kGetDeadLetter, get_dead_letter},
    {RouteId::kDeleteDeadLetter, delete_dead_letter},
    {RouteId::kReplayDeadLetter, replay_dead_letter},
    {RouteId::kPutDeadLetterEvent, put_dead_letter_event},
    {RouteId::kListRetries, list_retries},
    {RouteId::kListReplays, list_replays},
    {RouteId::kGetReplay, get_replay},
    {RouteId::kCancelReplay, cancel_replay},
    {RouteId::kListReplayDifferences, list_replay_differences},
    {RouteId::kCreateKey, create_key},
    {RouteId::kListKeys, list_keys},
    {RouteId::kGetKey, get_key},
    {RouteId::kPatchKey, patch_key},
    {RouteId::kDeleteKey, delete_key},
    {RouteId::kRotateKey, rotate_key},
    {RouteId::kCreateTenant, create_tenant},
    {RouteId::kListTenants, list_tenants},
    {RouteId::kGetTenant, get_tenant},
    {RouteId::kPatchTenant, patch_tenant},
    {RouteId::kDeleteTenant, delete_tenant},
    {RouteId::kTenantUsage, tenant_usage},
    {RouteId::kCreateWorkflow, create_workflow},
    {RouteId::kListWorkflows, list_workflows},
    {RouteId::kGetWorkflow, get_workflow},
    {RouteId::kPutWorkflow, put_workflow},
    {RouteId::kPatchWorkflow, patch_workflow},
    {RouteId::kDeleteWorkflow, delete_workflow},
    {RouteId::kListWorkflowVersions, list_workflow_versions},
    {RouteId::kListWorkflowRuns, list_workflow_runs},
    {RouteId::kGetWorkflowRun, get_workflow_run},
    {RouteId::kWorkflowRunHistory, workflow_run_history},
    {RouteId::kListWorkflowKeys, list_workflow_keys},
    {RouteId::kRotateWorkflowKey, rotate_workflow_key},
    {RouteId::kListAudit, list_audit},
    {RouteId::kGetCluster, outside_cluster},
    {RouteId::kInitCluster, outside_cluster},
    {RouteId::kGetPartition, outside_cluster},
    {RouteId::kMovePartition, outside_cluster},
    {RouteId::kHealPartition, outside_cluster},
    {RouteId::kDrainNode, outside_cluster},
    {RouteId::kUndrainNode, outside_cluster},
    {RouteId::kMe, me},
    {RouteId::kListExecutors, list_executors},
    {RouteId::kListSettings, list_settings},
    {RouteId::kListLog, list_log},
    {RouteId::kStats, stats},
    {RouteId::kOpenSession, open_session},
    {RouteId::kCloseSession, close_session},
    {RouteId::kOpenPortal, open_portal},
    {RouteId::kEnterPortal, enter_portal},
    {RouteId::kHealthz, healthz},
    {RouteId::kReadyz, readyz},
    {RouteId::kMetrics, metrics},
    {RouteId::kOpenApi, open_api},
};

using LaterHandler = void (*)(Call&, const Respond&);

LaterHandler later_handler(RouteId id) {
    switch (id) {
        case RouteId::kRunScript: return run_script;
        case RouteId::kTryScript: return try_script;
        case RouteId::kCallAction: return call_action;
        case RouteId::kTestLink: return test_link;
        case RouteId::kTakeBatch: return take_batch;
        case RouteId::kBackfillEdge: return backfill_edge;
        case RouteId::kTestSource: return test_source;
        case RouteId::kTestSubscription: return test_subscription;
        case RouteId::kCheckSchema: return check_schema;
        case RouteId::kValidateSchema: return validate_schema;
        case RouteId::kDeleteSubscription: return delete_subscription;
        case RouteId::kPutSchedule: return change_owning<Schedule, &DocumentTable<Schedule>::put>;
        case RouteId::kPatchSchedule:
            return change_owning<Schedule, &DocumentTable<Schedule>::patch>;
        case RouteId::kDeleteSchedule: return delete_owning<Schedule>;
        case RouteId::kTriggerSchedule: return trigger_schedule;
        case RouteId::kBackfillSchedule: return backfill_schedule;
        case RouteId::kCallEndpointGet:
        case RouteId::kCallEndpointPost:
        case RouteId::kCallEndpointPut:
        case RouteId::kCallEndpointPatch:
        case RouteId::kCallEndpointDelete:
        case RouteId::kCallEndpointOptions: return call_endpoint;
        case RouteId::kCreateEntity: return create_entity;
        case RouteId::kPutEntity: return put_entity;
        case RouteId::kPatchEntity: return patch_entity;
        case RouteId::kDeleteEntity: return delete_entity;
        case RouteId::kGetEntity: return get_entity;
        case RouteId::kListEntities: return list_entities;
        case RouteId::kPutHook: return change_owning<Hook, &DocumentTable<Hook>::put>;
        case RouteId::kPatchHook: return change_owning<Hook, &DocumentTable<Hook>::patch>;
        case RouteId::kDeleteHook: return delete_owning<Hook>;
        case RouteId::kRunHooks: return run_hooks;
        case RouteId::kExecuteWorkflow: return execute_workflow;
        case RouteId::kCancelWorkflowRun: return cancel_workflow_run;
        case RouteId::kTerminateWorkflowRun: return terminate_workflow_run;
        case RouteId::kPauseWorkflowRun: return pause_workflow_run;
        case RouteId::kResumeWorkflowRun: return resume_workflow_run;
        case RouteId::kSignalWorkflowRun: return signal_workflow_run;
        case RouteId::kRehearseWorkflowRun: return rehearse_workflow_run;
        case RouteId::kListEvents: return list_events;
        case RouteId::kPostGraphql:
        case RouteId::kGetGraphql: return query_graphql;
        case RouteId::kTraceEvent: return trace_event;
        case RouteId::kCancelEvent: return cancel_event;
        case RouteId::kCreateBackup: return create_backup;
        case RouteId::kListKv: return list_kv;
        case RouteId::kVerifyAudit: return verify_audit;
        case RouteId::kPreviewSubscription: return preview_subscription;
        case RouteId::kListExecutions: return list_executions;
        case RouteId::kListDeadLetters: return list_dead_letters;
        case RouteId::kReplayDeadLetters: return replay_dead_letters;
        case RouteId::kStartReplay: return start_replay;
        case RouteId::kRehearseDeadLetters: return rehearse_dead_letters;
        case RouteId::kListDeadLetterGroups: return list_dead_letter_groups;
        case RouteId::kPatchDeadLetterGroup: return patch_dead_letter_group;
        case RouteId::kCreateSubscription:
            return [](Call& call, const Respond& respond) {
                change_with_regexes(call, respond, create_subscription);
            };
        case RouteId::kPatchSubscription:
            return [](Call& call, const Respond& respond) {
                change_with_regexes(
                    call, respond,
                    change_document<Subscription, &DocumentTable<Subscription>::patch>);
            };
        default: return nullptr;
    }
}

constexpr std::string_view kEveryMethod = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

}  // namespace

struct Api::Impl {
    Services& services;
    io::Router router;
    std::vector<Handler> handlers;  // by RouteId
    // Lines of the audit log about changes that were refused because something else was there.
    static constexpr std::int64_t kRefusalsPerSecond = 5;
    std::map<std::uint32_t, identity::TokenBucket> refusals = {};  // by tenant

    void note_refusal(Call& call, const core::Error& error);
};

void Api::Impl::note_refusal(Call& call, const core::Error& error) {
    identity::TokenBucket& bucket = refusals[call.tenant().value];
    bucket.set_rate(kRefusalsPerSecond);
    if (bucket.take(services.clock().monotonic_ns(), 1) != 0) return;
    const Route& route = route_table()[call.request.match.route];
    audit(call, "refuse", "request", call.request.param("id"), [&](core::JsonWriter& json) {
        json.field("outcome", "conflict").field("reason", error.message);
        json.field("what",
                   std::string(io::method_text(route.method)) + " " + std::string(route.path));
    });
}

std::string_view ApiRequest::header(std::string_view name) const {
    for (const auto& [sent, value] : headers) {
        if (io::equals_ignore_case(sent, name)) return value;
    }
    return {};
}

std::optional<std::string> ApiRequest::query_value(std::string_view name) const {
    return api::query_value(query, name);
}

ApiResponse error_response(const core::Error& error) {
    ApiResponse response;
    response.status = core::error_code_status(error.code);
    response.body = io::error_body(error);
    const io::ErrorHeaders headers(error);
    for (const io::HeaderField& header : headers.fields())
        response.headers.emplace_back(header.name, header.value);
    return response;
}

Api::Api(Services& services)
    : impl_(new Impl{services, {}, std::vector<Handler>(route_table().size())}) {
    for (const Route& route : route_table()) {
        impl_->router.add(route.method, route.path, static_cast<std::uint32_t>(route.id));
    }
    for (const HandlerRow& row : kHandlers)
        impl_->handlers.at(static_cast<std::size_t>(row.id)) = row.handler;
    store::Database& database = services.database();
    services.metrics().gauge_callback(core::Metric::kDlqEntries, [&database] {
        return static_cast<double>(database.dead_letters().count());
    });
    services.metrics().gauge_callback(core::Metric::kDlqPendingRetries, [&database] {
        return static_cast<double>(database.retries().count_unparked());
    });
    Registry& registry = services.registry();
    services.metrics().gauge_callback(core::Metric::kSubscriptions, [&registry] {
        return static_cast<double>(registry.snapshot()->subscriptions.size());
    });
    services.metrics().gauge_callback(core::Metric::kScripts, [&registry] {
        return static_cast<double>(registry.snapshot()->scripts.size());
    });
}

Api::~Api() = default;

io::RouteOutcome Api::match(io::Method method, std::string_view path, io::RouteMatch& out) const {
    return impl_->router.match(method, path, out);
}

ApiResponse Api::unmatched(io::Method method, const io::RouteMatch& match, std::string_view path) {
    if (method == io::Method::kOptions && path == "*")
        return {.status = 204, .headers = {{"Allow", std::string(kEveryMethod)}}, .body = {}};
    const std::string where =
        std::string(io::method_text(method)) + " " + std::string(path.substr(0, 256));
    switch (match.outcome) {
        case io::RouteOutcome::kMethodNotAllowed: {
            ApiResponse response;
            if (method == io::Method::kOptions)
                response.status = 204;
            else
                response = error_response(
                    {core::ErrorCode::kMethodNotAllowed, where + ": allowed are " + match.allow});
            response.headers.emplace_back("Allow", match.allow);
            return response;
        }
        case io::RouteOutcome::kBadPath:
            return error_response(
                {core::ErrorCode::kValidation, where + ": the path is not well formed"});
        case io::RouteOutcome::kNotFound:
        case io::RouteOutcome::kFound: break;
    }
    return error_response(
        {core::ErrorCode::kNotFound, where + ": there is no such resource; see /openapi.json"});
}

void Api::handle(ApiRequest&& request, const Respond& respond) {
    const auto id = static_cast<RouteId>(request.match.route);
    if (auto known = check_query(route_table()[request.match.route], request.query); !known)
        return respond(error_response(known.error()));
    if (route_table()[request.match.route].method != io::Method::kGet)
        impl_->services.registry().act_as(identity::actor_of(request.principal),
                                          audit_members(request));
    Call call{impl_->services, request};
    if (const LaterHandler later = later_handler(id)) return later(call, respond);
    const Handler handler = impl_->handlers.at(static_cast<std::size_t>(id));
    if (!handler) {
        return respond(error_response(
            {core::ErrorCode::kInternal, "api: the route has no handler on this thread"}));
    }
    auto answer = handler(call);
    if (!answer && answer.error().code == core::ErrorCode::kConflict)
        impl_->note_refusal(call, answer.error());
    respond(answer ? std::move(*answer) : error_response(answer.error()));
}

}  // namespace millrace::runtime::api
