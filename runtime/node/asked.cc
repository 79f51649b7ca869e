#include "runtime/node/asked.h"

#include "core/json_writer.h"
#include "core/timestamp.h"
#include "runtime/event/event_defaults.h"

namespace millrace::runtime::node {

AskedFor asked_for(std::string_view id, std::int64_t at_us, const AskedWhat& what,
                   const NodeOrder& order) {
    AskedFor out;
    out.id = id;
    out.at_us = at_us;
    core::JsonWriter json(out.entry);
    json.begin_object().field("action", what.action).field("kind", what.kind);
    json.field("id", what.id).field("by", order.actor);
    if (!what.member.empty()) json.field(what.member, what.value);
    json.field("order", id).field("askedAt", core::format_timestamp(at_us)).end_object();
    if (!order.members.empty()) out.entry.insert(out.entry.size() - 1, "," + order.members);
    return out;
}

bool has_room(const Meta& meta) { return meta.asked.size() < kAskedMax; }

std::size_t audit_partition(const Meta& meta) {
    return partition_of(kDefaultTenantName, meta.hash_seed, meta.partitions());
}

std::string audit_order(const AskedFor& asked) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("do", "audit").field("order", asked.id);
    json.field("askedAtUs", asked.at_us).field("entry", asked.entry).end_object();
    return out;
}

}  // namespace millrace::runtime::node
