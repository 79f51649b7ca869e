// Goal: whatever a stored document has become, the server starts with the rest and tells of it; a
// change that a shard does not take up in time is in registry and matcher, or in neither.
// Method: the server's own parts on one thread, rows written by hand.
#include "core/config.h"
#include "core/log.h"
#include "runtime/delivery/attempt_result.h"
#include "runtime/links/link_state.h"
#include "runtime/scheduler/schedule_state.h"
#include "runtime/server/server_parts.h"
#include "store/rows/registry_store.h"
#include "store/rows/retry_schedule.h"
#include "store/rows/row_batch.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include <unistd.h>

namespace millrace::runtime {
namespace {

class ServerDocuments : public testing::Test {
protected:
    void SetUp() override {
        static int number = 0;
        folder_ =
            std::filesystem::temp_directory_path() /
            ("millrace-documents-" + std::to_string(::getpid()) + "-" + std::to_string(number++));
    }
    void TearDown() override {
        parts_.reset();
        std::filesystem::remove_all(folder_);
    }

    // Everything but the threads.
    void start() {
        parts_.reset();
        core::Config config;
        config.data.dir = folder_.string();
        config.http.listen = "127.0.0.1:0";
        config.socket.listen.clear();
        config.engine.shards = 1;
        config.engine.lanes = 1;
        config.store.reserve_bytes = 0;
        ServerSeams seams;
        seams.clock = &clock_;
        seams.seed = 7;
        seams.matcher_thread = false;
        seams.yield = [this] {
            clock_.advance_us(1'000'000);
            // Who waits follows no snapshot.
            for (auto& shard : parts_->shards) shard->wait(0);
            parts_->feeder->wait(0);
        };
        parts_ = std::make_unique<ServerParts>(config, log_, seams);
        for (const auto step :
             {&ServerParts::open_store, &ServerParts::open_registry, &ServerParts::build_edge,
              &ServerParts::build_shards, &ServerParts::build_lanes}) {
            const core::Status status = ((*parts_).*step)();
            ASSERT_TRUE(status) << status.error().message;
            if (step == &ServerParts::open_registry && registry_is_open_) registry_is_open_();
        }
    }
    void put(std::string_view kind, std::string_view id, std::string_view json) {
        store::RowBatch batch;
        batch.put_registry(kind, id, 1, 0, json);
        ASSERT_TRUE(parts_->database->write_now(batch));
    }
    void register_some() {
        Registry& registry = *parts_->registry;
        ASSERT_TRUE(registry.create_script({}, R"({"id":"s1","source":"return 1"})"));
        ASSERT_TRUE(registry.create_subscription(
            {}, R"({"id":"u1","pattern":"a","executor":{"type":"script","scriptId":"s1"}})", {}));
        ASSERT_TRUE(registry.table<Secret>().create({}, R"({"name":"k","value":"v"})"));
    }

