// Goal: schedules and endpoints are read again after a restart as they were kept, take back what
// they say of themselves, and survive a zone that tzdata has lost. Method: a registry over rows in
// memory that is opened again.
#include "runtime/registry/registry.h"
#include "runtime/registry/schedule_row.h"
#include "tests/runtime/registry/memory_registry_rows.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace millrace::runtime {
namespace {

constexpr core::TenantId kTenant{2};

class TimeKindsTest : public ::testing::Test {
protected:
    void SetUp() override {
        open();
        ASSERT_TRUE(registry_->create_script(kTenant, R"({"id":"s1","source":"return 1"})"));
    }
    void open() { registry_ = *Registry::open(rows_, clock_, random_, {}); }
    template <typename T>
    std::string shown(const std::string& id) {
        const auto found = registry_->table<T>().find(kTenant, id);
        return found ? document_kind<T>().show(*found) : std::string();
    }
    template <typename T>
    void keeps(const std::string& body, const std::string& id) {
        auto made = registry_->table<T>().create({.tenant = kTenant}, body);
        ASSERT_TRUE(made) << made.error().message << " " << body;
        const std::string before = shown<T>(id);
        open();
        EXPECT_EQ(shown<T>(id), before);
        auto patched = registry_->table<T>().patch({.tenant = kTenant}, id, before);
        EXPECT_TRUE(patched) << patched.error().message << " " << before;
        auto put = registry_->table<T>().put({.tenant = kTenant}, id, shown<T>(id));
        EXPECT_TRUE(put) << put.error().message << " " << before;
    }

    MemoryRegistryRows rows_;
    core::ManualClock clock_;
    core::Random random_{1};
    std::unique_ptr<Registry> registry_;
};

TEST_F(TimeKindsTest, SchedulesAreReadAgain) {
    keeps<Schedule>(
        R"({"id":"a","name":"\u00e9","cron":"0 9 * * MON#1","timezone":"Europe/Berlin",
            "event":{"pattern":"p","payload":{"a":[1,2.50]},"partitionKey":"k","priority":3,
            "source":{"type":"external","id":"x"},"x-own":null},"overlap":"queueAll",
            "catchUp":{"mode":"all","windowMs":5,"max":7},"jitterMs":9,
            "dst":{"gap":"skip","overlap":"both"},"startAt":"2026-01-01T00:00:00Z",
            "endAt":"2027-01-01T00:00:00Z","maxRuns":4,"pauseOnFailure":true,"active":false})",
        "a");
    keeps<Schedule>(R"({"id":"b","intervalMs":1000,"nextRunAt":"2026-01-01T00:00:00Z",
                        "executor":{"type":"script","scriptId":"s1"}})",
                    "b");
    keeps<Schedule>(R"({"id":"c","at":"2026-01-01T00:00:00Z","event":{"pattern":"p"}})", "c");
    keeps<Schedule>(R"({"id":"d","cron":"@reboot","event":{"pattern":"p"}})", "d");
    EXPECT_EQ(registry_->table<Schedule>().find(kTenant, "b")->not_before_us, 1767225600000000);
    EXPECT_EQ(registry_->table<Schedule>().find(kTenant, "a")->source_id, "x");
}

