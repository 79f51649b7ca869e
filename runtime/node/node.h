// What: one node of a cluster: keeps its line to NATS, its processes and its front together. It
//       hears the others, reads META, decides (runtime/node/ownership.h), tells its processes and
//       its front, and writes META where it is this node's turn.
// Threads: turn() one, the node's; order() any.
// Lifetime: borrows config, settings, clock, log, bus, supervisor and front.
// Limits: kOrdersMax orders wait; a heartbeat each kBeatNs; META is looked at each kMetaNs.
// Failure: fatal() says why the process has to end: a name that somebody else has, a version of
//          NATS that is not served with.
#pragma once

#include "core/config.h"
#include "core/log.h"
#include "core/random.h"
#include "runtime/node/asked.h"
#include "runtime/node/bus.h"
#include "runtime/node/front.h"
#include "runtime/node/node_settings.h"
#include "runtime/node/ownership.h"
#include "runtime/node/routing.h"
#include "runtime/node/supervisor.h"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace millrace::runtime::node {

class Node final : public NodeDesk {
public:
    static constexpr std::int64_t kBeatNs = 500'000'000;
    static constexpr std::int64_t kMetaNs = 1'000'000'000;
    static constexpr std::int64_t kListenFirstNs = 1'600'000'000;  // three heartbeats
    static constexpr std::int64_t kBreakNs = 2'000'000'000;
    static constexpr std::int64_t kPublishNs = 200'000'000;
    static constexpr std::size_t kOrdersMax = 64;

    struct Deps {
        const core::Config* config = nullptr;
        const NodeSettings* settings = nullptr;
        const core::Clock* clock = nullptr;
        core::Log* log = nullptr;
        Bus* bus = nullptr;
        Supervisor* supervisor = nullptr;
        std::string incarnation;
        std::uint64_t seed = 0;  // of a cluster that is made here
        // New views go there.
        std::function<void(RoutingRef)> publish;
        const FrontFigures* figures = nullptr;
        // What META said last is kept there: a node goes on by it while NATS has lost it.
        std::string meta_file;
    };
    explicit Node(Deps deps);

    void turn();
    void order(NodeOrder&& order) override;
    const std::string& fatal() const { return fatal_; }
    // Its heartbeats end: others need not wait for a silence.
    void leave();
    bool initialized() const { return meta_ && meta_->initialized(); }
    // What a process is told at its start.
    std::string settings_line(std::size_t partition) const;

private:
    // A cluster on its way into being.
    struct Making {
        Meta meta;
        std::set<std::string> missing;  // streams
        NodeOrder order;
        bool written = false;
    };
    // A change of META that somebody waits for.
    struct Change {
        std::function<std::optional<Meta>(const Meta&)> make;  // nullopt: it has become so
        std::string answer;
        NodeOrder order;
        AskedFor asked{};
        std::function<void()> then = nullptr;  // when it is written
        unsigned tries = 0;
    };

    View view() const;
    void hear();
    void take_news(std::int64_t now_ns);
    void take_meta(Meta&& meta);
    void keep_meta() const;
    void load_meta();
    void take_own_name(const Heartbeat& said);
    void beat();
    void decide();
    void write_what_is_due();
    void write_next_change();
    void publish_view(std::int64_t now_ns);
    Target target_of(std::size_t partition, const View& now) const;
    std::string cluster_text(const View& now) const;
    std::string partition_text(std::size_t partition, const View& now) const;
    std::string readiness_text(const View& now, bool& ready) const;
    std::string metrics_text(const View& now) const;

    // ---- what is asked
    void take_orders();
    void take_order(NodeOrder&& order);
    void begin_cluster(NodeOrder&& order);
    void restore_meta(NodeOrder&& order);
    void go_on_making(const BusNews& news);
    void order_move(NodeOrder&& order, std::size_t partition);
    void order_heal(NodeOrder&& order, std::size_t partition);
    void order_drain(NodeOrder&& order, const std::string& node);
    void take_asked(const std::string& words);
    void change(NodeOrder&& order, const std::string& id, const AskedWhat& what,
                std::function<std::optional<Meta>(const Meta&)> make,
                std::function<void()> then = nullptr);
    void tell_audit();
    std::string new_id(std::string_view prefix = "move_");

    const Deps deps_;
    const NodeSettings& settings_;
    std::optional<Meta> meta_;
    bool no_meta_ = false;
    bool meta_heard_ = false;  // NATS has said what it has of it: what is kept here may be old
    std::map<std::string, Heard> heard_;
    std::int64_t since_ns_ = 0, turned_ns_ = 0, beaten_ns_ = 0, asked_ns_ = 0, published_ns_ = 0;
    std::int64_t opened_ns_ = 0, written_ns_ = 0, made_ns_ = 0, audit_told_ns_ = 0;
    bool joined_ = false;
    bool named_ = false;    // META says that the name is ours
    bool checked_ = false;  // META was looked at once: this node is one of its cluster
    bool leaving_ = false;
    bool writing_ = false;
    std::string fatal_;
    std::optional<Making> making_;
    std::deque<Change> changes_;
    std::optional<Change> written_change_;
    mutable std::vector<Target> last_targets_;
    core::Random random_;

    std::mutex mutex_;
    std::vector<NodeOrder> orders_;
};

}  // namespace millrace::runtime::node
