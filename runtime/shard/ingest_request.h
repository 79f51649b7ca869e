// What: one arrival of events (an HTTP request, a batch of lines, what a handler emitted) on its
//       way through its home shards: parsed and matched by the edge, appended by the homes,
//       answered by the edge when every home has said durable.
// Threads: built and answered by the edge shard. In between each home shard writes only the items
//       in its own list, and what homes share (atomics), and then hands the request back; nobody
//       else touches it meanwhile.
// Lifetime: owned by the edge shard's pool; its vectors keep their memory from use to use.
// Limits: core::kBatchEventsMax items; the body's bytes count against the edge's in-flight bound.
// Failure: entries that do not parse are in `rejected`, entries a home refused have `refused`.
#pragma once

#include "core/buffer.h"
#include "core/ids.h"
#include "core/result.h"
#include "io/http_types.h"
#include "io/line_server.h"
#include "runtime/identity/principal.h"
#include "runtime/inbound/delivery_ring.h"
#include "runtime/registry/late_rules.h"
#include "store/ids/hasher.h"
#include "store/log/format.h"
#include "store/log/shard_log.h"
#include "store/rows/row_batch.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace millrace::runtime {

struct LaneResult;

// What an identity's keeper says.
enum class KeeperAnswer : std::uint8_t {
    kNotAsked,  // needs not be: its home is its keeper
    kGranted,   // append it
    kTaken,     // there is one at `position`
    kOnItsWay,  // with another request: ask again
    kSettled,   // in an earlier round
    kStands,    // nobody need be asked: its id named `position`, and it is there
};

struct IngestItem {
    store::AppendInput input;
    std::string_view event_id;      // the client's; empty when the server makes it
    std::uint32_t entry = 0;        // index in the input
    std::uint32_t match_begin = 0;  // into IngestRequest::matches
    std::uint32_t match_count = 0;
    std::uint32_t payload_at = 0;  // see DeliveryItem
    // Written by the home shard, and by the keeper of one that was taken. Of one in
    // IngestRequest::made the place that its id names.
    core::LogPosition position;
    bool duplicate = false;
    bool refused = false;  // the identity index was busy: 429
    bool again = false;    // its keeper has to be asked (again)
    KeeperAnswer answer = KeeperAnswer::kNotAsked;
    core::ShardId home;  // where it goes when it is new
    // It stands in the log as a dead letter, for this reason; empty: it does not. event_id and
    // letter_pattern are those of the event for which it stands.
    std::string_view dead_letter;
    std::string_view letter_pattern;
    std::uint32_t late = 0;  // 1 + its place in LateChecks::items; 0: nothing is asked late
};

struct RejectedEntry {
    std::uint32_t entry = 0;
    core::Error error;
    std::string errors = {};  // all that a schema found: a JSON array; empty: no schema spoke
};

enum class IngestOrigin : std::uint8_t { kHttp, kLine, kLane, kGrpc };
enum class ReplyIds : std::uint8_t { kInclude, kLeaveOut };
enum class MustAsk : std::uint8_t { kNo, kYes };
enum class Atomicity : std::uint8_t { kEachEntry, kAllOrNone };

struct IngestRequest {
    IngestOrigin origin = IngestOrigin::kHttp;
    io::RequestToken http;  // kGrpc: the call; line_first is the number of its batch
    io::LineToken line;
    std::uint64_t line_first = 0;
    std::uint64_t line_count = 0;
    LaneResult* lane_result = nullptr;           // kLane: what waits for these events; owned
    std::unique_ptr<inbound::HookArrival> hook;  // it came as a webhook; null: it did not
    std::unique_ptr<LateChecks> late;            // rules that are still to be asked; null: none

