// What: blocks of events as the store seals them, for tests that need no database.
// Threads: one. Lifetime: the pool must outlive the blocks. Limits: none. Failure: asserts.
#pragma once

#include "core/buffer.h"
#include "store/log/event_block.h"

#include <cstring>
#include <string>
#include <vector>

namespace millrace::runtime {

class BlockMaker {
public:
    explicit BlockMaker(core::ShardId shard) : shard_(shard) {}

    // `key_hashes`, if given, is as long as `texts`; else every block has one of its own. So are
    // `fills`; else there are none.
    store::EventBlock make(const std::vector<std::string>& texts,
                           const std::vector<std::uint32_t>& key_hashes = {},
                           const std::vector<std::string>& fills = {}) {
        std::string body;
        std::vector<store::EventRecord> records;
        for (const std::string& text : texts) {
            store::EventRecord& record = records.emplace_back();
            record.text_begin = static_cast<std::uint32_t>(body.size());
            record.text_bytes = static_cast<std::uint32_t>(text.size());
            record.key_hash = key_hashes.empty() ? static_cast<std::uint32_t>(next_ * 2654435761u)
                                                 : key_hashes[records.size() - 1];
            record.pattern_index = 0;
            body += text;
            if (fills.empty()) continue;
            const std::string& fill = fills[records.size() - 1];
            record.fills_bytes = static_cast<std::uint16_t>(fill.size());
            body += fill;
        }
        body.resize((body.size() + 7) & ~std::size_t{7});
        store::BlockBody layout;
        layout.count = static_cast<std::uint32_t>(records.size());
        layout.records_begin = static_cast<std::uint32_t>(body.size());
        body.append(reinterpret_cast<const char*>(records.data()),
                    records.size() * sizeof(records[0]));
        layout.patterns_begin = static_cast<std::uint32_t>(body.size());
        layout.pattern_count = 1;
        const store::PatternEntry pattern{
            layout.patterns_begin + static_cast<std::uint32_t>(sizeof(store::PatternEntry)), 4};
        body.append(reinterpret_cast<const char*>(&pattern), sizeof(pattern));
        body += "test";
        core::BufferRef buffer = pool_.acquire(body.size());
        std::memcpy(buffer.data(), body.data(), body.size());
        buffer.set_size(body.size());
        store::EventBlock block({shard_, core::LogOffset(next_)}, layout, std::move(buffer));
        next_ += records.size();
        return block;
    }
    store::EventBlock make(std::size_t events) {
        return make(std::vector<std::string>(events, R"({"pattern":"test"})"));
    }

private:
    const core::ShardId shard_;
    std::uint64_t next_ = 0;
    core::BufferPool pool_;
};

}  // namespace millrace::runtime
