// What: the kv writes of completed runs that a lane has not handed over yet. Reads of later runs
//       see them; at the hand-over each key becomes one write, however often it was counted up.
// Threads: one owner, a lane. Lifetime: borrows the store's kv.
// Limits: emptied with every hand-over, so it holds what one chunk of deliveries wrote. Increments
//       stay increments until then, whole or not: what other lanes add meanwhile is not lost.
// Failure: a read that the store refuses is kUnavailable; an increment whose base can't be read
//       fails its run before anything of it is applied.
#pragma once

#include "core/ids.h"
#include "runtime/delivery/script_host.h"
#include "runtime/delivery/script_types.h"
#include "store/rows/kv_store.h"
#include "store/rows/row_batch.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace millrace::runtime {

// How a script's room and key are written in the store: "kv" or "cache", then "/name" for a room of
// its own. `script_key` is `namespace '\0' name`.
struct KvAddress {
    std::string space;
    std::string_view name;
};
KvAddress kv_address(KvSpace space, std::string_view script_key);

// What stands in for the store's values under a shadow run: kv as it was, or nothing at all.
struct KvBaseline {
    // By the name of the space and the key; nullopt: absent then. An error is of that key alone: a
    // list passes it over.
    std::map<std::pair<std::string, std::string>, core::Result<std::optional<store::KvValue>>,
             std::less<>>
        values;
    bool closed = false;  // what is not in `values` is absent, not as it is now
};

class KvPending {
public:
    // `baseline` may be null; it outlives this and may grow.
    explicit KvPending(store::KvStore& store, const KvBaseline* baseline = nullptr)
        : store_(store), baseline_(baseline) {}

    // The value as a run would see it, as JSON text appended to `json`.
    KvAnswer read(core::TenantId tenant, KvSpace space, std::string_view key, std::int64_t now_us,
                  std::string& json);
    KvAnswer list(core::TenantId tenant, KvSpace space, std::string_view prefix,
                  std::int64_t now_us, LuaHost::KvVisitor& visitor);
    // Takes over one write of a completed run.
    void apply(core::TenantId tenant, const KvOp& op, std::int64_t now_us);
    // Writes everything into `rows` and forgets it.
    void hand_over(store::RowBatch& rows, std::int64_t now_us);
    bool empty() const { return entries_.empty(); }
    std::size_t size() const { return entries_.size(); }

private:
    enum class Kind : std::uint8_t { kValue, kErased, kDelta };
    struct Entry {
        core::TenantId tenant;
        KvSpace space = KvSpace::kKv;
        Kind kind = Kind::kValue;
        std::string key;            // namespace '\0' name
        std::string json;           // kValue
        std::int64_t delta = 0;     // kDelta
        std::string delta_decimal;  // ...instead of it: a number that is no 64-bit integer
        std::int64_t expires_at_us = 0;
    };
    struct TextHash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const {
            return std::hash<std::string_view>{}(text);
        }
    };

    std::string_view map_key(core::TenantId tenant, KvSpace space, std::string_view key);
    static void increment(Entry& entry, bool fresh, const KvOp& op, std::int64_t now_us);
    // What is committed, alive at now_us or not; nullopt inside: absent.
    core::Result<std::optional<store::KvValue>> committed(core::TenantId tenant, KvSpace space,
                                                          std::string_view key);
    // What hides committed values of a prefix: by name, nullopt for what is absent now.
    using Overlay = std::map<std::string, std::optional<std::string>, std::less<>>;
    core::Result<Overlay> overlay(core::TenantId tenant, KvSpace space, std::string_view prefix,
                                  std::int64_t now_us);

    store::KvStore& store_;
    const KvBaseline* const baseline_;
    std::unordered_map<std::string, Entry, TextHash, std::equal_to<>> entries_;
    std::string scratch_;
};

}  // namespace millrace::runtime
