// What: a memory plan in the words of the parts that have to keep it. Without a limit nothing of
//       theirs is changed; with one, what the configuration asks for beyond it is lowered.
// Threads: main's, while the server is built. Lifetime: values; the process's settings for good.
// Limits: those of the plan. Failure: none.
#pragma once

#include "io/http_server.h"
#include "io/line_server.h"
#include "io/reactor.h"
#include "runtime/server/memory_budget.h"
#include "store/database.h"

#include <cstddef>
#include <cstdint>

namespace millrace::runtime {

void bound_store(const MemoryPlan& plan, const MemoryHolders& holders,
                 store::Database::Options& out);
void bound_reactor(const MemoryPlan& plan, const MemoryHolders& holders, io::ReactorOptions& out);
void bound_http(const MemoryPlan& plan, const MemoryHolders& holders, io::HttpLimits& out);
void bound_lines(const MemoryPlan& plan, const MemoryHolders& holders, io::LineLimits& out);
// Bodies in flight, and blocks that wait, of a shard; jobs open in a lane.
struct QueueBounds {
    std::size_t in_flight_bytes;
    std::size_t request_bytes_kept;  // of a request's parsed events, for the next one
    std::size_t queue_bytes;
    std::size_t lane_bytes;
};
QueueBounds bound_queues(const MemoryPlan& plan, const MemoryHolders& holders,
                         std::int64_t queue_bytes_configured);

// What streams keep on the conductor's side, of all of them.
struct StreamBounds {
    std::size_t blocks_bytes = 16u << 20;
    std::size_t writing_bytes = 16u << 20;
    std::size_t message_bytes = 16u << 20;
    std::size_t unsent_bytes = 64u << 20;
};
StreamBounds bound_streams(const MemoryPlan& plan, const MemoryHolders& holders);
std::size_t bound_outside(const MemoryPlan& plan, const MemoryHolders& holders, std::size_t usual);

// malloc, huge pages, stacks of threads to come, Lua: of the whole process. Before the threads.
void bound_process(const MemoryPlan& plan);

// The pages of the program and its libraries that only the start has needed go back to the system,
// and so does free memory. What is needed again comes back from the page cache.
void drop_start_pages();

}  // namespace millrace::runtime