    std::function<void()> registry_is_open_;
    std::filesystem::path folder_;
    core::ManualClock clock_;
    core::Log log_{clock_, core::LogLevel::kOff};
    std::unique_ptr<ServerParts> parts_;
};

TEST_F(ServerDocuments, AStartGoesOnWithoutWhatItCanNotRead) {
    start();
    register_some();
    for (const char* kind : {"script", "script_version", "subscription", "secret", "secret_version",
                             "replay", "run"}) {
        put(kind, "0/torn", "{\"number\":");
        put(kind, "0/other", R"({"number":1e400})");
        put(kind, "no id", "[]");
    }
    start();
    EXPECT_EQ(parts_->set_aside.count(), 21u);
    EXPECT_TRUE(parts_->registry->find_script({}, "s1"));
    EXPECT_TRUE(parts_->registry->find_subscription({}, "u1"));
    EXPECT_TRUE(parts_->registry->table<Secret>().find({}, "k"));
    const api::Readiness readiness = parts_->services->readiness();
    EXPECT_TRUE(readiness.ready);
    EXPECT_EQ(readiness.set_aside, 21u);
    EXPECT_EQ(readiness.set_aside_rows.size(), SetAside::kNamedMax);
    // They are kept, for whoever can mend them.
    start();
    EXPECT_EQ(parts_->set_aside.count(), 21u);
}

// The kinds that a start reads, each by the part that it is for.
TEST_F(ServerDocuments, NoKindOfRowStopsAStart) {
    start();
    register_some();
    constexpr std::string_view kKinds[] = {"script",
                                           "secret",
                                           "action",
                                           "source",
                                           "schema",
                                           "workflow",
                                           "link",
                                           "edge",
                                           "subscription",
                                           "tenant",
                                           "key",
                                           "schedule",
                                           "endpoint",
                                           "hook",
                                           "schema_version",
                                           "workflow_version",
                                           "link_state",
                                           "edge_mark",
                                           "schedule_state",
                                           "secret_workflow_key",
                                           "replay",
                                           "run",
                                           "script_canary",
                                           "subscription_unread"};
    for (const std::string_view kind : kKinds) put(kind, "0/torn", "{\"number\":");
    // Set aside by nobody: what they say is not missed, or is asked for later.
    for (const char* kind :
         {"executor_state", "cancelled_event", "key_use", "counter", "audit_head", "audit_promised",
          "script_canary_figures", "endpoint_answer", "schema_state", "replay_diff", "workflow_run",
          "workflow_active", "workflow_journal", "workflow_code", "dead_letter_edit", "dlq_group",
          "schedule_run", "hub_forward"})
        put(kind, "0/torn", "{\"number\":");
    start();
    for (const std::string_view kind : kKinds) EXPECT_TRUE(parts_->set_aside.any_of(kind)) << kind;
    EXPECT_TRUE(parts_->registry->find_subscription({}, "u1"));
}

// One damaged row costs what it says itself, and nothing that stands in others.
TEST_F(ServerDocuments, WhatIsKeptForADocumentStaysWhenThatDoesNotRead) {
    start();
    register_some();
    Registry& registry = *parts_->registry;
    const core::SubscriptionId number = registry.find_subscription({}, "u1")->number;
    ASSERT_TRUE(
        registry.table<Schedule>().create({}, R"({"id":"t","cron":"0 3 * * *","pattern":"p"})"));
    ASSERT_TRUE(registry.table<Link>().create({}, R"({"id":"l","direction":"in","type":"redis",)"
                                                  R"("config":{"host":"h","stream":"s"}})"));
    ASSERT_TRUE(registry.table<EdgeNode>().create({}, R"({"id":"e"})"));
    const std::string row_of_number = std::to_string(number.value);
    store::RowBatch rows;
    ScheduleState schedule;
    schedule.number = registry.table<Schedule>().find({}, "t")->number.value;
    put_schedule_state(rows, schedule);
    LinkState link;
    link.number = registry.table<Link>().find({}, "l")->number.value;
    put_link_state(rows, link, 0);
    hub::EdgeMark mark;
    mark.edge = registry.table<EdgeNode>().find({}, "e")->number.value;
    mark.incarnation = 7;
    put_edge_mark(rows, mark);
    rows.put_registry(kExecutorStateKind, row_of_number, 1, 0, "{}");
    rows.put_retry({.due_at_us = 1, .delivery = {{}, number}, .state = "1"});
    rows.put_retry(
        {.due_at_us = store::kParkedDueUs, .delivery = {{}, number}, .key_hash = 5, .state = "0"});
    rows.put_cursor(behind_cursor(number), {});
    ASSERT_TRUE(parts_->database->write_now(rows));

    const auto all_there = [&] {
        const auto has = [&](std::string_view kind, const std::string& id) {
            return parts_->database->registry().get(kind, id)->has_value();
        };
        std::string id = ledger_prefix({}, schedule.number);
        id.pop_back();
        EXPECT_TRUE(has(kScheduleStateKind, id));
        EXPECT_TRUE(has(kLinkStateKind, link_state_id(link)));
        EXPECT_TRUE(has(hub::kEdgeMarkKind, edge_mark_id(mark)));
        EXPECT_TRUE(has(kExecutorStateKind, row_of_number));
        EXPECT_EQ(parts_->database->retries().count(), 2u);
        BehindTable::Place place;
        EXPECT_TRUE(parts_->behind.find(number, core::ShardId{0}, place));
    };
    const auto script = *parts_->database->registry().get("script", "0/s1");
    ASSERT_TRUE(script);
    for (const char* damaged : {"script 0/s1", "schedule 0/t", "link 0/l", "edge 0/e"}) {
        const std::string_view name = damaged;
        put(name.substr(0, name.find(' ')), name.substr(name.find(' ') + 1), "[]");
    }
    start();
    EXPECT_FALSE(parts_->registry->find_subscription({}, "u1"));
    for (int turns = 0; turns < 50; ++turns) {
        clock_.advance_us(100'000);
        for (core::Agent* agent : {static_cast<core::Agent*>(parts_->feeder.get()),
                                   static_cast<core::Agent*>(parts_->lanes[0].get()),
                                   static_cast<core::Agent*>(parts_->shards[0].get())})
            (void)agent->do_work();
        (void)parts_->writer->do_work();
    }
    all_there();
    put("script", "0/s1", script->json);
    start();
    ASSERT_TRUE(parts_->registry->find_subscription({}, "u1"));
    all_there();
    EXPECT_FALSE(parts_->registry->snapshot()->waits(number));
}

TEST_F(ServerDocuments, LanesKnowWhenOneThatDidNotReadIsTakenAway) {
    start();
    register_some();
    put("subscription", "0/u1", "[]");
    start();
    EXPECT_TRUE(parts_->registry->snapshot()->unknown_set_aside);
    const auto gone = parts_->registry->table<Subscription>().remove({}, "u1");
    ASSERT_TRUE(gone);
    EXPECT_TRUE(parts_->services->registry_changed(*gone));
    EXPECT_FALSE(parts_->registry->snapshot()->unknown_set_aside);
    EXPECT_EQ(parts_->services->registry_version(), parts_->registry->version());
}

TEST_F(ServerDocuments, WhatTheMatcherDidNotTakeGetsWhatCameMeanwhileWhenItDoesAgain) {
    start();
    register_some();
    const core::SubscriptionId number = parts_->registry->find_subscription({}, "u1")->number;
    registry_is_open_ = [&] {
        parts_->not_matched = {parts_->registry->find_subscription({}, "u1")};
    };
    BehindTable::Place place;
    for (int starts = 0; starts < 2; ++starts) {
        start();
        EXPECT_TRUE(*parts_->database->registry().get("subscription_unread", "0/u1"));
        EXPECT_FALSE(parts_->behind.find(number, core::ShardId{0}, place));
    }
    registry_is_open_ = {};
    start();
    EXPECT_FALSE(*parts_->database->registry().get("subscription_unread", "0/u1"));
    EXPECT_TRUE(parts_->behind.find(number, core::ShardId{0}, place));
}

// A reader that looked once and never again stands for a shard that hangs.
TEST_F(ServerDocuments, AChangeThatAShardDoesNotTakeUpIsNowhere) {
    start();
    register_some();
    EngineServices& services = *parts_->services;
    auto& table = parts_->registry->table<Subscription>();
    auto shard = parts_->matcher->register_reader();
    (void)shard.observe();
    const auto made = table.create(
        {}, R"({"id":"u2","pattern":"b","executor":{"type":"script","scriptId":"s1"}})");
    ASSERT_TRUE(made);
    const core::Status late = services.registry_changed(*made);
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code, core::ErrorCode::kUnavailable);
    const auto undone = table.undo(*made);
    ASSERT_TRUE(undone);
    services.registry_undone(*undone);
    EXPECT_EQ(parts_->matcher->stats().subscriptions, 0u);
    shard.offline();
    const auto again = table.create(
        {}, R"({"id":"u2","pattern":"b","executor":{"type":"script","scriptId":"s1"}})");
    ASSERT_TRUE(again);
    EXPECT_TRUE(services.registry_changed(*again));
    EXPECT_EQ(parts_->matcher->stats().subscriptions, 1u);
}

}  // namespace
}  // namespace millrace::runtime
