// What: the phases of store_volume_bench: filling a data folder directly through the store, and
//       measuring what reading it costs.
// Threads: one. Lifetime: none. Limits: none. Failure: a phase that fails says so and returns 1.
#pragma once

#include "core/clock.h"
#include "store/commit/log_writer.h"
#include "store/database.h"

#include <cstdint>
#include <memory>
#include <string>

namespace millrace::bench {

// A data folder opened with one shard, as a server would.
struct Volume {
    core::RealClock clock;
    std::unique_ptr<store::Database> database;
    std::unique_ptr<store::LogWriter> writer;
    double open_ms = 0;

    explicit Volume(const std::string& folder);
    std::uint64_t events() const;
    // Seals what is open and commits it with these rows.
    void commit(store::RowBatch rows = {});
    void housekeep();
};

// The n-th event: its id, correlation id and amount follow from n.
std::string volume_event(std::uint64_t n, std::uint64_t padding_bytes);
std::string volume_event_id(std::uint64_t n);
store::AppendInput volume_input(const store::Database& database, const std::string& text,
                                std::uint64_t n);

enum class Ids { kOfClient, kOfServer };
int fill(const std::string& folder, std::uint64_t events, std::uint64_t padding_bytes, Ids ids);
// False: there is no such phase.
bool run_phase(const std::string& folder, const std::string& phase, int& code);

double seconds_now();
double resident_mib();

// volume_replay.cc
int measure_replay(Volume& volume);

}  // namespace millrace::bench
