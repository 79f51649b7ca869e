// What a profile begins with, in one place.
#include "core/config.h"

namespace millrace::core {

namespace {

// One of each thread, and what waits in memory for as short as it may. How the 64 MiB are shared
// out is the memory budget's business.
void use_edge(Config& config) {
    config.memory.max = 64LL << 20;
    config.engine.shards = 1;
    config.engine.lanes = 1;
    config.engine.call_lanes = 1;
    config.engine.queue_events = 4096;
    config.engine.queue_bytes = 1LL << 20;
    config.http.connections_max = 256;
    config.socket.connections_max = 64;
    config.script.memory_bytes = 4LL << 20;
    config.executors.webhook.limit = 16;
    config.executors.command.limit = 2;
    config.executors.workflow.limit = 4;
}

}  // namespace

void use_profile(Config& config) {
    if (config.profile == "edge") use_edge(config);
}

}  // namespace millrace::core
