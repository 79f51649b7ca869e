// What: decides whether the next commit should wait for clients that are about to come back. With
//       N clients that each wait for their ack, committing whatever is there splits them into two
//       groups that take turns at the disk: each waits for two syncs, and each sync carries half.
//       Waiting a moment after a sync until nearly all are back makes it one group and one sync
//       (measured with 64 clients: a third of the commits, 10 % more requests a second).
// Method: the clients expected are those acknowledged by the last commit and those that waited
//       then. The wait ends when nearly all are there, when nobody came for a moment, and after
//       twice the time of a commit; after waits that brought little the next ones are left out,
//       twice as many each time.
// Threads: one owner. Lifetime: value. Limits: a lone client never waits. Failure: none.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace millrace::runtime {

class CommitGather {
public:
    explicit CommitGather(std::int64_t gather_us_max) : gather_us_max_(gather_us_max) {}

    // A commit ended: it acknowledged so many requests, took so long, and so many wait already.
    void on_commit(std::size_t acknowledged, std::size_t waiting, std::int64_t took_us,
                   std::int64_t now_us) {
        expected_ = acknowledged + waiting;
        waiting_then_ = seen_ = waiting;
        began_us_ = arrival_us_ = now_us;
        took_us_ += (took_us - took_us_) / 8;
        waited_ = false;
    }

    // How long to wait for more now, when nobody comes; 0: commit.
    std::int64_t wait_us(std::size_t waiting, std::int64_t now_us) {
        if (skip_ > 0 || nearly_all(waiting)) return 0;
        if (waiting != seen_) {
            seen_ = waiting;
            arrival_us_ = now_us;
        }
        const std::int64_t gap_us = std::clamp(took_us_ / 4, kGapUsMin, kGapUsMax);
        const std::int64_t end_us =
            std::min(began_us_ + std::min(took_us_ * 2, gather_us_max_), arrival_us_ + gap_us);
        return std::max<std::int64_t>(0, end_us - now_us);
    }

    void on_wait() { waited_ = true; }

    // A commit begins with so many waiting for it.
    void on_seal(std::size_t waiting) {
        if (skip_ > 0) {
            --skip_;
        } else if (waited_ && (waiting - waiting_then_) * 2 >= expected_ - waiting_then_) {
            skip_next_ = 1;  // at least half of the absent came
        } else if (waited_) {
            skip_ = skip_next_;
            skip_next_ = std::min(skip_next_ * 2, kSkipMax);
        }
        waited_ = false;
    }

private:
    static constexpr std::int64_t kSkipMax = 256;
    static constexpr std::int64_t kGapUsMin = 50;
    static constexpr std::int64_t kGapUsMax = 200;

    bool nearly_all(std::size_t waiting) const { return waiting * 8 >= expected_ * 7; }

    std::int64_t gather_us_max_;
    std::size_t expected_ = 0;
    std::size_t waiting_then_ = 0;  // when the last commit ended
    std::size_t seen_ = 0;
    std::int64_t began_us_ = 0;
    std::int64_t arrival_us_ = 0;
    std::int64_t took_us_ = 0;
    std::int64_t skip_ = 0;
    std::int64_t skip_next_ = 1;
    bool waited_ = false;
};

}  // namespace millrace::runtime
