#include "runtime/server/engine_services.h"

#include "core/made_id.h"
#include "io/content_coding.h"
#include "runtime/delivery/delivery_id.h"
#include "runtime/executors/canary_table.h"
#include "runtime/orchestrator/run_keys.h"
#include "runtime/orchestrator/workflow_table.h"
#include "runtime/server/stats_sampler.h"
#include "store/retention/space_guard.h"
#include "store/rows/dead_letters.h"
#include "store/rows/retry_schedule.h"

#include <algorithm>
#include <utility>
#include <variant>

#include <sched.h>

namespace millrace::runtime {

using core::Metric;

namespace {

// One that did not read, and that nobody has seen, was taken away.
bool is_of_nothing(const RegistryChange& change) {
    return std::visit(
        [](const auto& of) {
            if constexpr (requires { of.after; })
                return !of.before && !of.after;
            else
                return true;
        },
        change);
}

}  // namespace

EngineServices::EngineServices(const Deps& deps)
    : deps_(deps),
      reader_(deps.matcher->register_reader()),
      runs_(*deps.database),
      started_us_(deps.clock->wall_us()) {
    registry_version_.store(deps_.registry->snapshot()->version, std::memory_order_release);
}

void EngineServices::connect(api::Api& api, Feeder& feeder, std::span<Shard* const> shards,
                             std::span<Lane* const> lanes, CallQueue& calls, Scheduler& scheduler) {
    api_ = &api;
    scheduler_ = &scheduler;
    feeder_ = &feeder;
    shards_.assign(shards.begin(), shards.end());
    lanes_.assign(lanes.begin(), lanes.end());
    calls_ = &calls;
    make_tail();
    make_graphql();
    make_stats_tail();
    add_gauges();
    bury_leftovers();
    deps_.conductor->set_clock(deps_.clock);
    deps_.conductor->set_offline([this] { reader_.offline(); });
    deps_.conductor->add_chore([this]() -> std::size_t { return deps_.matcher->maintain(); });
    deps_.conductor->add_chore([this] { return deps_.retention->do_work(); });
    deps_.conductor->add_chore([this] {
        const std::size_t busy = tail_->do_work();
        streams_open_.store(tail_->streams() != 0, std::memory_order_relaxed);
        return busy;
    });
    deps_.conductor->add_chore([this] { return sample_stats(); });
    deps_.conductor->add_chore([this] { return runs_.do_work(deps_.clock->monotonic_ns()); });
}

// By the monotonic clock, whatever happens to the wall's.
std::size_t EngineServices::sample_stats() {
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    if (sampled_ns_ != 0 && now_ns - sampled_ns_ < StatsSeries::kEveryUs * 1000) return 0;
    sampled_ns_ = now_ns;
    LogEnds handled;
    for (const Shard* shard : shards_) handled.push_back(shard->cursor());
    series_.add(
        take_stats_sample(*deps_.metrics, *deps_.database, handled, deps_.clock->wall_us()));
    if (stats_tail_->streams() == 0) return 1;
    std::string newest;
    core::JsonWriter json(newest);
    series_.append_newest(json);
    stats_tail_->tell(newest);
    return 1;
}

void EngineServices::add_gauges() {
    core::Metrics& metrics = *deps_.metrics;
    const auto over_shards = [this](auto read) {
        return [this, read] {
            double sum = 0;
            for (const Shard* shard : shards_) sum += static_cast<double>(read(*shard));
            return sum;
        };
    };
    metrics.gauge_callback(Metric::kQueueSize, [this] {
        // Rows are beside the shards' counts: what is put off has left those.
        std::int64_t waiting =
            static_cast<std::int64_t>(deps_.behind->waiting() + deps_.database->retries().count());
        for (const Shard* shard : shards_) waiting += shard->waiting_deliveries();
        return static_cast<double>(std::max<std::int64_t>(0, waiting));
    });
    metrics.gauge_callback(Metric::kHttpConnections,
                           over_shards([](const Shard& s) { return s.http_connections(); }));
    metrics.gauge_callback(Metric::kSocketConnections,
                           over_shards([](const Shard& s) { return s.line_connections(); }));
    metrics.gauge_callback(Metric::kLanesCold,
                           over_shards([](const Shard& s) { return s.cold() ? 1 : 0; }));
    metrics.gauge_callback(Metric::kKeysWaiting, [this] {
        double sum = 0;
        for (const Lane* lane : lanes_) sum += static_cast<double>(lane->keys_waiting());
        return sum;
    });
    metrics.gauge_callback(Metric::kDlqEntries, [this] {
        return static_cast<double>(deps_.database->dead_letters().count());
    });
    metrics.gauge_callback(Metric::kDlqPendingRetries, [this] {
        return static_cast<double>(deps_.database->retries().count_unparked());
    });
    metrics.gauge_callback(Metric::kRowsSetAside,
                           [this] { return static_cast<double>(deps_.set_aside->count()); });
    metrics.gauge_callback(Metric::kUnsyncedBytes, [this] {
        return static_cast<double>(deps_.database->unsynced_bytes());
    });
    metrics.gauge_callback(Metric::kSubscriptions, [this] {
        return static_cast<double>(deps_.registry->snapshot()->subscriptions.size());
    });
    metrics.gauge_callback(Metric::kScripts, [this] {
        return static_cast<double>(deps_.registry->snapshot()->scripts.size());
    });
}

LogEnds EngineServices::log_ends() {
    LogEnds ends;
    for (const Shard* shard : shards_) ends.push_back(shard->next_offset());
    return ends;
}

// By shard, where whoever is furthest behind is.
LogEnds EngineServices::handled_to() {
    LogEnds to = deps_.behind->floors(shards_.size());
    for (std::size_t i = 0; i < shards_.size(); ++i) to[i] = std::min(to[i], shards_[i]->cursor());
    return to;
}

core::LogOffset EngineServices::place_of(const Subscription& subscription, core::ShardId shard) {
    BehindTable::Place place;
    return deps_.behind->find(subscription.number, shard, place) ? place.from
                                                                 : shards_[shard.value]->cursor();
}

void EngineServices::bury(SubscriptionRef subscription, Buried done) {
    const auto remove = [this, subscription, done = std::move(done)](std::uint64_t count) {
        auto gone = deps_.registry->table<Subscription>().remove_hidden(subscription->tenant,
                                                                        subscription->id);
        if (!gone) return done(core::fail(std::move(gone.error())));
        registry_undone(*gone);
        done(count);
    };
    feeder_->burials().add(subscription, [this, remove](std::uint64_t count) {
        deps_.conductor->post_answer([remove, count] { remove(count); });
    });
}

// Removals that the process before did not finish.
void EngineServices::bury_leftovers() {
    deps_.registry->snapshot()->subscriptions.for_each([this](const SubscriptionRef& one) {
        if (one->closing != Closing::kNo) bury(one, [](const core::Result<std::uint64_t>&) {});
    });
}

void EngineServices::skip_behind(core::SubscriptionId subscription,
                                 const std::vector<core::LogOffset>& to) {
    for (std::size_t i = 0; i < to.size(); ++i) {
        deps_.behind_orders->post(core::ShardId(static_cast<std::uint16_t>(i)),
                                  {BehindOrder::Kind::kSkipTo, subscription, to[i], 0});
    }
}

core::Status EngineServices::registry_changed(const RegistryChange& change) {
    if (is_of_nothing(change)) {
        registry_version_.store(deps_.registry->snapshot()->version, std::memory_order_release);
        return {};
    }
    deps_.keys->follow(change);
    // Whatever begins runs can seal them.
    const auto* begins = std::get_if<DocumentChange<Subscription>>(&change);
    if (workflows_.keys && begins && begins->after &&
        begins->after->executor.type == ExecutorType::kWorkflow) {
        if (auto key = workflows_.keys->ensure(begins->after->tenant, deps_.clock->wall_us()); !key)
            return key;
    }
    const auto told = tell_matcher(change);
    if (!told) return core::fail(told.error());
    return *told ? wait_until_effective() : core::Status{};
}

// A shard that did not take up the change will not take up this one soon: when it goes on, it finds
// both.
void EngineServices::registry_undone(const RegistryChange& change) {
    deps_.keys->follow(change);
    if (const auto told = tell_matcher(change); !told)
        deps_.log->error("a change could not be taken back", {{"error", told.error().message}});
    else if (*told)
        deps_.matcher->publish();
}

// With a schema its states go, aside: a key has a row.
void EngineServices::follow_schema(const DocumentChange<EventSchema>& change) {
    deps_.schemas->follow(change);
    if (change.after || !change.before || !deps_.states) return;
    (void)run_aside(
        api::Aside::kHaul,
        [states = deps_.states, tenant = change.before->tenant, number = change.before->number] {
            states->forget(tenant, number);
        },
        [] {});
}

// False: it is nothing that concerns the matcher.
core::Result<bool> EngineServices::tell_matcher(const RegistryChange& change) {
    // Lanes first: whoever matches a new subscription must be able to find it.
    registry_version_.store(deps_.registry->snapshot()->version, std::memory_order_release);
    if (const auto* source = std::get_if<DocumentChange<Source>>(&change))
        deps_.sources->follow(*source);
    if (const auto* tenant = std::get_if<DocumentChange<Tenant>>(&change))
        deps_.sources->follow(*tenant);
    if (const auto* schedule = std::get_if<DocumentChange<Schedule>>(&change))
        scheduler_->changed(*schedule);
    if (const auto* link = std::get_if<DocumentChange<Link>>(&change); link && deps_.links)
        deps_.links->changed(*link);
    if (const auto* edge = std::get_if<DocumentChange<EdgeNode>>(&change)) {
        deps_.edge_book->follow(*edge);
        if (deps_.edges) deps_.edges->changed(*edge);
    }
    if (const auto* schema = std::get_if<DocumentChange<EventSchema>>(&change))
        follow_schema(*schema);
    if (const auto* workflow = std::get_if<DocumentChange<Workflow>>(&change);
        workflow && workflows_.table) {
        const Workflow& one = workflow->after ? *workflow->after : *workflow->before;
        workflows_.table->show(one.tenant, one.id,
                               deps_.registry->table<Workflow>().versions(one.tenant, one.id));
    }
    const auto* of = std::get_if<DocumentChange<Subscription>>(&change);
    if (!of) return false;
    if (deps_.edges) deps_.edges->changed(*of);
    const SubscriptionRef& now = of->after;
    if (now && now->active && now->closing == Closing::kNo) {
        auto replaced = deps_.matcher->replace(now->number, now->tenant, *now->spec);
        if (!replaced) return core::fail(replaced.error());
    } else if (const auto& gone = now ? now : of->before) {
        deps_.matcher->remove(gone->number);
    }
    // What waits for it keeps its place from here on: of what is still to be read, nothing is
    // matched for it any more but by its own reader.
    if (!now || !now->held() || !of->before || of->before->held()) return true;
    for (std::size_t i = 0; i < shards_.size(); ++i) {
        // Of a shard that has delivered everything, a removed one has everything.
        if (now->closing != Closing::kNo && shards_[i]->cursor() >= shards_[i]->next_offset())
            continue;
        deps_.behind_orders->fall(now->number, core::ShardId(static_cast<std::uint16_t>(i)));
    }
    return true;
}

core::Status EngineServices::wait_until_effective() {
    const std::uint64_t epoch = deps_.matcher->publish();
    reader_.offline();
    const std::int64_t give_up_ns = deps_.clock->monotonic_ns() + kEffectiveUsMax * 1000;
    while (!deps_.matcher->all_observed(epoch)) {
        if (deps_.clock->monotonic_ns() > give_up_ns) {
            return core::fail(core::Error(core::ErrorCode::kUnavailable,
                                          "a shard has not taken up the change in " +
                                              std::to_string(kEffectiveUsMax / 1'000'000) +
                                              " s: it was taken back, and nothing has changed")
                                  .retry_after(5));
        }
        // A shard in the middle of a batch needs microseconds; an idle one is counted as offline.
        if (deps_.yield) {
            deps_.yield();
        } else {
            sched_yield();
        }
    }
    return {};
}

void EngineServices::run_script(api::ScriptRunRequest&& request,
                                std::function<void(ScriptRunResult&&)> done) {
    auto run = std::make_unique<ScriptRunJob>();
    run->script_number = request.script->number.value;
    run->input_json = std::move(request.input_json);
    run->endpoint = std::move(request.endpoint);
    run->trace = std::move(request.trace);
    run->caller = std::move(request.caller);
    submit_call(std::move(run), request.script->id, std::move(done));
}

void EngineServices::run_change(EntityChange&& change, const identity::Principal& caller,
                                std::function<void(ScriptRunResult&&)> done) {
    auto run = std::make_unique<ScriptRunJob>();
    run->entity = std::make_shared<EntityCall>();
    run->entity->event_bytes_max = deps_.event_bytes_max;
    run->caller = caller;
    std::string script_id;
    if (!change.hooks.empty()) {
        const Script* script =
            deps_.registry->snapshot()->script(ScriptNumber(change.hooks.back().script));
        if (script) script_id = script->id;
    }
    run->entity->change = std::move(change);
    submit_call(std::move(run), std::move(script_id), std::move(done));
}

// `script_id`: whose run it is on record as; empty: it is not.
void EngineServices::submit_call(std::unique_ptr<ScriptRunJob> run, std::string script_id,
                                 std::function<void(ScriptRunResult&&)> done) {
    auto job = std::make_unique<LaneJob>();
    job->kind = JobKind::kScriptRun;
    job->items.push_back({});
    job->run = std::move(run);
    job->run->execution_id = RunHistory::make_id(deps_.clock->wall_us(), deps_.random->next());
    RunSummary summary;
    summary.id = job->run->execution_id;
    summary.tenant = job->run->caller.tenant;
    summary.script_id = std::move(script_id);
    auto shared = std::make_shared<std::function<void(ScriptRunResult &&)>>(std::move(done));
    if (job->run->endpoint)
        job->run->goes_ahead = [this](std::size_t bytes) { return runs_.take_room(bytes); };
    job->run->done = [this, shared, summary](ScriptRunResult&& result) {
        if (!result.record.empty()) {
            RunSummary ahead = summary;
            ahead.started_at_us = result.started_at_us;
            runs_.add_ahead(std::move(ahead), std::move(result.record));
            return (*shared)(std::move(result));
        }
        auto kept = std::make_shared<ScriptRunResult>(std::move(result));
        deps_.conductor->post_answer([this, shared, kept, summary]() mutable {
            summary.started_at_us = kept->started_at_us;
            summary.failed = !kept->error.empty();
            if (kept->status && !summary.script_id.empty()) runs_.add(std::move(summary));
            (*shared)(std::move(*kept));
        });
    };
    const core::TenantId tenant = job->run->caller.tenant;
    const auto most = deps_.registry->quotas_of(tenant).of(identity::Quota::kRuns);
    if (auto taken = calls_->submit(job, most); !taken) {
        ScriptRunResult busy;
        busy.status = core::fail(std::move(taken.error()));
        (*shared)(std::move(busy));
    }
}

core::Result<std::string> EngineServices::start_replay(ReplaySpec&& spec) {
    const std::string_view prefix = spec.new_ids ? kNewIdsReplayPrefix : kReplayPrefix;
    return feeder_->replays().start(std::move(spec), core::make_id(prefix, *deps_.random, 12));
}
core::Result<ReplayProgress> EngineServices::replay(core::TenantId tenant, std::string_view id) {
    return feeder_->replays().progress(tenant, id);
}
core::Status EngineServices::cancel_replay(core::TenantId tenant, std::string_view id) {
    return feeder_->replays().cancel(tenant, id);
}
core::Result<ReplayPage> EngineServices::replays(core::TenantId tenant, std::string_view behind,
                                                 std::size_t limit) {
    return feeder_->replays().list(tenant, behind, limit);
}

std::optional<std::int64_t> EngineServices::redrive_due_us(const store::DeadLetterKey& key) {
    const auto due_us = feeder_->retries().redriven().due_us(key);
    return due_us ? std::optional(due_clock().to_wall_us(*due_us)) : std::nullopt;
}

std::shared_ptr<void> EngineServices::view_redrives() {
    return feeder_->retries().redriven().view();
}

core::Status EngineServices::replay_dead_letters(const std::vector<store::DeadLetterKey>& keys,
                                                 double per_second) {
    return feeder_->retries().redrive(keys, per_second);
}

core::Status EngineServices::keep_canary(const CanarySpec* spec, const CanarySpec& of) {
    store::RowBatch rows;
    const std::string id = std::to_string(of.number.value);
    if (spec) {
        rows.put_registry(kCanaryKind, id, 1, deps_.clock->wall_us(), canary_document(*spec));
    } else {
        rows.erase_registry(kCanaryKind, id);
        rows.erase_registry(kCanaryFiguresKind, id);
    }
    return deps_.database->write_now(rows);
}

// Where the newest version was the one that was tried, the other one is the newest again.
void EngineServices::canary_rolled_back(const CanarySpec& spec) {
    deps_.log->warn("a canary was given up: everybody runs the version beside it",
                    {{"script", spec.script_id},
                     {"version", spec.candidate->version},
                     {"reason", spec.rolled_back}});
    (void)keep_canary(&spec, spec);
    auto& table = deps_.registry->table<Script>();
    const ScriptRef current = table.find(spec.tenant, spec.script_id);
    if (!current || current->version != spec.candidate->version) return;
    deps_.registry->act_as("millrace");
    const auto made = table.put({.tenant = spec.tenant}, spec.script_id,
                                document_kind<Script>().show(*spec.baseline));
    if (made) (void)registry_changed(*made);
}

void EngineServices::call_action(OutsideAsk&& ask, std::function<void(OutsideAnswer&&)> done) {
    std::uint64_t ticket = 0;
    {
        const std::lock_guard lock(actions_mutex_);
        ticket = ++last_action_;
        actions_.emplace(ticket, std::move(done));
    }
    if (deps_.actions->ask(*this, ticket, std::move(ask))) return;
    OutsideAnswer busy;
    busy.code = "BUSY";
    busy.message = "too many calls wait to be made";
    answered(ticket, std::move(busy));
}

void EngineServices::answered(std::uint64_t ticket, OutsideAnswer&& answer) {
    std::function<void(OutsideAnswer &&)> done;
    {
        const std::lock_guard lock(actions_mutex_);
        const auto at = actions_.find(ticket);
        if (at == actions_.end()) return;
        done = std::move(at->second);
        actions_.erase(at);
    }
    auto kept = std::make_shared<OutsideAnswer>(std::move(answer));
    deps_.conductor->post_answer([done = std::move(done), kept] { done(std::move(*kept)); });
}

void EngineServices::let_cancelled_end(std::vector<store::OwnedRetry>&& rows,
                                       std::function<void()> done) {
    feeder_->retries().let_end(
        std::move(rows), [this, done = std::move(done)] { deps_.conductor->post_answer(done); });
}

bool EngineServices::run_aside(api::Aside length, std::function<void()> work,
                               std::function<void()> done) {
    Sideline* thread = length == api::Aside::kHaul ? deps_.haul : deps_.sideline;
    return thread->post([this, work = std::move(work), done = std::move(done)] {
        work();
        deps_.conductor->post_answer(done);
    });
}

bool EngineServices::compile_aside(CompileWork work, std::function<void(bool)> done) {
    if (enough_compiled_.load(std::memory_order_relaxed)) {
        done(false);
        return true;
    }
    const std::uint64_t ticket = ++last_compile_;
    const bool taken = deps_.compiler->post([this, ticket, work = std::move(work)] {
        work(enough_compiled_);
        deps_.conductor->post_answer([this, ticket] { end_compile(ticket, true); });
    });
    if (taken) compiles_.emplace(ticket, std::move(done));
    return taken;
}

void EngineServices::end_compile(std::uint64_t ticket, bool whole) {
    const auto at = compiles_.find(ticket);
    if (at == compiles_.end()) return;
    const std::function<void(bool)> done = std::move(at->second);
    compiles_.erase(at);
    done(whole);
}

void EngineServices::stop_compiling() {
    enough_compiled_.store(true, std::memory_order_relaxed);  // the post below orders what is asked
    deps_.conductor->post_answer([this] {
        while (!compiles_.empty()) end_compile(compiles_.begin()->first, false);
    });
}

void EngineServices::run_later(std::function<void()> work) {
    deps_.conductor->post_answer(std::move(work));
}

api::Readiness EngineServices::readiness() {
    api::Readiness readiness = ability();
    readiness.set_aside = deps_.set_aside->count();
    readiness.set_aside_rows = deps_.set_aside->rows();
    return readiness;
}

api::Readiness EngineServices::ability() const {
    if (deps_.database->fatal())
        return {false, "the store has failed: " + deps_.database->fatal_reason()};
    if (deps_.server->draining.load(std::memory_order_relaxed)) return {false, "draining"};
    if (!deps_.database->space().accepting()) {
        return {false, "read-only: less than store.reserve_bytes (" +
                           std::to_string(deps_.database->space().reserve_bytes()) +
                           ") of the disk is free"};
    }
    return {};
}

std::vector<api::ExecutorFigures> EngineServices::executors() {
    api::ExecutorFigures script{.type = executor_type_text(ExecutorType::kScript)};
    script.limit = lanes_.size();
    for (const Lane* lane : lanes_) script.running += !lane->idle();
    for (const Shard* shard : shards_)
        script.waiting +=
            static_cast<std::uint64_t>(std::max<std::int64_t>(0, shard->waiting_deliveries()));
    std::uint64_t others = 0;
    for (const Lane* lane : lanes_) {
        for (const ExecutorType type :
             {ExecutorType::kWebhook, ExecutorType::kCommand, ExecutorType::kLink})
            others += lane->waiting_for(type);
    }
    script.waiting -= std::min(script.waiting, others);
    std::vector<api::ExecutorFigures> figures = {script};
    if (deps_.outside_figures) deps_.outside_figures(figures);
    return figures;
}

void EngineServices::pause_later(core::TenantId tenant, const std::string& subscription_id) {
    deps_.conductor->post_answer([this, tenant, subscription_id] {
        auto& table = deps_.registry->table<Subscription>();
        const SubscriptionRef now = table.find(tenant, subscription_id);
        if (!now) return;
        // From here on the document says it; whoever resumes it later is not paused again.
        store::RowBatch said;
        said.erase_registry(kExecutorStateKind, std::to_string(now->number.value));
        if (now->paused) {
            (void)deps_.database->write_now(said);
            return;
        }
        deps_.registry->act_as("millrace");
        const auto made =
            table.amend({.tenant = tenant}, subscription_id, "pause", [](Subscription& next) {
                next.paused = true;
                return core::Status{};
            });
        if (!made) {
            deps_.log->error("a subscription can't be paused",
                             {{"subscription", subscription_id}, {"error", made.error().message}});
            return;
        }
        (void)deps_.database->write_now(said);
        deps_.log->warn("a subscription is paused: its receiver is gone",
                        {{"subscription", subscription_id}});
        (void)registry_changed(*made);  // who follows late follows with the next change
    });
}

void EngineServices::append_stats(core::JsonWriter& json) {
    json.field("version", MILLRACE_VERSION);
    json.key("disk")
        .begin_object()
        .field("freeBytes", deps_.database->space().free_bytes())
        .field("reserveBytes", deps_.database->space().reserve_bytes())
        .end_object();
    deps_.memory->append_stats(json);
    json.field("uptimeSeconds", (deps_.clock->wall_us() - started_us_) / 1'000'000);
    json.field("lanes", lanes_.size());
    json.key("shards").begin_array();
    for (const Shard* shard : shards_) {
        json.begin_object();
        json.field("nextOffset", shard->next_offset().value).field("cursor", shard->cursor().value);
        json.field("waitingDeliveries", std::max<std::int64_t>(0, shard->waiting_deliveries()));
        json.field("cold", shard->cold());
        json.field("httpConnections", shard->http_connections())
            .field("socketConnections", shard->line_connections());
        json.end_object();
    }
    json.end_array();
    append_behind(json);
    deps_.retention->append_stats(json);
    const matcher::Matcher::Stats stats = deps_.matcher->stats();
    json.key("matcher").begin_object();
    json.field("subscriptions", stats.subscriptions).field("bytes", stats.bytes);
    json.field("unpivotedClauses", stats.unpivoted_clauses).field("rebuilds", stats.rebuilds);
    json.field("paths", stats.paths).field("entriesPerEvent", stats.entries_per_event);
    json.field("regexFailures", stats.regex_failures);
    json.end_object();
}

// The first of those that are behind, and how many there are.
void EngineServices::append_behind(core::JsonWriter& json) const {
    constexpr std::size_t kShownMax = 100;
    const std::vector<BehindTable::Place> places = deps_.behind->places();
    const RegistrySnapshotRef registry = deps_.registry->snapshot();
    json.field("placesBehind", places.size()).key("behind").begin_array();
    for (std::size_t i = 0; i < std::min(places.size(), kShownMax); ++i) {
        const BehindTable::Place& place = places[i];
        const Subscription* of = registry->subscription(place.subscription);
        json.begin_object().field_or_null("subscriptionId", of ? std::string_view(of->id) : "");
        json.field("shard", place.shard.value).field("position", place.from.value);
        if (place.live_from != kNotLive) json.field("liveFrom", place.live_from.value);
        json.end_object();
    }
    json.end_array();
}

// ---- from the shards

namespace {

// So large an answer is put where it is sent from by the thread that made it: a shard would copy it
// while others wait.
constexpr std::size_t kHandedOverBytesMin = 64u << 10;

void hand_over(api::ApiResponse& response) {
    if (response.shared || response.body.size() < kHandedOverBytesMin) return;
    // For as long as the process lives: answers may outlive all else. Nothing is kept of it.
    static core::BufferPool* const pool = new core::BufferPool(core::BufferPool::Options{0, 0});
    response.shared = pool->acquire(response.body.size());
    std::copy(response.body.begin(), response.body.end(), response.shared.data());
    response.shared.set_size(response.body.size());
    response.body = {};
}

// On the thread that made it; what has a coding, or is short, stays as it is.
void shrink(api::ApiResponse& response) {
    if (response.text().size() < io::kGzipBytesMin) return;
    if (response.shared)
        response.shared = response.shared_gzip;
    else
        response.body = io::deflate_gzip(response.body);
    response.headers.emplace_back("Content-Encoding", "gzip");
    response.headers.emplace_back("Vary", "Accept-Encoding");
}

}  // namespace

core::Error EngineServices::too_many_wait() const {
    return core::Error(core::ErrorCode::kUnavailable, "too many requests are waiting")
        .retry_after(deps_.conductor->drain_seconds());
}

void EngineServices::handle_api(core::ShardId shard, api::ApiRequest&& request,
                                io::RequestToken token) {
    auto kept = std::make_shared<api::ApiRequest>(std::move(request));
    const bool gzip = io::accepts_gzip(kept->header("Accept-Encoding"));
    const auto answer = [this, shard, token, gzip](api::ApiResponse&& response) {
        if (gzip) shrink(response);
        hand_over(response);
        auto body = std::make_shared<api::ApiResponse>(std::move(response));
        shards_[shard.value]->post([token, body](Shard& edge) {
            std::vector<io::HeaderField> headers;
            for (const auto& [name, value] : body->headers) headers.push_back({name, value});
            const io::ResponseHead head{
                .status = body->status, .content_type = body->content_type, .headers = headers};
            if (body->shared)
                edge.http().respond(token, head, body->shared);
            else
                edge.http().respond(token, head, body->body);
        });
    };
    const bool taken = deps_.conductor->post([this, kept, answer] {
        runs_.take_in();
        api_->handle(std::move(*kept), answer);
        reader_.offline();
    });
    if (!taken) {
        answer(api::error_response(too_many_wait()));
    }
}

// The script sees the event as it would be taken; what it returns goes back to the shard.
void EngineServices::transform_hook(core::ShardId shard, std::unique_ptr<HookTransform> transform) {
    const std::shared_ptr<HookTransform> kept(std::move(transform));
    const auto done = [this, shard, kept](ScriptRunResult&& result) {
        kept->result = std::move(result);
        shards_[shard.value]->post(
            [kept](Shard& edge) { edge.hook_transformed(std::move(*kept)); });
    };
    const bool taken = deps_.conductor->post([this, kept, done] {
        api::ScriptRunRequest run;
        run.caller.tenant = kept->tenant;
        run.script = deps_.registry->find_script(kept->tenant, kept->script_id);
        run.input_json = kept->event;
        if (run.script && run.script->enabled) return this->run_script(std::move(run), done);
        ScriptRunResult gone;
        gone.status = core::fail(core::ErrorCode::kUnavailable, "the transform is disabled");
        done(std::move(gone));
    });
    if (taken) return;
    ScriptRunResult busy;
    busy.status = core::fail(too_many_wait());
    done(std::move(busy));
}

}  // namespace millrace::runtime
