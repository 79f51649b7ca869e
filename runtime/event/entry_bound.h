// What: how many entries a batch may hold, for whoever walks over one, and the words in which more
//       are refused. Refused entries count: each is told in the answer, at more bytes than it had.
// Threads: a value. Lifetime: of a walk. Limits: core::kBatchEventsMax at most.
// Failure: take() is an Error from one too many on.
#pragma once

#include "core/limits.h"
#include "core/result.h"

#include <cstddef>
#include <cstdint>
#include <string>

namespace millrace::runtime {

class EntryBound {
public:
    explicit EntryBound(std::size_t entries_max = core::kBatchEventsMax) : max_(entries_max) {}

    // One more.
    core::Status take() {
        if (taken_ == max_) [[unlikely]]
            return refuse();
        ++taken_;
        return {};
    }

private:
    core::Status refuse() const {
        return core::fail(core::Error(core::ErrorCode::kPayloadTooLarge,
                                      "a batch holds more than events.batch_events_max " +
                                          std::to_string(max_) + " entries; send several")
                              .bound(static_cast<std::int64_t>(max_)));
    }

    std::size_t max_;
    std::size_t taken_ = 0;
};

}  // namespace millrace::runtime
