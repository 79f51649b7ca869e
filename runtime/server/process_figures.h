// What: figures of the process as the system has them, under the names that every exporter of
//       Prometheus uses; and which build it is.
// Threads: read_process_figures any. export_process_figures: the one that builds the server; the
//       figures are read by whoever exports, then.
// Lifetime: the metrics and what they are asked for with live as long as the server.
// Limits: none. Failure: what the system does not tell is 0.
#pragma once

#include "core/metrics.h"

#include <cstdint>
#include <string_view>

namespace millrace::runtime {

struct ProcessFigures {
    double cpu_seconds = 0;
    double start_seconds = 0;  // Unix time
    std::uint64_t resident_bytes = 0;
    std::uint64_t virtual_bytes = 0;
    std::uint64_t threads = 0;
    std::uint64_t open_files = 0;
    std::uint64_t open_files_max = 0;
};

ProcessFigures read_process_figures();

// `io`: what sockets are asked for with, io_uring or epoll.
void export_process_figures(core::Metrics& metrics, std::string_view version, std::string_view io);

}  // namespace millrace::runtime
