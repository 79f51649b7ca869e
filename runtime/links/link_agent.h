// What: the agent that runs links: reads their sources into the log, sends deliveries to their
//       sinks, or the log itself (link_stream.h), and comes back to peers that are gone. What a
//       source has read goes to a shard as one result: events, what could be none, and the position
//       behind them are one commit, or the position is the later one. So after a crash nothing is
//       missing, and what comes again has the ids that it had.
// Threads: do_work() its own; changed(), resume(), test(), look(), floors(), send() and cancel()
//       any; load() before the threads start.
// Lifetime: borrows all of Deps; receivers outlive its thread.
// Limits: one batch of a source at a time, LinkRun::kUnderWayMax of its commits under way; then it
//         is not read (overflow policy: the peer keeps it). What a stream has on its way,
//         LinkStream bounds. kTrialsMax tests.
// Failure: a peer that fails is tried again, later each time; one whose source stopped stands until
//          somebody resumes or resets it. While a partition's lease is over nothing is read or
//          sent, and after kLetGoNs a source leaves its peer to whoever owns by then. A state that
//          does not read is set aside, and its link stays stopped: it would begin anew by itself.
#pragma once

#include "core/agent.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/metrics.h"
#include "core/result.h"
#include "core/task_queue.h"
#include "runtime/delivery/intake_deps.h"
#include "runtime/links/closing_thread.h"
#include "runtime/links/file_access.h"
#include "runtime/links/link_events.h"
#include "runtime/links/link_port.h"
#include "runtime/links/link_run.h"
#include "runtime/registry/registry_snapshot.h"
#include "runtime/registry/secret_names.h"
#include "runtime/registry/set_aside.h"

#include <atomic>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace millrace::store {
class Database;
}

namespace millrace::runtime {

class LinkAgent final : public core::Agent, public LinkPort {
public:
    static constexpr std::size_t kTrialsMax = 16;
    static constexpr std::int64_t kTrialNs = 5'000'000'000;
    // A leader of the log's that is elected takes less; an owner that takes over has come by then.
    static constexpr std::int64_t kLetGoNs = 10'000'000'000;

    struct Deps : IntakeDeps {
        courier::AddressRules rules;
        FileAccess files;
        LinkShaper* shaper = nullptr;  // null: links with a transform wait
        // What all sources together may have read ahead, by libraries that do so.
        std::size_t read_ahead_bytes = 64u << 20;
        // Monotonic, of a partition of a cluster: reading and sending begin before it only.
        const std::atomic<std::int64_t>* lease_until_ns = nullptr;
        // Where a tenant's links run in several partitions, each sends what it has; sources are
        // read in one of them. None, and no number: this is the only one.
        std::function<bool(core::TenantId)> reads_for = nullptr;
        std::optional<std::size_t> partition = std::nullopt;
    };
    explicit LinkAgent(Deps deps);
    ~LinkAgent() override;

    core::Status load(SetAside& aside);

    std::string_view name() const override { return "links"; }
    std::size_t do_work() override;
    void wait(std::int64_t timeout_us) override;
    void wake() override;

    void changed(const DocumentChange<Link>& change);
    // One that stopped goes on from where it was.
    void resume(LinkNumber number);
    // `done` gets what came of it, once, on this agent's thread.
    using Tested = std::function<void(LinkTest&&)>;
    void test(const LinkRef& link, Tested done);
    // Nothing: it is not known yet.
    std::optional<LinkStatus> look(LinkNumber number) const;

    // Deliveries that are on their way to peers.
    std::uint64_t sending() const;
    // Of those in which a tenant's links run; nothing: it is the only one.
    std::optional<std::size_t> partition() const { return deps_.partition; }

    bool send(LinkReceiver& receiver, std::uint64_t ticket, LinkSend&& what) override;
    void cancel(LinkReceiver& receiver, std::uint64_t ticket) override;

    // By shard: what retention must leave for streams; empty: there are none.
    std::vector<core::LogOffset> floors() const;

    // From now on no source is read, and no stream.
    void stop_reading() { stopping_.store(true, std::memory_order_relaxed); }

private:
    static constexpr std::size_t kOrdersPerTurn = 4'096;
    static constexpr std::int64_t kShowNs = 100'000'000;
    static constexpr std::int64_t kStreamPollUs = 20'000;  // how soon a stream sees a new event

