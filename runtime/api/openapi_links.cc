// Shapes of links, as openapi_shapes.cc has those of the rest.
#include "runtime/api/openapi_parts.h"

namespace millrace::runtime::api {
namespace {

constexpr Component kLinkComponents[] = {
    {"NewLink",
     R"({"type":"object","required":["direction","type","config"],"properties":{"id":{"type":"string"},"name":{"type":"string"},"direction":{"type":"string","enum":["in","out"]},"type":{"type":"string","enum":["file","redis","postgres-notify","nats","mqtt","kafka","amqp"]},"config":{"type":"object","properties":{"path":{"type":"string"},"host":{"type":"string"},"port":{"type":"integer"},"database":{"type":"integer"},"user":{"type":"string"},"password":{"type":"string"},"token":{"type":"string"},"stream":{"type":"string"},"subject":{"type":"string"},"topic":{"type":"string"},"clientId":{"type":"string"},"qos":{"type":"integer"},"brokers":{"type":"string"},"mechanism":{"type":"string","enum":["PLAIN","SCRAM-SHA-256","SCRAM-SHA-512"]},"tls":{"type":"boolean"},"vhost":{"type":"string"},"queue":{"type":"string"},"ignoreMessageIds":{"type":"boolean"},"exchange":{"type":"string"},"routingKey":{"type":"string"},"connection":{"type":"string"},"channel":{"type":"string"},"field":{"type":"string"},"maxLength":{"type":"integer"},"from":{"type":"string"},"format":{"type":"string","enum":["envelope","payload","text","fields"]},"pattern":{"type":"string"},"filter":{}}},"mode":{"type":"string","enum":["executor","stream"]},"transformScriptId":{"type":"string"},"transform":{"type":"string"}},"examples":[{"id":"orders-in","direction":"in","type":"redis","config":{"host":"127.0.0.1","stream":"orders","format":"payload","pattern":"order.placed"}}]})"},
    {"Link",
     R"({"type":"object","required":["id","name","direction","type","config","paused","version","createdAt","updatedAt","status"],"properties":{"id":{"type":"string"},"name":{"type":"string"},"direction":{"type":"string","enum":["in","out"]},"type":{"type":"string","enum":["file","redis","postgres-notify","nats","mqtt","kafka","amqp"]},"config":{"type":"object"},"mode":{"type":"string","enum":["executor","stream"]},"transformScriptId":{"type":"string"},"paused":{"type":"boolean"},"version":{"type":"integer"},"createdAt":{"type":"string"},"updatedAt":{"type":"string"},"status":{"type":"object","required":["state","reason","since","lastError"],"properties":{"state":{"type":"string","enum":["connecting","running","waiting","retrying","stopped","paused"]},"reason":{"type":["string","null"]},"since":{"type":["string","null"]},"position":{"type":["object","null"]},"lag":{"type":["integer","null"]},"lagUnit":{"type":["string","null"]},"taken":{"type":"integer"},"duplicates":{"type":"integer"},"rejected":{"type":"integer"},"leftOut":{"type":"integer"},"missed":{"type":"integer"},"gaps":{"type":"integer"},"sent":{"type":"integer"},"failed":{"type":"integer"},"pending":{"type":"integer"},"partitions":{"type":"array","items":{"type":"object","required":["partition","state"],"properties":{"partition":{"type":"integer"},"state":{"type":"string"},"reason":{"type":"string"},"position":{"type":"object"},"lag":{"type":"integer"},"pending":{"type":"integer"}}}},"lastError":{"type":["object","null"],"properties":{"message":{"type":"string"},"at":{"type":"string"}}},"logs":{"type":"array","items":{"type":"object","required":["id","at"],"properties":{"id":{"type":"string"},"at":{"type":"string"},"logs":{"type":"array","items":{"type":"object"}},"bytesLeftOut":{"type":"integer"}}}}}}},"examples":[{"id":"orders-in","name":"orders-in","direction":"in","type":"redis","config":{"host":"127.0.0.1","port":6379,"database":0,"stream":"orders","field":"event","from":"start","format":"payload","pattern":"order.placed"},"paused":false,"version":1,"createdAt":"2026-01-02T03:04:05.678Z","updatedAt":"2026-01-02T03:04:05.678Z","status":{"state":"running","reason":null,"since":"2026-01-02T03:04:05.678Z","position":{"id":"1767322000000-0","count":12},"lag":0,"lagUnit":"entries","missed":0,"gaps":0,"taken":12,"duplicates":0,"rejected":0,"leftOut":0,"lastError":null}}]})"},
    {"LinkReset",
     R"({"type":"object","required":["to"],"properties":{"to":{"type":"string"}},"examples":[{"to":"start"}]})"},
    {"LinkTested",
     R"({"type":"object","required":["success","linkId","error","durationUs"],"properties":{"success":{"type":"boolean"},"linkId":{"type":"string"},"error":{"type":["string","null"]},"durationUs":{"type":"integer"}},"examples":[{"success":true,"linkId":"orders-in","error":null,"durationUs":412}]})"},
};

constexpr RouteShape kLinkShapes[] = {
    {RouteId::kCreateLink, "NewLink", "Link"},
    {RouteId::kListLinks, "", "[Link]"},
    {RouteId::kGetLink, "", "Link"},
    {RouteId::kPutLink, "NewLink", "Link"},
    {RouteId::kPatchLink, "MergePatch", "Link"},
    {RouteId::kDeleteLink, "", "Success"},
    {RouteId::kPauseLink, "", "Link"},
    {RouteId::kResumeLink, "", "Link"},
    {RouteId::kResetLink, "LinkReset", "Link"},
    {RouteId::kTestLink, "", "LinkTested"},
};

}  // namespace

ShapePart link_shapes() { return {kLinkComponents, kLinkShapes}; }

}  // namespace millrace::runtime::api
