// What: deadlines of many streams on a wheel of buckets. Setting and moving one costs no search; a
//       bucket finds out when it comes round which of its deadlines have been moved back.
// Threads: one. Lifetime: a value; entries are small numbers that the owner gives and uses again.
// Limits: a deadline fires at most one tick late after the time it is told; later than one turn of
//       the wheel it is looked at once a turn.
// Failure: none. However far the time has jumped, advance() looks at each entry once at most.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace millrace::io {

class DeadlineWheel {
public:
    static constexpr std::int64_t kTickNs = 50'000'000;
    static constexpr std::uint32_t kBuckets = 512;

    explicit DeadlineWheel(std::int64_t now_ns)
        : now_tick_(now_ns / kTickNs), heads_(kBuckets + 1, kNone) {}

    // 0: none; the entry leaves its bucket when that comes round.
    void set(std::uint32_t entry, std::int64_t at_ns);
    // The number is free for another: it leaves at once.
    void forget(std::uint32_t entry);

    // Calls fire(entry) for each deadline that has passed, which is gone by then. fire() may set
    // the deadline of any entry. Returns how many fired.
    template <typename Fire>
    std::size_t advance(std::int64_t now_ns, Fire fire) {
        collect_due(now_ns);
        std::size_t fired = 0;
        // Nothing is put into this list while it is worked off: whatever is set goes to a bucket
        // ahead of the time, which may well be the one that it was in.
        while (heads_[kDue] != kNone) {
            const std::uint32_t entry = heads_[kDue];
            remove(entry);
            const std::int64_t at_ns = entries_[entry].at_ns;
            if (at_ns == 0) continue;
            if (at_ns > now_ns) {
                insert(entry);
                continue;
            }
            entries_[entry].at_ns = 0;
            fire(entry);
            ++fired;
        }
        return fired;
    }

    // How long one may sleep, at most timeout_us, without being more than a tick late.
    std::int64_t sleep_limit_us(std::int64_t now_ns, std::int64_t timeout_us) const;

private:
    static constexpr std::uint32_t kNone = ~0u;
    static constexpr std::uint32_t kDue = kBuckets;  // the list behind the buckets

    struct Entry {
        std::int64_t at_ns = 0;
        std::int64_t tick = 0;       // of its bucket; never after the deadline's own
        std::uint32_t list = kNone;  // kNone: in none
        std::uint32_t next = kNone;
        std::uint32_t previous = kNone;
    };
    static std::uint32_t bucket_of(std::int64_t tick) {
        return static_cast<std::uint32_t>(tick % kBuckets);
    }
    void collect_due(std::int64_t now_ns);
    void insert(std::uint32_t entry);
    void link(std::uint32_t entry, std::uint32_t list);
    void remove(std::uint32_t entry);

    std::int64_t now_tick_;  // up to which buckets have been emptied
    std::size_t linked_ = 0;
    std::vector<std::uint32_t> heads_;  // of the buckets, then of kDue
    std::vector<Entry> entries_;
};

}  // namespace millrace::io
