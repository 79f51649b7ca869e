// What: the entities of tenants as they are: versioned JSON documents by type and id. Written with
//       RowBatch::put_entity/erase_entity, in the commit of the event that tells of the change.
// Threads: any, at once. Lifetime: the Database outlives it.
// Limits: no 0x00 in a type. Failure: Errors from the disk; a row that does not read is set aside
//         and counts as absent.
#pragma once

#include "core/result.h"
#include "store/rows/row_batch.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::store {

class Engine;

struct Entity {
    std::string id;
    std::uint64_t version = 0;
    std::int64_t created_at_us = 0;
    std::int64_t updated_at_us = 0;
    std::string json;
};

class EntityStore {
public:
    explicit EntityStore(Engine& engine) : engine_(engine) {}

    core::Result<std::optional<Entity>> get(const EntityKey& key);
    // Those of a type behind `key.id` ("": from the first), in the order of their ids, until
    // `visit` says false.
    core::Status visit(const EntityKey& behind, const std::function<bool(Entity&&)>& visit);
    // All of a tenant's. Reads every key: as long as that takes.
    core::Result<std::int64_t> count(core::TenantId tenant);

private:
    Engine& engine_;
};

}  // namespace millrace::store
