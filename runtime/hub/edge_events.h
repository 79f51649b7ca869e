// What: events of an edge as the hub's shards take them: one envelope a line, whose source says
//       which edge it came by, so that what two edges call by one id is two events. What can be
//       none here stands in the log as a stand-in (event/misfit.h) and is a dead letter.
//         source.id "till" -> "shop-1/till"; an id that the edge's server has made gets the same
//         prefix; timestamp is filled in as the edge would; "x-edge" tells node, shard, offset and
//         receivedAt; tenantId goes: whose events they are is said by the edge's token.
// Threads: one owner. Lifetime: value; keeps its memory.
// Limits: an event of event_bytes_max; of what is longer kPoisonBytesKept in a letter.
// Failure: none; what does not fit is a letter.
#pragma once

#include "core/event_parser.h"
#include "core/result.h"
#include "runtime/delivery/lane_job.h"
#include "runtime/hub/hub_batch.h"
#include "runtime/registry/edge_node.h"

#include <cstddef>
#include <string>
#include <string_view>

namespace millrace::runtime::hub {

inline constexpr std::string_view kEdgeRejectedPattern = "system.edge.rejected";

class EdgeEvents {
public:
    explicit EdgeEvents(std::size_t event_bytes_max);

    // Appends the batch's events to `lines`, and says in `result` whose they are and which are
    // letters. How many are letters.
    std::size_t append(const EdgeNode& edge, const Batch& batch, std::string& lines,
                       LaneResult& result);

private:
    core::Status make(const EdgeNode& edge, std::uint32_t shard, const BatchEvent& event);
    core::Status check();
    bool is_sure(const BatchEvent& event) const;
    void make_id(const EdgeNode& edge, const BatchEvent& event);
    void append_source(std::string_view sent);
    void append_beside(const EdgeNode& edge, std::uint32_t shard, const BatchEvent& event);
    void make_letter(const EdgeNode& edge, std::uint32_t shard, const BatchEvent& event,
                     std::string_view why);

    const std::size_t event_bytes_max_;
    core::EventParser parser_;
    core::Envelope envelope_;
    std::string text_;  // the event that is made
    std::string id_;    // what it is called here
    std::string source_id_;
};

}  // namespace millrace::runtime::hub
