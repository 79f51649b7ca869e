// What: one shard's part in taking each identity once, whatever else the event says. An identity
//       has a keeper, a shard by its hash. An event whose home (by partition key) is another shard
//       is appended there only after the keeper has been asked: it grants an identity to one
//       request at a time, until that request is done, and knows where an event stands that has
//       been taken. The logs' own indexes are what it looks into: nothing of a grant is on the
//       disk, and after a crash nothing is granted.
// Threads: the shard's. Looks into other shards' indexes, which allow that.
// Lifetime: borrows the indexes. Limits: as many grants as the requests under way have items.
// Failure: none. Whoever is told kOnItsWay asks again.
#pragma once

#include "core/ids.h"
#include "runtime/shard/ingest_request.h"
#include "store/ids/id_index.h"
#include "store/ids/id_set.h"

#include <cstddef>
#include <vector>

namespace millrace::runtime {

class IdentityKeeper {
public:
    IdentityKeeper(core::ShardId shard, store::IdIndex& ids) : shard_(shard), ids_(ids) {}

    // Answers for the items that the request asks of this keeper.
    void answer(IngestRequest& request);
    // The request is done with what it was granted.
    void release(const IngestRequest& request);

    // Before items of this shard's own list are appended, from one on: says of those that needed
    // not to ask whose identity is granted to, or was taken at, another shard, that they come
    // again. Holds until the next answer().
    void mark_elsewhere(IngestRequest& request, std::size_t from);
    std::size_t granted() const { return granted_.size(); }

private:
    const core::ShardId shard_;
    store::IdIndex& ids_;
    store::IdSet granted_;
    std::vector<store::IdQuestion> questions_;
};

}  // namespace millrace::runtime
