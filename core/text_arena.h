// What: memory for the few strings of a batch that had escapes: pieces that stay where they are
//       until clear().
// Threads: one owner. Lifetime: pieces live until clear(). Limits: none of its own.
// Failure: std::bad_alloc ends the process.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

namespace millrace::core {

class TextArena {
public:
    char* reserve(std::size_t bytes) {
        while (chunk_ < chunks_.size() && chunks_[chunk_].bytes - used_ < bytes) {
            ++chunk_;
            used_ = 0;
        }
        if (chunk_ == chunks_.size()) {
            const std::size_t size = std::max(bytes, kChunkBytes);
            chunks_.push_back({std::make_unique<char[]>(size), size});
        }
        return chunks_[chunk_].data.get() + used_;
    }
    // Of what was reserved last, so much is kept.
    void keep(std::size_t bytes) { used_ += bytes; }
    void clear() {
        chunk_ = 0;
        used_ = 0;
    }

private:
    static constexpr std::size_t kChunkBytes = 64u << 10;
    struct Chunk {
        std::unique_ptr<char[]> data;
        std::size_t bytes;
    };
    std::vector<Chunk> chunks_;
    std::size_t chunk_ = 0;
    std::size_t used_ = 0;
};

}  // namespace millrace::core
