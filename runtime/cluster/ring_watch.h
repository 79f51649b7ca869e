// What: how far the stream, which is a ring, is ahead of each copy that META calls in sync, and
//       whether the owner may append more: never over half of the ring ahead of one of them, unless
//       it has waited for that one long enough; then it says whom it waits for, its node puts that
//       one out of sync in META, and only when META says so the owner goes on. A copy that was
//       further behind than that already when this one began to own is named at once: it was not
//       in sync. One that was never heard counts as half of the ring behind: further it can not be
//       if it is in sync. Without other copies there is nobody to wait for.
// Threads: one owner. Lifetime: value. Time is an argument.
// Limits: the stream's bytes are known to a 64th of the ring, rounded so that copies seem further
//         behind; kNodesMax nodes are remembered. Failure: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::cluster {

class RingWatch {
public:
    // What NATS keeps of a message beside its bytes: subject, our header, its own record.
    static constexpr std::size_t kMessageOverheadBytes = 160;
    // So near counts as there: signs of life stand between.
    static constexpr std::uint64_t kNearBytes = 4096;
    static constexpr std::size_t kNodesMax = 256;
    static constexpr std::int64_t kHoldNs = 10'000'000'000;
    static constexpr std::int64_t kHoldWordNs = 1'000'000'000;  // so long one word counts

    explicit RingWatch(std::int64_t wait_ns) : wait_ns_(wait_ns) {}

    struct Standing {
        std::uint64_t first = 0, last = 0;
        std::uint64_t bytes = 0;       // from the first to the last
        std::uint64_t ring_bytes = 0;  // 0: there is no bound
    };
    // As NATS says it: how large the ring is, and about how its bytes are spread over what was
    // there before this one read any of it.
    void stands(const Standing& now);
    // Another stream has the name now.
    void forget();
    std::uint64_t bytes_max() const { return ring_bytes_; }

    // What stands in the stream, in its order, read or appended.
    void passed(std::uint64_t sequence, std::size_t message_bytes);
    // This one owns from here on.
    void begin(std::uint64_t sequence);
    // A copy has said how far it is; also while another one owned.
    void heard(std::string_view node, std::uint64_t sequence);
    void in_sync(const std::vector<std::string>& nodes);
    // One that is being filled is waited for as if it were in sync, while it says so, kHoldNs at
    // most; then as long not.
    void hold(std::string_view node, std::uint64_t sequence, std::int64_t now_ns);

    // A unit of so many bytes may be appended. What it waits for is counted from now on.
    bool may_append(std::uint64_t bytes, std::int64_t now_ns);
    // Those it has waited for in vain.
    const std::vector<std::string>& waits_for() const { return waits_for_; }
    // Those that have said that they are within a quarter of the ring: one that was put out of sync
    // can be in sync again.
    std::vector<std::string> near() const;
    std::uint64_t bytes_behind(std::uint64_t sequence) const;

private:
    struct Mark {
        std::uint64_t sequence = 0;
        std::uint64_t bytes = 0;  // of the stream, up to behind it
    };
    struct Copy {
        bool was_near = false;      // within half of the ring, since this one owns
        std::int64_t since_ns = 0;  // it is waited for; 0: it is not
    };
    std::uint64_t behind(const std::string& node) const;

    const std::int64_t wait_ns_;
    std::uint64_t ring_bytes_ = 0;
    std::deque<Mark> marks_;
    std::uint64_t bytes_ = 0;
    std::uint64_t last_ = 0;
    std::map<std::string, std::uint64_t, std::less<>> heard_;  // where each is, at least
    std::map<std::string, Copy> copies_;                       // in sync
    struct Hold {
        std::uint64_t sequence = 0;
        std::int64_t since_ns = 0;
        std::int64_t said_ns = 0;
    };
    bool holds(const Hold& hold, std::int64_t now_ns) const;
    std::map<std::string, Hold, std::less<>> holds_;
    std::vector<std::string> waits_for_;
};

}  // namespace millrace::runtime::cluster
