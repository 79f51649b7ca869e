// What: runs the scripts of links (transformScriptId) for sources and streams, on a thread of its
//       own, so that one that burns holds up no link that has none: a source's event before it is
//       taken, by the rules of webhooks that come in (inbound/hook_transform.h); what a stream
//       sends, by those of webhooks out (executors/webhook_transform.h).
// Threads: shape() any; do_work() its own, which `done` is called on.
// Lifetime: borrows all of Deps; whoever waits outlives its thread.
// Limits: a job of each link at a time, as its agent sees to; each has kSliceNs and then the next
//         one its turn, and a single run kRunMsMax.
// Failure: of a text, in it: it begins with TRANSFORM_FAILED.
#pragma once

#include "core/agent.h"
#include "core/clock.h"
#include "core/random.h"
#include "core/task_queue.h"
#include "runtime/executors/reading_host.h"
#include "runtime/executors/webhook_transform.h"
#include "runtime/registry/link.h"
#include "runtime/registry/registry_snapshot.h"
#include "runtime/registry/secret_mask.h"
#include "runtime/registry/secret_names.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

class LinkShaper final : public core::Agent {
public:
    static constexpr std::int64_t kRunMsMax = 2'000;
    static constexpr std::int64_t kSliceNs = 5'000'000;

    struct Text {
        std::string event;
        std::string id;  // the same whenever it comes: what its randomness hangs on
        std::string pattern;
        std::int64_t at_us = 0;
        // What came of it.
        std::string error;        // not empty: it failed
        std::string shaped;       // empty: it is left out
        std::string logs_json{};  // what the script logged; empty: nothing
    };
    struct Job {
        LinkRef link;
        std::vector<Text> texts;
        std::function<void(Job&&)> done;
        std::size_t next = 0;
    };

    struct Deps {
        const core::Clock* clock = nullptr;
        store::KvStore* kv = nullptr;
        LuaWatchdogSlot* watchdog_slot = nullptr;  // null: no deadlines
        std::function<RegistrySnapshotRef()> registry;
        std::uint64_t seed = 0;
    };
    explicit LinkShaper(Deps deps);

    void shape(std::unique_ptr<Job> job);

    std::string_view name() const override { return "link_scripts"; }
    std::size_t do_work() override;

private:
    void work_at(Job& job);
    void run(const RegistrySnapshot& registry, const Link& link, Text& text);
    void run_script(const Script& script, const Link& link, LuaHost& host, Text& text);

    const Deps deps_;
    core::Random random_;
    core::TaskQueue<std::unique_ptr<Job>> incoming_;
    std::list<std::unique_ptr<Job>> jobs_;  // whose turn it is first
    SecretNames secrets_;
    SecretMask mask_;
    WebhookTransform transform_;
};

}  // namespace millrace::runtime
