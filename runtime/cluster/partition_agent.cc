#include "runtime/cluster/partition_agent.h"

#include "core/assert.h"

#include <algorithm>
#include <array>
#include <utility>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace millrace::runtime::cluster {
namespace {

// Of events of the stream in a turn: what is applied is synced once behind them.
constexpr std::size_t kEventsATurn = 256;

core::Error closed() {
    return core::Error(core::ErrorCode::kInternal, "cluster: the copy's folder is closed");
}

}  // namespace

core::Status PartitionAgent::Copy::apply(std::string_view batch, const store::ReplicaPosition& at) {
    return store ? store->apply(batch, at) : core::fail(closed());
}
core::Status PartitionAgent::Copy::note(const store::ReplicaPosition& at) {
    return store ? store->note(at) : core::fail(closed());
}
core::Status PartitionAgent::Copy::sync() { return store ? store->sync() : core::fail(closed()); }

core::Result<std::unique_ptr<PartitionAgent>> PartitionAgent::create(Options options,
                                                                     const core::Clock& clock) {
    // The cluster's own servers stand in the configuration, wherever they are.
    auto rules = courier::AddressRules::make("0.0.0.0/0, ::/0", "");
    if (!rules) return core::fail(std::move(rules.error()));
    options.store.gate = nullptr;
    auto copy = store::ReplicaStore::open(options.store);
    if (!copy) return core::fail(std::move(copy.error()));
    std::unique_ptr<PartitionAgent> agent(
        new PartitionAgent(std::move(options), std::move(*copy), clock, std::move(*rules)));
    agent->wakes_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (agent->wakes_ < 0)
        return core::fail(core::ErrorCode::kUnavailable, "cluster: no descriptor is left");
    if (agent->copy_.store->written_alone()) {
        agent->diverge(
            "a server outside of the cluster has had this folder open and may have written into "
            "it: it is no copy of the partition any more. End the node and move the folder away, "
            "and it fills itself from another copy");
    }
    return agent;
}

PartitionAgent::PartitionAgent(Options options, std::unique_ptr<store::ReplicaStore> copy,
                               const core::Clock& clock, courier::AddressRules rules)
    : clock_(clock),
      rules_(std::move(rules)),
      stream_(std::move(options.stream), clock, rules_),
      copy_(std::move(copy)),
      machine_(std::move(options.machine), stream_, copy_, copy_.store->position()),
      log_end_(copy_.store->log_end()),
      status_(machine_.status()) {}

PartitionAgent::~PartitionAgent() {
    if (wakes_ >= 0) ::close(wakes_);
}

// ---- from other threads

void PartitionAgent::wake() {
    const std::uint64_t one = 1;
    (void)!::write(wakes_, &one, sizeof one);  // full: it will wake up as it is
}

core::Result<store::ReplicaPosition> PartitionAgent::append(std::string_view batch) {
    std::unique_lock lock(mutex_);
    MR_ASSERT(!wants_append_ && !is_under_way_);
    if (ending_ || !failure_.empty())
        return core::fail(core::ErrorCode::kUnavailable,
                          failure_.empty() ? "cluster: this partition is being stopped" : failure_);
    batch_ = batch;
    wants_append_ = true;
    answer_.reset();
    wake();
    answered_.wait(lock, [this] { return answer_.has_value(); });
    wants_append_ = is_under_way_ = false;
    return *std::exchange(answer_, std::nullopt);
}

void PartitionAgent::own() {
    const std::lock_guard lock(mutex_);
    orders_.emplace_back([](PartitionMachine& machine) { machine.own(); });
    wake();
}

void PartitionAgent::heal() {
    const std::lock_guard lock(mutex_);
    orders_.emplace_back([](PartitionMachine& machine) { machine.heal(); });
    wake();
}

void PartitionAgent::hand_over(const std::string& to) {
    const std::lock_guard lock(mutex_);
    orders_.emplace_back([to](PartitionMachine& machine) { machine.hand_over(to); });
    wake();
}

void PartitionAgent::in_sync(std::vector<std::string> nodes) {
    const std::lock_guard lock(mutex_);
    orders_.emplace_back(
        [nodes = std::move(nodes)](PartitionMachine& machine) { machine.in_sync(nodes); });
    wake();
}

void PartitionAgent::hold(std::uint64_t sequence) {
    const std::lock_guard lock(mutex_);
    orders_.emplace_back([sequence](PartitionMachine& machine) { machine.hold(sequence); });
    wake();
}

void PartitionAgent::diverge(const std::string& why) {
    const std::lock_guard lock(mutex_);
    orders_.emplace_back([why](PartitionMachine& machine) { machine.diverge(why); });
    wake();
}

core::Result<store::Snapshot> PartitionAgent::snapshot(const std::string& folder,
                                                       const store::CopyEnd& asks) {
    std::future<core::Result<store::Snapshot>> done;
    {
        const std::lock_guard lock(mutex_);
        if (ending_)
            return core::fail(core::ErrorCode::kUnavailable,
                              "cluster: this partition is being stopped");
        snapshots_.push_back({folder, asks, {}});
        done = snapshots_.back().done.get_future();
        wake();
    }
    return done.get();
}

void PartitionAgent::end() {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    wake();
}

PartitionStatus PartitionAgent::status() const {
    const std::lock_guard lock(mutex_);
    return status_;
}

// ---- the agent's thread

