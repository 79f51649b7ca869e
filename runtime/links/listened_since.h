// What: where a source stands whose peer keeps nothing: since when it listens, and how many it has
//       heard since then. One that comes back tells of what was told to nobody meanwhile.
// Threads: the links'. Lifetime: borrows the clock.
// Limits: none. Failure: none; a kept position that does not read tells of a gap without a
//         beginning.
#pragma once

#include "core/clock.h"
#include "runtime/links/source_batch.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::runtime {

class ListenedSince {
public:
    // `kept`: the position of before; empty: none.
    ListenedSince(const core::Clock& clock, std::string_view kept) : clock_(clock), before_(kept) {}

    // What the peer tells from now on counts.
    void begin() { since_us_ = clock_.wall_us(); }
    // The peer has said that it tells: from begin() on nothing is missed.
    void confirmed(SourceBatch& batch);
    bool listens() const { return listens_; }

    // Of what is heard next.
    std::string next_id();
    std::string position() const;

private:
    const core::Clock& clock_;
    const std::string before_;
    std::int64_t since_us_ = 0;
    std::uint64_t count_ = 0;
    bool listens_ = false;
};

}  // namespace millrace::runtime
