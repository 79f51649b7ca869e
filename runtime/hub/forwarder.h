// What: the edge's side of [hub]: sends each shard's log to the hub, behind a mark that is kept, in
//       batches (send_queue.h), over connections of its own. What is urgent (hub.first) goes in a
//       lane of its own, before the rest; what filters have left out and the hub asks for by now
//       (backfill.h) behind it. What the hub answers moves the
//       mark; where it has more than the mark says, the log is followed up to there and must come
//       to the same chain hash; where it has less (it went back), it is sent again from there.
// Threads: do_work() its own, which drives libcurl too; floors() and figures any; load() before the
//       threads start.
// Lifetime: borrows all of Deps.
// Limits: SendQueue's batches a lane, SendPace's bytes each; `rate` bytes a second; a heartbeat
//         each kHeartbeatNs on a connection beside the batches': it also says what the hub wants.
// Failure: what the hub refuses or does not answer is sent again, later each time; a folder that is
//          a copy of another one (409) is told, and asks again every few minutes. `drop`: what
//          retention takes unsent is counted and told, what is urgent last (urgent_keep.h); else
//          retention waits for it.
#pragma once

#include "core/agent.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/metrics.h"
#include "core/random.h"
#include "core/result.h"
#include "runtime/courier/courier.h"
#include "runtime/delivery/lane_job.h"
#include "runtime/hub/backfill.h"
#include "runtime/hub/forward_mark.h"
#include "runtime/hub/log_run.h"
#include "runtime/hub/send_pace.h"
#include "runtime/hub/send_queue.h"
#include "runtime/hub/urgent_events.h"
#include "runtime/hub/urgent_keep.h"
#include "runtime/registry/set_aside.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::store {
class Database;
}

namespace millrace::runtime::hub {

enum class OnFull : std::uint8_t { kRefuse, kDrop };

struct ForwardOptions {
    std::string url;  // of the hub, without a path
    std::string token;
    std::string node;
    std::string first{};  // patterns of events that go before all others, separated by commas
    std::int64_t bytes_per_second_max = 0;  // 0: as many as go
    OnFull on_full = OnFull::kRefuse;
};
// What a server's settings say; kValidation names the one that does not fit.
core::Status check_forward_options(ForwardOptions& options);

class Forwarder final : public core::Agent, private courier::HttpReceiver {
public:
    static constexpr std::int64_t kHeartbeatNs = 15'000'000'000;
    static constexpr std::int64_t kPollUs = 20'000;           // how soon a new event is seen
    static constexpr std::int64_t kQuietNs = 30'000'000'000;  // then what does not cross is told
    static constexpr std::uint64_t kQuietOffsets = 100'000;   // or by then
    static constexpr std::int64_t kCallMs = 30'000;
    static constexpr std::int64_t kConnectMs = 10'000;
    // Those of batches say which lane's they are too.
    static constexpr std::uint64_t kHeartbeatTicket = 0;
    static constexpr unsigned kTicketLaneBits = 33;

    struct Deps {
        const core::Clock* clock = nullptr;
        core::Log* log = nullptr;
        core::Metrics* metrics = nullptr;
        store::Database* database = nullptr;
        std::size_t shards = 1;
        std::uint64_t seed = 0;
        // False when the shard's ring is full.
        std::function<bool(core::ShardId, std::unique_ptr<LaneResult>&)> submit;
        courier::HttpPort* port = nullptr;  // tests; null: its own courier
    };
    static core::Result<std::unique_ptr<Forwarder>> make(Deps deps, ForwardOptions options);
    ~Forwarder() override;

    core::Status load(SetAside& aside);

    std::string_view name() const override { return "hub"; }
    std::size_t do_work() override;
    void wait(std::int64_t timeout_us) override;
    void wake() override;

