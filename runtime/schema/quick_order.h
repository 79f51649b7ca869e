// What: which name comes behind which in an object, as those before had them: senders write their
//       members in the same order again and again, and a name that is expected is compared instead
//       of looked up.
// Threads: any at once; what they learn from each other is only where to look first.
// Lifetime: of its object's rules. Limits: one follower each. Failure: none.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace millrace::runtime::schema {

class QuickOrder {
public:
    // Names are told by their places below `places`; `places` itself is the beginning.
    void resize(std::size_t places) {
        next_ = std::make_unique<std::atomic<std::uint32_t>[]>(places + 1);
    }
    std::uint32_t behind(std::uint32_t place) const {
        return next_[place].load(std::memory_order_relaxed);  // a guess
    }
    // It was another one than expected. Where orders change all the time, few of them are written:
    // the line stays in the caches of all who read it.
    void learn(std::uint32_t place, std::uint32_t next) const {
        constexpr std::uint32_t kLearnedOf = 7;
        thread_local std::uint32_t misses = 0;
        if (misses++ % kLearnedOf == 0) next_[place].store(next, std::memory_order_relaxed);
    }

private:
    std::unique_ptr<std::atomic<std::uint32_t>[]> next_;
};

}  // namespace millrace::runtime::schema
