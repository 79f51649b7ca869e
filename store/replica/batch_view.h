// What: what of a write of another store concerns more than rows: blocks of the log, events that
//       were let go, where the log begins from now on. And whether it is a write of ours at all.
// Threads: pure. Lifetime: views of the batch. Limits: none.
// Failure: kConflict for bytes that are no such write.
#pragma once

#include "core/ids.h"
#include "core/result.h"

#include <string_view>
#include <vector>

namespace rocksdb {
class WriteBatch;
}

namespace millrace::store {

struct BatchView {
    struct Block {
        core::LogPosition at;
        std::string_view value;
    };
    struct Gone {
        core::LogPosition block;
        std::string_view value;
    };
    std::vector<Block> blocks;  // in their order
    std::vector<Gone> gone;
    std::vector<core::LogPosition> kept_from;

    static core::Result<BatchView> of(const rocksdb::WriteBatch& batch);
};

}  // namespace millrace::store