    core::ShardId edge;
    core::TenantId tenant;
    // While it is read: whose patterns hold for it; null: any pattern may come.
    const identity::KeyIdentity* sender = nullptr;
    // While it is read, and where they differ: each entry's. What handlers of several tenants emit
    // comes as one body.
    std::span<const core::TenantId> entry_tenants;
    // Likewise: entries that come back from the dead-letter queue, in order. Whoever let them go
    // has held them against the schemas.
    std::span<const std::uint32_t> returning;
    // Likewise: entries that stand for what could be none, of which no schema is asked.
    std::span<const std::uint32_t> stand_ins;
    core::BufferRef body;
    std::deque<std::string> texts;  // strings that had escapes, and converted events
    ReplyIds reply_ids = ReplyIds::kInclude;
    Atomicity atomicity = Atomicity::kEachEntry;
    bool single_object = false;  // one object came, not a batch: errors are its own
    store::Durability durability = store::Durability::kFsync;  // asked for; homes only read it

    std::vector<IngestItem> items;
    std::vector<core::SubscriptionId> matches;
    std::vector<RejectedEntry> rejected;
    std::vector<std::vector<std::uint32_t>> by_home;  // item indices, one list a shard
    std::uint32_t homes_left = 0;
    // kAllOrNone over several homes: its number in the order in which all homes take such requests.
    std::uint64_t batch = 0;
    // kLane, all or none: the rows of lane_result are in its edge's part, which there is always.
    bool brings_rows = false;
    // KeeperRounds'. Items that have to ask are in no list of by_home until they are answered.
    std::vector<std::vector<std::uint32_t>> by_keeper;
    bool asks = false;   // there are such items
    bool keyed = false;  // some item has a partition key
    bool may_go = false;
    std::uint32_t keepers_left = 0;
    std::uint32_t round = 0;
    // Items whose ids this server has made: nothing goes on before somebody has looked whether they
    // stand where the ids say (place_look.h).
    std::vector<std::uint32_t> made;

    // Into the list that its place in the order and its identity ask for.
    void place(std::uint32_t index, core::ShardId keeper, MustAsk must_ask) {
        IngestItem& item = items[index];
        const bool yes = must_ask == MustAsk::kYes;
        item.input.asked = yes && keeper != item.home;
        asks |= yes;
        (yes ? by_keeper[keeper.value] : by_home[item.home.value]).push_back(index);
    }
    // Those that were found go where they stand, which says so; the others go on as any. Their
    // places have been looked at.
    void settle_made() {
        const auto stands = [this](std::uint32_t index) {
            return items[index].answer == KeeperAnswer::kStands;
        };
        if (std::any_of(made.begin(), made.end(), stands)) {
            for (auto& list : by_home) std::erase_if(list, stands);
            for (auto& list : by_keeper) std::erase_if(list, stands);
            for (const std::uint32_t index : made) {
                if (stands(index)) by_home[items[index].position.shard.value].push_back(index);
            }
            for (auto& list : by_home) std::sort(list.begin(), list.end());
            asks = std::any_of(by_keeper.begin(), by_keeper.end(),
                               [](const auto& list) { return !list.empty(); });
        }
        made.clear();
    }
    bool whole() const { return atomicity == Atomicity::kAllOrNone; }
    // Nothing of it is to be taken.
    void drop_items() {
        items.clear();
        for (auto& list : by_home) list.clear();
        for (auto& list : by_keeper) list.clear();
        made.clear();
        asks = keyed = false;
    }
    // Those of the items that are not to be taken after all, in rising order; the others move up.
    void leave_out(std::span<const std::uint32_t> indices) {
        if (indices.empty()) return;
        const auto at = [&](std::uint32_t index) {
            return std::lower_bound(indices.begin(), indices.end(), index);
        };
        const auto is_out = [&](std::uint32_t index) {
            return at(index) != indices.end() && *at(index) == index;
        };
        const auto renumber = [&](std::vector<std::uint32_t>& list) {
            std::erase_if(list, is_out);
            for (std::uint32_t& index : list)
                index -= static_cast<std::uint32_t>(at(index) - indices.begin());
        };
        for (auto& list : by_home) renumber(list);
        for (auto& list : by_keeper) renumber(list);
        renumber(made);
        std::uint32_t index = 0;
        std::erase_if(items, [&](const IngestItem&) { return is_out(index++); });
    }
    // The last item takes the place of this one, which is not to be taken.
    void replace_by_last(std::uint32_t index) {
        const auto last = static_cast<std::uint32_t>(items.size() - 1);
        const auto move = [&](std::vector<std::uint32_t>& list) {
            std::erase(list, index);
            if (list.empty() || list.back() != last) return;
            list.pop_back();
            list.insert(std::lower_bound(list.begin(), list.end(), index), index);
        };
        for (auto& list : by_home) move(list);
        for (auto& list : by_keeper) move(list);
        items[index] = items.back();
        items.pop_back();
    }
    // Some item comes again in the next round. By any home, like fail().
    void come_again() { again_.store(true, std::memory_order_relaxed); }
    bool again() const { return again_.load(std::memory_order_relaxed); }
    void begin_round() {
        ++round;
        again_.store(false, std::memory_order_relaxed);
        for (auto& list : by_keeper) list.clear();
        for (std::uint32_t i = 0; i < items.size(); ++i) {
            IngestItem& item = items[i];
            const bool must_ask = whole() ? item.answer != KeeperAnswer::kNotAsked &&
                                                item.answer != KeeperAnswer::kStands
                                          : item.again || item.answer == KeeperAnswer::kOnItsWay;
            item.again = false;
            if (must_ask)
                by_keeper[store::keeper_of(item.input.id, by_keeper.size()).value].push_back(i);
            else if (!whole())
                item.answer = KeeperAnswer::kSettled;
        }
    }

