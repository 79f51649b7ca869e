// What: which of an edge's events go to the hub before all others (hub.first), by pattern. A change
//       of the setting holds for what comes from then on: what stands in the log belongs to the
//       part that it belonged to, so that nothing is left out and nothing is sent in both.
// Threads: one owner. Lifetime: value.
// Limits: kPatternsMax patterns; kErasMax settings of which the log still has something.
// Failure: Errors that name the pattern; change() refuses one more era than there may be.
#pragma once

#include "core/result.h"
#include "matcher/filter/wildcard.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::hub {

class UrgentEvents {
public:
    static constexpr std::size_t kPatternsMax = 100;
    static constexpr std::size_t kErasMax = 16;
    using Offsets = std::vector<std::uint64_t>;  // by shard

    // Patterns, separated by commas.
    static core::Result<std::vector<matcher::Wildcard>> patterns_of(std::string_view list);
    // Of a row.
    static core::Result<UrgentEvents> read(std::string_view json);
    std::string json() const;

    // Holds from these offsets on; false: it is as it was.
    core::Result<bool> change(std::string_view list, const Offsets& ends);
    // The log has nothing that is before these offsets; true: something was forgotten.
    bool forget_before(const Offsets& first);

    // There are, or may be, such events.
    bool any() const;
    // The first offset that may be one.
    std::uint64_t begin(std::uint32_t shard) const;
    bool is(std::uint32_t shard, std::uint64_t offset, std::string_view pattern) const;

private:
    struct Era {
        std::string list;
        std::vector<matcher::Wildcard> patterns;
        Offsets from;

        std::uint64_t from_in(std::uint32_t shard) const {
            return shard < from.size() ? from[shard] : 0;
        }
    };
    std::vector<Era> eras_;  // the oldest first; before it none was urgent
};

}  // namespace millrace::runtime::hub
