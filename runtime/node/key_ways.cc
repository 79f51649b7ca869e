#include "runtime/node/key_ways.h"

#include "runtime/node/forward_head.h"

#include <array>
#include <charconv>

namespace millrace::runtime::node {
namespace {

struct Way {
    KeyWay way;
    KeyHandler handler;
};
constexpr std::array kWays = {Way{KeyWay::kRefused, refuse},
                              Way{KeyWay::kHome, go_home},
                              Way{KeyWay::kChange, go_and_change},
                              Way{KeyWay::kHomeOrOne, go_home_or_to_one},
                              Way{KeyWay::kOfOne, go_to_one},
                              Way{KeyWay::kEvents, take_events},
                              Way{KeyWay::kById, ask_by_id},
                              Way{KeyWay::kTrial, ask_for_trial},
                              Way{KeyWay::kPage, ask_page},
                              Way{KeyWay::kStream, open_streams},
                              Way{KeyWay::kSocket, give_to_sockets},
                              Way{KeyWay::kFigures, ask_for_figures},
                              Way{KeyWay::kRun, begin_run},
                              Way{KeyWay::kEach, ask_each},
                              Way{KeyWay::kLinks, ask_links},
                              Way{KeyWay::kReplays, order_replays},
                              Way{KeyWay::kRedrive, redrive_letters},
                              Way{KeyWay::kRehearse, rehearse_letters},
                              Way{KeyWay::kMark, mark_letters},
                              Way{KeyWay::kResume, resume_everywhere},
                              Way{KeyWay::kRemoval, remove_subscription}};

core::Error no_partition(std::size_t partitions) {
    return core::Error(core::ErrorCode::kValidation,
                       "query parameter partition: name one of the cluster's, 0 to " +
                           std::to_string(partitions - 1) +
                           ": with cluster.partition_by = \"key\" each has its own")
        .in("partition");
}

}  // namespace

KeyHandler key_handler(KeyWay way) {
    for (const Way& one : kWays) {
        if (one.way == way) return one.handler;
    }
    return refuse;
}

void KeyFront::go(Passage& passage, std::size_t home) {
    if (passage.decided) return desk_.pass_to(passage, *passage.decided, passage.who->principal);
    const KeyRoute route = key_route(passage.method, passage.path);
    key_handler(route.way)(*this, passage, {.home = home, .why = route.why});
}

void refuse(KeyFront& key, Passage& passage, const KeyCase& of) {
    key.desk().counts().refused.fetch_add(1, std::memory_order_relaxed);
    key.desk().answer(passage, core::Error(core::ErrorCode::kNotSupported, std::string(of.why)));
}

void give_to_sockets(KeyFront& key, Passage& passage, const KeyCase& /*of*/) {
    key.desk().answer_by_sockets(passage);
}

void go_home(KeyFront& key, Passage& passage, const KeyCase& of) {
    key.desk().pass_to(passage, of.home, passage.who->principal);
}

bool names_one(const Passage& passage) {
    return !passage.query_partition.empty() ||
           parameter_of(passage.target, "partition").has_value();
}

void go_home_or_to_one(KeyFront& key, Passage& passage, const KeyCase& of) {
    (names_one(passage) ? go_to_one : go_home)(key, passage, of);
}

void go_to_one(KeyFront& key, Passage& passage, const KeyCase& /*of*/) {
    const std::size_t partitions = key.routing().targets.size();
    std::string digits = passage.query_partition;
    if (digits.empty()) digits = parameter_of(passage.target, "partition").value_or("");
    std::size_t partition = 0;
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), partition);
    if (digits.empty() || read.ec != std::errc() || read.ptr != digits.data() + digits.size() ||
        partition >= partitions)
        return key.desk().answer(passage, no_partition(partitions));
    passage.target = without_parameter(passage.target, "partition");
    passage.decided = partition;
    key.desk().pass_to(passage, partition, passage.who->principal);
}

}  // namespace millrace::runtime::node
