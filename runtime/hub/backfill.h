// What: how a hub asks an edge for what a filter has left out: members of the answer to
//       GET /v2/edges/{node}/filters. A backfill is a lane of its own (hub_batch.h) over a run of
//       offsets between which one filter has chosen; what that filter wanted is there already, so
//       what crosses is what is wanted now and was not then. The hub alone keeps how far it is.
//         {"backfills":[{"lane","incarnation","from","hash","to","had":{...}}]}
//       `had` is that filter as edges were told it; without it all that is wanted now crosses, and
//       what has been sent is known by its id.
// Threads: values. Lifetime: texts are copied.
// Limits: kBackfillsTold at once; the others are told when one is done.
// Failure: read_backfills() says why the hub's text is none.
#pragma once

#include "core/result.h"
#include "runtime/hub/forward_mark.h"
#include "runtime/hub/wanted_events.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::hub {

inline constexpr std::size_t kBackfillsTold = 4;

struct BackfillAsk {
    ForwardMark at;  // where it goes on
    std::uint64_t incarnation = 0;
    std::uint64_t to = 0;
    std::unique_ptr<WantedEvents> had;  // null: not known
};

// Of a filters' answer; none in that of an older hub.
core::Result<std::vector<BackfillAsk>> read_backfills(std::string_view json);

// `had`: JSON, or empty.
void append_backfill(std::string& out, const ForwardMark& at, std::uint64_t incarnation,
                     std::uint64_t to, std::string_view had);

}  // namespace millrace::runtime::hub
