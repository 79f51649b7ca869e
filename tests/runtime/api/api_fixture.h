// What: the Api over a real store in a temporary folder, a real matcher and an engine that only
//       writes down what it was asked for.
// Threads: one. Lifetime: of a test. Limits: none. Failure: gtest assertions.
#pragma once

#include "core/event_parser.h"
#include "core/json_reader.h"
#include "runtime/api/api.h"
#include "runtime/api/services.h"
#include "runtime/executors/canary_table.h"
#include "runtime/registry/registry.h"
#include "store/rows/executions.h"
#include "tests/runtime/registry/memory_registry_rows.h"
#include "tests/store/store_fixture.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::api::test {

class FakeServices final : public Services {
public:
    FakeServices(store::Database& database, core::ManualClock& clock)
        : database_(database),
          clock_(clock),
          log_(clock, core::LogLevel::kOff),
          matcher_(matcher::Matcher::Options{.background_thread = false}),
          reader_(matcher_.register_reader()) {
        Registry::Options options;
        options.check_script = [](const std::string&, const std::string& source) -> core::Status {
            if (source.find("syntax error") == std::string::npos) return {};
            return core::fail(
                core::Error(core::ErrorCode::kValidation, "source: line 1: unexpected symbol")
                    .in("source"));
        };
        registry_ = std::move(*Registry::open(rows, clock, random_, options));
    }

    const core::Clock& clock() override { return clock_; }
    core::Random& random() override { return random_; }
    core::Log& log() override { return log_; }
    core::Metrics& metrics() override { return metrics_; }
    store::Database& database() override { return database_; }
    Registry& registry() override { return *registry_; }
    const SourceBook& sources() override { return sources_; }
    const SchemaBook& schemas() override { return schemas_; }
    matcher::Matcher::Reader& matcher_reader() override { return reader_; }
    LogEnds log_ends() override { return {}; }
    LogEnds handled_to() override { return {}; }
    const DueClock& due_clock() override { return due_clock_; }
    core::LogOffset place_of(const Subscription&, core::ShardId) override { return {}; }
    void skip_behind(core::SubscriptionId, const std::vector<core::LogOffset>& to) override {
        skipped = to;
    }
    void bury(SubscriptionRef subscription, Buried done) override {
        auto gone =
            registry_->table<Subscription>().remove_hidden(subscription->tenant, subscription->id);
        if (gone) follow(*gone);
        done(std::uint64_t{0});
    }
    std::optional<std::uint64_t> cleared_of(core::TenantId, std::string_view) override {
        return cleared;
    }
    std::optional<std::uint64_t> cleared;
    std::vector<core::LogOffset> skipped;

