#include "store/retention/let_go.h"

#include "store/engine.h"
#include "store/rows/keys.h"

#include <algorithm>
#include <cstring>

namespace millrace::store {
namespace {

constexpr std::string_view kBlockPrefix = "let_go/b";
constexpr std::string_view kEventPrefix = "let_go/e";
constexpr char kVersion = 1;

std::string block_key(core::ShardId shard) {
    std::string key(kBlockPrefix);
    put_be(key, shard.value);
    return key;
}

std::string event_key(core::TenantId tenant, std::string_view pattern) {
    std::string key(kEventPrefix);
    put_be(key, tenant.value);
    return key.append(pattern);
}

std::string encode(std::int64_t until_us) {
    std::string out(1, kVersion);
    out.append(reinterpret_cast<const char*>(&until_us), sizeof(until_us));
    return out;
}

std::int64_t decode(Engine& engine, std::string_view key, std::string_view value) {
    std::int64_t until_us = 0;
    if (value.size() == 1 + sizeof(until_us) && value.front() == kVersion) {
        std::memcpy(&until_us, value.data() + 1, sizeof(until_us));
        return until_us;
    }
    engine.quarantine.set_aside(ColumnFamily::kDefault, key, "it does not read");
    return engine.options.clock->wall_us();
}

core::Result<std::int64_t> until_of(Engine& engine, const std::string& key) {
    rocksdb::PinnableSlice value;
    auto there = engine.get(ColumnFamily::kDefault, key, value);
    if (!there) return core::fail(std::move(there.error()));
    return *there ? decode(engine, key, view(value)) : 0;
}

// A shard whose first blocks went before anybody wrote down until when.
core::Result<std::int64_t> before_first_kept(Database& database, core::ShardId shard) {
    const core::LogOffset first = database.first_kept(shard);
    if (first.value == 0) return 0;
    const auto block = database.log_reader().read_block(shard, first);
    if (!block) return core::fail(block.error());
    return *block ? block->record(0).received_at_us : 0;
}

}  // namespace

void LetGo::block(core::ShardId shard, std::int64_t received_max_us) {
    std::int64_t& until_us = until_us_[block_key(shard)];
    until_us = std::max(until_us, received_max_us);
}

void LetGo::event(core::TenantId tenant, std::string_view pattern, std::int64_t received_at_us) {
    std::int64_t& until_us = until_us_[event_key(tenant, pattern)];
    until_us = std::max(until_us, received_at_us);
}

core::Status LetGo::put(Engine& engine, rocksdb::WriteBatch& batch) {
    for (const auto& [key, until_us] : until_us_) {
        auto before = until_of(engine, key);
        if (!before) return core::fail(std::move(before.error()));
        if (*before < until_us)
            batch.Put(engine.family(ColumnFamily::kDefault), key, encode(until_us));
    }
    until_us_.clear();
    return {};
}

core::Result<std::int64_t> let_go_until(Database& database, core::TenantId tenant,
                                        std::string_view pattern_prefix) {
    Engine& engine = database.engine();
    std::int64_t latest_us = 0;
    for (std::size_t i = 0; i < database.shards(); ++i) {
        const core::ShardId shard{static_cast<std::uint16_t>(i)};
        auto until_us = until_of(engine, block_key(shard));
        if (until_us && *until_us == 0) until_us = before_first_kept(database, shard);
        if (!until_us) return until_us;
        latest_us = std::max(latest_us, *until_us);
    }
    const std::string prefix = event_key(tenant, pattern_prefix);
    const auto rows = engine.iterate(ColumnFamily::kDefault);
    for (rows->Seek(prefix); rows->Valid() && view(rows->key()).starts_with(prefix); rows->Next())
        latest_us = std::max(latest_us, decode(engine, view(rows->key()), view(rows->value())));
    if (!rows->status().ok()) return core::fail(rocks_error("read let_go", rows->status()));
    return latest_us;
}

}  // namespace millrace::store
