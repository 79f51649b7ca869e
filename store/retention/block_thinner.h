// What: a sealed block without some of its events' texts. Offsets, count and times stay; an event
//       that is gone keeps a record that says so. The value carries the hash it was sealed with, so
//       that the chain still leads to it.
// Threads: pure functions. Lifetime: results own their bytes. Limits: none. Failure: none.
#pragma once

#include "store/log/block_codec.h"

#include <cstdint>
#include <string>
#include <vector>

namespace millrace::store {

struct ThinnedBlock {
    std::string value;
    std::string summary;
};

// `gone`: one entry per event of the block. Events that were gone before stay gone. The ids stay
// (a repeat is still a duplicate) while any event of the block does.
ThinnedBlock thin_block(const BlockView& block, const EventBlock& events,
                        const SummaryView& summary, const std::vector<bool>& gone);

}  // namespace millrace::store