    core::Status registry_changed(const RegistryChange& change) override {
        if (refuse_changes)
            return core::fail(core::ErrorCode::kValidation, "the matcher refuses this");
        follow(change);
        ++changes;
        if (late_changes) return core::fail(core::ErrorCode::kUnavailable, "a shard is late");
        return {};
    }
    void registry_undone(const RegistryChange& change) override { follow(change); }
    void follow(const RegistryChange& change) {
        if (const auto* source = std::get_if<DocumentChange<Source>>(&change))
            sources_.follow(*source);
        if (const auto* schema = std::get_if<DocumentChange<EventSchema>>(&change))
            schemas_.follow(*schema);
        const auto* of = std::get_if<DocumentChange<Subscription>>(&change);
        if (!of) return;
        if (of->after && of->after->active)
            (void)matcher_.replace(of->after->number, of->after->tenant, *of->after->spec);
        else if (const auto& gone = of->after ? of->after : of->before)
            matcher_.remove(gone->number);
        matcher_.publish();
    }
    void run_script(ScriptRunRequest&& request,
                    std::function<void(ScriptRunResult&&)> done) override {
        runs.push_back(std::move(request));
        run_done = std::move(done);
    }
    const RunHistory& run_history() override { return run_history_; }
    Scheduler& scheduler() override {
        if (!scheduler_) {
            Scheduler::Deps deps;
            deps.clock = &clock_;
            deps.database = &database_;
            deps.registry = [this] { return registry_->snapshot(); };
            deps.submit = [](core::ShardId, std::unique_ptr<LaneResult>& result) {
                result.reset();
                return true;
            };
            deps.wanted_by = [](const store::StoredEvent&, const RegistrySnapshot&,
                                std::vector<core::SubscriptionId>& out) { out.clear(); };
            deps.holds = [] { return false; };
            scheduler_ = std::make_unique<Scheduler>(std::move(deps));
        }
        return *scheduler_;
    }
    EndpointTable& endpoints() override { return endpoints_; }
    EntityDesk& entity_desk() override { return entity_desk_; }
    EntityCounts& entity_counts() override { return entity_counts_; }
    void run_change(EntityChange&& change, const identity::Principal&,
                    std::function<void(ScriptRunResult&&)> done) override {
        changes_asked.push_back(std::move(change));
        change_done = std::move(done);
    }
    std::vector<EntityChange> changes_asked;
    std::function<void(ScriptRunResult&&)> change_done;
    void run_after(std::int64_t, std::function<void()> work) override { work(); }
    core::Result<std::string> start_replay(ReplaySpec&& spec) override {
        replay_specs.push_back(std::move(spec));
        return std::string("rp_1");
    }
    core::Result<ReplayProgress> replay(core::TenantId, std::string_view id) override {
        if (id != "rp_1")
            return core::fail(core::ErrorCode::kNotFound,
                              "no replay has the id \"" + std::string(id) + "\"");
        ReplayProgress progress;
        progress.id = id;
        progress.status = cancelled ? "cancelled" : "running";
        progress.scanned = 7;
        return progress;
    }
    core::Status cancel_replay(core::TenantId tenant, std::string_view id,
                               const Beside& beside) override {
        if (auto found = replay(tenant, id); !found) return core::fail(found.error());
        cancelled = true;
        store::RowBatch batch;
        beside(batch);
        return database().write_now(batch);
    }
    core::Result<ReplayPage> replays(core::TenantId tenant, std::string_view,
                                     std::size_t) override {
        return ReplayPage{{*replay(tenant, "rp_1")}, {}};
    }
    core::Status replay_dead_letters(const std::vector<store::DeadLetterKey>& keys,
                                     double per_second, const Beside& beside) override {
        redriven = std::move(keys);
        redriven_per_second = per_second;
        store::RowBatch batch;
        beside(batch);
        return database().write_now(batch);
    }
    std::optional<std::int64_t> redrive_due_us(const store::DeadLetterKey& key) override {
        const bool asked = std::find(redriven.begin(), redriven.end(), key) != redriven.end();
        return asked ? std::optional(redrive_due) : std::nullopt;
    }
    std::shared_ptr<void> view_redrives() override { return nullptr; }
    void call_action(OutsideAsk&& ask, std::function<void(OutsideAnswer&&)> done) override {
        OutsideAnswer answer;
        answer.json = ask.input_json;
        done(std::move(answer));
    }
    CanaryTable& canaries() override { return canaries_; }
    core::Status keep_canary(const CanarySpec*, const CanarySpec&) override { return {}; }
    CancelledEvents& cancelled_events() override { return cancelled_events_; }
    void let_cancelled_end(std::vector<store::OwnedRetry>&&, std::function<void()> done) override {
        done();
    }
    bool run_aside(Aside, std::function<void()> work, std::function<void()> done) override {
        work();
        done();
        return true;
    }
    bool compile_aside(CompileWork work, std::function<void(bool)> done) override {
        work(enough_);
        done(true);
        return true;
    }
    void run_later(std::function<void()> work) override { work(); }
    Readiness readiness() override { return ready; }
    void test_delivery(SubscriptionRef, std::string,
                       std::function<void(DeliveryTest&&)> done) override {
        done({});
    }
    std::vector<ExecutorFigures> executors() override {
        return {{.type = "script", .running = 1, .limit = 2, .waiting = 3}};
    }
    std::string_view backup_folder() override { return backups; }
    void append_stats(core::JsonWriter& json) override { json.field("uptimeSeconds", 1); }

    MemoryRegistryRows rows;
    std::vector<ScriptRunRequest> runs;
    std::function<void(ScriptRunResult&&)> run_done;
    std::vector<ReplaySpec> replay_specs;
    std::vector<store::DeadLetterKey> redriven;
    std::int64_t redrive_due = 0;
    double redriven_per_second = -1;
    Readiness ready;
    int changes = 0;
    bool refuse_changes = false;
    bool late_changes = false;  // follows, and says that not everybody has
    bool cancelled = false;
    std::string backups = "/";

private:
    CanaryTable canaries_;
    CancelledEvents cancelled_events_;
    store::Database& database_;
    core::ManualClock& clock_;
    DueClock due_clock_{clock_};
    core::Random random_{1};
    core::Log log_;
    core::Metrics metrics_;
    matcher::Matcher matcher_;
    matcher::Matcher::Reader reader_;
    std::unique_ptr<Registry> registry_;
    RunHistory run_history_{database_};
    std::atomic<bool> enough_{false};
    SourceBook sources_;
    std::unique_ptr<Scheduler> scheduler_;
    EndpointTable endpoints_;
    EntityDesk entity_desk_;
    EntityCounts entity_counts_;
    SchemaBook schemas_;
};

class ApiTest : public store::test::StoreTest {
protected:
    void SetUp() override {
        open();
        services = std::make_unique<FakeServices>(*database_, clock_);
        api = std::make_unique<Api>(*services);
    }
    void TearDown() override {
        api.reset();
        services.reset();
        close();
    }

