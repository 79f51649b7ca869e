// What: what a source has read as the events that a shard takes: one envelope a line. What can be
//       none stands in the log as a stand-in with all its bytes (event/misfit.h) and is a dead
//       letter, which comes back when somebody gives it an event (PUT /v2/dlq/{id}/event).
// Threads: one owner. Lifetime: value; keeps its memory.
// Limits: an event of event_bytes_max; of the bytes of what is none, kPoisonBytesKept (misfit.h).
// Failure: none; what does not fit is a letter.
#pragma once

#include "core/event_parser.h"
#include "core/result.h"
#include "runtime/delivery/lane_job.h"
#include "runtime/links/source_batch.h"
#include "runtime/registry/link.h"

#include <cstddef>
#include <string>
#include <string_view>

namespace millrace::runtime {

inline constexpr std::string_view kLinkRejectedPattern = "system.link.rejected";
inline constexpr std::string_view kLinkGapPattern = "system.link.gap";

class LinkEvents {
public:
    static constexpr std::size_t kPoisonTextBytesMax = 64u << 10;  // said as a text too

    explicit LinkEvents(std::size_t event_bytes_max);

    // Appends the events of the batch to `lines`, and says in `result` whose they are and which are
    // letters. How many of the entries are letters.
    std::size_t append(const Link& link, const SourceBatch& batch, std::string& lines,
                       LaneResult& result);

private:
    core::Status make_event(const Link& link, const SourceBatch::Entry& entry);
    core::Status check(const Link& link, std::string_view text);
    void make_envelope(const Link& link, const SourceBatch::Entry& entry);
    void make_wrapped(const Link& link, const SourceBatch::Entry& entry);
    std::string_view pattern_of(const Link& link, const SourceBatch::Entry& entry);
    void make_letter(const Link& link, const SourceBatch::Entry& entry, std::string_view why);
    void make_gap(const Link& link, const SourceBatch& batch);
    std::string_view padded();

    const std::size_t event_bytes_max_;
    core::EventParser parser_;
    core::Envelope envelope_;
    std::string text_;  // the event that is made
    std::string id_;
    std::string pattern_;
};

}  // namespace millrace::runtime
