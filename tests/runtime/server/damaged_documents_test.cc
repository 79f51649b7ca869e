// Goal: whatever a stored document has become, the server starts with the rest and tells of it; a
// change that a shard does not take up in time is in registry and matcher, or in neither.
// Method: the server's own parts on one thread, rows written by hand.
#include "core/config.h"
#include "core/log.h"
#include "runtime/server/server_parts.h"
#include "store/rows/row_batch.h"

#include <gtest/gtest.h>

#include <filesystem>
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
