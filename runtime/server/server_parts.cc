#include "runtime/server/server_parts.h"

#include "runtime/server/data_folder.h"
#include "runtime/server/memory_limit.h"
#include "runtime/server/memory_parts.h"
#include "runtime/server/part_options.h"

#include <random>
#include <utility>

namespace millrace::runtime {
namespace {

std::uint64_t seed_from_system() {
    std::random_device device;
    return (std::uint64_t{device()} << 32) | device();
}

}  // namespace

ServerParts::ServerParts(const core::Config& configuration, core::Log& log_lines,
                         ServerSeams its_seams)
    : config(configuration),
      log(log_lines),
      seams(std::move(its_seams)),
      clock(seams.clock ? *seams.clock : real_clock),
      random(seams.seed ? *seams.seed : seed_from_system()),
      set_aside(log),
      delivery_log(log, due_clock),
      shard_count(count_or_cores(configuration.engine.shards, core::kShardsMax)),
      lane_count(count_or_cores(configuration.engine.lanes, core::kLanesMax)) {}

ServerParts::~ServerParts() {
    stop_threads();
    compiler_thread.reset();
    conductor.drop_tasks();
}

core::Status ServerParts::plan_process() {
    if (auto checked = check_data_folder(config.data.dir); !checked) return checked;
    keep_data_folder_private(config.data.dir);
    auto plan = plan_descriptors(raise_descriptor_limit(), shard_count, config.http);
    if (!plan) return core::fail(std::move(plan.error()));
    descriptors = *plan;
    const MemoryLimit limit = memory_limit_of_process(config.memory.max);
    if (auto planned = plan_memory_of(limit.bytes); !planned) return planned;
    bound_process(memory);
    if (memory.limit != 0) {
        log.info("memory is shared out", {{"limitBytes", memory.limit},
                                          {"from", std::string(limit.from)},
                                          {"profile", config.profile}});
    }
    return {};
}

MemoryHolders ServerParts::memory_holders() const {
    return {shard_count, lane_count + static_cast<std::size_t>(config.engine.call_lanes)};
}

core::Status ServerParts::plan_memory_of(std::uint64_t limit) {
    auto plan = plan_memory(limit, memory_holders());
    if (!plan) return core::fail(std::move(plan.error()));
    memory = *plan;
    return {};
}

// The folder may have another number of shards than was planned with.
core::Status ServerParts::share_memory() {
    if (auto planned = plan_memory_of(memory.limit); !planned) return planned;
    memory_watch = std::make_unique<MemoryWatch>(MemoryWatch::Deps{
        .plan = memory, .metrics = &metrics, .log = &log, .refuse = &state.short_of_memory});
    return {};
}

core::Status ServerParts::share_descriptors() {
    if (!descriptors) return {};
    // The folder may have another number of shards than was planned with.
    auto plan = plan_descriptors(descriptors->limit, shard_count, config.http);
    if (!plan) return core::fail(std::move(plan.error()));
    descriptors = *plan;
    // So many are enough for most: then it is no warning.
    constexpr std::size_t kFewConnections = 1024;
    const bool few = plan->connections_capped && plan->connections_max < kFewConnections;
    log.write(few ? core::LogLevel::kWarn : core::LogLevel::kInfo,
              few ? "fewer connections than http.connections_max: the limit of open files (ulimit "
                    "-n) has no room for more"
                  : "open files are shared out",
              {{"limit", plan->limit},
               {"reserve", plan->reserve},
               {"connectionsPerShard", plan->connections_max}},
              core::LogSite::current());
    return {};
}

}  // namespace millrace::runtime
