// Goal: a trial tells an emitted event as a dry run does, with everything that the handler said of
// it: two versions that differ in a member of it alone differ.
// Method: pairs of handlers that differ in one option of an emit.
#include "runtime/executors/script_trial.h"

#include "runtime/delivery/emitted_json.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace::runtime {
namespace {

TrialOutcome tried(const std::string& options) {
    Script script;
    script.id = script.name = "s";
    script.source =
        "return function(e) sdk.events.emit('a.b', {n = 1}, {" + options + "}) return 1 end";
    script.memory_bytes = 4 << 20;
    TrialCase what;
    what.script = &script;
    what.event = R"({"pattern":"p","eventId":"e","payload":{}})";
    what.event_id = "e";
    what.now_us = 1'700'000'000'000'000;
    return try_script(what, nullptr);
}

TEST(ScriptTrial, TellsAllOfAnEmittedEvent) {
    const TrialOutcome outcome = tried(
        "context = {type = 'user', id = 'u1'}, scheduledAt = '2030-01-02T03:04:05Z', "
        "partitionKey = 'k', priority = 3, version = '2', correlationId = 'c'");
    ASSERT_EQ(outcome.status, "completed") << outcome.error;
    ASSERT_EQ(outcome.emitted.size(), 1u);
    EmittedEvent event;
    event.pattern = "a.b";
    event.payload = R"({"n":1})";
    event.partition_key = "k";
    event.version = "2";
    event.correlation_id = "c";
    event.context_json = R"({"type":"user","id":"u1"})";
    event.scheduled_at_us = 1'893'553'445'000'000;
    event.priority = 3;
    const std::string& told = outcome.emitted[0];
    for (const char* member : {"\"context\"", "\"u1\"", "\"scheduledAt\":\"2030-01-02T03:04:05"})
        EXPECT_NE(told.find(member), std::string::npos) << told;
    EXPECT_EQ(told.size(), emitted_json(event).size()) << told << "\n" << emitted_json(event);
}

// What it waits for takes no time, and so many waits take the trial's.
TEST(ScriptTrial, AScriptThatWaitsForEverComesToAnEnd) {
    Script script;
    script.id = script.name = "s";
    script.memory_bytes = 4 << 20;
    script.timeout_ms = 100;
    TrialCase what;
    what.script = &script;
    what.event = R"({"pattern":"p","eventId":"e","payload":{}})";
    what.event_id = "e";
    what.now_us = 1'700'000'000'000'000;
    script.source = "return function() while true do sdk.sleep(1) end end";
    EXPECT_EQ(try_script(what, nullptr).status, "timeout");
    script.source = "return function() for i = 1, 20 do sdk.sleep(60000) end return 'well' end";
    const TrialOutcome long_waits = try_script(what, nullptr);
    EXPECT_EQ(long_waits.result, "\"well\"") << long_waits.error;
    script.timeout_ms = 10'000;
    script.source = "return function() for i = 1, 20000 do sdk.kv.get('k' .. i) end end";
    EXPECT_EQ(try_script(what, nullptr).reads.size(), 10'000u);
}

TEST(ScriptTrial, OneOptionOfAnEmitIsADifference) {
    const TrialOutcome plain = tried("");
    for (const char* option :
         {"context = {type = 'user', id = 'u1'}", "scheduledAt = '2030-01-02T03:04:05Z'",
          "priority = 1", "partitionKey = 'k'", "version = '2'", "correlationId = 'c'"}) {
        const auto differs = trial_differences(plain, tried(option));
        ASSERT_EQ(differs.size(), 1u) << option;
        EXPECT_EQ(differs[0], "emitted") << option;
    }
    EXPECT_TRUE(trial_differences(plain, tried("")).empty());
}

}  // namespace
}  // namespace millrace::runtime
