// What: the agent that lets workflow runs go on. It owns every run that has not ended: it plays
//       what happens into the run's state (runtime/workflow/decide.h), writes the input, the events
//       and the effects of a step in one commit, and begins what follows when that is durable.
//       A run that waits is forgotten but for its due time; the journal brings it back. A step that
//       reaches nothing outside (a script that comes to its end at once) is made before the commit
//       of what it follows from is durable: it stands in the same commit, or in a later one of the
//       same shard, so that both are there after a crash, or the later one is not. A run that gets
//       to its end so is one commit, and holds none of the places of runs that are active.
// Threads: do_work() and wait() its own; what says so any; load() before the threads start.
// Lifetime: borrows all of Deps; its executors' threads end before it does.
// Limits: runs_active_max runs that are doing something at once, more wait for their turn, tenant
//       by tenant; kTasksMax requests wait, and kQueuedRunsMax runs for a place (overflow policy:
//       refuse); EndWaiters::kMax callers wait for ends. Of runs that wait for their turn
//       kParkedRunsMax stay in memory; the store has the others.
// Failure: a step's failure is an input of its run. A run that can not be read is left where it is
//       and told. Runs under way when the process ends are taken up again: what of them is durable
//       is not done again, what had begun begins again under the same key.
#pragma once

#include "core/agent.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/metrics.h"
#include "core/random.h"
#include "core/result.h"
#include "core/task_queue.h"
#include "runtime/delivery/answer_box.h"
#include "runtime/delivery/delivery_run.h"
#include "runtime/delivery/due_clock.h"
#include "runtime/delivery/outside_port.h"
#include "runtime/orchestrator/attempt_book.h"
#include "runtime/orchestrator/code_upkeep.h"
#include "runtime/orchestrator/end_waiters.h"
#include "runtime/orchestrator/live_run.h"
#include "runtime/orchestrator/run_begin.h"
#include "runtime/orchestrator/run_queue.h"
#include "runtime/orchestrator/run_rows.h"
#include "runtime/orchestrator/run_store.h"
#include "runtime/orchestrator/run_timers.h"
#include "runtime/orchestrator/run_upkeep.h"
#include "runtime/orchestrator/run_writer.h"
#include "runtime/orchestrator/runs_beginning.h"
#include "runtime/orchestrator/script_names.h"
#include "runtime/orchestrator/wait_book.h"
#include "runtime/orchestrator/workflow_table.h"
#include "runtime/registry/schema_guard.h"
#include "runtime/registry/secret_mask.h"
#include "runtime/registry/secret_names.h"
#include "runtime/registry/set_aside.h"
#include "store/database.h"
#include "store/rows/registry_store.h"

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace millrace::runtime {

class Orchestrator final : public core::Agent, public OutsideReceiver {
public:
    struct Deps {
        const core::Clock* clock = nullptr;
        const DueClock* due = nullptr;
        core::Log* log = nullptr;
        core::Metrics* metrics = nullptr;
        store::Database* database = nullptr;
        const WorkflowTable* workflows = nullptr;
        const RunKeys* keys = nullptr;
        std::function<RegistrySnapshotRef()> registry;
        OutsidePort* actions = nullptr;  // null: there are none beside scripts and a workflow's own
        const SchemaBook* schemas = nullptr;  // what steps may emit; null: anything
        // Whether a tenant has room for an event that a step emits; none: always.
        std::function<core::Status(core::TenantId, std::size_t bytes)> may_store = nullptr;
        std::size_t shards = 1;
        std::size_t runs_active_max = 20;
        std::int64_t retention_us = 0;  // of runs that have ended; 0: for ever
        // Nothing of a tenant is wrapped with keys below this version any more. Any thread.
        std::function<void(core::TenantId, std::uint32_t)> keys_unused_below;
        std::uint64_t seed = 0;
        // False when the shard's ring is full.
        std::function<bool(core::ShardId, std::unique_ptr<LaneResult>&)> submit;
        std::function<ExecutorSet(AnswerPort&)> make_executors;
        // Nothing may be begun now.
        std::function<bool()> holds;
    };
    explicit Orchestrator(Deps deps);
    ~Orchestrator() override;

    // Runs that have not ended are taken up a few a turn: a start does not wait for them.
    void load(SetAside& aside) { aside_ = &aside; }

    std::string_view name() const override { return "orchestrator"; }
    std::size_t do_work() override;
    void wait(std::int64_t timeout_us) override;

    static constexpr std::size_t kQueuedRunsMax = 100'000;
    // Any thread. `done` is called on this agent's or a shard's thread, once it is durable. False:
    // too many wait; `done` is not called.
    using Begun = std::function<void(core::Result<RunBegun>&&)>;
    bool begin(RunRequest&& request, Begun done);
    // For whoever commits a run's beginning itself (run_begin.h): with what is claimed nobody else
    // begins the same run; then either begun() when it is durable, or not_begun().
    enum class Claim : std::uint8_t { kYours, kThere, kBusy };
    Claim claim(const RunName& run, RunsBeginning::Room room = RunsBeginning::Room::kBounded);
    FreshRun make(RunRequest&& request, WorkflowRef workflow) const;
    void begun(std::shared_ptr<FreshRun> run);
    void not_begun(const RunName& run) { beginning_.done(run); }
    const WorkflowTable& workflows() const { return *deps_.workflows; }
    const RunKeys& keys() const { return *deps_.keys; }
    // A tenant has a new key: what older ones have wrapped is wrapped anew.
    void key_rotated() {
        upkeep_.rotated();
        wake();
    }
    // What happens to a run from outside: cancel, terminate, pause, resume, signal. `version`:
    // resume with that one. `done` gets the run as it is then.
    using Done = EndWaiters::Done;
    struct Order {
        workflow::InputKind kind = workflow::InputKind::kCancel;
        std::string name;
        std::string value;
        std::string step;
        std::uint32_t version = 0;
        // Its entry in the audit log, promised in the order's own commit (promised_audit.h) under
        // this row id.
        std::string audit{};
        std::string audit_row{};
    };
    bool order(RunName run, Order order, Done done);
    // Whether a version of the script would have come the way of a run whose steps it asks for.
    bool rehearse(RunName run, std::uint32_t version, Done done);
    // The run as it is when it has ended, or when the time is over.
    bool wait_for_end(RunName run, std::int64_t timeout_ms, Done done);

    // OutsideReceiver
    void answered(std::uint64_t ticket, OutsideAnswer&& answer) override;

    const RunStore& store() const { return store_; }
    struct Figures {
        std::uint64_t active = 0;
        std::uint64_t waiting = 0;   // for a place
        std::uint64_t sleeping = 0;  // for time, events or signals
        std::uint64_t limit = 0;
    };
    Figures figures() const;

    // From now on nothing new is begun; what is under way is begun again after the next start.
    void stop_taking() { stopping_.store(true, std::memory_order_relaxed); }
    bool idle() const { return idle_.load(std::memory_order_acquire); }

private:
    static constexpr std::size_t kTasksMax = 8'192;
    static constexpr std::size_t kTasksPerTurn = 256;
    static constexpr std::size_t kAheadPerTurn = 1'024;
    static constexpr std::int64_t kHeldNs = 1'000'000'000;
    static constexpr std::size_t kMarksPerTurn = 512;
    static constexpr std::size_t kListenersPerTurn = 32;  // each is read and played
    static constexpr std::int64_t kReadAgainUs = 600'000'000;
    static constexpr std::int64_t kReadBackUsMax = 3'600'000'000;
    static constexpr std::size_t kParkedRunsMax = 4'096;
    static constexpr std::size_t kParkedBytesMax = 8u << 20;  // of journals
    static constexpr std::uint32_t kAheadMax = 32;            // steps of a run
    static constexpr std::size_t kOutsideScriptsMax = 1'024;
    static constexpr std::size_t kRestingRunsMax = 1'024;  // more of them keep their places

    using Run = LiveRun;
    using Attempt = StepAttempt;
    // What is to be done in this turn, by shard: what goes to one stands together in few commits.
    struct Ready {
        RunName run;
        std::vector<workflow::Effect> effects;
        bool early = false;  // its cause is on its way to the disk
    };
    class Host;

    // orchestrator.cc
    Run* find(const RunName& run);
    core::Result<Run*> bring(const RunName& run, workflow::Difference* difference = nullptr);
    // The same, and nothing of it is begun.
    core::Result<Run*> look_up(const RunName& run, workflow::Difference* difference = nullptr);
    void resume(Run& run);
    void take_up(const RunName& name);
    std::size_t take_queued();
    void let_go(const RunName& name);
    void fire_timers();
    void not_brought(const RunName& run, const core::Error& why,
                     const workflow::Difference& difference);
    std::size_t take_events();
    void post(std::function<void()> task);

    // orchestrator_begin.cc
    // `made_up`: nobody has its id.
    void begin_now(RunRequest&& request, const Begun& done, bool made_up = false);
    std::size_t begin_all();
    core::Result<RunBegun> there_already(const RunName& run, const std::string& workflow_id);
    std::vector<std::uint64_t> read_from(const RunRequest& request, const Workflow& workflow) const;
    std::unique_ptr<Run> make_run(FreshRun&& fresh);
    Run& keep(FreshRun&& fresh);

    // orchestrator_queue.cc
    std::size_t walk_marks();
    void take_mark(const store::RegistryDocument& row);
    std::size_t take_listening();
    bool is_suspended(core::TenantId tenant) const;
    void stop_for_tenant(const RunName& run);
    std::size_t take_stopped();
    void queue(const RunName& run) { queued_.push(run); }
    void park(std::unique_ptr<Run> run);
    std::unique_ptr<Run> take_parked(const RunName& run);
    RunHead* head_in_memory(const RunName& run);
    void visit_codes_in_memory(const std::function<void(const RunHead&)>& visit) const;

    // orchestrator_orders.cc
    // What a run is pinned to, and what it has come to by that.
    struct Pinned {
        WorkflowRef workflow;
        workflow::RunState state;
        std::int64_t code_made_us = -1;
    };
    bool order_unread(const RunName& run, const Order& order, const Done& done,
                      const workflow::Difference& difference);
    void end_unread(RunHead&& head, const Order& order, const Done& done);
    bool resume_unread(const RunName& run, const Order& order, const Done& done);
    void order_now(const RunName& run, const Order& order, const Done& done);
    core::Status check_order(const Run& run, const Order& order) const;
    void promise_audit(const Order& order);
    core::Result<Pinned> other_version(Run& run, std::uint32_t version);
    static void exchange(Run& run, Pinned& pinned);
    void take_version(Run& run);
    std::size_t answer_waiters();

    // orchestrator_commit.cc
    bool apply(Run& run, workflow::Input&& input, const std::function<void()>& durable = {});
    void follow(Run& run, std::vector<workflow::Effect>&& effects,
                const std::function<void()>& durable);
    void when_durable(Run& run, std::vector<workflow::Effect>&& later,
                      const std::function<void()>& durable);
    void committed(const RunName& run, std::vector<workflow::Effect>&& later);
    bool may_go_ahead(Run& run, const workflow::Effect& effect);
    void make_ready(Run& run, std::vector<workflow::Effect>&& effects, bool early);
    std::size_t do_ready();
    void do_one_ready(std::vector<Ready>& ready);
    void run_ahead(const RunName& run);
    void tell_end(Run& run);
    void tell(Run& run, const workflow::Effect& effect);
    void ended(Run& run);
    void count_end(workflow::RunStatus status);
    void sort_by_shard(std::vector<RunName>& runs) const;

    // orchestrator_code.cc
    class CodePast;
    static Workflow& own(Run& run);
    std::shared_ptr<WorkflowTurn> turn_of(Run& run);
    std::unique_ptr<ScriptRunJob> call_of(const Run& run, const ScriptRef& code,
                                          std::shared_ptr<WorkflowTurn> turn) const;
    void play_code(Run& run, const ScriptRef& code, const std::shared_ptr<WorkflowTurn>& turn,
                   AttemptResult& result);
    void go_on(Run& run);
    void take_turn(Run& run, WorkflowTurn& turn, AttemptResult& result);
    void take_asked(Run& run, WorkflowTurn& turn);
    void stop_differing(Run& run, const WorkflowTurn& turn, workflow::StepIndex step);
    void begin_anew(Run& run, std::string&& input_json);
    void start_code(Run& run, Attempt&& attempt, const std::string& input_json);
    bool take_step_turn(Run& run, const Attempt& attempt, AttemptResult& result);
    core::Result<ScriptRef> code_version(const RunName& run, const std::string& script_id,
                                         std::uint32_t version);
    bool is_newest_code(const CodeBook::Name& code);
    core::Result<Pinned> other_code(Run& run, std::uint32_t version);
    core::Result<std::string> rehearse_now(const RunName& run, std::uint32_t version);

    // orchestrator_children.cc
    static RunName child_of(const Run& run, const workflow::Effect& effect);
    void start_child(Run& run, const workflow::Effect& effect);
    void settle_child(const Run& run, const workflow::Effect& effect);
    void leave_child(Run& run, const workflow::Effect& effect);
    void cancel_left(const RunName& child);
    std::size_t walk_left();
    void tell_parent(const RunHead& head, const std::string* output);

    // orchestrator_actions.cc
    // Whether a step that may be begun once at most is known not to have been.
    enum class Known : std::uint8_t { kNothing, kNotBegun };
    enum class Meanwhile : std::uint8_t { kHolds, kRests };
    static std::string key_of(const Run& run, const workflow::Effect& effect);
    Host* host_of(core::TenantId tenant);
    void perform(Run& run, const std::vector<workflow::Effect>& effects);
    void listen(Run& run, const workflow::Effect& effect);
    void start(Run& run, const workflow::Effect& effect, Known known = Known::kNothing);
    ScriptRef script_of(Run& run, const std::string& action, const RegistrySnapshot& registry);
    void start_script(Run& run, Attempt&& attempt, const Script& script, const std::string& input);
    void launch_script(const Run& run, Attempt&& attempt);
    void start_outside(Run& run, Attempt&& attempt, const std::string& input);
    void start_action(Run& run, Attempt&& attempt, const std::string& action,
                      const std::string& input);
    void ask_outside(Run& run, Attempt&& attempt, const Action& action, const std::string& input);
    void fail(Run& run, const workflow::Effect& effect, std::string_view code,
              const std::string& why);

    // orchestrator_attempts.cc
    void launch(Attempt&& attempt, AttemptInput& input, Executor* executor);
    void hide_secrets(const Attempt& attempt, std::string& error);
    void settle(Attempt&& attempt, AttemptResult& result);
    static workflow::Effect effect_of(const Attempt& attempt);
    void begin_when_durable(const Attempt& attempt);
    void note_outside(const Attempt& attempt);
    void try_again(const Attempt& attempt, std::int64_t delay_ns, Known known,
                   Meanwhile meanwhile = Meanwhile::kHolds);
    void begin_again(const RunName& run, workflow::Effect&& effect, Known known);
    void abandon(Run& run, const workflow::Effect& effect);
    std::size_t settle_answers();
    std::size_t settle_overdue();
    std::size_t retry_held();

    const Deps deps_;
    RunStore store_;
    RunsBeginning beginning_;
    RunUpkeep upkeep_;
    CodeUpkeep code_upkeep_;
    SetAside* aside_ = nullptr;
    bool marks_walked_ = false;
    std::string marks_walked_to_;
    bool left_walked_ = false;
    std::string left_walked_to_;
    core::MetricsRole& figures_;
    core::Counter begun_count_, removed_count_;
    core::Gauge active_gauge_, sleeping_gauge_;
    std::map<workflow::RunStatus, core::Counter> ended_counts_;
    std::uint64_t removed_seen_ = 0;
    core::Random random_;
    core::TaskQueue<std::function<void()>> asked_{kTasksMax};
    AnswerBox answers_;
    ExecutorSet executors_;
    RunWriter writer_;
    std::deque<Host> hosts_;
    SecretNames secrets_;
    SecretMask mask_;
    SchemaGuard guard_;  // states and scripts of rules are asked when it is taken in
    ScriptNames scripts_;
    ActionNames actions_;
    WaitBook waits_;

    template <typename T>
    using ByRun = std::unordered_map<RunName, T, RunNameHash>;
    ByRun<std::unique_ptr<Run>> runs_;
    RunQueue queued_;                     // for a place
    ByRun<std::unique_ptr<Run>> parked_;  // some of those
    std::deque<RunName> listening_;       // those that a start finds waiting: they need no place
    std::map<std::uint32_t, std::unordered_set<RunName, RunNameHash>> stopped_;  // by tenant
    std::size_t parked_bytes_ = 0;
    RunTimers timers_;
    std::size_t active_ = 0;
    std::size_t resting_ = 0;
    EndWaiters waiters_;
    struct Beginning {
        std::shared_ptr<RunRequest> request;
        Begun done;
        bool made_up = false;
    };
    std::vector<std::vector<Ready>> ready_;
    std::vector<std::vector<Beginning>> begins_;
    std::size_t ready_count_ = 0;
    bool ahead_ = false;          // what is begun now is early
    std::size_t ahead_done_ = 0;  // in this turn, by run_ahead()
    std::set<std::pair<std::uint32_t, std::uint32_t>> outside_scripts_;  // number, version
    std::string line_;

    AttemptBook attempts_;
    std::multimap<std::int64_t, std::function<void()>> held_;  // on the monotonic clock
    std::vector<Answer> taken_;
    const Attempt* running_ = nullptr;  // whose script runs now
    std::string running_event_;
    std::string running_correlation_;

    std::atomic<std::uint64_t> shown_active_{0}, shown_queued_{0}, shown_sleeping_{0};
    std::atomic<bool> stopping_{false};
    std::atomic<bool> idle_{true};
};

}  // namespace millrace::runtime