    core::TenantId tenant_of(std::uint32_t entry) const {
        return entry < entry_tenants.size() ? entry_tenants[entry] : tenant;
    }

    bool returns(std::uint32_t entry) const {
        return !returning.empty() && std::binary_search(returning.begin(), returning.end(), entry);
    }

    bool stands_in(std::uint32_t entry) const {
        return !stand_ins.empty() && std::binary_search(stand_ins.begin(), stand_ins.end(), entry);
    }

    bool goes_to(std::size_t home) const {
        return !by_home[home].empty() || (brings_rows && home == edge.value);
    }
    std::uint32_t homes() const {
        std::uint32_t out = 0;
        for (std::size_t home = 0; home < by_home.size(); ++home) out += goes_to(home);
        return out;
    }
    // By any home, while others do the same. The edge reads them when every home has handed the
    // request back through its ring, which orders it behind them: relaxed is enough.
    void fail() { failed_.store(true, std::memory_order_relaxed); }
    void reached(store::Durability level) {
        store::Durability known = reached_.load(std::memory_order_relaxed);
        while (level < known &&
               !reached_.compare_exchange_weak(known, level, std::memory_order_relaxed)) {
        }
    }
    // The store went down: nothing may be acknowledged.
    bool failed() const { return failed_.load(std::memory_order_relaxed); }
    // What the answer may say: not more than was asked for, and not more than is true.
    store::Durability told_durability() const {
        return std::min(durability, reached_.load(std::memory_order_relaxed));
    }

    void reset(std::size_t shards) {
        body = {};
        texts.clear();
        by_home.resize(shards);
        by_keeper.resize(shards);
        drop_items();
        matches.clear();
        rejected.clear();
        homes_left = 0;
        batch = 0;
        may_go = false;
        round = 0;
        again_.store(false, std::memory_order_relaxed);
        failed_.store(false, std::memory_order_relaxed);
        reached_.store(store::Durability::kFsync, std::memory_order_relaxed);
        lane_result = nullptr;
        hook = nullptr;
        late = nullptr;
        reply_ids = ReplyIds::kInclude;
        atomicity = Atomicity::kEachEntry;
        brings_rows = false;
        single_object = false;
        durability = store::Durability::kFsync;
        line_first = line_count = 0;
        sender = nullptr;
    }

private:
    std::atomic<bool> failed_{false};
    std::atomic<bool> again_{false};
    std::atomic<store::Durability> reached_{store::Durability::kFsync};
};

}  // namespace millrace::runtime
