// What: the ingest requests of one shard, used again and again.
// Threads: one shard's. Lifetime: owns every request, also those under way.
// Limits: grows with what is in flight, which the edge bounds by bytes. One that has held more than
//       bytes_kept_max of items gives their memory back.
// Failure: none.
#pragma once

#include "runtime/shard/ingest_request.h"

#include <limits>
#include <memory>
#include <vector>

namespace millrace::runtime {

class RequestPool {
public:
    explicit RequestPool(std::size_t shards,
                         std::size_t bytes_kept_max = std::numeric_limits<std::size_t>::max())
        : shards_(shards), bytes_kept_max_(bytes_kept_max) {}

    IngestRequest& take() {
        if (free_.empty()) {
            all_.push_back(std::make_unique<IngestRequest>());
            free_.push_back(all_.back().get());
        }
        IngestRequest& request = *free_.back();
        free_.pop_back();
        request.reset(shards_);
        return request;
    }
    void give_back(IngestRequest& request) {
        request.body = {};
        if (request.items.capacity() > bytes_kept_max_ / sizeof(IngestItem)) {
            std::vector<IngestItem>().swap(request.items);
            std::vector<core::SubscriptionId>().swap(request.matches);
        }
        free_.push_back(&request);
    }
    std::size_t in_use() const { return all_.size() - free_.size(); }

private:
    const std::size_t shards_;
    const std::size_t bytes_kept_max_;
    std::vector<std::unique_ptr<IngestRequest>> all_;
    std::vector<IngestRequest*> free_;
};

}  // namespace millrace::runtime
