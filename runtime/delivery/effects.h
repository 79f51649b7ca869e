// What: what an attempt wants done, owning all its bytes: written down by an executor while it
//       works, taken over by the delivery's commit if the attempt went well.
// Threads: one owner at a time; move or swap it to hand it over.
// Lifetime: the views given out live until reset(), wherever the object is moved to.
// Limits: those of the executor that fills it. Failure: none.
#pragma once

#include "runtime/delivery/script_types.h"

#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

namespace millrace::runtime {

// Keeps copies of texts at addresses that never move.
class TextArena {
public:
    std::string_view keep(std::string_view text) {
        if (text.empty()) return {};
        if (left_ < text.size()) grow(text.size());
        char* at = next_;
        std::memcpy(at, text.data(), text.size());
        next_ += text.size();
        left_ -= text.size();
        return {at, text.size()};
    }
    void reset() {
        if (chunks_.size() > kChunksKept) chunks_.resize(kChunksKept);
        used_ = 0;
        left_ = 0;
    }

private:
    static constexpr std::size_t kChunkBytes = 16u << 10;
    static constexpr std::size_t kChunksKept = 4;
    struct Chunk {
        std::unique_ptr<char[]> data;
        std::size_t bytes = 0;
    };
    void grow(std::size_t bytes) {
        while (used_ < chunks_.size() && chunks_[used_].bytes < bytes) ++used_;
        if (used_ == chunks_.size()) {
            const std::size_t size = bytes > kChunkBytes ? bytes : kChunkBytes;
            chunks_.push_back({std::unique_ptr<char[]>(new char[size]), size});
        }
        next_ = chunks_[used_].data.get();
        left_ = chunks_[used_].bytes;
        ++used_;
    }

    std::vector<Chunk> chunks_;
    std::size_t used_ = 0;
    char* next_ = nullptr;
    std::size_t left_ = 0;
};

struct AttemptEffects {
    TextArena texts;
    std::vector<EmittedEvent> emitted;
    std::vector<KvOp> kv_ops;

    void reset() {
        texts.reset();
        emitted.clear();
        kv_ops.clear();
    }
};

}  // namespace millrace::runtime
