// What: which events of one shard were let go though their block is still there: their ids count no
//       more. A row beside each thinned block keeps it on disk, in the same write as the block.
// Threads: has() by any; the others by whoever thins and drops, one at a time.
// Lifetime: of its shard's identity index.
// Limits: a bit for each event of a block that is gone in part, 48 bytes for a row of blocks that
//       are gone whole. Blocks without ids of senders need none.
// Failure: a row that does not read is an Error, and its events' ids count on.
#pragma once

#include "core/ids.h"
#include "core/result.h"

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::store {

// Of one block: bit i of word i / 64 stands for its event i. No words: all are gone.
struct GoneBits {
    std::uint64_t first = 0;
    std::uint32_t count = 0;
    std::vector<std::uint64_t> words;

    static GoneBits of(std::uint64_t first, const std::vector<bool>& gone);
    bool has(std::uint64_t offset) const {
        const std::uint64_t at = offset - first;
        return at < count && (words.empty() || (words[at / 64] >> (at % 64) & 1) != 0);
    }
};

// The row: key and value.
std::string gone_key(core::LogPosition block);
// false: another kind of row.
bool read_gone_key(std::string_view key, core::LogPosition& block);
std::string encode_gone(const GoneBits& bits);
core::Result<GoneBits> decode_gone(core::LogPosition block, std::string_view value);

class GoneEvents {
public:
    // Unit of work: an identity that is known. Nothing is gone in most logs: one load then.
    bool has(std::uint64_t offset) const {
        if (!any_.load(std::memory_order_acquire)) return false;  // pairs with put()
        return look(offset);
    }
    // Takes the place of what was known of the block.
    void put(GoneBits&& bits);
    // Blocks that end there or earlier were dropped.
    void forget_before(std::uint64_t kept);
    std::size_t rows() const;

private:
    bool look(std::uint64_t offset) const;

    mutable std::mutex mutex_;
    std::map<std::uint64_t, GoneBits> blocks_;  // by first offset; whole ones in a row are one
    std::atomic<bool> any_{false};
};

}  // namespace millrace::store
