#include "runtime/server/engine_services.h"

#include "core/made_id.h"
#include "io/content_coding.h"
#include "runtime/delivery/delivery_id.h"
#include "runtime/executors/canary_table.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {

EngineServices::EngineServices(const Deps& deps)
    : deps_(deps),
      reader_(deps.matcher->register_reader()),
      compiles_(deps.compiler, deps.conductor),
      action_calls_(deps.actions, deps.conductor),
      changes_({.canaries = deps.canaries,
                .clock = deps.clock,
                .log = deps.log,
                .registry = deps.registry,
                .sources = deps.sources,
                .edge_book = deps.edge_book,
                .schemas = deps.schemas,
                .states = deps.states,
                .matcher = deps.matcher,
                .reader = &reader_,
                .behind_orders = deps.behind_orders,
                .keys = deps.keys,
                .links = deps.links,
                .edges = deps.edges,
                .haul = deps.haul,
                .yield = deps.yield}),
      runs_(*deps.database,
            [sideline = deps.sideline, conductor = deps.conductor](std::function<void()> work) {
                return sideline->post([work = std::move(work), conductor] {
                    work();
                    conductor->wake();
                });
            }),
      started_us_(deps.clock->wall_us()) {}

void EngineServices::connect(api::Api& api, Feeder& feeder, std::span<Shard* const> shards,
                             std::span<Lane* const> lanes, CallQueue& calls, Scheduler& scheduler) {
    api_ = &api;
    scheduler_ = &scheduler;
    feeder_ = &feeder;
    shards_.assign(shards.begin(), shards.end());
    lanes_.assign(lanes.begin(), lanes.end());
    calls_ = &calls;
    changes_.connect(shards_, scheduler);
    make_tail();
    make_graphql();
    make_grpc();
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

void EngineServices::bury_copy(const SubscriptionRef& subscription) {
    constexpr std::size_t kClearedMax = 256;  // the oldest is forgotten
    const Cleared begun{subscription->tenant, subscription->id, {}};
    const auto is_it = [begun](const Cleared& one) {
        return one.tenant == begun.tenant && one.id == begun.id;
    };
    std::erase_if(cleared_, is_it);
    if (cleared_.size() >= kClearedMax) cleared_.pop_front();
    cleared_.push_back(begun);
    bury(subscription, [this, is_it](const core::Result<std::uint64_t>& count) {
        const auto one = std::find_if(cleared_.begin(), cleared_.end(), is_it);
        if (count && one != cleared_.end()) one->count = *count;
    });
}

std::optional<std::uint64_t> EngineServices::cleared_of(core::TenantId tenant,
                                                        std::string_view id) {
    for (const Cleared& one : cleared_) {
        if (one.tenant == tenant && one.id == id) return one.count;
    }
    return {};
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
    const std::string id = spec.id.empty() ? core::make_id(prefix, *deps_.random, 12) : spec.id;
    return feeder_->replays().start(std::move(spec), id);
}
core::Result<ReplayProgress> EngineServices::replay(core::TenantId tenant, std::string_view id) {
    return feeder_->replays().progress(tenant, id);
}
core::Status EngineServices::cancel_replay(core::TenantId tenant, std::string_view id,
                                           const Beside& beside) {
    return feeder_->replays().cancel(tenant, id, beside);
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
                                                 double per_second, const Beside& beside) {
    return feeder_->retries().redrive(keys, per_second, beside);
}

core::Status EngineServices::keep_canary(const CanarySpec* spec, const CanarySpec& of) {
    const std::string id = std::to_string(of.number.value);
    const std::int64_t now_us = deps_.clock->wall_us();
    Registry& registry = *deps_.registry;
    if (spec) {
        return registry.write_row({std::string(kCanaryKind), id, 1, now_us, canary_document(*spec)},
                                  now_us, of.tenant, "");
    }
    registry.begin_one();
    for (const std::string_view kind : {kCanaryKind, kCanaryFiguresKind})
        (void)registry.erase_row({std::string(kind), id}, now_us, of.tenant, "");
    return registry.end_one();
}

// Where the newest version was the one that was tried, the other one is the newest again.
void EngineServices::canary_rolled_back(const CanarySpec& spec) {
    // It may have been ended, or begun anew, since that was said.
    const auto now = deps_.canaries->find(spec.number);
    if (!now || now->began_us != spec.began_us) return;
    deps_.log->warn("a canary was given up: everybody runs the version beside it",
                    {{"script", spec.script_id},
                     {"version", spec.candidate->version},
                     {"reason", spec.rolled_back}});
    (void)keep_canary(&spec, spec);
    auto& table = deps_.registry->table<Script>();
    const ScriptRef current = table.find(spec.tenant, spec.script_id);
    if (current && current->version == spec.candidate->version) {
        deps_.registry->act_as("millrace");
        const auto made = table.put({.tenant = spec.tenant}, spec.script_id,
                                    document_kind<Script>().show(*spec.baseline));
        if (made) (void)registry_changed(*made);
    }
    if (deps_.tell_neighbours) deps_.tell_neighbours();
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

void EngineServices::run_later(std::function<void()> work) {
    deps_.conductor->post_answer(std::move(work));
}

void EngineServices::pause_later(core::TenantId tenant, const std::string& subscription_id) {
    deps_.conductor->post_answer([this, tenant, subscription_id] {
        auto& table = deps_.registry->table<Subscription>();
        const SubscriptionRef now = table.find(tenant, subscription_id);
        if (!now) return;
        if (!now->paused && deps_.pause_at_home && deps_.pause_at_home(tenant, subscription_id))
            return;
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
        if (kept->match.outcome == io::RouteOutcome::kFound)
            api_->handle(std::move(*kept), answer);
        else
            deps_.cross(*kept, answer);
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
