// What: the trace of an event whose causes and effects live in several partitions, put together in
//       rounds: whoever has the event tells what is above and below it there, then all are asked
//       for effects of what was found elsewhere and for the cause that is still missing, until
//       nobody knows anything new. An event that is met in several partitions under one id is one
//       for each of them.
// Threads: one owner. Lifetime: owns its texts.
// Limits: kTraceEventsMax events and kTraceRoundsMax rounds, beyond which it is `truncated`;
//         kAskedBytesMax of ids are asked of a partition at once.
// Failure: an Error that names the partition whose answer does not read.
#pragma once

#include "core/result.h"
#include "runtime/node/page_merge.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::runtime::node {

inline constexpr std::size_t kTraceEventsMax = 200;
inline constexpr std::size_t kTraceRoundsMax = 64;
inline constexpr std::size_t kAskedBytesMax = 4096;

class TraceMerge {
public:
    explicit TraceMerge(std::size_t partitions) : partitions_(partitions) {}

    // The first round's answer of a partition that has the event.
    core::Status begin(const PartPage& part);
    // Of a later one: {"nodes":[...],"truncated"}.
    core::Status add(const PartPage& part);

    struct Ask {
        std::size_t partition = 0;
        std::string what;  // as runtime/api/trace.cc reads it
    };
    // What is still to be asked; nothing: it is whole.
    std::vector<Ask> next_round();
    std::string text() const;

private:
    struct Node {
        std::string text, id, caused_by, at;
        std::size_t partition = 0;
    };
    bool take(std::size_t partition, std::string_view text);
    std::vector<const Node*> causes() const;
    std::vector<const Node*> effects(const std::vector<const Node*>& above) const;
    const Node* find(std::string_view id) const;

    const std::size_t partitions_;
    std::vector<Node> nodes_;                              // the first is the event itself
    std::set<std::pair<std::string, std::size_t>> known_;  // id and partition
    std::map<std::string, std::set<std::size_t>, std::less<>>
        below_;                                 // id: who has told its effects
    std::set<std::string, std::less<>> above_;  // causes that all were asked for
    std::string other_sources_;
    std::size_t rounds_ = 0;
    bool truncated_ = false;
};

}  // namespace millrace::runtime::node
