// What: what a run wants done, collected in buffers that are used again by the next run.
// Threads: the VM's. Lifetime: the views given out live until reset().
// Limits: lua_limits.h, checked by those who add. Failure: none.
#pragma once

#include "runtime/delivery/script_types.h"

#include <cstddef>
#include <cstdint>
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

struct LuaEffects {
    TextArena texts;
    std::vector<LuaLogLine> logs;
    std::vector<EmittedEvent> emitted;
    std::vector<KvOp> kv_ops;
    std::vector<std::uint64_t> kv_hashes;  // beside kv_ops: own writes are found by them
    std::size_t emit_bytes = 0;            // of payloads
    std::size_t emit_envelope_bytes = 0;   // of finished events
    std::size_t kv_bytes = 0;
    std::uint32_t logs_cut = 0;        // lines left out
    std::uint32_t logs_shortened = 0;  // lines kept in part

    void reset() {
        texts.reset();
        logs.clear();
        emitted.clear();
        kv_ops.clear();
        kv_hashes.clear();
        emit_bytes = 0;
        kv_bytes = 0;
        logs_cut = 0;
        logs_shortened = 0;
        emit_envelope_bytes = 0;
    }
};

}  // namespace millrace::runtime
