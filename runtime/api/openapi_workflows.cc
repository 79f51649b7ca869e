// Shapes of workflows and their runs, as openapi_shapes.cc has those of the rest.
#include "runtime/api/openapi_parts.h"

namespace millrace::runtime::api {
namespace {

constexpr Component
    kComponents[] =
        {
            {"NewWorkflow",
             R"({"type":"object","required":["steps"],"properties":{"id":{"type":"string"},"name":{"type":"string"},"steps":{"type":"array","items":{"type":"object","required":["id","type"],"properties":{"id":{"type":"string"},"name":{"type":"string"},"type":{"type":"string","enum":["action","condition","parallel","wait","sleep","workflow"]},"action":{"type":"string"},"input":{"type":"object"},"conditions":{"type":["array","object","string"]},"branches":{"type":"array","items":{"type":"string"}},"join":{"type":["string","integer"]},"next_steps":{"type":"array","items":{"type":"string"}},"retry_policy":{"type":"object"}}}},"actions":{"type":"object"},"error_handling":{"type":"object"},"version":{"type":"integer"}},"examples":[{"id":"order-flow","name":"Order flow","version":1,"steps":[{"id":"count","type":"action","action":"count"}]}]})"},
            {"Workflow",
             R"({"type":"object","required":["id","name","warnings","version","createdAt","updatedAt"],"properties":{"id":{"type":"string"},"name":{"type":"string"},"steps":{"type":"array","items":{"type":"object","required":["id","type"],"properties":{"id":{"type":"string"},"name":{"type":"string"},"type":{"type":"string","enum":["action","condition","parallel","wait","sleep","workflow"]},"action":{"type":"string"},"input":{"type":"object"},"conditions":{"type":["array","object","string"]},"branches":{"type":"array","items":{"type":"string"}},"join":{"type":["string","integer"]},"next_steps":{"type":"array","items":{"type":"string"}},"retry_policy":{"type":"object"}}}},"actions":{"type":"object"},"error_handling":{"type":"object"},"warnings":{"type":"array","items":{"type":"string"}},"dryRun":{"type":"boolean"},"version":{"type":"integer"},"createdAt":{"type":"string"},"updatedAt":{"type":"string"}},"examples":[{"id":"order-flow","name":"Order flow","steps":[{"id":"count","type":"action","action":"count"}],"warnings":[],"version":1,"createdAt":"2026-01-02T03:04:05.678Z","updatedAt":"2026-01-02T03:04:05.678Z"}]})"},
            {"WorkflowExecute",
             R"({"type":"object","properties":{"input":{"type":"object"},"version":{"type":"integer"},"runId":{"type":"string"},"correlationId":{"type":"string"}},"examples":[{"input":{"orderId":"17"},"runId":"order-17"}]})"},
            {"WorkflowRunHead", R"({"type":"object","required":["runId","workflowId","version","status","startedAt","updatedAt","endedAt","eventId","correlationId","subscriptionId","parentRunId","code"],"properties":{"runId":{"type":"string"},"workflowId":{"type":"string"},"version":{"type":"integer"},"status":{"type":"string","enum":["pending","running","waiting","paused","completed","failed","cancelled","compensating","compensated","compensation_failed"]},"startedAt":{"type":"string"},"updatedAt":{"type":"string"},"endedAt":{"type":["string","null"]},"eventId":{"type":["string","null"]},"correlationId":{"type":["string","null"]},"subscriptionId":{"type":["string","null"]},"parentRunId":{"type":["string","null"]},"code":{"type":["string","null"]}},"examples":[{"runId":"order-17","workflowId":"order-flow","version":1,"status":"completed","startedAt":"2026-01-02T03:04:05.678Z","updatedAt":"2026-01-02T03:04:05.678Z","endedAt":"2026-01-02T03:04:05.678Z","eventId":null,"correlationId":null,"subscriptionId":null,"parentRunId":null,"code":null}]})"},
            {"WorkflowStep",
             R"({"type":"object","required":["id","name","type","status","attempt","iteration","input","output"],"properties":{"id":{"type":"string"},"name":{"type":"string"},"type":{"type":"string"},"status":{"type":"string","enum":["pending","running","retrying","waiting","completed","failed","skipped","cancelled","compensated"]},"attempt":{"type":"integer"},"iteration":{"type":"integer"},"startedAt":{"type":["string","null"]},"endedAt":{"type":["string","null"]},"nextAt":{"type":"string"},"input":{},"output":{},"error":{"type":"object","required":["code","message"],"properties":{"code":{"type":"string"},"message":{"type":"string"}}}},"examples":[{"id":"count","name":"count","type":"action","status":"completed","attempt":1,"iteration":0,"startedAt":"2026-01-02T03:04:05.678Z","endedAt":"2026-01-02T03:04:05.678Z","input":{"orderId":"17"},"output":{"n":1}}]})"},
            {"WorkflowRun",
             R"({"type":"object","required":["runId","workflowId","version","status","startedAt","updatedAt","endedAt","eventId","correlationId","subscriptionId","parentRunId","code"],"properties":{"runId":{"type":"string"},"workflowId":{"type":"string"},"version":{"type":"integer"},"status":{"type":"string","enum":["pending","running","waiting","paused","completed","failed","cancelled","compensating","compensated","compensation_failed"]},"startedAt":{"type":"string"},"updatedAt":{"type":"string"},"endedAt":{"type":["string","null"]},"eventId":{"type":["string","null"]},"correlationId":{"type":["string","null"]},"subscriptionId":{"type":["string","null"]},"parentRunId":{"type":["string","null"]},"code":{"type":["string","null"]},"pauseReason":{"type":["string","null"]},"nextAt":{"type":["string","null"]},"input":{},"output":{},"error":{"type":"object","required":["code","message"],"properties":{"code":{"type":"string"},"message":{"type":"string"}}},"steps":{"type":"array","items":{"$ref":"#/components/schemas/WorkflowStep"}},"entries":{"type":"integer"},"bytes":{"type":"integer"},"limits":{"type":"object"}},"examples":[{"runId":"order-17","workflowId":"order-flow","version":1,"status":"completed","startedAt":"2026-01-02T03:04:05.678Z","updatedAt":"2026-01-02T03:04:05.678Z","endedAt":"2026-01-02T03:04:05.678Z","eventId":null,"correlationId":null,"subscriptionId":null,"parentRunId":null,"code":null,"input":{"orderId":"17"},"output":{"n":1},"steps":[{"id":"count","name":"count","type":"action","status":"completed","attempt":1,"iteration":0,"startedAt":"2026-01-02T03:04:05.678Z","endedAt":"2026-01-02T03:04:05.678Z","input":{"orderId":"17"},"output":{"n":1}}]}]})"},
            {"WorkflowBegun",
             R"({"oneOf":[{"type":"object","required":["runId","duplicate"],"properties":{"runId":{"type":"string"},"duplicate":{"type":"boolean"}}},{"$ref":"#/components/schemas/WorkflowRun"}],"examples":[{"runId":"order-17","duplicate":false}],"description":"with wait: the run as it ended, or is by then"})"},
            {"WorkflowRunEntry",
             R"({"type":"object","required":["index","kind","at","events"],"properties":{"index":{"type":"integer"},"kind":{"type":"string"},"at":{"type":"string"},"stepId":{"type":"string"},"iteration":{"type":"integer"},"attempt":{"type":"integer"},"name":{"type":"string"},"value":{},"error":{"type":"object","required":["code","message"],"properties":{"code":{"type":"string"},"message":{"type":"string"}}},"events":{"type":"array","items":{"type":"object","required":["pattern"],"properties":{"pattern":{"type":"string"},"stepId":{"type":"string"},"code":{"type":"string"}}}}},"examples":[{"index":0,"kind":"start","at":"2026-01-02T03:04:05.678Z","value":{"orderId":"17"},"events":[{"pattern":"workflow.started"}]}]})"},
            {"WorkflowRunReason",
             R"({"type":"object","properties":{"reason":{"type":"string"}},"examples":[{"reason":"asked for by the customer"}]})"},
            {"WorkflowRunResume",
             R"({"type":"object","properties":{"version":{"type":"integer"},"fromStep":{"type":"string"}},"examples":[{"version":2}]})"},
            {"WorkflowRunSignal",
             R"({"type":"object","required":["name"],"properties":{"name":{"type":"string"},"payload":{"type":"object"}},"examples":[{"name":"approved","payload":{"by":"ada"}}]})"},
            {"WorkflowRunRehearsal",
             R"({"type":"object","required":["version"],"properties":{"version":{"type":"integer"}},"examples":[{"version":2}]})"},
            {"WorkflowRunRehearsed",
             R"({"type":"object","required":["fits","version","entries"],"properties":{"fits":{"type":"boolean"},"version":{"type":"integer"},"entries":{"type":"integer"},"status":{"type":"string","enum":["pending","running","waiting","paused","completed","failed","cancelled","compensating","compensated","compensation_failed"]},"index":{"type":"integer"},"message":{"type":"string"}},"examples":[{"fits":true,"version":2,"entries":3,"status":"completed"}]})"},
            {"WorkflowKey",
             R"({"type":"object","required":["version","current","createdAt"],"properties":{"version":{"type":"integer"},"current":{"type":"boolean"},"createdAt":{"type":"string"}},"examples":[{"version":1,"current":true,"createdAt":"2026-01-02T03:04:05.678Z"}]})"},
            {"WorkflowKeyRotated",
             R"({"type":"object","required":["version"],"properties":{"version":{"type":"integer"},"dryRun":{"type":"boolean"}},"examples":[{"version":2}]})"},
};

constexpr RouteShape kShapes[] = {
    {RouteId::kCreateWorkflow, "NewWorkflow", "Workflow"},
    {RouteId::kListWorkflows, "", "[Workflow]"},
    {RouteId::kGetWorkflow, "", "Workflow"},
    {RouteId::kPutWorkflow, "NewWorkflow", "Workflow"},
    {RouteId::kPatchWorkflow, "MergePatch", "Workflow"},
    {RouteId::kDeleteWorkflow, "", "Success"},
    {RouteId::kListWorkflowVersions, "", "[Workflow]"},
    {RouteId::kExecuteWorkflow, "WorkflowExecute", "WorkflowBegun"},
    {RouteId::kListWorkflowRuns, "", "[WorkflowRunHead]"},
    {RouteId::kGetWorkflowRun, "", "WorkflowRun"},
    {RouteId::kWorkflowRunHistory, "", "[WorkflowRunEntry]"},
    {RouteId::kCancelWorkflowRun, "WorkflowRunReason", "WorkflowRun"},
    {RouteId::kTerminateWorkflowRun, "WorkflowRunReason", "WorkflowRun"},
    {RouteId::kPauseWorkflowRun, "WorkflowRunReason", "WorkflowRun"},
    {RouteId::kResumeWorkflowRun, "WorkflowRunResume", "WorkflowRun"},
    {RouteId::kSignalWorkflowRun, "WorkflowRunSignal", "WorkflowRun"},
    {RouteId::kRehearseWorkflowRun, "WorkflowRunRehearsal", "WorkflowRunRehearsed"},
    {RouteId::kListWorkflowKeys, "", "[WorkflowKey]"},
    {RouteId::kRotateWorkflowKey, "", "WorkflowKeyRotated"},
};

}  // namespace

ShapePart workflow_shapes() { return {kComponents, kShapes}; }

}  // namespace millrace::runtime::api
