// What: an order to all partitions at once, decided: what each was asked to look at comes in, and
//       what each has to do comes out, or why nothing is to be done. What is expected is held
//       against the sum; each partition then gets its own number, so that what has changed in
//       between is refused there.
// Threads: pure. Lifetime: borrows. Limits: none of its own.
// Failure: Errors are the client's answer; nothing has been done then.
#pragma once

#include "core/result.h"
#include "runtime/api/part_order.h"
#include "runtime/node/page_merge.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::node {

// What a front has to know of POST /v2/replays; what does not read is refused where it is asked.
struct ReplayAsked {
    std::string id;       // the client's, or made here
    bool counts = false;  // it has `expect`
    std::int64_t expect = 0;
};
ReplayAsked read_replay_asked(std::string_view body);

struct ReplayPlan {
    std::vector<api::PartOrder> orders;
    std::string_view begun_before;  // all have it: its state
};
// All of them have looked, and stand in the order of their numbers.
core::Result<ReplayPlan> plan_replay(const ReplayAsked& asked, std::span<const PartPage> looks,
                                     std::int64_t at_us);

// The same of POST /v2/dlq/replay.
struct RedriveAsked {
    bool dry_run = false;
    std::optional<std::int64_t> expect;
    double per_second = 0;
};
RedriveAsked read_redrive_asked(std::string_view body);

struct RedrivePlan {
    std::vector<api::PartOrder> orders;
    std::vector<std::uint64_t> counts;  // of each
    std::uint64_t count = 0, left_out = 0;
    std::string would_be;  // the answer to a dry run
};
core::Result<RedrivePlan> plan_redrive(const RedriveAsked& asked, std::span<const PartPage> looks);

// POST /v2/subscriptions/{id}/resume with a place, which is one of each partition.
struct ResumeAsked {
    bool elsewhere = false;           // else it goes on where it is
    std::string id;                   // of the replay of what it gets again
    std::vector<std::string> places;  // by partition; empty: what the body says means the same
};
core::Result<ResumeAsked> read_resume_asked(std::string_view body, std::size_t partitions);
// How many of them have begun to give a subscription again what it had had.
std::size_t begun_in(std::span<const PartPage> answers);

// DELETE /v2/subscriptions/{id}: what waited for it, in its home and elsewhere.
std::string merge_removals(std::string_view home, std::span<const PartPage> others);

// POST /v2/dlq/rehearse of several, as of one that had so large a sample at most.
std::size_t read_sample(std::string_view body);
core::Result<std::string> merge_rehearsals(std::span<const PartPage> answers, std::size_t sample);

// "partition 3", "partitions 0 and 3", "partitions 0, 2 and 3".
std::string partitions_text(std::span<const std::size_t> partitions);
// An error's body with these words behind its message; of one that does not read: 503's.
std::string refusal_with(std::string_view body, std::string_view words);

}  // namespace millrace::runtime::node
