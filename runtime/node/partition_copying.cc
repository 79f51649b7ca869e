#include "runtime/node/partition_copying.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime::node {

using cluster::SnapshotTaker;

PartitionCopying::PartitionCopying(const PartitionOrder& order, store::Database::Options store,
                                   cluster::PartitionAgent& agent, const core::Clock& clock,
                                   core::Log& log)
    : order_(order), store_(std::move(store)), agent_(agent), clock_(clock), log_(log) {}

core::Status PartitionCopying::begin() {
    cluster::SnapshotSource::Options options;
    options.address = "unix:" + cluster::snapshot_socket(order_.dir);
    options.folder = store::FillFolder::give_path(order_.dir);
    options.token = order_.token;
    options.partition = order_.partition;
    options.reserve_bytes = store_.reserve_bytes;
    auto source = cluster::SnapshotSource::create(
        std::move(options), clock_, [this](const std::string& folder, const store::CopyEnd& asks) {
            // pairs with serve()
            store::Database* const database = database_.load(std::memory_order_acquire);
            return database ? store::snapshot_of(*database, folder, asks)
                            : agent_.snapshot(folder, asks);
        });
    if (!source) return core::fail(std::move(source.error()));
    source_ = std::move(*source);
    source_thread_ = std::make_unique<core::AgentThread>(*source_, core::AgentThread::kNotPinned,
                                                         core::AgentThread::Priority::kChores);
    return {};
}

void PartitionCopying::fill(const std::string& from) {
    const std::int64_t now_ns = clock_.monotonic_ns();
    if (taker_ || now_ns < again_ns_ || !agent_.status().needs_snapshot) return;
    SnapshotTaker::Options options;
    options.from = from;
    options.token = order_.token;
    options.partition = order_.partition;
    options.asks = agent_.log_end();
    options.store = store_;
    auto taker = SnapshotTaker::create(
        std::move(options), clock_,
        {[this] { return agent_.status().first; }, [this](std::uint64_t at) { agent_.hold(at); }});
    if (!taker) {
        last_words_ = taker.error().message;
        again_ns_ = now_ns + rest_ns_;
        return;
    }
    log_.info("the log does not reach back to this copy: it fills itself",
              {{"partition", std::to_string(order_.partition)}, {"from", from}});
    taker_ = std::move(*taker);
    taker_thread_ = std::make_unique<core::AgentThread>(*taker_, core::AgentThread::kNotPinned,
                                                        core::AgentThread::Priority::kChores);
}

bool PartitionCopying::look() {
    if (!taker_) return false;
    const SnapshotTaker::State state = taker_->state();
    if (state == SnapshotTaker::State::kRunning) return false;
    taker_thread_.reset();
    last_words_ = taker_->words();
    taker_.reset();
    const bool filled = state == SnapshotTaker::State::kFilled;
    if (!filled) agent_.hold(0);
    const std::string number = std::to_string(order_.partition);
    if (filled)
        log_.info("a copy was filled", {{"partition", number}, {"how", last_words_}});
    else
        log_.warn("a copy was not filled", {{"partition", number}, {"reason", last_words_}});
    if (state == SnapshotTaker::State::kDiffers) agent_.diverge(last_words_);
    again_ns_ = clock_.monotonic_ns() + rest_ns_;
    rest_ns_ = std::min(rest_ns_ * 2, kRestNsMax);
    return filled;
}

std::string PartitionCopying::words() const { return taker_ ? taker_->words() : last_words_; }

}  // namespace millrace::runtime::node
