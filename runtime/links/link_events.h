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
#include "runtime/links/link_shaper.h"
#include "runtime/links/source_batch.h"
#include "runtime/registry/link.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

inline constexpr std::string_view kLinkRejectedPattern = "system.link.rejected";
inline constexpr std::string_view kLinkGapPattern = "system.link.gap";
inline constexpr std::string_view kLinkUnsentPattern = "system.link.unsent";

// An event that a stream's peer would not have, or its transform has failed for.
struct LinkUnsent {
    std::string event_id;
    std::string text;  // of the event
    std::string why;
};

class LinkEvents {
public:
    static constexpr std::size_t kPoisonTextBytesMax = 64u << 10;  // said as a text too

    explicit LinkEvents(std::size_t event_bytes_max);

    // Appends the events of the batch to `lines`, and says in `result` whose they are and which are
    // letters. How many of the entries are letters.
    std::size_t append(const Link& link, const SourceBatch& batch, std::string& lines,
                       LaneResult& result);

    // For a link with a transform: what each entry is as an event, or why it is none; and the same
    // as append() when its script has been at them. What the script has left out is nothing.
    struct Counts {
        std::size_t letters = 0;
        std::size_t left_out = 0;
    };
    std::vector<LinkShaper::Text> drafts(const Link& link, const SourceBatch& batch);
    Counts append_shaped(const Link& link, const SourceBatch& batch,
                         const std::vector<LinkShaper::Text>& shaped, std::string& lines,
                         LaneResult& result);

    // What a stream could not send, as a letter with the text that it was: how it is taken up again
    // is the same as with what is no event.
    void append_unsent(const Link& link, const LinkUnsent& unsent, std::string& lines,
                       LaneResult& result);

private:
    core::Status make_event(const Link& link, const SourceBatch::Entry& entry);
    core::Status check(const Link& link, std::string_view text);
    void make_envelope(const Link& link, const SourceBatch::Entry& entry);
    void make_wrapped(const Link& link, const SourceBatch::Entry& entry);
    std::string_view pattern_of(const Link& link, const SourceBatch::Entry& entry);
    core::Status take_shaped(const Link& link, const std::string& shaped);
    void make_letter(const Link& link, const SourceBatch::Entry& entry, std::string_view why,
                     std::string_view pattern = kLinkRejectedPattern);
    void add_line(const Link& link, std::string& lines, LaneResult& result);
    void add_letter(const Link& link, const SourceBatch::Entry& entry, const std::string& why,
                    std::string_view pattern, LaneResult& result);
    void add_trace(const SourceBatch::Entry& entry, LaneResult& result);
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