bool PartitionAgent::take_orders() {
    std::vector<std::function<void(PartitionMachine&)>> orders;
    {
        const std::lock_guard lock(mutex_);
        orders.swap(orders_);
    }
    for (const auto& order : orders) order(machine_);
    return !orders.empty();
}

bool PartitionAgent::take_append(std::int64_t now_ns) {
    std::string_view batch;
    {
        const std::lock_guard lock(mutex_);
        if (!wants_append_ || is_under_way_ || !machine_.may_append() ||
            !machine_.has_room(batch_.size(), now_ns))
            return false;
        is_under_way_ = true;
        batch = batch_;  // its owner waits until it has an answer
    }
    machine_.append(batch, now_ns);
    return true;
}

// What the machine has read is noted first: behind the last write stand signs of life, and whoever
// begins with the snapshot must not miss them.
core::Result<store::Snapshot> PartitionAgent::make_snapshot(const SnapshotOrder& order) {
    if (!copy_.store || machine_.status().needs_snapshot)
        return core::fail(core::ErrorCode::kUnavailable,
                          "cluster: this copy is no follower's that others can begin with");
    auto noted = copy_.store->note(machine_.position());
    if (noted) noted = copy_.store->sync();
    if (!noted) return core::fail(std::move(noted.error()));
    return copy_.store->snapshot(order.folder, order.asks);
}

bool PartitionAgent::take_snapshots() {
    std::vector<SnapshotOrder> orders;
    {
        const std::lock_guard lock(mutex_);
        orders.swap(snapshots_);
    }
    for (SnapshotOrder& order : orders) order.done.set_value(make_snapshot(order));
    return !orders.empty();
}

void PartitionAgent::give_done() {
    auto done = machine_.done();
    const PartitionStatus& now = machine_.status();
    const bool over = now.role != PartitionRole::kOwner && folder_is_free();
    const std::lock_guard lock(mutex_);
    if (over && failure_.empty()) failure_ = "cluster: " + now.trouble;
    if (ending_ && failure_.empty()) failure_ = "cluster: this partition is being stopped";
    if (!wants_append_ || answer_) return;
    if (done)
        answer_ = std::move(*done);
    else if (ending_ || (!failure_.empty() && !is_under_way_))
        answer_ = core::fail(core::ErrorCode::kUnavailable, failure_);
    if (answer_) answered_.notify_all();
}

// What is written from now on comes from a server that opens the folder.
void PartitionAgent::free_folder() {
    if (!copy_.store) return;
    const auto closed = copy_.store->close();
    copy_.store.reset();
    if (closed) {
        folder_is_free_.store(true, std::memory_order_release);
        return;
    }
    const std::lock_guard lock(mutex_);
    failure_ = closed.error().message;
}

std::size_t PartitionAgent::keep_up() {
    if (!copy_.store) return 0;
    const auto worked = copy_.store->work();
    return worked && *worked ? 1 : 0;
}

void PartitionAgent::tell(std::int64_t now_ns) {
    (void)now_ns;
    lease_until_ns_.store(machine_.lease_until_ns(), std::memory_order_relaxed);  // a time alone
    const std::lock_guard lock(mutex_);
    status_ = machine_.status();
    if (!failure_.empty() && status_.role == PartitionRole::kOwner) {
        status_.role = PartitionRole::kFailed;
        status_.trouble = failure_;
    }
}

std::size_t PartitionAgent::do_work() {
    if (ended()) return 0;
    std::size_t done = take_orders() ? 1 : 0;
    const std::int64_t now_ns = clock_.monotonic_ns();
    done += take_append(now_ns) ? 1 : 0;
    stream_.turn();
    StreamEvent event;
    std::size_t events = 0;
    for (; events < kEventsATurn && stream_.next(event); ++events)
        machine_.on(std::move(event), clock_.monotonic_ns());
    machine_.turn(clock_.monotonic_ns());
    stream_.push();
    give_done();
    if (machine_.status().role == PartitionRole::kOwner) free_folder();
    done += take_snapshots() ? 1 : 0;
    tell(now_ns);
    done += events;
    if (done == 0) done += keep_up();
    bool ending = false;
    {
        const std::lock_guard lock(mutex_);
        ending = ending_;
    }
    if (ending) {
        if (copy_.store) (void)copy_.store->close();
        copy_.store.reset();
        (void)take_snapshots();  // they are told that there is none
        ended_.store(true, std::memory_order_release);
    }
    return done;
}

void PartitionAgent::wait(std::int64_t timeout_us) {
    if (stream_.has_events()) return;
    const std::int64_t now_ns = clock_.monotonic_ns();
    const std::int64_t left_us = (machine_.next_ns(now_ns) - now_ns) / 1000;
    timeout_us = std::clamp<std::int64_t>(left_us, 0, timeout_us);
    std::array<pollfd, 2> fds{};
    fds[0] = {wakes_, POLLIN, 0};
    nfds_t count = 1;
    if (stream_.waits_for(fds[1])) count = 2;
    // Rounded up: a wait of nothing would be a turn for nothing.
    (void)::poll(fds.data(), count, static_cast<int>((timeout_us + 999) / 1000));
    if ((fds[0].revents & POLLIN) != 0) {
        std::uint64_t ignored = 0;
        (void)!::read(wakes_, &ignored, sizeof ignored);
    }
}

}  // namespace millrace::runtime::cluster
