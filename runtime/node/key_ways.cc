#include "runtime/node/key_ways.h"

#include "core/assert.h"
#include "runtime/node/forward_head.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string>

namespace millrace::runtime::node {
namespace {

// Where `partition` in the query names one, that one is asked alone.
constexpr bool kMayNameOne = true;

struct Way {
    KeyWay way;
    KeyHandler handler;
    bool may_name_one = false;
};
constexpr std::array kWays = {Way{KeyWay::kHome, go_home},
                              Way{KeyWay::kChange, go_and_change},
                              Way{KeyWay::kHomeOrOne, go_home, kMayNameOne},
                              Way{KeyWay::kEvents, take_events},
                              Way{KeyWay::kById, ask_by_id},
                              Way{KeyWay::kTrial, ask_for_trial},
                              Way{KeyWay::kPage, ask_page, kMayNameOne},
                              Way{KeyWay::kStream, open_streams},
                              Way{KeyWay::kSocket, give_to_sockets},
                              Way{KeyWay::kFigures, ask_for_figures, kMayNameOne},
                              Way{KeyWay::kRun, begin_run},
                              Way{KeyWay::kEach, ask_each},
                              Way{KeyWay::kLinks, ask_links},
                              Way{KeyWay::kReplays, order_replays, kMayNameOne},
                              Way{KeyWay::kRedrive, redrive_letters, kMayNameOne},
                              Way{KeyWay::kRehearse, rehearse_letters, kMayNameOne},
                              Way{KeyWay::kMark, mark_letters, kMayNameOne},
                              Way{KeyWay::kResume, resume_everywhere},
                              Way{KeyWay::kRemoval, remove_subscription}};
static_assert(kWays.size() == static_cast<std::size_t>(KeyWay::kRemoval) + 1);

const Way& way_of(KeyWay way) {
    const auto found =
        std::find_if(kWays.begin(), kWays.end(), [way](const Way& one) { return one.way == way; });
    MR_ASSERT(found != kWays.end());
    return *found;
}

// `partition` of the query, whichever way it came; nothing: it names none.
std::optional<std::string> named_partition(const Passage& passage) {
    if (!passage.query_partition.empty()) return passage.query_partition;
    return parameter_of(passage.target, "partition");
}

core::Error no_partition(std::size_t partitions) {
    return core::Error(core::ErrorCode::kValidation,
                       "query parameter partition: name one of the cluster's, 0 to " +
                           std::to_string(partitions - 1) +
                           ": with cluster.partition_by = \"key\" each has its own")
        .in("partition");
}

void go_to_one(KeyFront& key, Passage& passage, const std::string& digits) {
    const std::size_t partitions = key.routing().targets.size();
    std::size_t partition = 0;
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), partition);
    if (digits.empty() || read.ec != std::errc() || read.ptr != digits.data() + digits.size() ||
        partition >= partitions)
        return key.desk().answer(passage, no_partition(partitions));
    passage.target = without_parameter(passage.target, "partition");
    passage.decided = partition;
    key.desk().pass_to(passage, partition, passage.who->principal);
}

}  // namespace

void KeyFront::go(Passage& passage, std::size_t home) {
    if (passage.decided) return desk_.pass_to(passage, *passage.decided, passage.who->principal);
    const Way& way = way_of(key_way(passage.method, passage.path));
    if (way.may_name_one) {
        if (const auto one = named_partition(passage)) return go_to_one(*this, passage, *one);
    }
    way.handler(*this, passage, home);
}

void give_to_sockets(KeyFront& key, Passage& passage, std::size_t /*home*/) {
    key.desk().answer_by_sockets(passage);
}

void go_home(KeyFront& key, Passage& passage, std::size_t home) {
    key.desk().pass_to(passage, home, passage.who->principal);
}

}  // namespace millrace::runtime::node