    // One call, as the edge makes it. `target` is path and query.
    ApiResponse call(io::Method method, std::string_view target, std::string_view body = {}) {
        ApiResponse answer;
        bool answered = false;
        call_later(method, target, body, [&](ApiResponse&& response) {
            EXPECT_FALSE(answered) << "answered twice";
            answered = true;
            answer = std::move(response);
        });
        EXPECT_TRUE(answered);
        return answer;
    }
    void call_later(io::Method method, std::string_view target, std::string_view body,
                    Respond respond) {
        ApiRequest request;
        const std::size_t mark = target.find('?');
        const std::string_view path = target.substr(0, mark);
        request.method = method;
        request.principal.scopes = identity::ScopeSet::all();  // local mode
        if (mark != std::string_view::npos) request.query = target.substr(mark + 1);
        request.headers = headers;
        if (!body.empty()) {
            request.body = pool.acquire(body.size());
            std::memcpy(request.body.data(), body.data(), body.size());
            request.body.set_size(body.size());
        }
        if (api->match(method, path, request.match) != io::RouteOutcome::kFound) {
            return respond(Api::unmatched(method, request.match, path));
        }
        api->handle(std::move(request), std::move(respond));
    }
    ApiResponse get(std::string_view target) { return call(io::Method::kGet, target); }
    ApiResponse post(std::string_view target, std::string_view body) {
        return call(io::Method::kPost, target, body);
    }

    // Puts one event into the log as the ingest path would.
    core::LogPosition log_event(const std::string& text) {
        std::string padded = text;
        padded.append(core::kPaddingBytes, ' ');
        core::EventParser parser;
        core::Envelope envelope;
        core::Error error;
        EXPECT_TRUE(parser.begin(std::string_view(padded).substr(0, text.size()),
                                 core::BatchFormat::kJson));
        EXPECT_EQ(parser.next(nullptr, envelope, nullptr, error), core::ParseOutcome::kEvent)
            << error.message;
        const store::Hasher& hasher = database_->hasher();
        store::AppendInput input;
        input.raw = envelope.raw;
        input.pattern = envelope.pattern;
        input.received_at_us = clock_.wall_us();
        const auto fill = [&](core::EnvelopeField field, store::EventFlag flag) {
            if (!envelope.has(field)) input.flags |= static_cast<std::uint16_t>(flag);
        };
        fill(core::EnvelopeField::kEventId, store::EventFlag::kFilledEventId);
        fill(core::EnvelopeField::kVersion, store::EventFlag::kFilledVersion);
        fill(core::EnvelopeField::kSource, store::EventFlag::kFilledSource);
        fill(core::EnvelopeField::kTimestamp, store::EventFlag::kFilledTimestamp);
        if (envelope.has(core::EnvelopeField::kEventId)) {
            input.id = hasher.identity(
                {core::TenantId(0), envelope.source_type, envelope.source_id, envelope.event_id});
        }
        const auto hash = [&](std::string_view text_value) {
            return text_value.empty() ? 0 : hasher.text(text_value);
        };
        input.source_hash = hash(envelope.source_id);
        input.correlation_hash = hash(envelope.correlation_id);
        input.causation_hash = hash(envelope.causation_id);
        input.context_hash = hash(envelope.context_id);
        const store::AppendResult result = database_->shard_log(kZero).append(input);
        EXPECT_EQ(result.status, store::AppendStatus::kAppended);
        commit(kZero);
        clock_.advance_us(1000);
        return result.position;
    }

    // A subscription on a script that exists from the first call on.
    SubscriptionRef subscribe(const std::string& id,
                              const std::string& members = R"("pattern":"a.b")") {
        if (!services->registry().find_script(core::TenantId(0), "s1")) {
            EXPECT_EQ(post("/v2/scripts", R"({"id":"s1","name":"s1","source":"return 1"})").status,
                      201);
        }
        const ApiResponse made =
            post("/v2/subscriptions", R"({"id":")" + id +
                                          R"(","executor":{"type":"script","scriptId":"s1"},)" +
                                          members + "}");
        EXPECT_EQ(made.status, 201) << made.body;
        return services->registry().find_subscription(core::TenantId(0), id);
    }

    // What a lane would commit for one attempt.
    void record_outcome(core::LogPosition position, const Subscription& subscription,
                        store::DeliveryStatus status, std::string_view error = {},
                        std::uint32_t attempt = 1) {
        store::RowBatch rows;
        rows.begin_outcomes(position);
        store::OutcomeEntry entry;
        entry.subscription = subscription.number;
        entry.script_version = 1;
        entry.status = status;
        entry.attempt = attempt;
        entry.duration_us = 1500;
        entry.started_at_us = clock_.wall_us();
        entry.result = status == store::DeliveryStatus::kCompleted ? "{\"n\":1}" : "";
        entry.error = error;
        rows.add_outcome(entry);
        rows.end_outcomes();
        commit(kZero, std::move(rows));
    }

    core::BufferPool pool;
    std::vector<std::pair<std::string, std::string>> headers;  // of each call
    std::unique_ptr<FakeServices> services;
    std::unique_ptr<Api> api;
};

}  // namespace millrace::runtime::api::test
