// What: the executor of Lua scripts: one lane's states, the scripts compiled into them, and the way
//       of a delivery or a call into a run and back.
// Threads: the lane's; receive() the courier's. Lifetime: borrows the watchdog's slot and the log.
// Limits: script_limits.h; the lines that scripts write to the server's log are bounded by Log.
// Failure: a script that does not compile or is gone fails the attempt; a deactivated one holds it.
//       A run that had to be stopped takes its state along: those that wait in it begin again,
//       silently, kAgainMax times at most.
#pragma once

#include "core/log.h"
#include "runtime/courier/http_port.h"
#include "runtime/delivery/executor.h"
#include "runtime/delivery/outside_port.h"
#include "runtime/event/trace_context.h"
#include "runtime/executors/canary_table.h"
#include "runtime/executors/script_cache.h"
#include "runtime/executors/script_context.h"
#include "runtime/executors/waiting_run.h"

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace millrace::runtime {

class ScriptExecutor final : public Executor, public courier::HttpReceiver, public OutsideReceiver {
public:
    struct Deps {
        LuaWatchdogSlot* watchdog_slot = nullptr;  // null: no deadlines
        core::Log* log = nullptr;  // null: what scripts log is kept in the records only
        std::uint64_t seed = 0;
        std::size_t event_bytes_max = core::kEventBytesMax;  // of emitted ones too
        courier::HttpPort* http = nullptr;                   // null: nothing is called
        OutsidePort* actions = nullptr;                      // likewise
        CanaryTable* canaries = nullptr;                     // null: there are none
        TraceRule traces{};
    };
    ScriptExecutor(const Deps& deps, AnswerPort& port);

    Start start(const AttemptInput& input, AttemptResult& result) override;
    PendingBounds bounds(const AttemptInput& input) const override;
    void abandon(AttemptTicket ticket) override;
    std::size_t do_work() override;
    void keep(store::RowBatch& rows, std::int64_t now_us) override;
    std::optional<std::int64_t> next_work_ns() const override;

    // courier::HttpReceiver
    void receive(std::uint64_t ticket, courier::HttpAnswer&& answer) override;
    // OutsideReceiver
    void answered(std::uint64_t ticket, OutsideAnswer&& answer) override;

private:
    // How often a run is made again because the state it waited in was thrown away.
    static constexpr std::uint32_t kAgainMax = 5;
    // Or because others changed kv that it had read: of those that get in each other's way one goes
    // on each time.
    static constexpr std::uint32_t kKvChangedMax = 100;
    static constexpr std::uint32_t kWindow = 1'000;
    // The executor itself says that a run's time is over; the lane is there for those that do not.
    static constexpr std::int64_t kGraceMs = 1'000;

    using Waiting = WaitingRun;
    using WaitingRef = std::unique_ptr<Waiting>;
    static std::int64_t time_ms(const Waiting& waiting);

    Start start_call(const AttemptInput& input, AttemptResult& result);
    Start start_turn(const AttemptInput& input, AttemptResult& result);
    ScriptCache& cache_of(const InvocationContext& context, bool tried) {
        return context.workflow ? workflows_ : tried ? others_ : scripts_;
    }
    Start begin(const AttemptInput& input, const Script& script, const ScriptRef& tried,
                const EventInput& event, const InvocationContext& context, AttemptResult& result);
    void compare_canary(const AttemptInput& input, const Script& current, const EventInput& event);
    void count_canary(const Script& script, const AttemptResult& result, std::int64_t us);
    static ScriptCache::Compiled compiled(ScriptCache& scripts, const Script& script,
                                          AttemptResult& result);
    void take_result(LuaVm& vm, const Script& script, const InvocationContext& context,
                     LuaHost& host, AttemptResult& result);
    void put_to_sleep(std::uint64_t ticket, Waiting& waiting, LuaTurn& turn);
    void add_trace(const AttemptInput& input, Waiting& waiting) const;
    static void tell_trace(const Waiting& waiting, courier::HttpCall& call);
    void call_out(std::uint64_t ticket, Waiting& waiting, LuaTurn& turn);
    void ask_out(std::uint64_t ticket, Waiting& waiting, LuaTurn& turn);
    void drop_calls(Waiting& waiting);
    std::size_t take_call_answers();
    void wake_at(std::uint64_t ticket, Waiting& waiting, std::int64_t at_ns);
    bool go_on(std::uint64_t ticket, Waiting& waiting);
    bool make_again(std::uint64_t ticket, Waiting& waiting);
    void state_lost(LuaVm* vm);
    void tell(const Script& script, const InvocationContext& context, LuaHost& host,
              const InvocationResult& done);

    core::Log* const log_;
    const std::size_t event_bytes_max_;
    courier::HttpPort* const http_;
    OutsidePort* const actions_;
    CanaryTable* const canaries_;
    const TraceRule traces_;
    LuaWatchdogSlot* const slot_;
    AnswerPort& port_;
    ScriptCache scripts_;
    ScriptCache others_;     // versions that are not the newest, of scripts with a canary
    ScriptCache workflows_;  // versions that runs are pinned to, by numbers of their own
    ContextTexts texts_;     // of the run that is being started
    std::unordered_map<std::uint64_t, WaitingRef> waiting_;   // by ticket
    std::set<std::pair<std::int64_t, std::uint64_t>> wakes_;  // and ticket

    // Calls have tickets of their own: whose call it is, and which of its calls.
    std::unordered_map<std::uint64_t, std::pair<std::uint64_t, std::size_t>> calls_;
    std::uint64_t last_call_ = 0;
    mutable std::mutex answers_mutex_;
    std::vector<std::pair<std::uint64_t, courier::HttpAnswer>> call_answers_;  // by call
    std::vector<std::pair<std::uint64_t, OutsideAnswer>> replies_;             // likewise
};

}  // namespace millrace::runtime
