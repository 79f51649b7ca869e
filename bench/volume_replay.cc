// The replay phase: blocks read back, matched with 100 subscriptions, each event handled by a Lua
// script; all on one thread, the outcomes made ready for a commit and then dropped.
#include "bench/volume.h"
#include "core/metrics.h"
#include "matcher/matcher.h"
#include "matcher/subscription_spec.h"
#include "runtime/delivery/delivery_run.h"
#include "runtime/executors/script_executor.h"
#include "runtime/feed/block_matcher.h"
#include "store/log/log_reader.h"

#include <cstdio>
#include <ctime>
#include <vector>

namespace millrace::bench {
namespace {

using namespace millrace::runtime;

constexpr core::ShardId kShard{0};
constexpr std::uint32_t kSubscriptions = 100;
constexpr const char* kHandler =
    "return function(event) if event.payload.amount > 99000 then return event.eventId end end";

std::shared_ptr<const RegistrySnapshot> make_registry(matcher::Matcher& matcher) {
    auto snapshot = std::make_shared<RegistrySnapshot>();
    auto script = std::make_shared<Script>();
    script->number = ScriptNumber(1);
    script->id = script->name = "handler";
    script->source = kHandler;
    snapshot->scripts.set(1, script);
    for (std::uint32_t n = 1; n <= kSubscriptions; ++n) {
        const std::string pattern = n == 1 ? "invoice.created" : "other." + std::to_string(n);
        auto spec = matcher::parse_subscription_json("{\"pattern\":\"" + pattern +
                                                     "\",\"filter\":\"$.amount >= 0\"}");
        if (!spec || !matcher.add(core::SubscriptionId(n), core::TenantId(0), *spec))
            return nullptr;
        auto subscription = std::make_shared<Subscription>();
        subscription->number = core::SubscriptionId(n);
        subscription->id = "s" + std::to_string(n);
        subscription->executor.script = script->number;
        subscription->executor.script_id = script->id;
        snapshot->subscriptions.set(n, subscription);
    }
    matcher.publish();
    return snapshot;
}

double thread_cpu_seconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

}  // namespace

int measure_replay(Volume& volume) {
    matcher::Matcher matcher(matcher::Matcher::Options{.background_thread = false});
    const auto registry = make_registry(matcher);
    if (!registry) return 1;
    BlockMatcher block_matcher(matcher.register_reader());
    core::Metrics metrics;
    DeliveryRun::Deps deps;
    deps.clock = &volume.clock;
    deps.hasher = &volume.database->hasher();
    deps.kv = &volume.database->kv();
    deps.pools = &volume.database->pools();
    deps.metrics = &metrics;
    LuaWatchdog watchdog;  // its thread looks in every few milliseconds, as in a server
    watchdog.start();
    AnswerBox answers([] {});  // nothing here answers later
    ExecutorSet executors;
    executors[static_cast<std::size_t>(ExecutorType::kScript)] = std::make_unique<ScriptExecutor>(
        ScriptExecutor::Deps{.watchdog_slot = watchdog.add_slot(), .log = nullptr, .seed = 0},
        answers);
    DeliveryRun run(deps, std::move(executors));
    const bool handle_too[] = {false, true, false, true, true};
    for (const bool handle : handle_too) {
        std::uint64_t events = 0, deliveries = 0;
        const double began = seconds_now(), began_cpu = thread_cpu_seconds();
        for (core::LogOffset at{0};;) {
            auto block = volume.database->log_reader().read_block(kShard, at);
            if (!block) return 1;
            if (!*block) break;
            auto taken = std::make_unique<LaneJob>();
            LaneJob& job = *taken;
            job.kind = JobKind::kReplay;
            job.replay_id = "rp_bench";
            job.block = *block;
            block_matcher.match({.block = &job.block,
                                 .from = at,
                                 .registry = registry.get(),
                                 .done = nullptr,
                                 .history = BlockMatcher::History::kAll},
                                job.items);
            events += block->count();
            deliveries += job.items.size();
            at = block->end_offset();
            if (!handle || job.items.empty()) continue;
            OpenJob open(std::move(taken));
            run.begin(open.shard);
            while (!open.begun()) {
                const auto item = static_cast<std::uint32_t>(open.next_item++);
                run.deliver({&open, item}, *registry);
            }
            run.end_job(open);
            if (!run.finish()) return 1;
        }
        if (deliveries != events) {
            std::fprintf(stderr, "replay: %llu of %llu events matched\n",
                         static_cast<unsigned long long>(deliveries),
                         static_cast<unsigned long long>(events));
            return 1;
        }
        std::printf("replay: read, match%s: %.2f M events/s, %.2f by CPU time\n",
                    handle ? ", Lua, outcome rows" : "",
                    static_cast<double>(events) / (seconds_now() - began) / 1e6,
                    static_cast<double>(events) / (thread_cpu_seconds() - began_cpu) / 1e6);
    }
    return 0;
}

}  // namespace millrace::bench
