// What: listing and searching the log, newest or oldest first, over all shards in time order. Block
//       summaries (time range, tenant, patterns, bloom filter) skip what cannot match; the rest is
//       unpacked and looked at event by event.
// Threads: any, at once. Lifetime: the Database outlives it.
// Limits: Query::limit <= 1000; Query::blocks_max bounds one call's work, the cursor goes on.
// Failure: Errors for a bad cursor (kValidation) or a damaged block (kInternal).
#pragma once

#include "core/ids.h"
#include "core/result.h"
#include "store/log/log_reader.h"

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::store {

enum class SearchOrder : std::uint8_t { kNewestFirst, kOldestFirst };

struct EventQuery {
    std::optional<core::TenantId> tenant{};  // nullopt: all
    std::string_view pattern{};              // exact; empty: any
    std::string_view pattern_prefix{};
    std::int64_t from_us = std::numeric_limits<std::int64_t>::min();  // received_at, inclusive
    std::int64_t to_us = std::numeric_limits<std::int64_t>::max();    // exclusive
    // These only skip blocks (by bloom filter): `accept` must check them on the event itself.
    std::string_view source_id{};
    std::string_view correlation_id{};
    std::string_view causation_id{};
    std::string_view context_id{};
    // Called for each event that passed the rest; may parse. Null: everything is accepted.
    std::function<bool(const StoredEvent&)> accept{};
    SearchOrder order = SearchOrder::kNewestFirst;
    std::size_t limit = 100;
    // The page ends when its events' texts have so many bytes: one event more at most.
    std::size_t bytes_max = 16u << 20;
    std::size_t blocks_max = 100'000;  // blocks unpacked in one call
    // Events looked at in one call, to the end of a block; each shard looks at one block at least.
    std::uint64_t events_max = std::numeric_limits<std::uint64_t>::max();
    std::string_view cursor{};  // of the previous page; empty: from the start
};

struct EventPage {
    std::vector<OwnedEvent> events;
    std::string next;   // empty: no more
    bool full = false;  // of limit or bytes_max: it did not end for want of events or of blocks
    std::size_t bytes = 0;
    std::uint64_t blocks_skipped = 0;
    std::uint64_t blocks_read = 0;
    std::uint64_t events_seen = 0;
    // Of the log, with the pages before: how much of it is behind the cursor. 1: all.
    double searched = 1;
};

class EventSearch {
public:
    explicit EventSearch(Engine& engine) : engine_(engine) {}
    core::Result<EventPage> search(const EventQuery& query);

private:
    Engine& engine_;
};

}  // namespace millrace::store
