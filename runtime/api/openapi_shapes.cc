// What goes into each call and what comes out: shapes that clients can rely on. Members may be
// added to answers at any time, so none of them is closed; what is taken is closed by its reader.
#include "runtime/api/openapi.h"
#include "runtime/api/openapi_parts.h"

#include <vector>

namespace millrace::runtime::api {
namespace {

constexpr Component
    kComponents[] =
        {
            {"Error",
             R"({"type":"object","required":["success","error"],"properties":{"success":{"const":false},"error":{"$ref":"#/components/schemas/ErrorBody"}}})"},
            {"ErrorBody",
             R"({"type":"object","required":["message","code","statusCode","details"],"properties":{"message":{"type":"string"},"code":{"type":"string","enum":["UNAUTHORIZED","FORBIDDEN","NOT_FOUND","METHOD_NOT_ALLOWED","CONFLICT","GONE","VALIDATION_ERROR","PAYLOAD_TOO_LARGE","UNSUPPORTED_MEDIA_TYPE","RATE_LIMIT_EXCEEDED","INTERNAL_ERROR","UNAVAILABLE","REQUEST_TIMEOUT","URI_TOO_LONG","EXPECTATION_FAILED","HEADERS_TOO_LARGE","NOT_SUPPORTED","HTTP_VERSION_NOT_SUPPORTED"]},"statusCode":{"type":"integer"},"details":{"type":"object","properties":{"field":{"type":"string"},"position":{"type":"integer"},"limit":{"type":"integer"}}}}})"},
            {"Success", R"({"type":"object","properties":{"success":{"const":true}}})"},
            {"MergePatch",
             R"({"type":"object","description":"JSON merge patch (RFC 7386): null takes a member away"})"},
            {"Source",
             R"({"type":"object","required":["type","id"],"properties":{"type":{"type":"string","enum":["workflow","task","integration","external"]},"id":{"type":"string"}}})"},
            {"Metadata",
             R"({"type":"object","properties":{"correlationId":{"type":"string"},"causationId":{"type":"string"},"context":{"type":"object","properties":{"type":{"type":"string","enum":["client","user","global"]},"id":{"type":"string"}}}}})"},
            {"NewEvent",
             R"({"type":"object","description":"an older document's name or event_type (pattern), data or event_data (payload), type (metadata.class) and scheduled_at are taken too","required":["pattern"],"properties":{"eventId":{"type":"string","maxLength":1024},"pattern":{"type":"string","minLength":1},"version":{"type":["string","number"]},"source":{"$ref":"#/components/schemas/Source"},"timestamp":{"type":"string","format":"date-time"},"payload":{"type":"object"},"metadata":{"$ref":"#/components/schemas/Metadata"},"partitionKey":{"type":"string"},"priority":{"type":["integer","string"]},"scheduledAt":{"type":"string","format":"date-time"},"tenantId":{"type":"string"}},"examples":[{"pattern":"order.paid","payload":{"amount":12}}]})"},
            {"NewEvents",
             R"({"oneOf":[{"$ref":"#/components/schemas/NewEvent"},{"type":"array","items":{"$ref":"#/components/schemas/NewEvent"}}]})"},
            {"Event",
             R"({"type":"object","required":["eventId","pattern","tenantId","receivedAt","shard","offset"],"properties":{"eventId":{"type":"string"},"pattern":{"type":"string"},"source":{"$ref":"#/components/schemas/Source"},"timestamp":{"type":"string"},"payload":{"type":"object"},"metadata":{"$ref":"#/components/schemas/Metadata"},"tenantId":{"type":"string"},"receivedAt":{"type":"string","format":"date-time"},"shard":{"type":"integer"},"offset":{"type":"integer"},"traceparent":{"type":"string"},"tracestate":{"type":"string"}}})"},
            {"EventCount",
             R"({"type":"object","description":"of a list with ?count=1: how many there are, instead of them; with next it goes on","required":["count","next","scanned","searched"],"properties":{"count":{"type":"integer"},"next":{"type":["string","null"]},"scanned":{"type":"integer"},"searched":{"type":"number"}},"examples":[{"count":12,"next":null,"scanned":40,"searched":1}]})"},
            {"Taken",
             R"({"type":"object","required":["success","accepted","duplicates","rejected"],"properties":{"success":{"const":true},"accepted":{"type":"integer"},"duplicates":{"type":"integer"},"rejected":{"type":"array","items":{"type":"object","required":["index","error"],"properties":{"index":{"type":"integer"},"error":{"$ref":"#/components/schemas/ErrorBody"}}}},"durability":{"type":"string","enum":["fsync","os","memory","replicated"]},"partition":{"$ref":"#/components/schemas/OfPartition"},"epoch":{"type":"integer"},"events":{"type":"array","items":{"type":"object","required":["eventId","shard","offset","duplicate"],"properties":{"eventId":{"type":"string"},"shard":{"type":"integer"},"offset":{"type":"integer"},"duplicate":{"type":"boolean"}}}}}})"},
            {"Trace",
             R"({"type":"object","required":["event","deliveries","causes","caused","truncated"],"properties":{"event":{"$ref":"#/components/schemas/Event"},"causedBy":{"type":["string","null"]},"deliveries":{"type":"array","items":{"$ref":"#/components/schemas/Execution"}},"causes":{"type":"array","items":{"type":"object"}},"caused":{"type":"array","items":{"type":"object"}},"truncated":{"type":"boolean"},"partition":{"$ref":"#/components/schemas/OfPartition"}}})"},
            {"NewScript",
             R"({"type":"object","required":["source"],"properties":{"id":{"type":"string","maxLength":128},"name":{"type":"string","maxLength":256},"type":{"type":"string"},"source":{"type":"string","minLength":1},"enabled":{"type":"boolean"},"timeoutMs":{"type":"integer","minimum":1,"maximum":300000},"memoryBytes":{"type":"integer"},"permissions":{"type":"array","items":{"type":"string","enum":["http","kv","emit","secrets"]}},"recordCalls":{"type":"boolean"},"allow":{"type":"object"}},"examples":[{"name":"count","type":"event","source":"return function(event) sdk.kv.incr('n') end"}]})"},
            {"Script",
             R"({"type":"object","required":["id","name","type","source","enabled","timeoutMs","memoryBytes","permissions","version"],"properties":{"id":{"type":"string"},"name":{"type":"string"},"type":{"type":"string"},"source":{"type":"string"},"enabled":{"type":"boolean"},"timeoutMs":{"type":"integer"},"memoryBytes":{"type":"integer"},"permissions":{"type":"array","items":{"type":"string"}},"version":{"type":"integer"},"createdAt":{"type":"string"},"updatedAt":{"type":"string"}}})"},
            {"NewCanary",
             R"({"type":"object","required":["version"],"properties":{"version":{"type":"integer","minimum":1},"percent":{"type":"number","minimum":0,"maximum":100},"rollbackOn":{"$ref":"#/components/schemas/CanaryRules"}}})"},
            {"CanaryRules",
             R"({"type":"object","properties":{"errorRate":{"type":"number","minimum":0,"maximum":1},"p99Factor":{"type":"number","minimum":1,"maximum":1000},"difference":{"type":"number","minimum":0,"maximum":1},"minRuns":{"type":"integer","minimum":1,"maximum":1000000}}})"},
            {"CanaryArm",
             R"({"type":"object","required":["version","runs","failures","p99Ms"],"properties":{"version":{"type":"integer"},"runs":{"type":"integer"},"failures":{"type":"integer"},"p99Ms":{"type":"number"}}})"},
            {"Canary",
             R"({"type":"object","required":["scriptId","version","percent","mode","state","reason","rollbackOn","candidate","baseline","compared","different"],"properties":{"scriptId":{"type":"string"},"version":{"type":"integer"},"percent":{"type":"number"},"mode":{"enum":["canary","shadow"]},"state":{"enum":["running","rolledBack","superseded"]},"reason":{"type":["string","null"]},"rollbackOn":{"$ref":"#/components/schemas/CanaryRules"},"candidate":{"$ref":"#/components/schemas/CanaryArm"},"baseline":{"$ref":"#/components/schemas/CanaryArm"},"compared":{"type":"integer"},"different":{"type":"integer"},"missing":{"$ref":"#/components/schemas/MissingPartitions"}}})"},
            {"ScriptRun",
             R"({"type":"object","required":["scriptId"],"properties":{"scriptId":{"type":"string"},"query":{"type":"object"},"body":{},"event":{"type":"object"}}})"},
            {"ScriptAnswer",
             R"({"type":"object","required":["success","result","logs","executionId","durationMs"],"properties":{"success":{"const":true},"result":{},"logs":{"type":"array"},"executionId":{"type":"string"},"durationMs":{"type":"number"}}})"},
            {"Pattern",
             R"({"oneOf":[{"type":"string","minLength":1},{"type":"object","required":["type","value"],"properties":{"type":{"type":"string","enum":["exact","prefix","suffix","wildcard","regex"]},"value":{"type":"string"}}}]})"},
            {"Executor",
             R"({"type":"object","required":["type"],"properties":{"type":{"type":"string","enum":["script","webhook","command","workflow","link","action"]},"scriptId":{"type":"string"},"linkId":{"type":"string"},"url":{"type":"string"},"command":{"type":"string"},"args":{"type":"array","items":{"type":"string"}},"workflowId":{"type":"string"},"headers":{"type":"object"},"timeoutMs":{"type":"integer"},"transformScriptId":{"type":"string"}}})"},
            {"Retry",
             R"({"type":"object","properties":{"maxRetries":{"type":"integer"},"initialDelayMs":{"type":"integer"},"maxDelayMs":{"type":"integer"},"backoffFactor":{"type":"number"},"jitter":{"type":"boolean"},"schedule":{"type":"string"}}})"},
            {"NewSubscription",
             R"({"type":"object","description":"an older document's event_type, executor_type with configuration, and retry_policy are taken too","required":["pattern","executor"],"properties":{"id":{"type":"string"},"name":{"type":"string"},"pattern":{"$ref":"#/components/schemas/Pattern"},"filters":{"type":["object","array"]},"filter":{"type":"string"},"form":{"type":"string"},"executor":{"$ref":"#/components/schemas/Executor"},"priority":{"type":"integer"},"retry":{"$ref":"#/components/schemas/Retry"},"ordering":{"type":"string"},"edges":{"type":["string","null"],"enum":["*",null]},"active":{"type":"boolean"}},"examples":[{"name":"large invoices","pattern":"invoice.*","filter":"$.payload.amount > 1000","executor":{"type":"script","scriptId":"count"}}]})"},
            {"Subscription",
             R"({"type":"object","required":["id","name","pattern","executor","active","paused","version"],"properties":{"id":{"type":"string"},"name":{"type":"string"},"pattern":{"$ref":"#/components/schemas/Pattern"},"executor":{"$ref":"#/components/schemas/Executor"},"priority":{"type":"integer"},"retry":{"$ref":"#/components/schemas/Retry"},"edges":{"type":"string"},"active":{"type":"boolean"},"paused":{"type":"boolean"},"version":{"type":"integer"},"createdAt":{"type":"string"},"updatedAt":{"type":"string"}}})"},
            {"Matched",
             R"({"type":"object","required":["matched"],"properties":{"matched":{"type":"array","items":{"type":"string"}},"explain":{"type":["object","array"]},"nearMisses":{"type":"array"}}})"},
            {"Preview",
             R"({"type":"object","required":["scanned","matched","byPattern"],"properties":{"scanned":{"type":"integer"},"matched":{"type":"integer"},"unreadable":{"type":"integer"},"byPattern":{"type":"array","items":{"type":"object"}},"otherPatterns":{"type":"integer"},"samples":{"type":"array","items":{"type":"object","required":["eventId","pattern"],"properties":{"eventId":{"type":"string"},"pattern":{"type":"string"}}}},"nearMisses":{"type":"array","items":{"type":"object","required":["condition","count"],"properties":{"condition":{"type":"string"},"count":{"type":"integer"},"samples":{"type":"array","items":{"type":"object","required":["eventId","pattern"],"properties":{"eventId":{"type":"string"},"pattern":{"type":"string"}}}}}}},"gained":{"type":"integer"},"gainedSamples":{"type":"array","items":{"type":"object","required":["eventId","pattern"],"properties":{"eventId":{"type":"string"},"pattern":{"type":"string"}}}},"lost":{"type":"integer"},"lostSamples":{"type":"array","items":{"type":"object","required":["eventId","pattern"],"properties":{"eventId":{"type":"string"},"pattern":{"type":"string"}}}},"indexed":{"type":"boolean"}}})"},
            {"Execution",
             R"({"type":"object","required":["id","status","attempts","logs","result"],"properties":{"id":{"type":"string"},"eventId":{"type":["string","null"]},"subscriptionId":{"type":["string","null"]},"scriptId":{"type":["string","null"]},"scriptVersion":{"type":["integer","null"]},"status":{"type":"string"},"attempts":{"type":"array","items":{"type":"object","required":["at","durationUs","error"],"properties":{"at":{"type":"string"},"durationUs":{"type":"integer"},"error":{"type":["string","null"]}}}},"logs":{"type":"array"},"result":{}}})"},
            {"RetryRow",
             R"({"type":"object","required":["executionId","attempt","dueAt","parked","held"],"properties":{"executionId":{"type":"string"},"eventId":{"type":["string","null"]},"subscriptionId":{"type":["string","null"]},"attempt":{"type":"integer"},"dueAt":{"type":["string","null"]},"parked":{"type":"boolean"},"held":{"type":"boolean"},"partition":{"$ref":"#/components/schemas/OfPartition"}}})"},
            {"DeadLetter",
             R"({"type":"object","required":["id","tenantId","subscriptionId","eventType","eventId","error","errorFingerprint","retryCount","maxRetries","attempts","createdAt","updatedAt"],"properties":{"id":{"type":"string"},"tenantId":{"type":"string"},"subscriptionId":{"type":"string"},"scriptId":{"type":["string","null"]},"eventType":{"type":"string"},"eventId":{"type":"string"},"event":{"type":["object","null"]},"edited":{"type":"object","properties":{"at":{"type":"string"},"by":{"type":"string"},"count":{"type":"integer"},"original":{"type":"object"}}},"error":{"type":"string"},"errorFingerprint":{"type":"string"},"retryCount":{"type":"integer"},"maxRetries":{"type":"integer"},"nextRetryAt":{"type":["string","null"]},"attempts":{"type":"array"},"createdAt":{"type":"string"},"updatedAt":{"type":"string"}}})"},
            {"DeadLetterGroup",
             R"({"type":"object","required":["fingerprint","count","state","cameAgain","error","firstAt","lastAt","subscriptionIds","eventTypes","sample"],"properties":{"fingerprint":{"type":"string"},"count":{"type":"integer"},"state":{"$ref":"#/components/schemas/GroupState"},"cameAgain":{"type":"boolean"},"stateAt":{"type":["string","null"]},"stateBy":{"type":["string","null"]},"error":{"type":"string"},"firstAt":{"type":"string"},"lastAt":{"type":"string"},"subscriptionIds":{"type":"array","items":{"type":"string"}},"scriptIds":{"type":"array","items":{"type":"string"}},"eventTypes":{"type":"array","items":{"type":"string"}},"sample":{"type":"array","items":{"type":"string"}}}})"},
            {"GroupState",
             R"({"type":"string","enum":["open","acknowledged","resolved","ignored"]})"},
            {"GroupChange",
             R"({"type":"object","required":["state"],"properties":{"state":{"$ref":"#/components/schemas/GroupState"}}})"},
            {"Redrive",
             R"({"type":"object","properties":{"ids":{"type":"array","items":{"type":"string"},"maxItems":1000},"scriptId":{"type":"string"},"subscriptionId":{"type":"string"},"pattern":{"type":"string"},"errorFingerprint":{"type":"string"},"from":{"type":"string"},"to":{"type":"string"},"ratePerSecond":{"type":"number"},"dryRun":{"type":"boolean"},"expect":{"type":"integer"}},"examples":[{"errorFingerprint":"5f1c","dryRun":true}]})"},
            {"Rehearsal",
             R"({"type":"object","properties":{"scriptId":{"type":"string"},"subscriptionId":{"type":"string"},"pattern":{"type":"string"},"errorFingerprint":{"type":"string"},"from":{"type":"string"},"to":{"type":"string"},"sample":{"type":"integer","minimum":1,"maximum":100},"source":{"type":"string"}}})"},
            {"Rehearsed",
             R"({"type":"object","required":["sampled","passed","failed","skipped","passRate","items"],"properties":{"sampled":{"type":"integer"},"passed":{"type":"integer"},"failed":{"type":"integer"},"skipped":{"type":"integer"},"passRate":{"type":["number","null"]},"outOfTime":{"type":"boolean"},"items":{"type":"array","items":{"type":"object"}}}})"},
            {"NewReplay",
             R"({"type":"object","required":["subscriptionIds"],"properties":{"id":{"type":"string","maxLength":64},"from":{"type":"string"},"to":{"type":"string"},"pattern":{"type":"string"},"patternPrefix":{"type":"string"},"filter":{"type":"string"},"subscriptionIds":{"oneOf":[{"const":"all"},{"type":"array","items":{"type":"string"}}]},"pace":{"type":["string","number"]},"newIds":{"type":"boolean"},"expect":{"type":"integer"},"dryRun":{"type":"boolean"},"scriptId":{"type":"string"},"scriptVersion":{"type":"integer"},"against":{"type":["string","integer"]}}})"},
            {"Replay",
             R"({"type":"object","required":["id","status","scanned","matched","delivered","failed","dryRun"],"properties":{"id":{"type":"string"},"status":{"type":"string"},"scanned":{"type":"integer"},"matched":{"type":"integer"},"notDue":{"type":"integer"},"delivered":{"type":"integer"},"failed":{"type":"integer"},"dryRun":{"type":"boolean"},"diff":{"type":"object"},"createdAt":{"type":"string"},"updatedAt":{"type":"string"}}})"},
            {"NewSchedules",
             R"({"type":"object","required":["schedules"],"properties":{"schedules":{"type":"array","maxItems":1000,"items":{"$ref":"#/components/schemas/Schedule"}},"dryRun":{"type":"boolean"},"expect":{"type":"integer"}}})"},
            {"MadeSchedules",
             R"({"type":"object","required":["success","created","count","dryRun","ids","rejected"],"properties":{"success":{"const":true},"created":{"type":"integer"},"count":{"type":"integer"},"dryRun":{"type":"boolean"},"ids":{"type":"array","items":{"type":"string"}},"rejected":{"type":"array","items":{"type":"object"}}}})"},
            {"Schedule",
             R"({"type":"object","required":["type"],"properties":{"id":{"type":"string"},"name":{"type":"string"},"type":{"type":"string","enum":["cron","interval","once"]},"cron":{"type":"string"},"intervalMs":{"type":"integer"},"at":{"type":"string"},"timezone":{"type":"string"},"event":{"type":"object"},"executor":{"$ref":"#/components/schemas/Executor"},"overlap":{"type":"string","enum":["skip","queue1","queueAll","cancel","allow"]},"catchUp":{"type":"object"},"active":{"type":"boolean"},"paused":{"type":"boolean"},"nextRunAt":{"type":["string","null"]},"lastRunAt":{"type":["string","null"]}},"examples":[{"id":"nightly","type":"cron","cron":"0 3 * * *","timezone":"Europe/Paris","event":{"pattern":"report.due","payload":{}}}]})"},
            {"ScheduleRun",
             R"({"type":"object","required":["seq","dueAt","status","at"],"properties":{"seq":{"type":"integer"},"dueAt":{"type":"string"},"status":{"type":"string","enum":["fired","skipped"]},"rule":{"type":["string","null"]},"at":{"type":"string"},"lateMs":{"type":"integer"},"eventId":{"type":["string","null"]}}})"},
            {"Key",
             R"({"type":"object","required":["id","name","prefix","last4","tenantId","role","scopes"],"properties":{"id":{"type":"string"},"name":{"type":"string"},"key":{"type":"string","description":"its text, in the answer that makes it and nowhere else"},"prefix":{"type":"string"},"last4":{"type":"string"},"tenantId":{"type":"string"},"role":{"$ref":"#/components/schemas/Role"},"scopes":{"type":"array","items":{"type":"string"}},"expiresAt":{"type":["string","null"]},"lastUsedAt":{"type":["string","null"]}}})"},
            {"Role",
             R"({"type":"string","enum":["viewer","publisher","developer","operator","admin"]})"},
            {"NewKey",
             R"({"type":"object","properties":{"id":{"type":"string"},"name":{"type":"string"},"tenantId":{"type":"string"},"role":{"$ref":"#/components/schemas/Role"},"scopes":{"type":"array","items":{"type":"string"}},"patterns":{"type":"array","items":{"type":"string"}},"ips":{"type":"array","items":{"type":"string"}},"expiresAt":{"type":["string","null"]}}})"},
            {"Tenant",
             R"({"type":"object","required":["id"],"properties":{"id":{"type":"string"},"name":{"type":"string"},"status":{"type":"string","enum":["active","suspended"]},"reason":{"type":"string"},"quotas":{"type":"object"}}})"},
            {"Me",
             R"({"type":"object","required":["tenantId","mode","role","scopes","actor"],"properties":{"tenantId":{"type":"string"},"mode":{"type":"string","enum":["local","key"]},"keyId":{"type":["string","null"]},"user":{"type":["string","null"]},"role":{"type":"string"},"scopes":{"type":"array","items":{"type":"string"}},"actor":{"type":"string"}}})"},
            {"ExecutorFigures",
             R"({"type":"object","required":["type","enabled","running","limit","waiting","breaker"],"properties":{"type":{"type":"string"},"enabled":{"type":"boolean"},"running":{"type":"integer"},"limit":{"type":"integer"},"waiting":{"type":"integer"},"breaker":{"type":"string","enum":["open","closed"]},"breakersOpen":{"type":"integer"}}})"},
            {"Setting",
             R"({"type":"object","required":["key","value","from"],"properties":{"key":{"type":"string"},"value":{"type":"string","description":"of what is secret only whether it is set"},"from":{"type":"string","description":"default, profile, a file's name, environment or flag"}},"examples":[{"key":"http.listen","value":"127.0.0.1:7070","from":"default"}]})"},
            {"LogLine",
             R"({"type":"object","required":["time","level","message"],"properties":{"time":{"type":"string"},"level":{"type":"string","enum":["debug","info","warn","error"]},"message":{"type":"string"},"partition":{"$ref":"#/components/schemas/OfPartition"}},"examples":[{"time":"2026-01-02T03:04:05.678Z","level":"info","message":"serving","http":"127.0.0.1:7070"}]})"},
            {"Stats",
             R"({"type":"object","required":["ready","subscriptions","scripts"],"properties":{"ready":{"type":"boolean"},"reason":{"type":["string","null"]},"subscriptions":{"type":"integer"},"scripts":{"type":"integer"},"events":{"type":"object"},"deliveries":{"type":"object"},"store":{"type":"object"},"disk":{"type":"object"},"memory":{"type":"object","required":["heldBytes","limitBytes"],"properties":{"heldBytes":{"type":"integer"},"limitBytes":{"type":["integer","null"]},"level":{"enum":["calm","tight","short"]},"shares":{"type":"object","additionalProperties":{"type":"integer"}}}},"windowSeconds":{"type":"integer"},"stepSeconds":{"type":"integer"},"series":{"type":"object","additionalProperties":{"type":"array","items":{"type":"number"}}},"missing":{"$ref":"#/components/schemas/MissingPartitions"}}})"},
            {"AuditRow",
             R"({"type":"object","required":["id","at","action","target","outcome","hash","entry"],"properties":{"id":{"type":"integer"},"at":{"type":"string"},"tenantId":{"type":"string"},"action":{"type":"string"},"target":{"type":"object","properties":{"type":{"type":"string"},"id":{"type":["string","null"]}}},"outcome":{"type":"string"},"actor":{"type":"object","properties":{"type":{"type":"string"},"id":{"type":["string","null"]}}},"ip":{"type":"string"},"prevHash":{"type":["string","null"]},"hash":{"type":"string"},"entry":{"type":"object"}}})"},
            {"Session",
             R"({"type":"object","required":["success","expiresAt"],"properties":{"success":{"const":true},"expiresAt":{"type":"string"}}})"},
            {"NewPortal",
             R"({"type":"object","required":["tenantId","scopes"],"properties":{"tenantId":{"type":"string"},"scopes":{"type":"array","minItems":1,"items":{"type":"string"}},"ttl":{"type":"string"}},"examples":[{"tenantId":"acme","scopes":["events:read","dlq:read"],"ttl":"1h"}]})"},
            {"Portal",
             R"({"type":"object","required":["url","openBefore","key"],"properties":{"url":{"type":"string"},"openBefore":{"type":"string"},"key":{"$ref":"#/components/schemas/Key"}}})"},
};

// At a node of a cluster.
constexpr bool kGoesWithoutSome = true;

constexpr RouteShape kShapes[] = {
    {RouteId::kPostEvents, "NewEvents", "Taken"},
    {RouteId::kListEvents, "", "[Event]|EventCount"},
    {RouteId::kGetEvent, "", "Event"},
    {RouteId::kTraceEvent, "", "Trace"},
    {RouteId::kCreateScript, "NewScript", "Script"},
    {RouteId::kListScripts, "", "[Script]"},
    {RouteId::kGetScript, "", "Script"},
    {RouteId::kPutScript, "NewScript", "Script"},
    {RouteId::kPatchScript, "MergePatch", "Script"},
    {RouteId::kListScriptVersions, "", "[Script]"},
    {RouteId::kGetScriptVersion, "", "Script"},
    {RouteId::kPutCanary, "NewCanary", "Canary|Script"},
    {RouteId::kGetCanary, "", "Canary"},
    {RouteId::kDeleteCanary, "", "Script"},
    {RouteId::kRunScript, "ScriptRun", "ScriptAnswer"},
    {RouteId::kCreateSubscription, "NewSubscription", "Subscription"},
    {RouteId::kListSubscriptions, "", "[Subscription]"},
    {RouteId::kGetSubscription, "", "Subscription"},
    {RouteId::kPatchSubscription, "MergePatch", "Subscription"},
    {RouteId::kMatchSubscriptions, "", "Matched"},
    {RouteId::kPreviewSubscription, "", "Preview"},
    {RouteId::kListExecutions, "", "[Execution]"},
    {RouteId::kGetExecution, "", "Execution"},
    {RouteId::kListRetries, "", "[RetryRow]"},
    {RouteId::kListDeadLetters, "", "[DeadLetter]"},
    {RouteId::kGetDeadLetter, "", "DeadLetter"},
    {RouteId::kPutDeadLetterEvent, "NewEvent", "DeadLetter"},
    {RouteId::kReplayDeadLetters, "Redrive", "Success"},
    {RouteId::kRehearseDeadLetters, "Rehearsal", "Rehearsed"},
    {RouteId::kListDeadLetterGroups, "", "[DeadLetterGroup]", kGoesWithoutSome},
    {RouteId::kPatchDeadLetterGroup, "GroupChange", ""},
    {RouteId::kStartReplay, "NewReplay", ""},
    {RouteId::kListReplays, "", "[Replay]"},
    {RouteId::kGetReplay, "", "Replay"},
    {RouteId::kCreateSchedule, "Schedule", "Schedule"},
    {RouteId::kCreateSchedules, "NewSchedules", "MadeSchedules"},
    {RouteId::kListSchedules, "", "[Schedule]"},
    {RouteId::kGetSchedule, "", "Schedule"},
    {RouteId::kPutSchedule, "Schedule", "Schedule"},
    {RouteId::kPatchSchedule, "MergePatch", "Schedule"},
    {RouteId::kListScheduleRuns, "", "[ScheduleRun]"},
    {RouteId::kCreateKey, "NewKey", "Key"},
    {RouteId::kListKeys, "", "[Key]"},
    {RouteId::kGetKey, "", "Key"},
    {RouteId::kPatchKey, "MergePatch", "Key"},
    {RouteId::kRotateKey, "", "Key"},
    {RouteId::kCreateTenant, "Tenant", "Tenant"},
    {RouteId::kListTenants, "", "[Tenant]"},
    {RouteId::kGetTenant, "", "Tenant"},
    {RouteId::kPatchTenant, "MergePatch", "Tenant"},
    {RouteId::kTenantUsage, "", "", kGoesWithoutSome},
    {RouteId::kMe, "", "Me"},
    {RouteId::kListExecutors, "", "[ExecutorFigures]", kGoesWithoutSome},
    {RouteId::kListSettings, "", "[Setting]"},
    {RouteId::kListLog, "", "[LogLine]", kGoesWithoutSome},
    {RouteId::kStats, "", "Stats"},
    {RouteId::kListAudit, "", "[AuditRow]"},
    {RouteId::kOpenSession, "", "Session"},
    {RouteId::kCloseSession, "", "Success"},
    {RouteId::kOpenPortal, "NewPortal", "Portal"},
};

}  // namespace

std::span<const Component> openapi_components() {
    static const std::vector<Component> all = [] {
        std::vector<Component> out(std::begin(kComponents), std::end(kComponents));
        for (const ShapePart& part :
             {incoming_shapes(), doing_shapes(), edge_shapes(), graphql_shapes(), link_shapes(),
              workflow_shapes(), cluster_shapes()})
            out.insert(out.end(), part.components.begin(), part.components.end());
        return out;
    }();
    return all;
}

std::span<const RouteShape> route_shapes() {
    static const std::vector<RouteShape> all = [] {
        std::vector<RouteShape> out(std::begin(kShapes), std::end(kShapes));
        for (const ShapePart& part :
             {incoming_shapes(), doing_shapes(), edge_shapes(), graphql_shapes(), link_shapes(),
              workflow_shapes(), cluster_shapes()})
            out.insert(out.end(), part.shapes.begin(), part.shapes.end());
        return out;
    }();
    return all;
}

}  // namespace millrace::runtime::api
