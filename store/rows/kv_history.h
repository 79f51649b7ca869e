// What: kv as it was. Each commit that changes kv leaves one row with what every change undoes; a
//       view of the past is what is there now with the changes since then undone.
//       The cost is one row a commit, not one a change; the price of a view follows the changes
//       since its moment.
// Threads: any, at once. Lifetime: the Database outlives it.
// Limits: reaches back to since_us(): what Database::Options::kv_history_us asks for, and never
//       before the folder had a history. Only committed changes are seen.
// Failure: kValidation for a moment before since_us(); kInternal for a damaged row of the history.
//       A damaged row of kv is the failure of its own key, and only where the history does not say
//       what was there before it: lists pass it over.
#pragma once

#include "core/ids.h"
#include "core/result.h"
#include "store/rows/kv_store.h"

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::store {

class Engine;

// One change as its row keeps it. `key` is the key of the kv family without its partition.
struct KvUndo {
    enum class Kind : std::uint8_t { kValue = 1, kDelta = 2 };
    Kind kind = Kind::kValue;
    std::uint64_t sequence = 0;  // the order in which changes were made, over all keys
    std::string_view key{};
    bool was_there = false;     // kValue: whether the key had a value before
    std::string_view before{};  // kValue: that value, as its row
    std::int64_t delta = 0;     // kDelta: what was added
};

// Row: version:u8 shard:u16 block_first_offset:u64, then changes {kind:u8 sequence key [before] or
// delta} in the notation of row_codec.h. `block` is the one whose deliveries made the changes.
void begin_undo_row(std::string& row, core::LogPosition block);
void append_undo(std::string& row, const KvUndo& change);
bool undo_row_reads(std::string_view row);  // whole and of a known version

class KvHistory {
public:
    explicit KvHistory(Engine& engine) : engine_(engine) {}

    // The moment of a view: after everything committed up to a time, or after the deliveries of
    // all blocks that begin before these offsets (by shard).
    static constexpr std::int64_t kNow = std::numeric_limits<std::int64_t>::max();
    struct Moment {
        std::int64_t at_us = kNow;
        std::vector<core::LogOffset> before{};  // not empty: counts instead of at_us
    };

    struct Page {
        std::vector<KvItem> items;
        std::string next;  // the key to go on behind; empty: no more
    };
    core::Result<Page> list(core::TenantId tenant, std::string_view space, std::string_view prefix,
                            const Moment& moment, std::string_view after, std::size_t limit);

    // Of all keys that changed since: their values then, by KvUndo::key. nullopt: absent.
    using Value = core::Result<std::optional<KvValue>>;
    using Values = std::map<std::string, Value, std::less<>>;
    core::Result<Values> changed_since(std::string_view key_prefix, const Moment& moment);

    std::int64_t since_us() const;
    // Forgets what is older; the housekeeper's.
    core::Status trim(std::int64_t before_us);

private:
    Engine& engine_;
};

}  // namespace millrace::store
