// Shapes of schemas, sources of webhooks and webhooks that come in, as openapi_shapes.cc has those
// of the rest.
#include "runtime/api/openapi_parts.h"

namespace millrace::runtime::api {
namespace {

constexpr Component kIncomingComponents[] = {
    {"SchemaRule",
     R"({"type":"object","properties":{"assert":{"type":"string"},"in":{"type":"object","required":["field","kv"],"properties":{"field":{"type":"string"},"kv":{"type":"string"}}},"transition":{"type":"object","required":["key","field","allowed"],"properties":{"key":{"type":"string"},"field":{"type":"string"},"allowed":{"type":"object","additionalProperties":{"type":"array"}}}},"scriptId":{"type":"string"},"message":{"type":"string"}},"description":"one of assert, in, transition and scriptId","examples":[{"transition":{"key":"$.orderId","field":"$.status","allowed":{"null":["draft"],"draft":["paid"]}}}]})"},
    {"NewSchema",
     R"({"type":"object","required":["pattern","schema"],"properties":{"id":{"type":"string"},"name":{"type":"string"},"pattern":{"type":"string"},"version":{"type":["string","number"]},"schemaVersion":{"type":["string","number"]},"schema":{"type":["object","boolean"]},"rules":{"type":"array","items":{"$ref":"#/components/schemas/SchemaRule"}},"mode":{"type":"string","enum":["off","warn","reject","dead-letter"]},"compatibility":{"type":"string","enum":["backward","forward","full","none"]}},"examples":[{"id":"order","pattern":"order.*","schemaVersion":"1.0","schema":{"type":"object","required":["total"],"properties":{"total":{"type":"number","minimum":0}}},"rules":[{"assert":"$.total >= $.net","message":"total is net or more"}],"mode":"reject","compatibility":"backward"}]})"},
    {"Schema",
     R"({"type":"object","required":["id","name","pattern","schema","rules","mode","compatibility","version","createdAt","updatedAt"],"properties":{"id":{"type":"string"},"name":{"type":"string"},"pattern":{"type":"string"},"schemaVersion":{"type":["string","number"]},"schema":{"type":["object","boolean"]},"references":{"type":"array","items":{"type":"object","required":["uri","id","version","schema"],"properties":{"uri":{"type":"string"},"id":{"type":"string"},"version":{"type":"integer"},"schema":{"type":["object","boolean"]}}}},"rules":{"type":"array","items":{"$ref":"#/components/schemas/SchemaRule"}},"mode":{"type":"string","enum":["off","warn","reject","dead-letter"]},"compatibility":{"type":"string","enum":["backward","forward","full","none"]},"version":{"type":"integer"},"createdAt":{"type":"string"},"updatedAt":{"type":"string"}},"examples":[{"id":"order","name":"order","pattern":"order.*","schemaVersion":"1.0","schema":{"type":"object"},"rules":[],"mode":"reject","compatibility":"backward","version":1,"createdAt":"2026-01-02T03:04:05.678Z","updatedAt":"2026-01-02T03:04:05.678Z"}]})"},
    {"Misfit",
     R"({"type":"object","required":["pointer","keyword","schemaPath","message"],"properties":{"pointer":{"type":"string"},"keyword":{"type":"string"},"schemaPath":{"type":"string"},"message":{"type":"string"}},"examples":[{"pointer":"/total","keyword":"minimum","schemaPath":"#/properties/total/minimum","message":"must be at least 0"}]})"},
    {"SchemaTry",
     R"({"type":"object","properties":{"payload":{"type":"object"},"event":{"$ref":"#/components/schemas/NewEvent"}},"description":"one of payload and event","examples":[{"payload":{"total":-1}}]})"},
    {"SchemaTried",
     R"({"type":"object","required":["valid","errors"],"properties":{"valid":{"type":"boolean"},"errors":{"type":"array","items":{"$ref":"#/components/schemas/Misfit"}}},"examples":[{"valid":false,"errors":[{"pointer":"/total","keyword":"minimum","schemaPath":"#/properties/total/minimum","message":"must be at least 0"}]}]})"},
    {"SchemaCheck", R"({"type":"object","properties":{"schema":{"type":["object","boolean"]},"rules":{"type":"array","items":{"$ref":"#/components/schemas/SchemaRule"}},"pattern":{"type":"string"},"from":{"type":"string"},"to":{"type":"string"}},"description":"schema, rules or both","examples":[{"schema":{"required":["total"]},"pattern":"order.*","from":"-1d"}]})"},
    {"SchemaChecked",
     R"({"type":"object","required":["scanned","rejected","complete","byPointer"],"properties":{"scanned":{"type":"integer"},"rejected":{"type":"integer"},"complete":{"type":"boolean"},"byPointer":{"type":"array","items":{"type":"object","required":["pointer","keyword","count","message","eventId"],"properties":{"pointer":{"type":"string"},"keyword":{"type":"string"},"count":{"type":"integer"},"message":{"type":"string"},"eventId":{"type":["string","null"]}}}}},"examples":[{"scanned":3,"rejected":1,"complete":true,"byPointer":[{"pointer":"","keyword":"required","count":1,"message":"total is missing","eventId":"o1"}]}]})"},
    {"SchemaViolation",
     R"({"type":"object","required":["at","outcome","eventId","pattern","errors"],"properties":{"at":{"type":"string"},"outcome":{"type":"string","enum":["warned","rejected","dead-lettered"]},"eventId":{"type":["string","null"]},"pattern":{"type":"string"},"errors":{"type":"array","items":{"$ref":"#/components/schemas/Misfit"}}},"examples":[{"at":"2026-01-02T03:04:05.678Z","outcome":"rejected","eventId":"o1","pattern":"order.paid","errors":[{"pointer":"/total","keyword":"minimum","schemaPath":"#/properties/total/minimum","message":"must be at least 0"}]}]})"},
    {"NewWebhookSource",
     R"({"type":"object","required":["scheme"],"properties":{"id":{"type":"string"},"name":{"type":"string"},"scheme":{"type":"string","enum":["github","stripe","standard-webhooks","slack","shopify","hmac","none"]},"secrets":{"type":"array","items":{"type":"string"}},"tolerance":{"type":"string"},"pattern":{"type":"string"},"hmac":{"type":"object","properties":{"header":{"type":"string"},"prefix":{"type":"string"},"template":{"type":"string"},"encoding":{"type":"string","enum":["hex","base64"]},"timestampHeader":{"type":"string"}}},"idFrom":{"type":"string"},"kindFrom":{"type":"string"},"transformScriptId":{"type":"string"},"active":{"type":"boolean"}},"examples":[{"id":"github-main","scheme":"github","secrets":["It's a Secret to Everybody"]}]})"},
    {"WebhookSource",
     R"({"type":"object","required":["id","name","scheme","secrets","expiring","tolerance","active","url","version","createdAt","updatedAt"],"properties":{"id":{"type":"string"},"name":{"type":"string"},"scheme":{"type":"string","enum":["github","stripe","standard-webhooks","slack","shopify","hmac","none"]},"secrets":{"type":"array","items":{"type":"string"}},"tolerance":{"type":"string"},"pattern":{"type":"string"},"hmac":{"type":"object","properties":{"header":{"type":"string"},"prefix":{"type":"string"},"template":{"type":"string"},"encoding":{"type":"string","enum":["hex","base64"]},"timestampHeader":{"type":"string"}}},"idFrom":{"type":"string"},"kindFrom":{"type":"string"},"transformScriptId":{"type":"string"},"active":{"type":"boolean"},"expiring":{"type":"array","items":{"type":"object","required":["secret","expiresAt"],"properties":{"secret":{"type":"string"},"expiresAt":{"type":"string"}}}},"url":{"type":"string"},"secret":{"type":"string","description":"one that the server made, in the answer that makes it and nowhere else"},"version":{"type":"integer"},"createdAt":{"type":"string"},"updatedAt":{"type":"string"}},"examples":[{"id":"github-main","name":"github-main","scheme":"github","secrets":["****body"],"expiring":[],"tolerance":"5m","active":true,"url":"/v2/webhooks/github-main","version":1,"createdAt":"2026-01-02T03:04:05.678Z","updatedAt":"2026-01-02T03:04:05.678Z"}]})"},
    {"SourceRotation",
     R"({"type":"object","properties":{"secret":{"type":"string"},"overlap":{"type":"string"}},"examples":[{"overlap":"24h"}]})"},
    {"SourceTrial",
     R"({"type":"object","properties":{"headers":{"type":"object","additionalProperties":{"type":"string"}},"contentType":{"type":"string"},"body":{},"sign":{"type":"boolean"}},"examples":[{"headers":{"X-GitHub-Event":"push","X-GitHub-Delivery":"d1"},"body":{"ref":"main"},"sign":true}]})"},
    {"SourceTried",
     R"({"type":"object","required":["verified","reason","event"],"properties":{"verified":{"type":"boolean"},"reason":{"type":["string","null"]},"event":{"type":["object","null"]},"transformed":{}},"examples":[{"verified":true,"reason":null,"event":{"eventId":"d1","pattern":"webhook.github-main.push","payload":{"ref":"main"}}}]})"},
    {"SourceDelivery",
     R"({"type":"object","required":["at","outcome","status","reason","deliveryId","kind","eventId","bytes"],"properties":{"at":{"type":"string"},"outcome":{"type":"string"},"status":{"type":"integer"},"reason":{"type":["string","null"]},"deliveryId":{"type":["string","null"]},"kind":{"type":["string","null"]},"eventId":{"type":["string","null"]},"bytes":{"type":"integer"}},"examples":[{"at":"2026-01-02T03:04:05.678Z","outcome":"accepted","status":202,"reason":null,"deliveryId":"d1","kind":"push","eventId":"d1","bytes":14}]})"},
    {"Webhook",
     R"({"description":"what the sender sends, as it is: JSON, a form, text or bytes","examples":[{"ref":"refs/heads/main","repository":{"full_name":"a/b"}}]})"},
};

constexpr RouteShape kIncomingShapes[] = {
    {RouteId::kCreateSchema, "NewSchema", "Schema"},
    {RouteId::kListSchemas, "", "[Schema]"},
    {RouteId::kCheckSchema, "SchemaCheck", "SchemaChecked"},
    {RouteId::kGetSchema, "", "Schema"},
    {RouteId::kPutSchema, "NewSchema", "Schema"},
    {RouteId::kPatchSchema, "MergePatch", "Schema"},
    {RouteId::kDeleteSchema, "", "Success"},
    {RouteId::kListSchemaVersions, "", "[Schema]"},
    {RouteId::kGetSchemaVersion, "", "Schema"},
    {RouteId::kValidateSchema, "SchemaTry", "SchemaTried"},
    {RouteId::kListSchemaViolations, "", "[SchemaViolation]"},
    {RouteId::kPostWebhook, "Webhook", "Taken"},
    {RouteId::kCreateSource, "NewWebhookSource", "WebhookSource"},
    {RouteId::kListSources, "", "[WebhookSource]"},
    {RouteId::kGetSource, "", "WebhookSource"},
    {RouteId::kPutSource, "NewWebhookSource", "WebhookSource"},
    {RouteId::kPatchSource, "MergePatch", "WebhookSource"},
    {RouteId::kDeleteSource, "", "Success"},
    {RouteId::kRotateSource, "SourceRotation", "WebhookSource"},
    {RouteId::kTestSource, "SourceTrial", "SourceTried"},
    {RouteId::kListSourceDeliveries, "", "[SourceDelivery]"},
};

}  // namespace

ShapePart incoming_shapes() { return {kIncomingComponents, kIncomingShapes}; }

}  // namespace millrace::runtime::api
