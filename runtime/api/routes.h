// What: the one table of HTTP calls. Routing, /openapi.json and the documentation come from it.
// Threads: constants. Lifetime: none. Limits: none.
// Failure: none; two routes that clash abort at start (io/router.h).
#pragma once

#include "io/http_types.h"
#include "runtime/identity/scopes.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>

namespace millrace::runtime::api {

enum class RouteOwner : std::uint8_t {
    kApi,      // Api::handle
    kEvents,   // the edge: POST /v2/events
    kStream,   // the edge: GET /v2/events/stream
    kHook,     // the edge: /v2/webhooks/{source}
    kConsole,  // the edge: the console's files
    kGraphql,  // the edge: /v2/graphql; what is answered at once Api::handle
};

// enumerator, owner, method, path, scope a caller must have, query parameters, what it does
#define MILLRACE_ROUTES(X)                                                                         \
    X(kPostEvents, kEvents, kPost, "/v2/events", kEventsWrite, "ids,atomic,durability",            \
      "Takes events: one, an array, NDJSON or CloudEvents")                                        \
    X(kListEvents, kApi, kGet, "/v2/events", kEventsRead,                                          \
      "pattern,patternPrefix,from,to,eventTimeFrom,eventTimeTo,sourceType,sourceId,correlationId," \
      "causationId,contextId,"                                                                     \
      "filter,limit,cursor,"                                                                       \
      "order,as,count",                                                                            \
      "Lists events, newest first")                                                                \
    X(kStreamEvents, kStream, kGet, "/v2/events/stream", kEventsRead,                              \
      "pattern,patternPrefix,filter,from", "Events as Server-Sent Events")                         \
    X(kSocketEvents, kStream, kGet, "/v2/events/ws", kEventsRead,                                  \
      "pattern,patternPrefix,filter,from", "Events over a WebSocket")                              \
    X(kPostGraphql, kGraphql, kPost, "/v2/graphql", kApiRead, "",                                  \
      "GraphQL: a query; with accept: text/event-stream a subscription too")                       \
    X(kGetGraphql, kGraphql, kGet, "/v2/graphql", kApiRead,                                        \
      "query,operationName,variables,extensions",                                                  \
      "GraphQL over a WebSocket (graphql-transport-ws), or as POST by its parameters")             \
    X(kGetEvent, kApi, kGet, "/v2/events/{eventId}", kEventsRead, "as,sourceType,sourceId",        \
      "One event")                                                                                 \
    X(kCancelEvent, kApi, kDelete, "/v2/events/{eventId}", kEventsWrite, "sourceType,sourceId",    \
      "Cancels what has not been delivered of an event")                                           \
    X(kTraceEvent, kApi, kGet, "/v2/events/{eventId}/trace", kEventsRead, "sourceType,sourceId",   \
      "What caused an event and what it caused")                                                   \
    X(kCreateScript, kApi, kPost, "/v2/scripts", kScriptsWrite, "", "Creates a script")            \
    X(kListScripts, kApi, kGet, "/v2/scripts", kScriptsRead, "limit,cursor", "Lists scripts")      \
    X(kGetScript, kApi, kGet, "/v2/scripts/{id}", kScriptsRead, "version", "One script")           \
    X(kPutScript, kApi, kPut, "/v2/scripts/{id}", kScriptsWrite, "",                               \
      "Makes a new version of a script")                                                           \
    X(kPatchScript, kApi, kPatch, "/v2/scripts/{id}", kScriptsWrite, "",                           \
      "Makes a new version of a script by JSON merge patch")                                       \
    X(kDeleteScript, kApi, kDelete, "/v2/scripts/{id}", kScriptsWrite, "",                         \
      "Removes a script that no subscription uses")                                                \
    X(kListScriptVersions, kApi, kGet, "/v2/scripts/{id}/versions", kScriptsRead, "",              \
      "The versions of a script, newest first")                                                    \
    X(kGetScriptVersion, kApi, kGet, "/v2/scripts/{id}/versions/{version}", kScriptsRead, "",      \
      "One version of a script")                                                                   \
    X(kTryScript, kApi, kPost, "/v2/scripts/{id}/try", kScriptsRun, "",                            \
      "What a script would do with an event, and what another version of it would")                \
    X(kPutCanary, kApi, kPost, "/v2/scripts/{id}/canary", kScriptsWrite, "",                       \
      "Runs a version for a part of the keys; it is given up by itself when it goes worse")        \
    X(kGetCanary, kApi, kGet, "/v2/scripts/{id}/canary", kScriptsRead, "",                         \
      "What a canary and the version beside it have come to")                                      \
    X(kDeleteCanary, kApi, kDelete, "/v2/scripts/{id}/canary", kScriptsWrite, "",                  \
      "Ends a canary: the version beside it runs for all")                                         \
    X(kRollbackScript, kApi, kPost, "/v2/scripts/{id}/rollback", kScriptsWrite, "",                \
      "Makes an older version of a script the newest again")                                       \
    X(kCreateSecret, kApi, kPost, "/v2/secrets", kSecretsWrite, "",                                \
      "Creates a secret; its value is never shown")                                                \
    X(kListSecrets, kApi, kGet, "/v2/secrets", kSecretsRead, "limit,cursor",                       \
      "Lists secrets, without values")                                                             \
    X(kGetSecret, kApi, kGet, "/v2/secrets/{id}", kSecretsRead, "",                                \
      "One secret, without its value")                                                             \
    X(kPutSecret, kApi, kPut, "/v2/secrets/{id}", kSecretsWrite, "", "Gives a secret a new value") \
    X(kPatchSecret, kApi, kPatch, "/v2/secrets/{id}", kSecretsWrite, "",                           \
      "Changes a secret by JSON merge patch")                                                      \
    X(kDeleteSecret, kApi, kDelete, "/v2/secrets/{id}", kSecretsWrite, "",                         \
      "Removes a secret and its versions")                                                         \
    X(kListSecretVersions, kApi, kGet, "/v2/secrets/{id}/versions", kSecretsRead, "",              \
      "The versions of a secret, newest first, without values")                                    \
    X(kCreateAction, kApi, kPost, "/v2/actions", kActionsWrite, "",                                \
      "Creates an action: an HTTP call or a command that scripts and workflows call by its name")  \
    X(kListActions, kApi, kGet, "/v2/actions", kActionsRead, "limit,cursor", "Lists actions")      \
    X(kGetAction, kApi, kGet, "/v2/actions/{id}", kActionsRead, "", "One action")                  \
    X(kPutAction, kApi, kPut, "/v2/actions/{id}", kActionsWrite, "", "Changes an action")          \
    X(kPatchAction, kApi, kPatch, "/v2/actions/{id}", kActionsWrite, "",                           \
      "Changes an action by JSON merge patch")                                                     \
    X(kDeleteAction, kApi, kDelete, "/v2/actions/{id}", kActionsWrite, "", "Removes an action")    \
    X(kCallAction, kApi, kPost, "/v2/actions/{id}/call", kActionsCall, "",                         \
      "Calls an action and answers with what came back")                                           \
    X(kRunScript, kApi, kPost, "/v2/script/run", kScriptsRun, "",                                  \
      "Runs an enabled script and answers with its result")                                        \
    X(kCreateSubscription, kApi, kPost, "/v2/subscriptions", kSubscriptionsWrite, "",              \
      "Creates a subscription")                                                                    \
    X(kListSubscriptions, kApi, kGet, "/v2/subscriptions", kSubscriptionsRead,                     \
      "scriptId,active,limit,cursor", "Lists subscriptions")                                       \
    X(kMatchSubscriptions, kApi, kPost, "/v2/subscriptions/match", kSubscriptionsRead,             \
      "explain,subscriptionId,nearMisses", "Which subscriptions want an event, and why")           \
    X(kPreviewSubscription, kApi, kPost, "/v2/subscriptions/preview", kSubscriptionsRead,          \
      "events,against", "How many of the last events a subscription would match")                  \
    X(kGetSubscription, kApi, kGet, "/v2/subscriptions/{id}", kSubscriptionsRead, "",              \
      "One subscription")                                                                          \
    X(kPatchSubscription, kApi, kPatch, "/v2/subscriptions/{id}", kSubscriptionsWrite, "",         \
      "Changes a subscription by JSON merge patch")                                                \
    X(kDeleteSubscription, kApi, kDelete, "/v2/subscriptions/{id}", kSubscriptionsWrite,           \
      "waiting", "Removes a subscription")                                                         \
    X(kPauseSubscription, kApi, kPost, "/v2/subscriptions/{id}/pause", kSubscriptionsWrite, "",    \
      "Delivers nothing to a subscription, which keeps its place in the log")                      \
    X(kResumeSubscription, kApi, kPost, "/v2/subscriptions/{id}/resume", kSubscriptionsWrite, "",  \
      "Goes on from its place, from another one, or from now on")                                  \
    X(kPostWebhook, kHook, kPost, "/v2/webhooks/{source}", kPublic, "",                            \
      "Takes a webhook as an event; the source's scheme verifies its signature")                   \
    X(kAskWebhook, kHook, kOptions, "/v2/webhooks/{source}", kPublic, "",                          \
      "CloudEvents' handshake: whether a sender may send here")                                    \
    X(kCreateSource, kApi, kPost, "/v2/sources", kSourcesWrite, "",                                \
      "Creates a source of webhooks; a secret that the server made is shown once")                 \
    X(kListSources, kApi, kGet, "/v2/sources", kSourcesRead, "limit,cursor",                       \
      "Lists sources, secrets masked")                                                             \
    X(kGetSource, kApi, kGet, "/v2/sources/{id}", kSourcesRead, "", "One source, secrets masked")  \
    X(kPutSource, kApi, kPut, "/v2/sources/{id}", kSourcesWrite, "", "Changes a source")           \
    X(kPatchSource, kApi, kPatch, "/v2/sources/{id}", kSourcesWrite, "",                           \
      "Changes a source by JSON merge patch")                                                      \
    X(kDeleteSource, kApi, kDelete, "/v2/sources/{id}", kSourcesWrite, "", "Removes a source")     \
    X(kRotateSource, kApi, kPost, "/v2/sources/{id}/rotate", kSourcesWrite, "",                    \
      "Gives a source a new secret; the old ones live on for the overlap")                         \
    X(kTestSource, kApi, kPost, "/v2/sources/{id}/test", kSourcesWrite, "",                        \
      "What would become of a webhook, and why; nothing is taken")                                 \
    X(kListSourceDeliveries, kApi, kGet, "/v2/sources/{id}/deliveries", kSourcesRead,              \
      "limit,cursor", "The last webhooks of a source and what became of them, newest first")       \
    X(kCreateLink, kApi, kPost, "/v2/links", kLinksWrite, "", "Creates a link to another system")  \
    X(kListLinks, kApi, kGet, "/v2/links", kLinksRead, "direction,type,limit,cursor",              \
      "Lists links, and what each is at")                                                          \
    X(kGetLink, kApi, kGet, "/v2/links/{id}", kLinksRead, "", "One link, and what it is at")       \
    X(kPutLink, kApi, kPut, "/v2/links/{id}", kLinksWrite, "", "Changes a link")                   \
    X(kPatchLink, kApi, kPatch, "/v2/links/{id}", kLinksWrite, "",                                 \
      "Changes a link by JSON merge patch")                                                        \
    X(kDeleteLink, kApi, kDelete, "/v2/links/{id}", kLinksWrite, "",                               \
      "Removes a link that no subscription uses, and its position")                                \
    X(kPauseLink, kApi, kPost, "/v2/links/{id}/pause", kLinksWrite, "",                            \
      "Lets a link rest: nothing is read, and what is to be sent waits")                           \
    X(kResumeLink, kApi, kPost, "/v2/links/{id}/resume", kLinksWrite, "",                          \
      "Lets a link go on that rests or was stopped")                                               \
    X(kResetLink, kApi, kPost, "/v2/links/{id}/reset", kLinksWrite, "",                            \
      "Lets a source begin anew: at the start, the end, or an id")                                 \
    X(kTestLink, kApi, kPost, "/v2/links/{id}/test", kLinksWrite, "",                              \
      "Whether a link's peer is there and lets us in; nothing is read or sent")                    \
    X(kEnrollEdge, kApi, kPost, "/v2/edges", kLinksWrite, "",                                      \
      "Lets an edge send its events here: its token is shown once")                                \
    X(kListEdges, kApi, kGet, "/v2/edges", kLinksRead, "limit,cursor",                             \
      "Lists edges, and what each is at")                                                          \
    X(kGetEdge, kApi, kGet, "/v2/edges/{id}", kLinksRead, "", "One edge, and what it is at")       \
    X(kPatchEdge, kApi, kPatch, "/v2/edges/{id}", kLinksWrite, "",                                 \
      "Changes an edge by JSON merge patch")                                                       \
    X(kRotateEdge, kApi, kPost, "/v2/edges/{id}/rotate", kLinksWrite, "",                          \
      "Gives an edge a new token, shown once; the old one counts for the overlap")                 \
    X(kBackfillEdge, kApi, kPost, "/v2/edges/{id}/backfill", kLinksWrite, "",                      \
      "Asks an edge for what filters have left out and is wanted by now")                          \
    X(kDeleteEdge, kApi, kDelete, "/v2/edges/{id}", kLinksWrite, "",                               \
      "Takes no more from an edge, and forgets how far it was")                                    \
    X(kTakeBatch, kApi, kPost, "/v2/edges/{id}/batches", kPublic, "",                              \
      "Takes a batch of an edge's log, each of its offsets once")                                  \
    X(kEdgeFilters, kApi, kGet, "/v2/edges/{id}/filters", kPublic, "",                             \
      "What is wanted of an edge's events")                                                        \
    X(kCreateSchedule, kApi, kPost, "/v2/schedules", kSchedulesWrite, "", "Creates a schedule")    \
    X(kCreateSchedules, kApi, kPost, "/v2/schedules/bulk", kSchedulesWrite, "",                    \
      "Creates many schedules with one sync: each is taken or refused by itself")                  \
    X(kListSchedules, kApi, kGet, "/v2/schedules", kSchedulesRead, "active,limit,cursor",          \
      "Lists schedules")                                                                           \
    X(kGetSchedule, kApi, kGet, "/v2/schedules/{id}", kSchedulesRead, "",                          \
      "One schedule, and when it runs next")                                                       \
    X(kPutSchedule, kApi, kPut, "/v2/schedules/{id}", kSchedulesWrite, "", "Changes a schedule")   \
    X(kPatchSchedule, kApi, kPatch, "/v2/schedules/{id}", kSchedulesWrite, "",                     \
      "Changes a schedule by JSON merge patch")                                                    \
    X(kDeleteSchedule, kApi, kDelete, "/v2/schedules/{id}", kSchedulesWrite, "",                   \
      "Removes a schedule and its ledger")                                                         \
    X(kListScheduleRuns, kApi, kGet, "/v2/schedules/{id}/runs", kSchedulesRead, "limit,cursor",    \
      "The ledger: what became of each due time, newest first")                                    \
    X(kPreviewSchedule, kApi, kGet, "/v2/schedules/{id}/preview", kSchedulesRead, "n,from",        \
      "The next times of a schedule")                                                              \
    X(kPauseSchedule, kApi, kPost, "/v2/schedules/{id}/pause", kSchedulesWrite, "",                \
      "Passes over due times until it is resumed")                                                 \
    X(kResumeSchedule, kApi, kPost, "/v2/schedules/{id}/resume", kSchedulesWrite, "",              \
      "Lets a paused schedule go on")                                                              \
    X(kTriggerSchedule, kApi, kPost, "/v2/schedules/{id}/trigger", kSchedulesWrite, "",            \
      "Fires now, whatever the schedule's times")                                                  \
    X(kBackfillSchedule, kApi, kPost, "/v2/schedules/{id}/backfill", kSchedulesWrite, "",          \
      "Fires the times of a range once more")                                                      \
    X(kCreateEndpoint, kApi, kPost, "/v2/endpoints", kEndpointsWrite, "", "Creates an endpoint")   \
    X(kListEndpoints, kApi, kGet, "/v2/endpoints", kEndpointsRead, "limit,cursor",                 \
      "Lists endpoints")                                                                           \
    X(kGetEndpoint, kApi, kGet, "/v2/endpoints/{id}", kEndpointsRead, "", "One endpoint")          \
    X(kPutEndpoint, kApi, kPut, "/v2/endpoints/{id}", kEndpointsWrite, "", "Changes an endpoint")  \
    X(kPatchEndpoint, kApi, kPatch, "/v2/endpoints/{id}", kEndpointsWrite, "",                     \
      "Changes an endpoint by JSON merge patch")                                                   \
    X(kDeleteEndpoint, kApi, kDelete, "/v2/endpoints/{id}", kEndpointsWrite, "",                   \
      "Removes an endpoint")                                                                       \
    X(kCallEndpointGet, kApi, kGet, "/v2/endpoint/{method}/*", kPublic, "*",                       \
      "Runs the script of an endpoint")                                                            \
    X(kCallEndpointPost, kApi, kPost, "/v2/endpoint/{method}/*", kPublic, "*",                     \
      "Runs the script of an endpoint")                                                            \
    X(kCallEndpointPut, kApi, kPut, "/v2/endpoint/{method}/*", kPublic, "*",                       \
      "Runs the script of an endpoint")                                                            \
    X(kCallEndpointPatch, kApi, kPatch, "/v2/endpoint/{method}/*", kPublic, "*",                   \
      "Runs the script of an endpoint")                                                            \
    X(kCallEndpointDelete, kApi, kDelete, "/v2/endpoint/{method}/*", kPublic, "*",                 \
      "Runs the script of an endpoint")                                                            \
    X(kCallEndpointOptions, kApi, kOptions, "/v2/endpoint/{method}/*", kPublic, "*",               \
      "What a browser asks before it calls an endpoint")                                           \
    X(kCreateEntity, kApi, kPost, "/v2/entities/{type}", kEntitiesWrite, "wait",                   \
      "Creates an entity: a document with a version")                                              \
    X(kListEntities, kApi, kGet, "/v2/entities/{type}", kEntitiesRead, "filter,asOf,limit,cursor", \
      "Lists entities of a type, as they are or as they were at a moment")                         \
    X(kGetEntity, kApi, kGet, "/v2/entities/{type}/{id}", kEntitiesRead, "asOf",                   \
      "One entity, as it is or as it was at a moment")                                             \
    X(kPutEntity, kApi, kPut, "/v2/entities/{type}/{id}", kEntitiesWrite, "wait",                  \
      "Replaces an entity, or creates it")                                                         \
    X(kPatchEntity, kApi, kPatch, "/v2/entities/{type}/{id}", kEntitiesWrite, "wait",              \
      "Changes an entity by JSON merge patch")                                                     \
    X(kDeleteEntity, kApi, kDelete, "/v2/entities/{type}/{id}", kEntitiesWrite, "wait",            \
      "Removes an entity")                                                                         \
    X(kCreateHook, kApi, kPost, "/v2/hooks", kHooksWrite, "",                                      \
      "Creates a hook: a script before or after changes of entities")                              \
    X(kListHooks, kApi, kGet, "/v2/hooks", kHooksRead, "entity,limit,cursor", "Lists hooks")       \
    X(kRunHooks, kApi, kPost, "/v2/hooks/run", kEntitiesWrite, "wait",                             \
      "Asks or tells the hooks of a document that lives elsewhere")                                \
    X(kGetHook, kApi, kGet, "/v2/hooks/{id}", kHooksRead, "", "One hook")                          \
    X(kPutHook, kApi, kPut, "/v2/hooks/{id}", kHooksWrite, "", "Changes a hook")                   \
    X(kPatchHook, kApi, kPatch, "/v2/hooks/{id}", kHooksWrite, "",                                 \
      "Changes a hook by JSON merge patch")                                                        \
    X(kDeleteHook, kApi, kDelete, "/v2/hooks/{id}", kHooksWrite, "", "Removes a hook")             \
    X(kRotateSubscriptionSecret, kApi, kPost, "/v2/subscriptions/{id}/rotate-secret",              \
      kSubscriptionsWrite, "",                                                                     \
      "A new secret for a webhook; the old one signs beside it for a day")                         \
    X(kTestSubscription, kApi, kPost, "/v2/subscriptions/{id}/test", kSubscriptionsWrite, "",      \
      "Makes one delivery of an event that is in no log")                                          \
    X(kCreateSchema, kApi, kPost, "/v2/schemas", kSchemasWrite, "",                                \
      "Creates a schema: what events of a pattern must be")                                        \
    X(kListSchemas, kApi, kGet, "/v2/schemas", kSchemasRead, "limit,cursor", "Lists schemas")      \
    X(kCheckSchema, kApi, kPost, "/v2/schemas/check", kSchemasRead, "",                            \
      "What a schema would have refused of the log")                                               \
    X(kGetSchema, kApi, kGet, "/v2/schemas/{id}", kSchemasRead, "", "One schema")                  \
    X(kPutSchema, kApi, kPut, "/v2/schemas/{id}", kSchemasWrite, "",                               \
      "Makes a new version of a schema, if it is compatible")                                      \
    X(kPatchSchema, kApi, kPatch, "/v2/schemas/{id}", kSchemasWrite, "",                           \
      "Makes a new version of a schema by JSON merge patch")                                       \
    X(kDeleteSchema, kApi, kDelete, "/v2/schemas/{id}", kSchemasWrite, "", "Removes a schema")     \
    X(kListSchemaVersions, kApi, kGet, "/v2/schemas/{id}/versions", kSchemasRead, "",              \
      "The versions of a schema, newest first")                                                    \
    X(kGetSchemaVersion, kApi, kGet, "/v2/schemas/{id}/versions/{version}", kSchemasRead, "",      \
      "One version of a schema")                                                                   \
    X(kValidateSchema, kApi, kPost, "/v2/schemas/{id}/validate", kSchemasRead, "",                 \
      "Whether an event or a payload fits, and where it does not")                                 \
    X(kListSchemaViolations, kApi, kGet, "/v2/schemas/{id}/violations", kSchemasRead,              \
      "limit,cursor", "The last events that did not fit, newest first")                            \
    X(kListExecutions, kApi, kGet, "/v2/executions", kExecutionsRead,                              \
      "scriptId,subscriptionId,eventId,sourceType,sourceId,status,from,to,limit,cursor",           \
      "Lists executions")                                                                          \
    X(kGetExecution, kApi, kGet, "/v2/executions/{id}", kExecutionsRead, "", "One execution")      \
    X(kListDeadLetters, kApi, kGet, "/v2/dlq", kDeadLettersRead,                                   \
      "scriptId,subscriptionId,pattern,errorFingerprint,from,to,limit,cursor",                     \
      "Lists the dead-letter queue")                                                               \
    X(kRehearseDeadLetters, kApi, kPost, "/v2/dlq/rehearse", kDeadLettersReplay, "",               \
      "What would become of dead letters now, by a sample; nothing is done")                       \
    X(kListDeadLetterGroups, kApi, kGet, "/v2/dlq/groups", kDeadLettersRead,                       \
      "scriptId,subscriptionId,pattern,state,from,to,limit", "Dead letters by what went wrong")    \
    X(kPatchDeadLetterGroup, kApi, kPatch, "/v2/dlq/groups/{fingerprint}", kDeadLettersWrite, "",  \
      "Says what was made of a group: open, acknowledged, resolved or ignored")                    \
    X(kReplayDeadLetters, kApi, kPost, "/v2/dlq/replay", kDeadLettersReplay, "",                   \
      "Delivers dead letters again, by filter")                                                    \
    X(kGetDeadLetter, kApi, kGet, "/v2/dlq/{id}", kDeadLettersRead, "", "One dead letter")         \
    X(kDeleteDeadLetter, kApi, kDelete, "/v2/dlq/{id}", kDeadLettersWrite, "",                     \
      "Removes a dead letter")                                                                     \
    X(kReplayDeadLetter, kApi, kPost, "/v2/dlq/{id}/replay", kDeadLettersReplay, "",               \
      "Delivers one dead letter again")                                                            \
    X(kPutDeadLetterEvent, kApi, kPut, "/v2/dlq/{id}/event", kDeadLettersWrite, "",                \
      "Corrects the event that a dead letter is delivered with; the log keeps the one that came")  \
    X(kListRetries, kApi, kGet, "/v2/retries", kExecutionsRead, "limit,cursor",                    \
      "Deliveries that wait for a retry, by due time")                                             \
    X(kStartReplay, kApi, kPost, "/v2/replays", kReplaysWrite, "",                                 \
      "Delivers a range of the log again")                                                         \
    X(kListReplays, kApi, kGet, "/v2/replays", kReplaysRead, "limit,cursor",                       \
      "Lists replays, newest first")                                                               \
    X(kGetReplay, kApi, kGet, "/v2/replays/{id}", kReplaysRead, "", "Progress of a replay")        \
    X(kListReplayDifferences, kApi, kGet, "/v2/replays/{id}/diff", kReplaysRead, "limit,cursor",   \
      "What a dry run found different, in order of the log")                                       \
    X(kCancelReplay, kApi, kDelete, "/v2/replays/{id}", kReplaysWrite, "", "Cancels a replay")     \
    X(kCreateBackup, kApi, kPost, "/v2/backups", kBackupsWrite, "",                                \
      "Copies the data folder to a new folder while the server runs")                              \
    X(kCreateKey, kApi, kPost, "/v2/keys", kKeysWrite, "",                                         \
      "Creates a key; its text is shown this once")                                                \
    X(kListKeys, kApi, kGet, "/v2/keys", kKeysRead, "tenantId,limit,cursor", "Lists keys")         \
    X(kGetKey, kApi, kGet, "/v2/keys/{id}", kKeysRead, "", "One key, without its text")            \
    X(kPatchKey, kApi, kPatch, "/v2/keys/{id}", kKeysWrite, "",                                    \
      "Changes a key by JSON merge patch")                                                         \
    X(kDeleteKey, kApi, kDelete, "/v2/keys/{id}", kKeysWrite, "", "Revokes a key")                 \
    X(kRotateKey, kApi, kPost, "/v2/keys/{id}/rotate", kKeysWrite, "",                             \
      "Gives a key a new text; the old one is taken for a while yet")                              \
    X(kCreateTenant, kApi, kPost, "/v2/tenants", kTenantsWrite, "", "Creates a tenant")            \
    X(kListTenants, kApi, kGet, "/v2/tenants", kTenantsRead, "limit,cursor", "Lists tenants")      \
    X(kGetTenant, kApi, kGet, "/v2/tenants/{id}", kTenantsRead, "", "One tenant")                  \
    X(kPatchTenant, kApi, kPatch, "/v2/tenants/{id}", kTenantsWrite, "",                           \
      "Changes or suspends a tenant by JSON merge patch")                                          \
    X(kDeleteTenant, kApi, kDelete, "/v2/tenants/{id}", kTenantsWrite, "",                         \
      "Removes a tenant that has no scripts and subscriptions, and its keys")                      \
    X(kTenantUsage, kApi, kGet, "/v2/tenants/{id}/usage", kStatsRead, "",                          \
      "What a tenant has, beside what it may have")                                                \
    X(kVerifyAudit, kApi, kGet, "/v2/audit/verify", kAuditRead, "",                                \
      "Whether the audit log is whole, by its chain of hashes")                                    \
    X(kListAudit, kApi, kGet, "/v2/audit", kAuditRead, "kind,id,from,to,limit,cursor",             \
      "Who changed what, newest first")                                                            \
    X(kCreateWorkflow, kApi, kPost, "/v2/workflows", kWorkflowsWrite, "strict,dryRun",             \
      "Creates a workflow, or a further version of one")                                           \
    X(kListWorkflows, kApi, kGet, "/v2/workflows", kWorkflowsRead, "limit,cursor",                 \
      "Lists workflows")                                                                           \
    X(kGetWorkflow, kApi, kGet, "/v2/workflows/{id}", kWorkflowsRead, "version",                   \
      "One workflow, the newest version or another")                                               \
    X(kPutWorkflow, kApi, kPut, "/v2/workflows/{id}", kWorkflowsWrite, "strict,dryRun",            \
      "Makes a further version of a workflow")                                                     \
    X(kPatchWorkflow, kApi, kPatch, "/v2/workflows/{id}", kWorkflowsWrite, "strict,dryRun",        \
      "Makes a further version of a workflow by JSON merge patch")                                 \
    X(kDeleteWorkflow, kApi, kDelete, "/v2/workflows/{id}", kWorkflowsWrite, "version",            \
      "Removes a workflow that has no run under way, or a version of it")                          \
    X(kListWorkflowVersions, kApi, kGet, "/v2/workflows/{id}/versions", kWorkflowsRead, "",        \
      "The versions of a workflow, newest first")                                                  \
    X(kExecuteWorkflow, kApi, kPost, "/v2/workflows/{id}/execute", kWorkflowsRun, "wait",          \
      "Begins a run of a workflow")                                                                \
    X(kListWorkflowRuns, kApi, kGet, "/v2/workflow-runs", kWorkflowsRead,                          \
      "workflowId,status,eventId,limit,cursor", "Lists runs of workflows, newest first")           \
    X(kGetWorkflowRun, kApi, kGet, "/v2/workflow-runs/{runId}", kWorkflowsRead, "",                \
      "One run, with its steps")                                                                   \
    X(kWorkflowRunHistory, kApi, kGet, "/v2/workflow-runs/{runId}/history", kWorkflowsRead, "",    \
      "The journal of a run: what happened, and what followed")                                    \
    X(kCancelWorkflowRun, kApi, kPost, "/v2/workflow-runs/{runId}/cancel", kWorkflowsRun, "",      \
      "Ends a run and undoes what it has begun")                                                   \
    X(kTerminateWorkflowRun, kApi, kPost, "/v2/workflow-runs/{runId}/terminate", kWorkflowsRun,    \
      "", "Ends a run at once and undoes nothing")                                                 \
    X(kPauseWorkflowRun, kApi, kPost, "/v2/workflow-runs/{runId}/pause", kWorkflowsRun, "",        \
      "Begins no further step of a run until it is resumed")                                       \
    X(kResumeWorkflowRun, kApi, kPost, "/v2/workflow-runs/{runId}/resume", kWorkflowsRun, "",      \
      "Lets a paused run go on, with another version or from a step")                              \
    X(kSignalWorkflowRun, kApi, kPost, "/v2/workflow-runs/{runId}/signal", kWorkflowsRun, "",      \
      "Tells a run something that it waits for, or will")                                          \
    X(kRehearseWorkflowRun, kApi, kPost, "/v2/workflow-runs/{runId}/rehearse", kWorkflowsRead, "", \
      "Whether another version would have come the same way")                                      \
    X(kListWorkflowKeys, kApi, kGet, "/v2/workflow-keys", kKeysRead, "",                           \
      "The keys that the keys of runs are wrapped with, never the keys themselves")                \
    X(kRotateWorkflowKey, kApi, kPost, "/v2/workflow-keys/rotate", kKeysWrite, "",                 \
      "Makes a new key for the keys of runs; those that are there are wrapped anew by and by")     \
    X(kListKv, kApi, kGet, "/v2/kv", kKvRead, "prefix,space,namespace,at,limit,cursor",            \
      "What handlers keep in kv, as it is or as it was at a moment")                               \
    X(kGetCluster, kApi, kGet, "/v2/cluster", kMetricsRead, "",                                    \
      "A cluster's nodes and partitions, as the node that is asked sees them")                     \
    X(kInitCluster, kApi, kPost, "/v2/cluster/init", kBackupsWrite, "",                            \
      "Makes the cluster, of nodes that are running")                                              \
    X(kGetPartition, kApi, kGet, "/v2/cluster/partitions/{p}", kMetricsRead, "",                   \
      "One partition: its owner, and how far each copy is")                                        \
    X(kMovePartition, kApi, kPost, "/v2/cluster/partitions/{p}/move", kBackupsWrite, "",           \
      "Hands a partition over to another node")                                                    \
    X(kHealPartition, kApi, kPost, "/v2/cluster/partitions/{p}/heal", kBackupsWrite, "",           \
      "Says which copy of a diverged partition counts; what only others have is lost")             \
    X(kDrainNode, kApi, kPost, "/v2/cluster/nodes/{n}/drain", kBackupsWrite, "",                   \
      "Hands over all that a node owns, so that it can be ended")                                  \
    X(kUndrainNode, kApi, kDelete, "/v2/cluster/nodes/{n}/drain", kBackupsWrite, "",               \
      "Lets a drained node own again")                                                             \
    X(kMe, kApi, kGet, "/v2/me", kApiRead, "", "Who is asking, and what they may")                 \
    X(kListExecutors, kApi, kGet, "/v2/executors", kMetricsRead, "",                               \
      "What runs deliveries: how much at once, how much of it now")                                \
    X(kListSettings, kApi, kGet, "/v2/config", kMetricsRead, "",                                   \
      "The settings that the server was started with, and what has said each")                     \
    X(kListLog, kApi, kGet, "/v2/log", kMetricsRead, "level,limit",                                \
      "The last lines of the server's log, the newest first")                                      \
    X(kStats, kApi, kGet, "/v2/stats", kStatsRead, "window,step",                                  \
      "Figures of the engine; with a window their series, 15 minutes at most")                     \
    X(kStreamStats, kStream, kGet, "/v2/stats/stream", kStatsRead, "",                             \
      "Figures of each second as Server-Sent Events")                                              \
    X(kOpenSession, kApi, kPost, "/v2/session", kApiRead, "",                                      \
      "Trades a key for a browser's cookie")                                                       \
    X(kCloseSession, kApi, kDelete, "/v2/session", kApiRead, "", "Ends a browser's session")       \
    X(kOpenPortal, kApi, kPost, "/v2/portal", kKeysWrite, "",                                      \
      "An address that lets somebody into the console once, with these scopes")                    \
    X(kEnterPortal, kApi, kGet, "/v2/portal/{invitation}", kPublic, "",                            \
      "Trades an invitation for a browser's cookie")                                               \
    X(kConsole, kConsole, kGet, "/", kPublic, "", "The console")                                   \
    X(kConsoleFile, kConsole, kGet, "/console/{file}", kPublic, "", "What the console loads")      \
    X(kHealthz, kApi, kGet, "/healthz", kPublic, "", "200 while the process lives")                \
    X(kReadyz, kApi, kGet, "/readyz", kPublic, "", "200, or 503 with the reason")                  \
    X(kMetrics, kApi, kGet, "/metrics", kMetricsRead, "", "Prometheus text")                       \
    X(kOpenApi, kApi, kGet, "/openapi.json", kApiRead, "", "This table as OpenAPI 3.1")

enum class RouteId : std::uint32_t {
#define X(enumerator, owner, method, path, scope, query, doc) enumerator,
    MILLRACE_ROUTES(X)
#undef X
};

// What bodies may have where that is something else than http.body_bytes_max: never more than
// `most`, and `least` whatever the setting is.
struct BodyBytes {
    std::size_t least = 0;
    std::size_t most = std::numeric_limits<std::size_t>::max();
};

struct Route {
    RouteId id;
    RouteOwner owner;
    io::Method method;
    std::string_view path;
    identity::Scope scope;
    std::string_view query;  // names with commas between them
    std::string_view doc;
    std::string_view name;  // "PostEvents"
    BodyBytes body;
};

// Scripts answer there, by rules that their endpoints have.
inline bool answers_as_endpoint(const Route& route) {
    return route.path.starts_with("/v2/endpoint/");
}

// By a token of their own, which no scope stands for.
inline bool is_asked_by_edges(RouteId id) {
    return id == RouteId::kTakeBatch || id == RouteId::kEdgeFilters;
}

// In the order of RouteId.
std::span<const Route> route_table();

}  // namespace millrace::runtime::api