    // By shard: what retention must leave; and single events before that.
    std::vector<core::LogOffset> floors() const;
    std::vector<core::LogPosition> kept_events() const;
    // From now on nothing is sent.
    void stop_sending() { stopping_.store(true, std::memory_order_relaxed); }

private:
    struct Lane {
        ForwardMark mark;  // the hub has what is before it
        SendQueue queue;
        ForwardMark quiet;  // so far nothing crosses behind the queue's end
        LogRun::Part part;
        std::unique_ptr<WantedEvents> had;  // of a backfill
        SendPace pace;
        std::optional<LogRun::Walk> walk;  // to where the hub is: nothing is sent meanwhile
        bool unkept = false;               // the mark has moved since it was kept
        bool stands = false;  // the hub has refused this folder: it is asked now and then
        std::uint64_t span = ~std::uint64_t{0};  // offsets that the last full batch took
        std::uint64_t seen_end = 0;              // the log's, when nothing was found to send
        std::int64_t try_at_ns = 0;              // not before
        std::int64_t moved_ns = 0;               // when the hub heard of this shard last
        std::atomic<std::uint64_t> floor{0};

        std::uint32_t shard() const { return shard_of(mark.lane); }
    };

    Forwarder(Deps deps, ForwardOptions options, std::unique_ptr<courier::Courier> own);

    // forwarder.cc
    void make_lanes(const std::map<std::uint32_t, ForwardMark>& kept);
    core::Status keep_urgent();
    Lane* lane_of(std::uint32_t number) const;
    void heartbeat();
    bool keep_mark(Lane& lane);
    courier::HttpCall call_of(std::string_view path) const;

    // forwarder_sending.cc
    std::size_t send(Lane& lane);
    std::size_t find_nothing(Lane& lane, const LogRun::Next& found, std::uint64_t end);
    bool post(Lane& lane, LogRun::Next&& batch, std::int64_t now_ns);
    std::size_t batch_bytes(const Lane& lane) const;
    std::size_t step(Lane& lane);
    void arrive(Lane& lane);

    // forwarder_answers.cc
    void receive(std::uint64_t ticket, courier::HttpAnswer&& answer) override;
    void take_answer(Lane& lane, std::uint64_t ticket, courier::HttpAnswer&& answer);
    bool is_taken(Lane& lane, const LogRun::Next& batch, const courier::HttpAnswer& answer);
    void note_taken(Lane& lane, const LogRun::Next& batch);
    void take_refusal(Lane& lane, const SendQueue::Sent& sent);
    void take_place(Lane& lane, std::uint64_t to, std::uint64_t hash);
    void confirm(Lane& lane, const ForwardMark& to);
    void look_again(Lane& lane);
    void wait_after(Lane& lane, const std::string& why, std::int64_t at_least_ms);
    void stand(Lane& lane, const std::string& why);
    void heard();
    void take_filters(const courier::HttpAnswer& answer);
    void take_backfills(std::vector<BackfillAsk>&& asks);
    void tell(bool reached, const std::string& why);
    void show_lag();

    const Deps deps_;
    const ForwardOptions options_;
    const std::unique_ptr<courier::Courier> own_;
    courier::HttpPort& port_;
    core::MetricsRole& role_;
    core::Random random_;
    LogRun run_;
    std::uint64_t incarnation_ = 0;
    UrgentEvents urgent_;
    std::unique_ptr<UrgentKeep> urgent_keep_;   // where the rest may be dropped
    std::vector<std::unique_ptr<Lane>> lanes_;  // the urgent ones first; they stay
    std::vector<std::unique_ptr<Lane>> backfills_;
    std::uint64_t sends_ = 0;
    bool heartbeat_under_way_ = false;
    SendPace heartbeat_pace_;
    std::int64_t heartbeat_at_ns_ = 0;
    std::int64_t line_free_ns_ = 0;  // what was sent takes so long by `rate`
    std::int64_t shown_ns_ = 0;
    bool reached_ = false;
    std::string told_;  // why it is not; empty: it was
    struct Figures {
        core::Counter sent, skipped, lost, bytes;
        core::Gauge lag, up;
    } figures_;
    std::atomic<bool> stopping_{false};
};

}  // namespace millrace::runtime::hub
