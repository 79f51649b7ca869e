// What: the blocks of the log that event streams read at the moment. A stream keeps its position
//       and nothing else; those that are at the same place, as all that follow live are, read one
//       block together.
// Threads: one, the streams'. Lifetime: borrows the database.
// Limits: `bytes_max` of blocks, passed by the one that is read last; kBlocksMax of them, for
//       kAgeUs each, so that what retention takes is seen to be gone.
// Failure: as the log reader's; nothing of a block that does not read is kept.
#pragma once

#include "core/clock.h"
#include "core/ids.h"
#include "core/result.h"
#include "store/database.h"
#include "store/log/event_block.h"

#include <cstddef>
#include <cstdint>
#include <map>

namespace millrace::runtime {

class BlockShelf {
public:
    BlockShelf(store::Database& database, const core::Clock& clock, std::size_t bytes_max)
        : database_(database), clock_(clock), bytes_max_(bytes_max) {}

    // The block that holds the offset, or what begins behind it; none: the log ends before.
    core::Result<store::EventBlock> read(core::ShardId shard, core::LogOffset offset);
    void clear();
    std::size_t bytes() const { return bytes_; }

private:
    static constexpr std::size_t kBlocksMax = 256;
    static constexpr std::int64_t kAgeUs = 2'000'000;

    struct Place {
        store::EventBlock block;
        std::int64_t read_us = 0;
        std::uint64_t used = 0;
    };
    using Places = std::map<core::LogPosition, Place>;
    void take_off(Places::iterator place);
    void make_room(std::size_t bytes);

    store::Database& database_;
    const core::Clock& clock_;
    const std::size_t bytes_max_;
    Places places_;  // by the first position of each
    std::size_t bytes_ = 0;
    std::uint64_t uses_ = 0;
};

}  // namespace millrace::runtime
