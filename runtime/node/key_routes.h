// What: who answers a call where a tenant's events live by their keys (cluster.partition_by =
//       "key"), by its method and path alone.
// Threads: pure. Lifetime: texts are constants. Limits: none. Failure: none.
#pragma once

#include "io/http_types.h"

#include <cstdint>
#include <string_view>

namespace millrace::runtime::node {

enum class KeyWay : std::uint8_t {
    kHome,       // the tenant's home partition
    kChange,     // the same, and what it has changed is in force everywhere before that is told
    kEvents,     // each entry's own partition
    kById,       // whoever has it: all are asked
    kTrial,      // of an event by its id: whoever has it; else the home partition
    kPage,       // all, as one list
    kStream,     // all, as one stream
    kFigures,    // all have some of it, put together (runtime/node/figures_asked.h)
    kSocket,     // all, by the streams and lists that a WebSocket or GraphQL stands for
    kEach,       // each for itself: it is done when all have done it
    kRun,        // a run begins: the partition of its id
    kLinks,      // the home's documents, with what all partitions' links are at
    kHomeOrOne,  // the home partition, unless `partition` in the query names one
    kReplays,    // a part in each, under one id (key_replays.cc)
    kRedrive,    // dead letters of all, counted first (key_letters.cc)
    kRehearse,   // the same, of which nothing comes
    kMark,       // a group's state, which each partition keeps
    kResume,     // a change; from another place, one in each (key_resume.cc)
    kRemoval,    // a change, told with what waited in all (key_removal.cc)
};
KeyWay key_way(io::Method method, std::string_view path);

}  // namespace millrace::runtime::node
