// What: what a run leaves behind: its effects, which go on to the commit, and what only the run
//       itself needs of them, in buffers that are used again by the next run.
// Threads: the VM's. Lifetime: the views given out live until reset().
// Limits: script_limits.h, checked by those who add. Failure: none.
#pragma once

#include "runtime/delivery/effects.h"
#include "runtime/delivery/script_types.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace millrace::runtime {

struct LuaEffects : AttemptEffects {
    std::vector<LuaLogLine> logs;
    std::vector<std::uint64_t> kv_hashes;  // beside kv_ops: own writes are found by them
    std::size_t emit_bytes = 0;            // of payloads
    std::size_t emit_envelope_bytes = 0;   // of finished events
    std::size_t kv_bytes = 0;
    std::uint32_t logs_cut = 0;        // lines left out
    std::uint32_t logs_shortened = 0;  // lines kept in part

    // Nothing of the run is in here but counts that begin at 0.
    bool empty() const {
        return AttemptEffects::empty() && logs.empty() && logs_cut == 0 && emit_bytes == 0 &&
               kv_bytes == 0;
    }
    void reset() {
        AttemptEffects::reset();
        logs.clear();
        kv_hashes.clear();
        emit_bytes = 0;
        kv_bytes = 0;
        logs_cut = 0;
        logs_shortened = 0;
        emit_envelope_bytes = 0;
    }
};

}  // namespace millrace::runtime
