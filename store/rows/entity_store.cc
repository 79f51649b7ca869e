#include "store/rows/entity_store.h"

#include "store/engine.h"
#include "store/rows/keys.h"
#include "store/rows/row_codec.h"

#include <utility>

namespace millrace::store {
namespace {

bool read_entity(std::string_view id, std::string_view value, Entity& out) {
    EntityRow row;
    if (!decode_entity(value, row)) return false;
    out = {std::string(id), row.version, row.created_at_us, row.updated_at_us,
           std::string(row.json)};
    return true;
}

}  // namespace

core::Result<std::optional<Entity>> EntityStore::get(const EntityKey& key) {
    rocksdb::PinnableSlice value;
    const std::string bytes = entity_prefix(key.tenant, key.type) + std::string(key.id);
    auto there = engine_.get(ColumnFamily::kEntity, bytes, value);
    if (!there) return core::fail(std::move(there.error()));
    if (!*there) return std::nullopt;
    std::optional<Entity> out(std::in_place);
    if (!read_entity(key.id, view(value), *out)) {
        engine_.quarantine.set_aside(ColumnFamily::kEntity, bytes, "its value does not read");
        return std::nullopt;
    }
    return out;
}

core::Status EntityStore::visit(const EntityKey& behind,
                                const std::function<bool(Entity&&)>& visit) {
    const std::string prefix = entity_prefix(behind.tenant, behind.type);
    const std::string from = prefix + std::string(behind.id);
    const auto rows = engine_.iterate(ColumnFamily::kEntity);
    for (rows->Seek(from); rows->Valid() && view(rows->key()).starts_with(prefix); rows->Next()) {
        if (!behind.id.empty() && view(rows->key()) == from) continue;
        Entity entity;
        if (!read_entity(view(rows->key()).substr(prefix.size()), view(rows->value()), entity)) {
            engine_.quarantine.set_aside(ColumnFamily::kEntity, view(rows->key()),
                                         "its value does not read");
            continue;
        }
        if (!visit(std::move(entity))) break;
    }
    if (!rows->status().ok()) return core::fail(rocks_error("read entities", rows->status()));
    return {};
}

core::Result<std::int64_t> EntityStore::count(core::TenantId tenant) {
    const std::string prefix = entity_prefix(tenant, "");
    std::int64_t count = 0;
    const auto rows = engine_.iterate(ColumnFamily::kEntity);
    for (rows->Seek(prefix); rows->Valid() && view(rows->key()).starts_with(prefix); rows->Next())
        ++count;
    if (!rows->status().ok()) return core::fail(rocks_error("count entities", rows->status()));
    return count;
}

}  // namespace millrace::store
