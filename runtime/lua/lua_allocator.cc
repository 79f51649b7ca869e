#include "runtime/lua/lua_allocator.h"

#include "core/assert.h"

#include <cstdlib>
#include <cstring>

// With a sanitizer every block is a malloc of its own, so that it sees each use after free.
#if defined(__SANITIZE_ADDRESS__)
#define MILLRACE_LUA_POOL 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MILLRACE_LUA_POOL 0
#endif
#endif
#ifndef MILLRACE_LUA_POOL
#define MILLRACE_LUA_POOL 1
#endif

namespace millrace::runtime {

LuaAllocator::~LuaAllocator() {
    for (void* chunk : chunks_) std::free(chunk);
    count(bytes_, 0);
}

bool LuaAllocator::admit(std::size_t more) {
    if (!enforced_ || (bytes_ + more <= bytes_max_ && (was_refused_ || all_have_room(more))))
        [[likely]] {
        return true;
    }
    if (!was_refused_) {
        was_refused_ = true;
        by_share_ = bytes_ + more <= bytes_max_;
        bytes_max_ += kGraceBytes;
        if (refused_) refused_(owner_);
    }
    return false;
}

void* LuaAllocator::take_small(std::size_t size_class) {
    Free* head = free_[size_class];
    if (head) [[likely]] {
        free_[size_class] = head->next;
        return head;
    }
    return refill(size_class);
}

void* LuaAllocator::refill(std::size_t size_class) {
    const std::size_t bytes = size_class * kGrain;
    if (static_cast<std::size_t>(bump_end_ - bump_) < bytes) {
        if (!admit(kChunkBytes)) return nullptr;
        // What is left of the old chunk is smaller than one block of this class: keep it for its
        // own.
        const std::size_t left = static_cast<std::size_t>(bump_end_ - bump_) / kGrain;
        if (left > 0) give_small(bump_, left);
        bump_ = static_cast<char*>(std::malloc(kChunkBytes));
        MR_ASSERT(bump_ != nullptr);
        bump_end_ = bump_ + kChunkBytes;
        chunks_.push_back(bump_);
        count(0, kChunkBytes);
    }
    void* block = bump_;
    bump_ += bytes;
    return block;
}

void LuaAllocator::give_small(void* block, std::size_t size_class) {
    auto* freed = static_cast<Free*>(block);
    freed->next = free_[size_class];
    free_[size_class] = freed;
}

void* LuaAllocator::take(std::size_t bytes) {
    if (MILLRACE_LUA_POOL && bytes <= kSmallMax) return take_small(class_of(bytes));
    if (!admit(bytes)) return nullptr;
    void* block = std::malloc(bytes);
    if (block) count(0, bytes);
    return block;
}

void LuaAllocator::give(void* block, std::size_t bytes) {
    if (MILLRACE_LUA_POOL && bytes <= kSmallMax) {
        give_small(block, class_of(bytes));
        return;
    }
    count(bytes, 0);
    std::free(block);
}

void* LuaAllocator::grow_large(void* block, std::size_t old_bytes, std::size_t new_bytes) {
    if (new_bytes > old_bytes && !admit(new_bytes - old_bytes)) return nullptr;
    void* moved = std::realloc(block, new_bytes);
    if (moved) count(old_bytes, new_bytes);
    return moved;
}

void* LuaAllocator::allocate(void* self, void* block, std::size_t old_bytes,
                             std::size_t new_bytes) {
    auto& allocator = *static_cast<LuaAllocator*>(self);
    if (new_bytes == 0) {
        if (block) allocator.give(block, old_bytes);
        return nullptr;
    }
    if (!block) return allocator.take(new_bytes);
    const bool pooled = MILLRACE_LUA_POOL;
    if (pooled && old_bytes <= kSmallMax && new_bytes <= kSmallMax &&
        class_of(old_bytes) == class_of(new_bytes)) {
        return block;
    }
    if (!pooled || (old_bytes > kSmallMax && new_bytes > kSmallMax)) {
        return allocator.grow_large(block, old_bytes, new_bytes);
    }
    void* moved = allocator.take(new_bytes);
    if (!moved) return nullptr;
    std::memcpy(moved, block, old_bytes < new_bytes ? old_bytes : new_bytes);
    allocator.give(block, old_bytes);
    return moved;
}

}  // namespace millrace::runtime
