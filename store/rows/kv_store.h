// What: handlers' key-value state: what is committed, with a cache and an overlay of what is on its
//       way to the disk. A lane calls stage() with the rows it hands over, from then on get() shows
//       them to every lane; the writer settles them when they are durable. If the process dies in
//       between, both the rows and the deliveries that made them are gone, and are made again.
// Threads: any, at once (64 locks by key). Lifetime: the Database outlives it.
// Limits: cache of Database::Options::kv_cache_bytes; staged entries are never evicted.
// Failure: Errors from the disk.
#pragma once

#include "core/clock.h"
#include "core/ids.h"
#include "core/result.h"
#include "store/log/format.h"
#include "store/rows/row_batch.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::store {

class Engine;

struct KvValue {
    KvType type = KvType::kJson;
    std::int64_t integer = 0;  // kInt64
    std::string json;          // kJson
    std::int64_t expires_at_us = 0;
    // The value as JSON text, whatever its type.
    std::string text() const;
};

struct KvItem {
    std::string key;
    KvValue value;
};

class KvStore {
public:
    KvStore(Engine& engine, std::size_t cache_bytes);
    ~KvStore();

    core::Result<std::optional<KvValue>> get(const KvKey& key);
    // In key order, staged writes included, expired ones left out; behind `after`, if given.
    core::Result<std::vector<KvItem>> list(core::TenantId tenant, std::string_view space,
                                           std::string_view prefix, std::size_t limit,
                                           std::string_view after = {});

    // Makes the batch's kv operations visible before they are durable. Once per batch, before it is
    // submitted; the log writer calls settle().
    void stage(RowBatch& rows);
    void settle(const RowBatch& rows);

private:
    struct Part;
    struct Impl;
    Engine& engine_;
    std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::store
