// What: the load of `millrace bench`: connections in a closed loop, each of which sends the next
//       request when the answer to the last has come. Requests are made once and numbered in place.
// Threads: the caller's. Lifetime: one call.
// Limits: latencies are kept one by one (4 bytes each).
// Failure: requests that were not answered with 2xx are counted, the first one in words; a lost
//       connection ends the run, with what was measured until then.
#pragma once

#include "core/result.h"

#include <cstdint>
#include <string>

namespace millrace::tools {

struct BenchLoad {
    std::string server;  // http://HOST:PORT
    std::string api_key{};
    std::string pattern;
    std::string run;  // ids of events begin with it
    unsigned connections = 1;
    unsigned batch_events = 1;  // 1: one JSON object; more: NDJSON
    unsigned event_bytes = 300;
    unsigned keys = 0;  // different partition keys; 0: the events have none
    double seconds = 1;
};

struct BenchFigures {
    std::uint64_t requests = 0;
    std::uint64_t events = 0;
    std::uint64_t failed = 0;
    std::string first_failure{};
    double seconds = 0;
    double p50_us = 0;
    double p99_us = 0;
    double max_us = 0;
    double events_per_second() const {
        return seconds > 0 ? static_cast<double>(events) / seconds : 0;
    }
};

core::Result<BenchFigures> run_bench_load(const BenchLoad& load);

struct BenchDisk {
    double syncs_per_second = 0;
    double p50_us = 0;
};
// What every acknowledgement pays at least: 4 KiB appended to a file of the folder and synced.
core::Result<BenchDisk> measure_disk(const std::string& folder, double seconds);

}  // namespace millrace::tools
