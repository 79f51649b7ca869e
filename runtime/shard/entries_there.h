// What: which entries of a request were in the log already, in rising order. Of a request that is
//       all or none its edge may ask when it has appended its own part: others' are judged by what
//       their keepers have said, for their homes are writing to them just then. Of any other it is
//       asked when all homes are done.
// Threads: the edge shard's. Lifetime: pure. Limits: the request's. Failure: none.
#pragma once

#include "runtime/shard/ingest_request.h"

#include <algorithm>
#include <cstdint>
#include <set>
#include <vector>

namespace millrace::runtime {

inline std::vector<std::uint32_t> entries_there(const IngestRequest& request) {
    std::vector<std::uint32_t> out;
    std::set<store::IdHash> elsewhere;  // that are new, at other homes
    const auto is_there = [&](const IngestItem& item) {
        if (!request.brings_rows) return item.duplicate;
        if (item.answer == KeeperAnswer::kTaken || item.answer == KeeperAnswer::kStands)
            return true;
        if (item.home == request.edge) return item.duplicate;
        return !item.input.id.none() && !elsewhere.insert(item.input.id).second;
    };
    for (const IngestItem& item : request.items) {
        if (is_there(item)) out.push_back(item.entry);
    }
    std::sort(out.begin(), out.end());
    return out;
}

}  // namespace millrace::runtime