    struct Sending {
        LinkReceiver* receiver = nullptr;
        std::uint64_t ticket = 0;
    };
    struct Trial {
        LinkRef link;
        std::unique_ptr<LinkSource> source;
        std::unique_ptr<LinkSink> sink;
        std::int64_t began_ns = 0;
        Tested done;
    };

    // link_agent.cc
    void take_up(const LinkRef& link);
    void forget(std::uint32_t number);
    bool flush();
    std::unique_ptr<LaneResult> new_result(const LinkRun& run) const;
    void put_state(const LinkRun& run, LinkEntries&& entries, LaneResult& result) const;
    void keep_state(LinkRun& run);
    bool may_run(const LinkRun& run) const;
    // It is a source, and another partition reads it.
    bool is_elsewhere(const LinkRun& run) const {
        return run.source_wanted() && deps_.reads_for && !deps_.reads_for(run.link->tenant);
    }
    // For how long; nothing: it goes on, or there is none.
    std::optional<std::int64_t> lease_over_ns() const;
    core::Result<LinkConfig> filled_config(const Link& link);
    void note_error(LinkRun& run, const std::string& why);
    void on_trouble(LinkRun& run, const PeerTrouble& trouble);
    PeerDeps peer_deps();

    // link_reading.cc
    std::size_t read(LinkRun& run);
    bool open_source(LinkRun& run);
    bool pay_for_batch(LinkRun& run);
    bool take_batch(LinkRun& run);
    void commit_batch(LinkRun& run, std::unique_ptr<LaneResult> result,
                      const LinkEvents::Counts& counts);
    void put_lines(LaneResult& result);
    void hand_to_script(LinkRun& run, std::vector<LinkShaper::Text>&& texts);
    void take_shaped(std::uint32_t number, std::uint64_t job,
                     const std::vector<LinkShaper::Text>& texts);
    std::string script_waits(const LinkRun& run) const;

    // link_sending.cc
    void take_send(std::uint64_t id, LinkSend&& what);
    std::size_t write(LinkRun& run);
    bool open_sink(LinkRun& run);
    void answer(std::uint64_t id, std::string&& error);
    void fail_all(LinkRun& run, const std::string& why);

    // link_streaming.cc
    bool begin_stream(LinkRun& run);
    std::size_t stream(LinkRun& run);
    bool read_log(LinkRun& run);
    void take_position(LinkRun& run);
    void keep_stream(LinkRun& run, std::vector<LinkUnsent>&& unsent);

    // link_status.cc
    void show(bool now);
    LinkStatus status_of(const LinkRun& run) const;
    void tell_figures(LinkRun& run, const LinkStatus& status);
    void forget_figures(LinkRun& run);
    std::size_t work_at_trials();
    bool trial_over(Trial& trial, LinkTest& out);

    const Deps deps_;
    ClosingThread closing_;  // outlives the peers
    int wake_fd_ = -1;
    std::atomic<bool> woken_{false};  // there is something in it, or soon
    core::MetricsRole& role_;
    core::TaskQueue<std::function<void()>> orders_{kSendsWaitingMax};
    SecretNames secrets_;
    RegistrySnapshotRef registry_;  // of this turn
    LinkEvents events_;
    std::string lines_;
    std::map<std::uint32_t, LinkRun> runs_;
    std::vector<std::list<std::unique_ptr<LaneResult>>> outbox_;  // by shard
    std::map<std::uint64_t, Sending> sending_;
    std::map<std::pair<LinkReceiver*, std::uint64_t>, std::uint64_t> by_ticket_;
    std::uint64_t sends_ = 0;
    std::uint64_t shapings_ = 0;
    std::list<Trial> trials_;
    std::vector<SinkAnswer> answers_;
    std::atomic<bool> stopping_{false};

    mutable std::mutex mutex_;  // shown_, floors_
    std::map<std::uint32_t, LinkStatus> shown_;
    std::vector<core::LogOffset> floors_;
    std::int64_t shown_ns_ = 0;
};

}  // namespace millrace::runtime
