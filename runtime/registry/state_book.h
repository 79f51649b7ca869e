// What: the states of transition rules: which one the last accepted event left a key in. A state
//       stands in a row of the shard whose log has the event, written in the commit of that event;
//       the newest of a key's rows counts. While an event is on its way the key is held by its
//       request: nobody else asks about it before that is durable, or is known not to be taken. So
//       what one event is held against is always what a crash would leave.
// Threads: any. Whoever holds a slot reads and writes it alone.
// Lifetime: the Database outlives it; slots live as long as somebody uses them.
// Limits: one slot for each key on its way; rows: one a key and shard, until its schema is removed.
// Failure: what can not be read is not there.
#pragma once

#include "core/ids.h"
#include "runtime/registry/event_schema.h"
#include "store/ids/hasher.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace millrace::store {
class Database;
class RowBatch;
}  // namespace millrace::store

namespace millrace::runtime {

// In the registry's family: "tenant/schema/transition/key/shard", the version counts the steps.
inline constexpr std::string_view kStateKind = "schema_state";

struct StateKey {
    core::TenantId tenant;
    SchemaNumber schema;
    std::uint64_t transition = 0;  // Transition::hash()
    store::IdHash key;
    auto operator<=>(const StateKey&) const = default;
};

struct StateKeyHash {
    std::size_t operator()(const StateKey& key) const {
        return key.key.by_id ^ key.key.by_source ^ key.transition;
    }
};

struct StateSlot {
    StateKey key;
    std::string state;                   // schema::kNoState before the first event
    std::uint64_t step = 0;              // of the newest row, and of what is on its way
    std::atomic<std::uint32_t> uses{0};  // the book's
    const void* holder = nullptr;
};

class StateBook {
public:
    StateBook(store::Database& database, std::size_t shards);

    StateKey key_of(const EventSchema& schema, std::uint64_t transition,
                    std::string_view key) const;
    // All of them or none: false, another one holds one of them. `slots` are in the order of
    // `keys`; `held` gets each once. Their rows are looked up together.
    bool hold(const void* holder, const std::vector<StateKey>& keys, std::vector<StateSlot*>& slots,
              std::vector<StateSlot*>& held);
    // An event that makes a step is in an open unit: the slot is in use until that is durable.
    static void use(StateSlot& slot) {
        // Whoever holds it keeps it from going: the order is of no account.
        slot.uses.fetch_add(1, std::memory_order_relaxed);
    }
    void release(std::span<StateSlot* const> slots);
    // The holder lets go of them; what it has in open units stays in use.
    void let_go(std::span<StateSlot* const> slots);
    // Without holding it: what it is just now.
    std::string current(const StateKey& key) const;
    // The same of a key that no event on its way may change; none: one may.
    std::optional<std::string> settled(const StateKey& key) const;

    // The row of a step, for the unit that has the event.
    static void put(store::RowBatch& rows, const StateKey& key, core::ShardId shard,
                    std::uint64_t step, std::string_view state, std::int64_t at_us);
    // All rows of a schema that is gone; on a thread that may wait.
    void forget(core::TenantId tenant, SchemaNumber schema);

    std::size_t held() const;

private:
    void load(std::span<StateSlot* const> slots) const;
    void release_locked(StateSlot& slot);

    store::Database& database_;
    const std::size_t shards_;
    mutable std::mutex mutex_;
    std::unordered_map<StateKey, StateSlot, StateKeyHash> slots_;
};

}  // namespace millrace::runtime
