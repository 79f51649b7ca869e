// What: the memory of one Lua state: size classes out of chunks for what is small, malloc for the
//       rest, and a cap on the sum. A view of an event costs a few nanoseconds this way.
// Threads: the state's. Lifetime: outlives the state; chunks are given back with it.
// Limits: bytes_max counts chunks and large blocks, so fragmentation can't pass it. Enforced while
//       a script runs only: what the VM itself pushes between runs must not fail.
// Failure: returns nullptr over the cap and says so once through `refused`.
#pragma once

#include <cstddef>
#include <vector>

namespace millrace::runtime {

class LuaAllocator {
public:
    explicit LuaAllocator(std::size_t bytes_max) : bytes_max_(bytes_max) { chunks_.reserve(64); }
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
    // What malloc gave and did not get back: 0 once the state is closed.
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

    Free* free_[kSmallMax / kGrain + 1] = {};
    char* bump_ = nullptr;
    char* bump_end_ = nullptr;
    std::size_t bytes_ = 0;
    std::size_t bytes_max_;
    bool enforced_ = false;
    bool was_refused_ = false;
    void (*refused_)(void*) = nullptr;
    void* owner_ = nullptr;
    std::vector<void*> chunks_;
};

}  // namespace millrace::runtime
