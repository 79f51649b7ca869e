// What: a claim that keeps its share: an answer may be read when whoever brought it has gone.
// Threads: as ByteClaim. Lifetime: value. Limits: the share's. Failure: none.
#pragma once

#include "core/byte_share.h"

#include <memory>
#include <utility>

namespace millrace::courier {

inline std::shared_ptr<core::ByteClaim> claim_of(const std::shared_ptr<core::ByteShare>& share) {
    struct Held {
        explicit Held(std::shared_ptr<core::ByteShare> of) : share(std::move(of)), claim(*share) {}
        std::shared_ptr<core::ByteShare> share;
        core::ByteClaim claim;
    };
    const auto held = std::make_shared<Held>(share);
    return {held, &held->claim};
}

}  // namespace millrace::courier
