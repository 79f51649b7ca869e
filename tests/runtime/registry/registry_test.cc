// Goal: bodies are checked with named members, what is published was written first, numbers are
// never used twice, and everything is there again after opening the same rows.
#include "runtime/registry/registry.h"

#include "matcher/subscription_spec.h"
#include "tests/runtime/registry/memory_registry_rows.h"

#include <gtest/gtest.h>

namespace millrace::runtime {
namespace {

constexpr core::TenantId kTenant{0};

struct RegistryTest : testing::Test {
    MemoryRegistryRows rows;
    core::ManualClock clock;
    core::Random random{1};
    std::unique_ptr<Registry> registry = open();

    std::unique_ptr<Registry> open() {
        Registry::Options options;
        options.check_script = [](const std::string&, const std::string& source) -> core::Status {
            if (source == "bad")
                return core::fail(core::ErrorCode::kValidation,
                                  "source: line 1: unexpected symbol");
            return {};
        };
        auto opened = Registry::open(rows, clock, random, options);
        EXPECT_TRUE(opened) << opened.error().message;
        return std::move(*opened);
    }
    void reopen() { registry = open(); }

    ScriptRef script(std::string_view id = "s1") {
        return registry
            ->create_script(kTenant, R"({"id":")" + std::string(id) + R"(","source":"return 1"})")
            .value();
    }
    core::Result<SubscriptionRef> subscribe(const std::string& members, LogEnds ends = {}) {
        return registry->create_subscription(
            kTenant,
            R"({"pattern":"a.b","executor":{"type":"script","scriptId":"s1"})" + members + "}",
            std::move(ends));
    }
    std::string subscribe_error(const std::string& body) {
        const auto made = registry->create_subscription(kTenant, body, {});
        return made ? "" : made.error().message;
    }
};

TEST_F(RegistryTest, CreatesAScriptWithDefaults) {
    const ScriptRef made = registry->create_script(kTenant, R"({"source":"return 1"})").value();
    EXPECT_EQ(made->id.substr(0, 4), "scr_");
    EXPECT_EQ(made->id.size(), 20u);
    EXPECT_EQ(made->name, made->id);
    EXPECT_EQ(made->timeout_ms, 30'000);
    EXPECT_EQ(made->permissions, kPermissionsAll);
    EXPECT_EQ(registry->snapshot()->script(made->number), made.get());
    EXPECT_EQ(registry->find_script(kTenant, made->id), made);
    EXPECT_EQ(registry->find_script(core::TenantId(7), made->id), nullptr);
}

TEST_F(RegistryTest, ScriptBodiesAreCheckedByName) {
    const char* cases[][2] = {
        {R"({})", "source is required"},
        {R"({"source":""})", "source must not be empty"},
        {R"({"source":5})", "source must be a string, not a number"},
        {R"({"source":"bad"})", "source: line 1: unexpected symbol"},
        {R"({"source":"x","type":"odd"})",
         "type is \"odd\"; expected one of: event, scheduled, endpoint, api, hook, workflow"},
        {R"({"source":"x","timeoutMs":0})", "timeoutMs is 0; it must be between 1 and 300000"},
        {R"({"source":"x","memoryBytes":5})",
         "memoryBytes is 5; it must be between 1048576 and 1073741824"},
        {R"({"source":"x","permissions":["root"]})",
         "permissions has \"root\"; expected http, kv, emit, secrets"},
        {R"({"source":"x","enabled":"yes"})", "enabled must be true or false, not a string"},
        {R"({"source":"x","id":"a b"})", "id may hold letters, digits and _ - . : @ only"},
        {R"({"source":"x","id":".."})", "id is not usable in a path"},
        {R"({"source":"x","bogus":1})", "bogus is not a known member"},
    };
    for (const auto& row : cases) {
        const auto made = registry->create_script(kTenant, row[0]);
        ASSERT_FALSE(made) << row[0];
        EXPECT_EQ(made.error().message, row[1]);
        EXPECT_EQ(made.error().code, core::ErrorCode::kValidation);
    }
    EXPECT_TRUE(rows.rows.empty());
}

TEST_F(RegistryTest, ATakenIdIsAConflict) {
    script();
    EXPECT_EQ(registry->create_script(kTenant, R"({"id":"s1","source":"x"})").error().code,
              core::ErrorCode::kConflict);
    EXPECT_TRUE(registry->create_script(core::TenantId(2), R"({"id":"s1","source":"x"})"));
    ASSERT_TRUE(subscribe(R"(,"id":"u")"));
    EXPECT_EQ(subscribe(R"(,"id":"u")").error().code, core::ErrorCode::kConflict);
}

TEST_F(RegistryTest, PutMakesANewVersionAndKeepsTheOldOnes) {
    const ScriptRef first = script();
    const ScriptRef second =
        registry->update_script(kTenant, "s1", R"({"source":"return 2","enabled":false})").value();
    EXPECT_EQ(second->version, 2u);
    EXPECT_EQ(second->number, first->number);
    EXPECT_FALSE(second->enabled);
    EXPECT_NE(second->hash, first->hash);
    ASSERT_EQ(registry->script_versions(kTenant, "s1").size(), 2u);
    EXPECT_EQ(registry->script_versions(kTenant, "s1")[0]->source, "return 1");
    EXPECT_EQ(registry->update_script(kTenant, "nope", R"({"source":"x"})").error().code,
              core::ErrorCode::kNotFound);
    EXPECT_EQ(
        registry->update_script(kTenant, "s1", R"({"id":"other","source":"x"})").error().field,
        "id");
    for (int i = 0; i < 60; ++i)
        ASSERT_TRUE(registry->update_script(kTenant, "s1", R"({"source":"x"})"));
    EXPECT_EQ(registry->script_versions(kTenant, "s1").size(), kScriptVersionsMax);
    reopen();
    EXPECT_EQ(registry->script_versions(kTenant, "s1").size(), kScriptVersionsMax);
    EXPECT_EQ(registry->script_versions(kTenant, "s1").back()->version, 62u);
}

TEST_F(RegistryTest, AScriptInUseIsNotRemoved) {
    script();
    ASSERT_TRUE(subscribe(R"(,"id":"user")"));
    const auto refused = registry->remove_script(kTenant, "s1");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, core::ErrorCode::kConflict);
    EXPECT_NE(refused.error().message.find("user"), std::string::npos);
    ASSERT_TRUE(registry->remove_subscription(kTenant, "user"));
    const ScriptRef removed = registry->remove_script(kTenant, "s1").value();
    EXPECT_EQ(registry->snapshot()->script(removed->number), nullptr);
    EXPECT_EQ(rows.rows.size(), 2u) << "only the two counters stay";
}

TEST_F(RegistryTest, SubscriptionBodiesAreCheckedByName) {
    script();
    const std::string executor = R"("executor":{"type":"script","scriptId":"s1"})";
    const std::string cases[][2] = {
        {"{" + executor + "}", "pattern is required"},
        {R"({"pattern":"a"})", "executor is required"},
        {R"({"pattern":"a","executor":{"type":"script"}})", "executor.scriptId is required"},
        {R"({"pattern":"a","executor":{"type":"script","scriptId":"no"}})",
         "executor.scriptId is \"no\"; no script has that id"},
        {R"({"pattern":"a","executor":{"type":"teleport","scriptId":"s1"}})",
         "executor.type is \"teleport\"; expected one of: script, webhook, command, workflow, "
         "link"},
        {R"({"pattern":"a","executor":{"type":"script","scriptId":"s1","x":1}})",
         "executor.x is not a known member"},
        {R"({"pattern":"a","retry":{"maxRetries":-1},)" + executor + "}",
         "retry.maxRetries is -1; it must be between 0 and 100"},
        {R"({"pattern":"a","retry":{"backoffFactor":"x"},)" + executor + "}",
         "retry.backoffFactor must be a number between 1 and 100"},
        {R"({"pattern":"a","executor":{"type":"webhook","url":"https://a.example/","ratePerSecond":2e9}})",
         "executor.ratePerSecond is 2e9; it must be a number between 0.001 and 100000"},
        {R"({"pattern":"a","priority":"high",)" + executor + "}",
         "priority must be a whole number between -2147483648 and 2147483647"},
        {R"({"pattern":"a","bogus":1,)" + executor + "}", "bogus is not a known member"},
    };
    for (const auto& row : cases) EXPECT_EQ(subscribe_error(row[0]), row[1]);
    EXPECT_NE(subscribe_error(R"({"pattern":"a","filter":"$.a >",)" + executor + "}"), "");
    EXPECT_NE(subscribe_error(R"({"pattern":{"type":"regex","value":"("},)" + executor + "}"), "");
    EXPECT_NE(subscribe_error(R"({"pattern":5,)" + executor + "}"), "");
    EXPECT_EQ(registry->snapshot()->subscriptions.size(), 0u);
}

TEST_F(RegistryTest, ASubscriptionShowsEveryDefault) {
    script();
    const SubscriptionRef made = subscribe(R"(,"id":"u","filter":"$.amount > 1")").value();
    EXPECT_EQ(
        made->document,
        R"({"id":"u","name":"u","pattern":"a.b","filter":"$.amount > 1","executor":{"type":"script","scriptId":"s1"},)"
        R"("priority":0,"retry":{"maxRetries":3,"initialDelayMs":60000,"maxDelayMs":3600000,"backoffFactor":2,"jitter":true},)"
        R"("ordering":"key","active":true,"paused":false,"version":1,"createdAt":"2023-11-14T22:13:20.000Z","updatedAt":"2023-11-14T22:13:20.000Z"})");
}

TEST_F(RegistryTest, PatchMergesAndCountsVersions) {
    script();
    const SubscriptionRef made = subscribe(R"(,"id":"u","filter":"$.a == 1")").value();
    clock.advance_us(1'000'000);
    const SubscriptionRef patched =
        registry
            ->patch_subscription(kTenant, "u",
                                 R"({"filter":null,"priority":7,"retry":{"maxRetries":0}})", {})
            .value();
    EXPECT_EQ(patched->version, 2u);
    EXPECT_EQ(patched->number, made->number);
    EXPECT_EQ(patched->priority, 7);
    EXPECT_EQ(patched->retry.retries_max, 0u);
    EXPECT_EQ(patched->retry.initial_delay_ms, 60'000);
    EXPECT_EQ(patched->created_at_us, made->created_at_us);
    EXPECT_GT(patched->updated_at_us, made->updated_at_us);
    EXPECT_EQ(patched->document.find("filter"), std::string::npos);
    EXPECT_EQ(registry->patch_subscription(kTenant, "u", R"({"id":"v"})", {}).error().field, "id");
    EXPECT_EQ(registry->patch_subscription(kTenant, "u", R"({"pattern":null})", {}).error().field,
              "pattern");
    EXPECT_EQ(registry->patch_subscription(kTenant, "x", R"({})", {}).error().code,
              core::ErrorCode::kNotFound);
    EXPECT_EQ(registry->find_subscription(kTenant, "u")->version, 2u)
        << "refused patches change nothing";
}

TEST_F(RegistryTest, GetsWhatCameWhileItWasOn) {
    script();
    const LogEnds ends = {core::LogOffset(10), core::LogOffset(20)};
    ASSERT_TRUE(subscribe(R"(,"id":"u")", ends));
    const LogEnds off = {core::LogOffset(100), core::LogOffset(200)};
    const LogEnds on = {core::LogOffset(150), core::LogOffset(250)};
    EXPECT_EQ(registry->patch_subscription(kTenant, "u", R"({"priority":1})", off)
                  .value()
                  ->effective_from,
              ends);
    ASSERT_TRUE(registry->patch_subscription(kTenant, "u", R"({"active":false})", off));
    const SubscriptionRef again =
        registry->patch_subscription(kTenant, "u", R"({"active":true})", on).value();
    const auto gets = [&again](std::uint16_t shard, std::uint64_t offset) {
        return again->is_effective_at({core::ShardId(shard), core::LogOffset(offset)});
    };
    EXPECT_FALSE(gets(1, 19)) << "before it was made";
    EXPECT_TRUE(gets(1, 20));
    EXPECT_TRUE(gets(1, 199)) << "it waited when it was switched off";
    EXPECT_FALSE(gets(1, 200));
    EXPECT_FALSE(gets(1, 249)) << "it came while it was off";
    EXPECT_TRUE(gets(1, 250));
    EXPECT_TRUE(gets(2, 0)) << "a shard that was not there";
}

TEST_F(RegistryTest, OffPeriodsGoWhenEverythingBeforeTheirEndIsHandled) {
    script();
    ASSERT_TRUE(subscribe(R"(,"id":"u")", {core::LogOffset(0)}));
    auto& table = registry->table<Subscription>();
    const auto turn = [&](bool on, std::uint64_t end, std::uint64_t handled) {
        const std::string patch = on ? R"({"active":true})" : R"({"active":false})";
        return table.patch({.tenant = kTenant,
                            .log_ends = {core::LogOffset(end)},
                            .handled_to = {core::LogOffset(handled)}},
                           "u", patch);
    };
    std::uint64_t end = 1;
    for (std::size_t i = 0; i < kOffPeriodsMax; ++i) {
        ASSERT_TRUE(turn(false, end++, 0));
        ASSERT_TRUE(turn(true, end++, 0));
    }
    EXPECT_EQ(turn(false, end, 0).error().code, core::ErrorCode::kConflict);
    ASSERT_TRUE(turn(false, end, 5)) << "the first ones are not needed any more";
    EXPECT_LE(registry->find_subscription(kTenant, "u")->off_periods.size(), kOffPeriodsMax);
}

TEST_F(RegistryTest, WhatIsOnItsWayOutIsFoundByNobody) {
    script();
    ASSERT_TRUE(subscribe(R"(,"id":"u")"));
    auto& table = registry->table<Subscription>();
    ASSERT_TRUE(table.amend({.tenant = kTenant}, "u", "delete", [](Subscription& next) {
        next.closing = Closing::kDeadLetter;
        return core::Status{};
    }));
    EXPECT_EQ(registry->find_subscription(kTenant, "u"), nullptr);
    registry->list_subscriptions(kTenant, "", [](const SubscriptionRef&) {
        ADD_FAILURE() << "it is listed";
        return true;
    });
    EXPECT_EQ(subscribe(R"(,"id":"u")").error().code, core::ErrorCode::kConflict);
    EXPECT_EQ(registry->snapshot()->subscriptions.size(), 1u) << "what waits is still its";
    reopen();
    EXPECT_EQ(registry->find_subscription(kTenant, "u"), nullptr);
    ASSERT_TRUE(registry->table<Subscription>().remove_hidden(kTenant, "u"));
    EXPECT_TRUE(subscribe(R"(,"id":"u")"));
}

TEST_F(RegistryTest, EverythingIsThereAfterAReopen) {
    script();
    const SubscriptionRef made =
        subscribe(
            R"(,"id":"u","name":"n","priority":-3,"active":false,"filters":{"amount":{"gt":5}})",
            {core::LogOffset(9)})
            .value();
    const ScriptRef old_script = registry->find_script(kTenant, "s1");
    reopen();
    const SubscriptionRef loaded = registry->find_subscription(kTenant, "u");
    ASSERT_TRUE(loaded);
    EXPECT_EQ(loaded->document, made->document);
    EXPECT_EQ(loaded->number, made->number);
    EXPECT_EQ(loaded->effective_from, made->effective_from);
    EXPECT_EQ(*loaded->spec, *made->spec);
    EXPECT_EQ(loaded->executor.script, old_script->number);
    EXPECT_FALSE(loaded->active);
    EXPECT_EQ(registry->find_script(kTenant, "s1")->hash, old_script->hash);
    EXPECT_EQ(registry->snapshot()->subscription(loaded->number), loaded.get());
}

TEST_F(RegistryTest, NumbersAreNeverUsedAgain) {
    script();
    const auto first = subscribe(R"(,"id":"u")").value()->number;
    ASSERT_TRUE(registry->remove_subscription(kTenant, "u"));
    reopen();
    const auto second = subscribe(R"(,"id":"u")").value()->number;
    EXPECT_GT(second, first);
}

TEST_F(RegistryTest, NothingIsPublishedThatWasNotWritten) {
    script();
    const std::uint64_t version = registry->version();
    rows.failing = true;
    EXPECT_EQ(subscribe("").error().code, core::ErrorCode::kUnavailable);
    EXPECT_EQ(registry->create_script(kTenant, R"({"source":"x"})").error().code,
              core::ErrorCode::kUnavailable);
    EXPECT_FALSE(registry->update_script(kTenant, "s1", R"({"source":"x"})"));
    EXPECT_FALSE(registry->remove_script(kTenant, "s1"));
    EXPECT_EQ(registry->version(), version);
    rows.failing = false;
    EXPECT_EQ(subscribe("").value()->number.value, 1u);
}

TEST_F(RegistryTest, OldSnapshotsStayAsTheyWere) {
    script();
    const SubscriptionRef made = subscribe(R"(,"id":"u")").value();
    const RegistrySnapshotRef before = registry->snapshot();
    ASSERT_TRUE(registry->remove_subscription(kTenant, "u"));
    EXPECT_EQ(before->subscription(made->number), made.get());
    EXPECT_EQ(registry->snapshot()->subscription(made->number), nullptr);
}

TEST_F(RegistryTest, ListsInTheOrderOfIdsBehindAnId) {
    script();
    for (const char* id : {"c", "a", "d", "b"})
        ASSERT_TRUE(subscribe(R"(,"id":")" + std::string(id) + "\""));
    std::string seen;
    registry->list_subscriptions(kTenant, "a", [&](const SubscriptionRef& subscription) {
        seen += subscription->id;
        return seen.size() < 2;
    });
    EXPECT_EQ(seen, "bc");
    registry->list_subscriptions(core::TenantId(9), "",
                                 [&](const SubscriptionRef&) { return ADD_FAILURE(), true; });
}

TEST_F(RegistryTest, OlderDocumentsSpellingsAreTaken) {
    const ScriptRef made =
        registry->create_script(kTenant, R"({"id":"s1","source":"x","timeout_ms":77})").value();
    EXPECT_EQ(made->timeout_ms, 77);
    const auto subscription = registry->create_subscription(
        kTenant,
        R"({"id":"u","event_type":"a_b","executor":{"type":"script","script_id":"s1"},)"
        R"("filters":{"event_type":"x","max_attempts":3},)"
        R"("retry_policy":{"max_attempts":5,"initial_delay":"2s","max_delay_ms":9000,)"
        R"("backoff_factor":3}})",
        {});
    ASSERT_TRUE(subscription) << subscription.error().message;
    const std::string& shown = (*subscription)->document;
    EXPECT_NE(shown.find(R"("pattern":"a_b")"), std::string::npos) << shown;
    EXPECT_NE(shown.find(R"("filters":{"event_type":"x","max_attempts":3})"), std::string::npos)
        << "what is looked for in events is the client's";
    EXPECT_EQ((*subscription)->retry.retries_max, 4u) << "attempts count the first try";
    EXPECT_EQ((*subscription)->retry.initial_delay_ms, 2000);
    EXPECT_EQ((*subscription)->retry.max_delay_ms, 9000);
    EXPECT_EQ((*subscription)->retry.backoff_factor, 3);
    EXPECT_EQ(
        registry->patch_subscription(kTenant, "u", R"({"retry_polici":{}})", {}).error().field,
        "retry_polici");
}

TEST_F(RegistryTest, AHandlerOfTheOlderDocumentsIsASubscription) {
    script();
    const auto made = registry->create_subscription(
        kTenant,
        R"({"id":"c","event_type":"system.maintenance","executor_type":"command",)"
        R"("configuration":{"command":"/bin/true","args":["--full"],"timeout_ms":300000},)"
        R"("retry_policy":{"strategy":"fixed","max_attempts":3,"initial_delay_ms":1000}})",
        {});
    ASSERT_TRUE(made) << made.error().message;
    const std::string& shown = (*made)->document;
    EXPECT_NE(shown.find(R"("executor":{"type":"command","command":"/bin/true")"),
              std::string::npos)
        << shown;
    EXPECT_NE(shown.find(R"("timeoutMs":300000)"), std::string::npos) << shown;
    EXPECT_EQ((*made)->retry.retries_max, 2u);
    EXPECT_EQ((*made)->retry.backoff_factor, 1);
    // The type of events is the pattern of one or its class.
    EXPECT_NE(shown.find("$.pattern == 'system.maintenance' || "
                         "$.metadata.class == 'system.maintenance'"),
              std::string::npos)
        << shown;
}

TEST_F(RegistryTest, BothSpellingsAtOnceAreRefusedByBothNames) {
    script();
    const auto refused = [&](const std::string& members) {
        return registry->create_subscription(kTenant, R"({"id":"t",)" + members + "}", {})
            .error()
            .message;
    };
    EXPECT_EQ(refused(R"("event_type":"a","pattern":"b")"),
              "pattern and event_type say the same; give one of them");
    EXPECT_EQ(refused(R"("pattern":"b","retry":{},"retry_policy":{})"),
              "retry_policy and retry say the same; give one of them");
    EXPECT_EQ(refused(R"("pattern":"b","retry":{"max_attempts":1,"maxRetries":1})"),
              "maxRetries and max_attempts say the same; give one of them");
    EXPECT_EQ(refused(R"("pattern":"b","executor_type":"script","executor":{})"),
              "executor_type and executor say the same; give one of them");
    EXPECT_EQ(refused(R"("pattern":"b","retry_policy":{"strategy":"linear"})"),
              "retry_policy.strategy is \"linear\"; expected exponential, fixed or none");
}

// Three kinds of damage: no JSON, a member of another type, a reference to what is not there.
TEST_F(RegistryTest, ADamagedRowIsSetAsideAndTheRestIsThere) {
    script();
    ASSERT_TRUE(subscribe(R"(,"id":"good")"));
    rows.rows[{"subscription", "0/torn"}] = {"subscription", "0/torn", 1, 0, "{\"number\":1"};
    auto moved = rows.rows[{"subscription", "0/good"}];
    moved.id = "0/lost";
    moved.json.replace(moved.json.find("\"good\""), 6, "\"lost\"");
    moved.json.replace(moved.json.find("\"s1\""), 4, "\"s9\"");
    rows.rows[{"subscription", "0/lost"}] = moved;
    rows.rows[{"script", "0/odd"}] = {"script", "0/odd", 1, 0,
                                      R"({"number":7,"tenant":0,"version":1,"body":{"source":5}})"};
    rows.rows[{"script_version", "0/s1/0000000001"}].json = "[]";
    reopen();
    ASSERT_EQ(rows.aside.size(), 4u);
    EXPECT_EQ(rows.aside[0].substr(0, 13), "script 0/odd:");
    EXPECT_EQ(rows.aside[1].substr(0, 31), "script_version 0/s1/0000000001:");
    EXPECT_NE(rows.aside[2].find("no script has that id"), std::string::npos);
    EXPECT_EQ(rows.aside[3].substr(0, 20), "subscription 0/torn:");
    EXPECT_TRUE(registry->find_subscription(kTenant, "good"));
    EXPECT_EQ(registry->snapshot()->subscriptions.size(), 1u);
    // What is kept is not written over, until somebody takes it away.
    EXPECT_EQ(subscribe(R"(,"id":"torn")").error().code, core::ErrorCode::kConflict);
    ASSERT_TRUE(registry->remove_subscription(kTenant, "torn"));
    EXPECT_FALSE(rows.rows.contains({"subscription", "0/torn"}));
    EXPECT_TRUE(subscribe(R"(,"id":"torn")"));
}

// What waits for it must not be taken for nobody's.
TEST_F(RegistryTest, OneThatDoesNotReadIsKnownByItsNumberWhereThatReads) {
    script();
    const core::SubscriptionId lost = subscribe(R"(,"id":"lost")").value()->number;
    const core::SubscriptionId nobodys(lost.value + 100);
    const auto may_be = [this](core::SubscriptionId number) {
        return registry->snapshot()->may_be_set_aside(number);
    };
    EXPECT_FALSE(may_be(lost));
    const RegistryRow script_row = rows.rows[{"script", "0/s1"}];
    rows.rows[{"script", "0/s1"}].json = "[]";  // it reads, and what it runs does not
    reopen();
    EXPECT_TRUE(may_be(lost));
    EXPECT_TRUE(registry->snapshot()->waits(lost));
    EXPECT_FALSE(may_be(nobodys));
    rows.rows[{"script", "0/s1"}] = script_row;
    reopen();
    EXPECT_FALSE(may_be(lost));

    rows.rows[{"subscription", "0/lost"}].json = "{\"number\":1";
    reopen();
    EXPECT_TRUE(may_be(lost));
    EXPECT_TRUE(may_be(nobodys)) << "for all that is known";
    ASSERT_TRUE(registry->remove_subscription(kTenant, "lost"));
    EXPECT_FALSE(may_be(lost));
    EXPECT_FALSE(may_be(nobodys));
}

TEST_F(RegistryTest, NumbersGoOnWhenTheCounterIsGone) {
    script();
    const auto first = subscribe(R"(,"id":"u")").value()->number;
    ASSERT_TRUE(subscribe(R"(,"id":"v")"));
    ASSERT_TRUE(registry->remove_subscription(kTenant, "v"));
    rows.rows.erase({"counter", "subscription"});
    reopen();
    EXPECT_GT(subscribe(R"(,"id":"w")").value()->number.value, first.value + 1);
}

TEST_F(RegistryTest, WhatTheServerMakesIsNotTakenFromABody) {
    script();
    const SubscriptionRef made = subscribe(R"(,"id":"u")").value();
    for (const char* patch : {R"({"createdAt":"2020-01-01T00:00:00Z"})", R"({"version":9})",
                              R"({"updatedAt":null})", R"({"tenantId":"other"})"}) {
        const auto refused = registry->patch_subscription(kTenant, "u", patch, {});
        ASSERT_FALSE(refused) << patch;
        EXPECT_NE(refused.error().message.find("is made by the server"), std::string::npos);
    }
    EXPECT_EQ(subscribe(R"(,"version":1)").error().field, "version");
    // Read, edited and sent back.
    EXPECT_TRUE(registry->patch_subscription(kTenant, "u", made->document, {}));
}

TEST_F(RegistryTest, APatchReplacesFiltersWhole) {
    script();
    ASSERT_TRUE(subscribe(R"(,"id":"u","filters":{"x":1,"z":{"gt":3}})"));
    const auto patch = [&](const char* text) {
        const auto patched = registry->patch_subscription(kTenant, "u", text, {});
        return patched ? (*patched)->document : patched.error().message;
    };
    EXPECT_NE(patch(R"({"filters":{"y":2}})").find(R"("filters":{"y":2},)"), std::string::npos);
    EXPECT_NE(patch(R"({"filters":{"y":null}})").find(R"("filters":{"y":null},)"),
              std::string::npos)
        << "null is a value to look for";
    EXPECT_NE(patch(R"({"priority":4})").find(R"("filters":{"y":null},)"), std::string::npos);
    EXPECT_EQ(patch(R"({"filters":null})").find("filters"), std::string::npos);
    EXPECT_NE(patch(R"({"priority":4,"priority":5})").find("the same key twice"),
              std::string::npos);
}

TEST_F(RegistryTest, AChangeCanBeMadeOnConditionThatNothingHasChanged) {
    script();
    auto& table = registry->table<Subscription>();
    ASSERT_TRUE(subscribe(R"(,"id":"u")"));
    const std::string seen = "\"" + document_etag(*table.find(kTenant, "u")) + "\"";
    ASSERT_TRUE(table.patch({.tenant = kTenant, .if_match = seen}, "u", R"({"priority":1})"));
    for (const std::string& tag : {seen, std::string("\"x\""), "W/" + seen + ", \"y\""}) {
        const auto late =
            table.patch({.tenant = kTenant, .if_match = tag}, "u", R"({"priority":2})");
        ASSERT_FALSE(late) << tag;
        EXPECT_EQ(late.error().code, core::ErrorCode::kConflict);
        EXPECT_FALSE(table.remove({.tenant = kTenant, .if_match = tag}, "u"));
    }
    EXPECT_TRUE(table.patch({.tenant = kTenant, .if_match = "*"}, "u", R"({"priority":2})"));
    // Removed and made again: the first version of another document.
    ASSERT_TRUE(table.remove({.tenant = kTenant}, "u"));
    ASSERT_TRUE(subscribe(R"(,"id":"u")"));
    EXPECT_FALSE(table.patch({.tenant = kTenant, .if_match = seen}, "u", "{}"));
}

TEST_F(RegistryTest, AnUndoneChangeLeavesWhatWasThere) {
    script();
    auto& table = registry->table<Subscription>();
    const auto made =
        table.create({.tenant = kTenant},
                     R"({"id":"u","pattern":"a","executor":{"type":"script","scriptId":"s1"}})");
    const auto changed = table.patch({.tenant = kTenant}, "u", R"({"priority":5})");
    ASSERT_TRUE(table.undo(*changed));
    EXPECT_EQ(table.find(kTenant, "u"), made->after);
    EXPECT_EQ(registry->snapshot()->subscription(made->after->number), made->after.get());
    const auto removed = table.remove({.tenant = kTenant}, "u");
    ASSERT_TRUE(table.undo(*removed));
    EXPECT_EQ(table.find(kTenant, "u"), made->after);
    reopen();
    EXPECT_EQ(registry->find_subscription(kTenant, "u")->document, made->after->document);
    ASSERT_TRUE(registry->table<Subscription>().undo({nullptr, made->after}));
    reopen();
    EXPECT_FALSE(registry->find_subscription(kTenant, "u"));
    EXPECT_EQ(registry->snapshot()->subscriptions.size(), 0u);

    auto& scripts = registry->table<Script>();
    const auto second = scripts.put({.tenant = kTenant}, "s1", R"({"source":"return 2"})");
    ASSERT_TRUE(scripts.undo(*second));
    reopen();
    EXPECT_EQ(registry->find_script(kTenant, "s1")->source, "return 1");
    EXPECT_EQ(registry->script_versions(kTenant, "s1").size(), 1u);
}

TEST_F(RegistryTest, ASecretIsKeptAndNotShown) {
    auto& secrets = registry->table<Secret>();
    const auto made = secrets.create({.tenant = kTenant}, R"({"name":"pay.key","value":"hush-1"})");
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_EQ(made->after->id, "pay.key") << "its name is how it is asked for";
    ASSERT_TRUE(secrets.patch({.tenant = kTenant}, "pay.key", R"({"name":"the key"})"));
    EXPECT_EQ(secrets.find(kTenant, "pay.key")->value, "hush-1");
    ASSERT_TRUE(secrets.patch({.tenant = kTenant}, "pay.key", R"({"value":"hush-2"})"));
    EXPECT_EQ(secrets.create({.tenant = kTenant}, R"({"name":"x"})").error().message,
              "value is required");
    reopen();
    const SecretRef kept = registry->table<Secret>().find(kTenant, "pay.key");
    ASSERT_TRUE(kept);
    EXPECT_EQ(kept->value, "hush-2");
    EXPECT_EQ(kept->version, 3u);
    EXPECT_EQ(registry->table<Secret>().versions(kTenant, "pay.key").size(), 3u);
    EXPECT_EQ(document_kind<Secret>().show(*kept).find("hush"), std::string::npos);
    for (const std::string& audit : rows.audits)
        EXPECT_EQ(audit.find("hush"), std::string::npos) << audit;
}

// Whoever takes away what is not there was told that all is well, and nothing had changed.
TEST_F(RegistryTest, APatchTakesNothingAwayThatItCanNot) {
    auto& secrets = registry->table<Secret>();
    ASSERT_TRUE(secrets.create({.tenant = kTenant}, R"({"name":"key","value":"v1"})"));
    const auto refused = [&](auto& table, std::string_view id, std::string_view patch) {
        const auto made = table.patch({.tenant = kTenant}, id, patch);
        return made ? std::string("taken") : made.error().field + ": " + made.error().message;
    };
    EXPECT_EQ(refused(secrets, "key", R"({"value":null})"),
              "value: value can not be taken away; give another one");
    EXPECT_EQ(refused(secrets, "key", R"({"vlaue":null})"), "vlaue: vlaue is not a known member");
    script();
    ASSERT_TRUE(subscribe(R"(,"id":"u","retry":{"maxRetries":5},"filter":"$.a > 1")"));
    auto& subscriptions = registry->table<Subscription>();
    EXPECT_EQ(refused(subscriptions, "u", R"({"patern":null})"),
              "patern: patern is not a known member");
    EXPECT_EQ(refused(subscriptions, "u", R"({"retry":{"maxRetrys":null}})"),
              "retry.maxRetrys: retry.maxRetrys is not a known member");
    for (const char* fine : {R"({"filter":null})", R"({"filter":null,"filters":null})",
                             R"({"retry":{"maxRetries":null}})", R"({"retry":null})"})
        EXPECT_EQ(refused(subscriptions, "u", fine), "taken") << fine;
}

}  // namespace
}  // namespace millrace::runtime
