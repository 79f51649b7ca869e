// What: brings the outbox's events to the partitions that they are of, of each destination in their
//       order: one batch is under way, and the next one goes when that is durable there. What was
//       answered is erased; what was not is sent again, later each time. After a crash all goes
//       again that was not erased: over there an event that comes twice is known by its id.
// Threads: do_work() one; receive() whoever drives the port, do_work()'s own where that is the
//       same; wake-ups are the agent's.
// Lifetime: borrows all of Deps.
// Limits: kBatchRowsMax rows and kBatchBytesMax (and one event) a batch, one a destination.
// Failure: a destination that does not answer is told in the log when it begins and when it is
//          over; nothing is given up, and nothing overtakes.
#pragma once

#include "core/clock.h"
#include "core/log.h"
#include "core/metrics.h"
#include "core/result.h"
#include "runtime/courier/http_port.h"
#include "runtime/crossing/neighbours.h"
#include "runtime/crossing/outbox.h"
#include "runtime/crossing/outbox_figures.h"
#include "runtime/delivery/lane_job.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace millrace::runtime::crossing {

class OutboxSender final : public courier::HttpReceiver {
public:
    static constexpr std::size_t kBatchRowsMax = 1000;
    static constexpr std::size_t kBatchBytesMax = 1u << 20;
    static constexpr std::int64_t kWaitNsMin = 50'000'000;
    static constexpr std::int64_t kWaitNsMax = 5'000'000'000;
    static constexpr std::int64_t kLookNs = 1'000'000'000;  // without a hint
    static constexpr std::int64_t kShowNs = 200'000'000;    // figures

    struct Deps {
        const core::Clock* clock = nullptr;
        core::Log* log = nullptr;
        core::Metrics* metrics = nullptr;
        store::RegistryStore* rows = nullptr;
        Outbox* outbox = nullptr;
        courier::HttpPort* port = nullptr;
        const Neighbours* neighbours = nullptr;
        std::size_t partition = 0;  // this one
        // Rows that go with the shard's next commit. False when its ring is full.
        std::function<bool(std::unique_ptr<LaneResult>&)> submit;
    };
    explicit OutboxSender(Deps deps);

    std::size_t do_work();
    // From now on nothing is sent.
    void stop() { stopped_ = true; }
    void receive(std::uint64_t ticket, courier::HttpAnswer&& answer) override;

private:
    struct Batch {
        std::vector<std::string> ids;
        std::string text;
        std::uint64_t bytes = 0;
        std::int64_t oldest_at_us = 0;
    };
    struct Lane {
        std::string after;  // what is up to here is there
        Batch under_way;
        std::uint64_t ticket = 0;     // 0: nothing is under way
        std::int64_t look_at_ns = 0;  // not before
        std::int64_t wait_ns = 0;
        bool told = false;
    };

    std::size_t send(std::size_t to);
    void show_figures();
    core::Result<Batch> next_batch(std::size_t to, const std::string& after);
    void erase(std::size_t to, Lane& lane);
    void wait_after(std::size_t to, Lane& lane, const std::string& why);

    const Deps deps_;
    std::vector<Lane> lanes_;                           // by partition
    std::vector<std::unique_ptr<LaneResult>> erasing_;  // not taken by the shard yet
    std::uint64_t sends_ = 0;
    std::uint64_t seen_commits_ = 0;
    OutboxFigures figures_;
    std::int64_t show_at_ns_ = 0;
    bool stopped_ = false;
};

}  // namespace millrace::runtime::crossing
