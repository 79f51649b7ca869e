#include "runtime/api/audit.h"

#include "store/rows/row_batch.h"

namespace millrace::runtime::api {

void audit(Services& services, const identity::Principal& by, std::string_view action,
           std::string_view kind, std::string_view id,
           const std::function<void(core::JsonWriter&)>& more) {
    std::string entry;
    core::JsonWriter json(entry);
    json.begin_object().field("action", action).field("kind", kind).field_or_null("id", id);
    json.field("by", identity::actor_of(by));
    if (more) more(json);
    json.end_object();
    store::RowBatch batch;
    batch.put_audit(services.clock().wall_us(), by.tenant, entry);
    if (auto status = services.database().write_now(batch); !status)
        services.log().warn("audit: write failed", {{"error", status.error().message}});
}

void audit(Call& call, std::string_view action, std::string_view kind, std::string_view id,
           const std::function<void(core::JsonWriter&)>& more) {
    audit(call.services, call.request.principal, action, kind, id, more);
}

void append_request(core::JsonWriter& json, std::string_view body) {
    constexpr std::size_t kRequestBytesMax = 64u << 10;  // of thousands of ids, say
    if (!body.empty() && body.size() <= kRequestBytesMax) json.raw_field("request", body);
}

}  // namespace millrace::runtime::api
