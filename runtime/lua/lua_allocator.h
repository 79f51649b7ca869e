// What: the memory of one Lua state: size classes out of chunks for what is small, malloc for the
//       rest, and a cap on the sum. A view of an event costs a few nanoseconds this way.
// Threads: the state's. Lifetime: outlives the state; chunks are given back with it.
// Limits: bytes_max counts chunks and large blocks, so fragmentation can't pass it; so does what
//       all states of the process may take together, where that is told. Enforced while a script
//       runs only: what the VM itself pushes between runs must not fail.
// Failure: returns nullptr over the cap and says so once through `refused`.
#pragma once

#include <atomic>
#include <cstddef>
#include <vector>

namespace millrace::runtime {

class LuaAllocator {
public:
    explicit LuaAllocator(std::size_t bytes_max)
        : bytes_max_(bytes_max), shared_(all_bytes_max() != 0) {
        chunks_.reserve(64);
    }
    LuaAllocator(const LuaAllocator&) = delete;
    LuaAllocator& operator=(const LuaAllocator&) = delete;
    ~LuaAllocator();

    // A lua_Alloc; the user data is the allocator.
    static void* allocate(void* self, void* block, std::size_t old_bytes, std::size_t new_bytes);

    void enforce(bool on) { enforced_ = on; }
    // Called at the first refusal, in the middle of an allocation.
    void on_refused(void (*refused)(void*), void* owner) {
        refused_ = refused;
        owner_ = owner;
    }
    std::size_t bytes() const { return bytes_; }
    // What all states of the process may take together, from the next one made on; 0: no bound.
    // Before the threads start.
    static void share_among_all(std::size_t bytes_max) {
        all_max_.store(bytes_max, std::memory_order_relaxed);
    }
    // Any thread. All states hold so much that one that can be made again should go.
    static bool share_is_short() {
        const std::size_t most = all_bytes_max();
        return most != 0 && all_bytes() > most / 4 * 3;
    }
    static std::size_t all_bytes() { return all_bytes_.load(std::memory_order_relaxed); }
    bool was_refused() const { return was_refused_; }
    // Its first refusal was for what all states take together.
    bool refused_by_share() const { return by_share_; }
    // What malloc gave and did not get back: 0 once the state is closed. LuaJIT's own counts may be
    // off by some bytes where an allocation has failed in the middle of a change.
    std::size_t large_bytes() const { return bytes_ - chunks_.size() * kChunkBytes; }
    void* owner() const { return owner_; }

private:
    static constexpr std::size_t kGrain = 16;
    static constexpr std::size_t kSmallMax = 512;
    static constexpr std::size_t kChunkBytes = 64u << 10;
    // What unwinding needs after the cap was hit: the error's text, the traceback.
    static constexpr std::size_t kGraceBytes = 256u << 10;

    struct Free {
        Free* next;
    };
    static constexpr std::size_t class_of(std::size_t bytes) {
        return (bytes + kGrain - 1) / kGrain;
    }
    void* take_small(std::size_t size_class);
    void* refill(std::size_t size_class);
    void give_small(void* block, std::size_t size_class);
    void* take(std::size_t bytes);
    void give(void* block, std::size_t bytes);
    void* grow_large(void* block, std::size_t old_bytes, std::size_t new_bytes);
    bool admit(std::size_t more);
    bool all_have_room(std::size_t more) const {
        return !shared_ || all_bytes() + more <= all_bytes_max();
    }
    void count(std::size_t before, std::size_t now) {
        bytes_ += now - before;
        if (shared_) all_bytes_.fetch_add(now - before, std::memory_order_relaxed);  // a sum
    }
    static std::size_t all_bytes_max() { return all_max_.load(std::memory_order_relaxed); }

    Free* free_[kSmallMax / kGrain + 1] = {};
    char* bump_ = nullptr;
    char* bump_end_ = nullptr;
    std::size_t bytes_ = 0;
    std::size_t bytes_max_;
    const bool shared_;  // its bytes count among all_bytes_
    bool enforced_ = false;
    bool was_refused_ = false;
    bool by_share_ = false;
    void (*refused_)(void*) = nullptr;
    void* owner_ = nullptr;
    std::vector<void*> chunks_;

    static inline std::atomic<std::size_t> all_max_{0};
    static inline std::atomic<std::size_t> all_bytes_{0};
};

}  // namespace millrace::runtime
