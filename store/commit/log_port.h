// What: the log as the write side of a shard sees it: units are appended, told when they are
//       durable, and read back by place. Each provider (RocksDB behind LogWriter, memory in tests,
//       a replicated log one day) keeps the same promises, which log_port_test.cc holds it to:
//       - a producer's units are told in the order in which they were appended;
//       - a unit says where its log must end (CommitUnit::follows). Where it does not, somebody
//         else has written to it: the unit is refused, nothing of it is there, and nothing after
//         it is acknowledged;
//       - after one failed write or sync nothing is acknowledged any more;
//       - the units of a batch (BatchPart) are there all or not at all;
//       - rows reach the store inside units, never apart from them;
//       - what is read is durable, and position() never runs ahead of what can be read.
// Threads: append() and poll() of one producer by that producer's thread; position(), read() and
//       depth() by any.
// Lifetime: outlives its producers. Limits: so many units of a producer under way; then append()
//       refuses and the producer keeps its unit.
// Failure: Completion::failed; errors of the disk by read().
#pragma once

#include "core/ids.h"
#include "core/result.h"
#include "store/commit/commit_unit.h"
#include "store/log/event_block.h"

#include <cstddef>

namespace millrace::store {

class LogPort {
public:
    // Units of one producer that may be under way, with every provider.
    static constexpr std::size_t kUnderWayMin = 256;

    virtual ~LogPort() = default;

    // The unit is left untouched when it returns false: too many are under way.
    virtual bool append(std::size_t producer, CommitUnit&& unit) = 0;
    virtual bool poll(std::size_t producer, Completion& out) = 0;
    // How many units of a producer at once are worth it now.
    virtual std::size_t depth() const = 0;

    // Where the shard's log ends, durable.
    virtual LogEnd position(core::ShardId shard) const = 0;
    // The block that holds `from`, or the first one behind it when retention took that; an empty
    // one at the log's end.
    virtual core::Result<EventBlock> read(core::ShardId shard, core::LogOffset from) = 0;
};

}  // namespace millrace::store
