// What: what the front of a cluster says beside an order that it gives to all partitions at once
//       (runtime/node/order_ways.h): whether this is to look or to do, the id that what is begun
//       has in all of them, and what this partition found when it looked. The body is the client's,
//       as it came.
// Threads: values. Lifetime: own their text.
// Limits: none. Failure: kValidation for a header that does not read; no client's gets here.
#pragma once

#include "core/ids.h"
#include "core/result.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::api {

struct Call;

struct PartOrder {
    bool there = false;                  // else the order is whole
    bool looks = false;                  // nothing is done: what would be
    bool at_home = false;                // of what is registered; else here is a copy
    std::string from;                    // a place of this partition's log; empty: as the body says
    std::string id;                      // of what is begun; empty: it has none
    std::int64_t at_us = 0;              // when it was given; 0: now
    std::uint64_t parts = 1;             // that share a pace
    std::uint64_t total = 0;             // of all partitions, for the audit log
    std::optional<std::int64_t> expect;  // so many here, or nothing is done
    std::optional<double> per_second;    // this partition's share
    std::vector<core::LogOffset> ends;   // by shard: what came later is no part of it
};

// As a header's value, and back; an empty one is no part.
std::string part_order_text(const PartOrder& part);
core::Result<PartOrder> read_part_order(std::string_view text);
core::Result<PartOrder> part_order_of(const Call& call);

}  // namespace millrace::runtime::api
