#include "store/housekeeper.h"

#include "store/engine.h"
#include "store/retention/rocks_work.h"

namespace millrace::store {
namespace {
// RELIABILITY.md: at most every 100 ms; what a lost WAL could hide is then at most that much.
constexpr std::int64_t kMarkEveryNs = 100'000'000;
constexpr std::int64_t kSpaceEveryNs = 250'000'000;
constexpr std::int64_t kScarceEveryNs = 20'000'000;  // when little is left
constexpr std::int64_t kFlushEveryNs = 5'000'000'000;
constexpr std::uint64_t kWorthAFlush = 8u << 20;
// A view may reach back this much further than asked.
constexpr std::int64_t kHistoryEveryNs = 60'000'000'000;
}  // namespace

std::size_t Housekeeper::do_work() {
    if (engine_.fatal() || engine_.options.read_only) return 0;
    const std::int64_t now = engine_.options.clock->monotonic_ns();
    if (now >= space_next_ns_) {
        look_at_space(now);
        return 1;
    }
    if (now >= mark_next_ns_) {
        // Levels below fsync are brought to the disk here, so that they lose at most this much
        // time.
        auto status = engine_.sync_now();
        if (status) status = engine_.write_mark();
        if (!status) note_error(status.error().message);
        mark_next_ns_ = now + kMarkEveryNs;
        return 1;
    }
    if (engine_.options.kv_history_us > 0 && now >= history_next_ns_) {
        history_next_ns_ = now + kHistoryEveryNs;
        const std::int64_t keep_us =
            engine_.options.clock->wall_us() - engine_.options.kv_history_us;
        if (auto status = engine_.kv_history->trim(keep_us); !status)
            note_error(status.error().message);
        return 1;
    }
    for (std::size_t i = 0; i < engine_.ids.shards(); ++i) {
        auto worked = engine_.ids.shard(core::ShardId{static_cast<std::uint16_t>(i)}).work();
        if (!worked) {
            note_error(worked.error().message);
            continue;
        }
        if (*worked) return 1;
    }
    return 0;
}

void Housekeeper::look_at_space(std::int64_t now) {
    SpaceGuard& space = *engine_.space;
    const std::uint64_t unflushed = unflushed_bytes(engine_);
    space.check(unflushed);
    space_next_ns_ = now + (space.accepting() ? kSpaceEveryNs : kScarceEveryNs);
    if (space.full()) {
        engine_.set_disk_failed("the disk is full: " + std::to_string(space.free_bytes() >> 20) +
                                " MiB are free, less than it takes to go on safely");
        return;
    }
    // While there is room for it: what is in memory stands in the WAL too, which goes then.
    if (space.accepting() || unflushed < kWorthAFlush || now < flush_next_ns_ ||
        engine_.options.work_by_hand || space.free_bytes() < SpaceGuard::kFreeBytesMin + unflushed)
        return;
    flush_next_ns_ = now + kFlushEveryNs;
    if (auto begun = begin_flush(engine_); !begun) note_error(begun.error().message);
}

std::string Housekeeper::last_error() const {
    std::lock_guard lock(mutex_);
    return last_error_;
}

void Housekeeper::note_error(std::string text) {
    std::lock_guard lock(mutex_);
    last_error_ = std::move(text);
}

}  // namespace millrace::store
