// Shapes of endpoints, entities, hooks and actions, as openapi_shapes.cc has those of the rest.
#include "runtime/api/openapi_parts.h"

namespace millrace::runtime::api {
namespace {

constexpr Component kComponents[] = {
    {"NewEndpoint",
     R"({"type":"object","required":["route","scriptId"],"properties":{"id":{"type":"string"},"name":{"type":"string"},"code":{"type":"string"},"method":{"type":"string","enum":["GET","POST","PUT","PATCH","DELETE"]},"route":{"type":"string"},"scriptId":{"type":"string"},"auth":{"type":"string","enum":["required","optional","none"]},"rate":{"type":"number"},"timeoutMs":{"type":"integer"},"cors":{"type":["boolean","object"]}},"examples":[{"code":"order","name":"One order","method":"GET","route":"orders/:id","scriptId":"count","auth":"none"}]})"},
    {"Endpoint",
     R"({"type":"object","required":["id","name","code","method","route","scriptId","auth","version","createdAt","updatedAt"],"properties":{"id":{"type":"string"},"name":{"type":"string"},"code":{"type":"string"},"method":{"type":"string","enum":["GET","POST","PUT","PATCH","DELETE"]},"route":{"type":"string"},"scriptId":{"type":"string"},"auth":{"type":"string","enum":["required","optional","none"]},"rate":{"type":"number"},"timeoutMs":{"type":"integer"},"cors":{"type":["boolean","object"]},"version":{"type":"integer"},"createdAt":{"type":"string"},"updatedAt":{"type":"string"}},"examples":[{"id":"order","code":"order","name":"One order","method":"GET","route":"orders/:id","scriptId":"count","auth":"none","version":1,"createdAt":"2026-01-02T03:04:05.678Z","updatedAt":"2026-01-02T03:04:05.678Z"}]})"},
    {"EndpointAnswer",
     R"({"description":"what the script returned or said by sdk.http.respond; nothing: 204","examples":[{"id":"17","total":12}]})"},
    {"NewEntity",
     R"({"type":"object","description":"any document; id, version, createdAt and updatedAt are the server's","properties":{"id":{"type":"string"},"version":{"type":"integer"}},"additionalProperties":true,"examples":[{"id":"c1","name":"Ada"}]})"},
    {"Entity",
     R"({"type":"object","required":["id","version","createdAt","updatedAt"],"properties":{"id":{"type":"string"},"version":{"type":"integer"},"createdAt":{"type":"string"},"updatedAt":{"type":"string"},"hooks":{"type":"array","items":{"$ref":"#/components/schemas/HookReport"}}},"additionalProperties":true,"examples":[{"id":"c1","name":"Ada","version":1,"createdAt":"2026-01-02T03:04:05.678Z","updatedAt":"2026-01-02T03:04:05.678Z"}]})"},
    {"HookReport",
     R"({"type":"object","required":["hookId","status"],"properties":{"hookId":{"type":"string"},"status":{"type":"string","enum":["completed","retrying","failed","dead","waiting"]},"executionId":{"type":"string"},"error":{"type":["string","null"]}},"examples":[{"hookId":"welcome","status":"completed"}]})"},
    {"NewHook",
     R"({"type":"object","required":["entity","on","scriptId"],"properties":{"id":{"type":"string"},"name":{"type":"string"},"entity":{"type":"string"},"on":{"type":"string","enum":["beforeCreate","afterCreate","beforeUpdate","afterUpdate","beforeDelete","afterDelete"]},"scriptId":{"type":"string"},"order":{"type":"integer"},"active":{"type":"boolean"}},"examples":[{"id":"welcome","entity":"customer","on":"afterCreate","scriptId":"count"}]})"},
    {"Hook", R"({"type":"object","required":["id","name","entity","on","scriptId","order","active","version","createdAt","updatedAt"],"properties":{"id":{"type":"string"},"name":{"type":"string"},"entity":{"type":"string"},"on":{"type":"string","enum":["beforeCreate","afterCreate","beforeUpdate","afterUpdate","beforeDelete","afterDelete"]},"scriptId":{"type":"string"},"order":{"type":"integer"},"active":{"type":"boolean"},"version":{"type":"integer"},"createdAt":{"type":"string"},"updatedAt":{"type":"string"}},"examples":[{"id":"welcome","name":"welcome","entity":"customer","on":"afterCreate","scriptId":"count","order":0,"active":true,"version":1,"createdAt":"2026-01-02T03:04:05.678Z","updatedAt":"2026-01-02T03:04:05.678Z"}]})"},
    {"HookRun",
     R"({"type":"object","required":["entity","on","doc"],"properties":{"entity":{"type":"string"},"on":{"type":"string","enum":["beforeCreate","afterCreate","beforeUpdate","afterUpdate","beforeDelete","afterDelete"]},"id":{"type":"string"},"doc":{"type":"object"},"beforeUpdateDoc":{"type":"object"}},"examples":[{"entity":"customer","on":"beforeCreate","doc":{"name":"Ada"}}]})"},
    {"HooksRun",
     R"({"type":"object","required":["success"],"properties":{"success":{"const":true},"doc":{"type":"object"},"payload":{"type":"object"},"hooks":{"type":"array"},"executionId":{"type":"string"},"logs":{"type":"array"},"eventId":{"type":"string"}},"description":"before: the document as the hooks leave it; after: the event that tells them","examples":[{"success":true,"doc":{"name":"Ada"},"hooks":["check"],"executionId":"x_1","logs":[]}]})"},
    {"NewAction",
     R"({"type":"object","required":["name","executor"],"properties":{"id":{"type":"string"},"name":{"type":"string"},"executor":{"type":"object","required":["type"],"properties":{"type":{"type":"string","enum":["webhook","command"]},"method":{"type":"string"},"url":{"type":"string"},"headers":{"type":"object","additionalProperties":{"type":"string"}},"body":{},"secret":{"type":"string"},"signed":{"type":"boolean"},"timeoutMs":{"type":"integer"},"ratePerSecond":{"type":"number"},"concurrency":{"type":"integer"},"command":{"type":"string"},"args":{"type":"array","items":{"type":"string"}},"env":{"type":"object"},"cwd":{"type":"string"}}}},"examples":[{"name":"sms.send","executor":{"type":"webhook","url":"https://sms.example/send","body":{"to":"{{input.to}}"}}}]})"},
    {"Action",
     R"({"type":"object","required":["id","name","executor","version","createdAt","updatedAt"],"properties":{"id":{"type":"string"},"name":{"type":"string"},"executor":{"type":"object","required":["type"],"properties":{"type":{"type":"string","enum":["webhook","command"]},"method":{"type":"string"},"url":{"type":"string"},"headers":{"type":"object","additionalProperties":{"type":"string"}},"body":{},"secret":{"type":"string"},"signed":{"type":"boolean"},"timeoutMs":{"type":"integer"},"ratePerSecond":{"type":"number"},"concurrency":{"type":"integer"},"command":{"type":"string"},"args":{"type":"array","items":{"type":"string"}},"env":{"type":"object"},"cwd":{"type":"string"}}},"version":{"type":"integer"},"createdAt":{"type":"string"},"updatedAt":{"type":"string"}},"examples":[{"id":"sms.send","name":"sms.send","executor":{"type":"webhook","method":"POST","url":"https://sms.example/send","headers":{},"timeoutMs":10000,"concurrency":10},"version":1,"createdAt":"2026-01-02T03:04:05.678Z","updatedAt":"2026-01-02T03:04:05.678Z"}]})"},
    {"ActionCall",
     R"({"type":"object","properties":{"input":{}},"examples":[{"input":{"to":"+4912345"}}]})"},
    {"ActionAnswer",
     R"({"type":"object","required":["success","result"],"properties":{"success":{"type":"boolean"},"status":{"type":"integer"},"result":{},"error":{"type":"object","required":["code","message"],"properties":{"code":{"type":"string"},"message":{"type":"string"}}}},"examples":[{"success":true,"status":200,"result":{"queued":true}}]})"},
};

constexpr RouteShape kShapes[] = {
    {RouteId::kCreateEndpoint, "NewEndpoint", "Endpoint"},
    {RouteId::kListEndpoints, "", "[Endpoint]"},
    {RouteId::kGetEndpoint, "", "Endpoint"},
    {RouteId::kPutEndpoint, "NewEndpoint", "Endpoint"},
    {RouteId::kPatchEndpoint, "MergePatch", "Endpoint"},
    {RouteId::kDeleteEndpoint, "", "Success"},
    {RouteId::kCallEndpointGet, "", "EndpointAnswer"},
    {RouteId::kCallEndpointPost, "", "EndpointAnswer"},
    {RouteId::kCallEndpointPut, "", "EndpointAnswer"},
    {RouteId::kCallEndpointPatch, "", "EndpointAnswer"},
    {RouteId::kCallEndpointDelete, "", "EndpointAnswer"},
    {RouteId::kCreateEntity, "NewEntity", "Entity"},
    {RouteId::kListEntities, "", "[Entity]"},
    {RouteId::kGetEntity, "", "Entity"},
    {RouteId::kPutEntity, "NewEntity", "Entity"},
    {RouteId::kPatchEntity, "MergePatch", "Entity"},
    {RouteId::kDeleteEntity, "", "Success"},
    {RouteId::kCreateHook, "NewHook", "Hook"},
    {RouteId::kListHooks, "", "[Hook]"},
    {RouteId::kRunHooks, "HookRun", "HooksRun"},
    {RouteId::kGetHook, "", "Hook"},
    {RouteId::kPutHook, "NewHook", "Hook"},
    {RouteId::kPatchHook, "MergePatch", "Hook"},
    {RouteId::kDeleteHook, "", "Success"},
    {RouteId::kCreateAction, "NewAction", "Action"},
    {RouteId::kListActions, "", "[Action]"},
    {RouteId::kGetAction, "", "Action"},
    {RouteId::kPutAction, "NewAction", "Action"},
    {RouteId::kPatchAction, "MergePatch", "Action"},
    {RouteId::kDeleteAction, "", "Success"},
    {RouteId::kCallAction, "ActionCall", "ActionAnswer"},
};

}  // namespace

ShapePart doing_shapes() { return {kComponents, kShapes}; }

}  // namespace millrace::runtime::api