TEST_F(TimeKindsTest, PatchesGoIntoWhatHoldsMembers) {
    const auto patched = [&](auto& table, const char* id, const char* patch) {
        auto made = table.patch({.tenant = kTenant}, id, patch);
        return made ? document_kind<std::decay_t<decltype(*made->after)>>().show(*made->after)
                    : made.error().message;
    };
    auto& schedules = registry_->table<Schedule>();
    ASSERT_TRUE(schedules.create(
        {.tenant = kTenant},
        R"({"id":"a","intervalMs":1000,"executor":{"type":"webhook","url":"https://a.example/","timeoutMs":5000}})"));
    const std::string called = patched(schedules, "a", R"({"executor":{"timeoutMs":6000}})");
    EXPECT_NE(called.find("https://a.example/"), std::string::npos) << called;
    EXPECT_NE(called.find(R"("timeoutMs":6000)"), std::string::npos) << called;
    // An event is data, in which null is a value.
    ASSERT_TRUE(schedules.create(
        {.tenant = kTenant},
        R"({"id":"b","intervalMs":1000,"event":{"pattern":"p","payload":{"a":1}}})"));
    const std::string sent =
        patched(schedules, "b", R"({"event":{"pattern":"q","payload":{"b":null}}})");
    EXPECT_NE(sent.find(R"("payload":{"b":null})"), std::string::npos) << sent;
    auto& endpoints = registry_->table<Endpoint>();
    ASSERT_TRUE(endpoints.create(
        {.tenant = kTenant},
        R"({"id":"e","code":"e","route":"a","scriptId":"s1","cors":{"origins":["https://a.example"]}})"));
    EXPECT_NE(patched(endpoints, "e", R"({"cors":{}})").find("https://a.example"),
              std::string::npos);
    EXPECT_EQ(patched(endpoints, "e", R"({"cors":null})").find("a.example"), std::string::npos);
    auto& sources = registry_->table<Source>();
    ASSERT_TRUE(sources.create(
        {.tenant = kTenant},
        R"({"id":"h","scheme":"hmac","secrets":["a-long-secret-of-ours"],"hmac":{"header":"X-Sig","prefix":"v0="}})"));
    const std::string signs = patched(sources, "h", R"({"hmac":{"header":"X-Other"}})");
    EXPECT_NE(signs.find(R"("header":"X-Other","prefix":"v0=")"), std::string::npos) << signs;
}

// In one pass or in full, it is the same schedule.
TEST_F(TimeKindsTest, RowsOfThisProgramAreReadInOnePass) {
    for (const char* body : {
             R"({"id":"a","cron":"0 9 * * MON#1","timezone":"Europe/Berlin","jitterMs":9,
                 "event":{"pattern":"p","payload":{"a":["}\"",2.50]},"source":{"type":"external",
                 "id":"x"}},"overlap":"queueAll","catchUp":{"mode":"all","windowMs":5,"max":7},
                 "dst":{"gap":"skip","overlap":"both"},"endAt":"2127-01-01T00:00:00Z","maxRuns":4})",
             R"({"id":"b","intervalMs":1000,"nextRunAt":"2026-01-01T00:00:00.000001Z",
                 "executor":{"type":"script","scriptId":"s1"}})",
             R"({"id":"c","at":"2026-01-01T00:00:00Z","event":{"pattern":"p"},"active":false})",
             R"({"id":"d","cron":"@reboot","event":{"pattern":"p"},"pauseOnFailure":true})"}) {
        const auto made = registry_->table<Schedule>().create({.tenant = kTenant}, body);
        ASSERT_TRUE(made) << made.error().message;
    }
    std::map<std::string, Schedule> quick;
    for (auto& [name, row] : rows_.rows) {
        if (name.first != "schedule") continue;
        Schedule schedule;
        ASSERT_TRUE(read_schedule_row(row.json, schedule)) << row.json;
        for (std::size_t bytes = 0; bytes < row.json.size(); ++bytes) {
            Schedule cut;
            EXPECT_FALSE(read_schedule_row(row.json.substr(0, bytes), cut));
        }
        quick[schedule.id] = schedule;
        // As an older program wrote it.
        const std::size_t at = row.json.find(R"("firstDueUs":)");
        row.json.erase(at, row.json.find(',', at) + 1 - at);
        EXPECT_FALSE(read_schedule_row(row.json, schedule));
    }
    open();
    ASSERT_EQ(quick.size(), 4u);
    for (const auto& [id, one] : quick) {
        const ScheduleRef full = registry_->table<Schedule>().find(kTenant, id);
        ASSERT_NE(full, nullptr);
        EXPECT_EQ(document_kind<Schedule>().show(one), document_kind<Schedule>().show(*full));
        EXPECT_EQ(one.number, full->number);
        EXPECT_EQ(one.tenant, full->tenant);
        EXPECT_EQ(one.version, full->version);
        EXPECT_EQ(one.source_type, full->source_type);
        EXPECT_EQ(one.source_id, full->source_id);
        EXPECT_EQ(one.script_id, full->script_id);
        EXPECT_EQ(one.not_before_us, full->not_before_us);
        EXPECT_EQ(one.first_due_us, full->first_due_us);
        EXPECT_EQ(next_due(one.timing, 0), next_due(full->timing, 0));
        EXPECT_EQ(one.timing.cron.at_start, full->timing.cron.at_start);
    }
    EXPECT_GT(quick["a"].first_due_us, 0);
}

TEST_F(TimeKindsTest, EndpointsAreReadAgain) {
    keeps<Endpoint>(
        R"({"code":"e","name":"n","method":"post","route":"/a/:id/*","scriptId":"s1",
            "auth":"none","rate":2.5,"timeoutMs":10,"cors":{"origins":["https://a.example"]}})",
        "e");
    EXPECT_EQ(registry_->table<Endpoint>().find(kTenant, "e")->origins.size(), 1u);
}

TEST_F(TimeKindsTest, AZoneThatIsGonePausesItsSchedules) {
    ASSERT_TRUE(registry_->table<Schedule>().create(
        {.tenant = kTenant},
        R"({"id":"z","cron":"@daily","timezone":"Europe/Berlin","event":{"pattern":"p"}})"));
    for (auto& [name, row] : rows_.rows) {
        const std::size_t at = row.json.find("Europe/Berlin");
        if (name.first == "schedule" && at != std::string::npos)
            row.json.replace(at, 13, "Europe/Nobody");
    }
    open();
    const ScheduleRef kept = registry_->table<Schedule>().find(kTenant, "z");
    ASSERT_NE(kept, nullptr);
    EXPECT_TRUE(kept->paused);
    EXPECT_NE(kept->pause_reason.find("Europe/Nobody"), std::string::npos);
    const auto same =
        registry_->table<Schedule>().patch({.tenant = kTenant}, "z", R"({"jitterMs":5})");
    EXPECT_FALSE(same);
    const auto mended = registry_->table<Schedule>().patch({.tenant = kTenant}, "z",
                                                           R"({"timezone":"Europe/Paris"})");
    EXPECT_TRUE(mended) << mended.error().message;
}

TEST_F(TimeKindsTest, AScriptThatIsNeededStays) {
    ASSERT_TRUE(registry_->table<Endpoint>().create({.tenant = kTenant},
                                                    R"({"code":"e","route":"a","scriptId":"s1"})"));
    const auto removed = registry_->remove_script(kTenant, "s1");
    ASSERT_FALSE(removed);
    EXPECT_EQ(removed.error().code, core::ErrorCode::kConflict);
}

}  // namespace
}  // namespace millrace::runtime
