// What: tells of the disk's room when it changes: once when events come to be refused, once when
//       they are taken again; and counts it.
// Threads: the conductor's. Lifetime: the server's.
// Limits: a line a change, and one when the room at the start is little.
// Failure: none.
#pragma once

#include "core/log.h"
#include "core/metrics.h"
#include "store/retention/space_guard.h"

#include <cstddef>
#include <cstdint>

namespace millrace::runtime {

class SpaceWatch {
public:
    SpaceWatch(const store::SpaceGuard& space, core::Metrics& metrics, core::Log& log);

    // The first look, before anybody is served: little room is told, too.
    void begin();
    std::size_t do_work();

private:
    void tell();

    const store::SpaceGuard& space_;
    core::Log& log_;
    core::Counter short_of_room_;
    bool accepting_ = true;
};

}  // namespace millrace::runtime
