// What: clears away what waits for a subscription that was removed: what it is still owed from the
//       log, and the rows that wait for it. Each becomes a dead letter, or is dropped, as the
//       removal said; both are counted.
// Threads: add() any; do_work() by the feeder.
// Lifetime: borrows all of Deps.
// Limits: one block of the log, or kRowsPerWrite rows, a turn. Removals wait in memory: as many as
//       there are calls.
// Failure: what can't be read or written now is tried again; nothing is skipped. After a crash it
//       is added again, and what has its outcome is passed.
#pragma once

#include "runtime/delivery/behind_table.h"
#include "runtime/feed/behind_feed.h"
#include "runtime/feed/behind_reader.h"
#include "runtime/feed/feed_deps.h"
#include "runtime/feed/parked_feed.h"
#include "runtime/feed/retry_feed.h"

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace millrace::runtime {

class Burials {
public:
    struct Deps : FeedDeps {
        BehindTable* table = nullptr;
        BehindShards* shards = nullptr;
        RetryFeed* retries = nullptr;
        ParkedFeed* parked = nullptr;
        BehindFeed* behind = nullptr;
    };
    // How many deliveries waited.
    using Done = std::function<void(std::uint64_t)>;
    explicit Burials(Deps deps) : deps_(std::move(deps)) {}

    // `subscription` is closing, and every shard knows.
    void add(SubscriptionRef subscription, Done done);
    std::size_t do_work();
    std::int64_t sleep_us_max();

private:
    static constexpr std::size_t kRowsPerWrite = 1'000;
    static constexpr std::int64_t kAgainUs = 2'000;
    static constexpr std::int64_t kUnreadNs = 500'000'000;
    struct Burial {
        SubscriptionRef of;
        Done done;
        std::unique_ptr<BehindReader> reader{};
        std::size_t shard = 0;                            // those before it are done
        std::optional<core::LogOffset> untouched_from{};  // lanes have nothing of it behind here
        std::optional<core::LogOffset> next{};
        std::size_t lanes_told = 0;
        std::uint64_t count = 0;
        std::int64_t not_before_ns = 0;
        std::int64_t rests_ns = 0;  // longer than kAgainUs, this once
    };
    enum class Step : std::uint8_t { kDone, kMore, kWait };

    Step step(Burial& burial);
    Step clear_log(Burial& burial);
    Step clear_block(Burial& burial, core::ShardId shard);
    Step clear_rows(Burial& burial);
    Step tell_lanes(Burial& burial);
    void bury(const Burial& burial, const store::StoredEvent& event, const EarlierAttempts& earlier,
              store::RowBatch& rows) const;
    bool bury_row(const Burial& burial, const store::RetryRow& row, store::RowBatch& rows) const;
    bool write(store::RowBatch& rows);

    const Deps deps_;
    std::mutex mutex_;
    std::vector<Burial> added_;
    std::list<Burial> open_;  // the feeder's
};

}  // namespace millrace::runtime
