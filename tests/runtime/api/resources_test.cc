// Goal: what the resources show of the log, of outcomes, dead letters and retries is what is there,
// and what they ask of the engine is what the call said.
#include "core/timestamp.h"
#include "runtime/delivery/script_emit.h"
#include "store/rows/dead_letters.h"
#include "store/rows/retry_schedule.h"
#include "tests/runtime/api/api_fixture.h"

namespace millrace::runtime::api::test {
namespace {

bool has(const ApiResponse& answer, std::string_view piece) {
    return answer.text().find(piece) != std::string::npos;
}

TEST_F(ApiTest, ShowsAnEventAsSentWithItsFills) {
    log_event(R"({ "eventId":"e1", "pattern":"a.b", "payload": { "x" : 1.50 } })");
    EXPECT_EQ(
        get("/v2/events/e1").body,
        R"({ "eventId":"e1", "pattern":"a.b", "payload": { "x" : 1.50 } ,"version":"1.0",)"
        R"("source":{"type":"external","id":"unknown"},"timestamp":"2023-11-14T22:13:20.000Z","tenantId":"default",)"
        R"("receivedAt":"2023-11-14T22:13:20.000Z","shard":0,"offset":0})");
}

TEST_F(ApiTest, FindsServerMadeIds) {
    const core::LogPosition position = log_event(R"({"pattern":"a.b"})");
    const std::string id = store::encode_event_id(database_->hasher(), position);
    const ApiResponse answer = get("/v2/events/" + id);
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_TRUE(has(answer, "\"eventId\":\"" + id + "\"")) << answer.body;
}

TEST_F(ApiTest, ShowsCloudEvents) {
    log_event(
        R"({"eventId":"e1","pattern":"a.b","source":{"type":"external","id":"https://x.io"},"payload":{"x":1},"x-ce":{"specversion":"1.0","subject":"s"}})");
    const ApiResponse answer = get("/v2/events/e1?as=cloudevent");
    EXPECT_EQ(answer.content_type, "application/cloudevents+json");
    EXPECT_EQ(
        answer.body,
        R"({"specversion":"1.0","id":"e1","source":"https://x.io","type":"a.b","subject":"s","recordedtime":"2023-11-14T22:13:20.000Z","data":{"x":1}})");
    EXPECT_TRUE(has(get("/v2/events?as=cloudevent"), R"("items":[{"specversion":"1.0")"));
}

TEST_F(ApiTest, ListsByEveryCriterionNewestFirst) {
    for (int i = 0; i < 9; ++i) {
        const std::string n = std::to_string(i);
        log_event(R"({"eventId":"e)" + n + R"(","pattern":"order.)" +
                  (i % 3 == 0 ? "paid" : "made") + R"(","source":{"type":"task","id":"src)" +
                  std::to_string(i % 2) + R"("},"payload":{"n":)" + n +
                  R"(},"metadata":{"correlationId":"c)" + n +
                  R"(","context":{"type":"user","id":"u)" + std::to_string(i % 4) + R"("}}})");
    }
    const auto ids = [&](const std::string& query) {
        const ApiResponse answer = get("/v2/events?" + query);
        EXPECT_EQ(answer.status, 200) << answer.body;
        std::string out;
        for (std::size_t at = 0;
             (at = answer.body.find("\"eventId\":\"e", at)) != std::string::npos;)
            out += answer.body[at += 12];
        return out;
    };
    EXPECT_EQ(ids(""), "876543210");
    EXPECT_EQ(ids("order=asc"), "012345678");
    EXPECT_EQ(ids("pattern=order.paid"), "630");
    EXPECT_EQ(ids("patternPrefix=order.&sourceId=src1"), "7531");
    EXPECT_EQ(ids("correlationId=c4"), "4");
    EXPECT_EQ(ids("contextId=u3"), "73");
    EXPECT_EQ(ids("sourceType=workflow"), "");
    EXPECT_EQ(ids("filter=%24.n%20%3E%206"), "87");
    EXPECT_EQ(ids("limit=2"), "87");
    EXPECT_EQ(ids("to=" + core::format_timestamp(1'700'000'000'002'000)), "10");
    EXPECT_EQ(ids("from=" + core::format_timestamp(1'700'000'000'007'000)), "87");
    std::string paged, cursor;
    do {
        const ApiResponse page =
            get("/v2/events?limit=4" + (cursor.empty() ? "" : "&cursor=" + cursor));
        core::JsonDocument document;
        auto root = document.parse_object(page.body).value();
        std::string_view next;
        if (const auto element = root.any("next")) (void)element->get(next);
        core::JsonArray items;
        ASSERT_TRUE(root.any("items")->get(items));
        paged += std::to_string(items.size());
        cursor = next;
    } while (!cursor.empty() && paged.size() < 9);
    EXPECT_EQ(paged.substr(0, 3), "441");
}

// One order is the reverse of the other, also where events of two shards came at the same time.
TEST_F(ApiTest, OrdersAreReversesOfEachOther) {
    for (const core::ShardId shard : {kZero, kOne}) {
        for (int i = 0; i < 3; ++i) append(shard, {.id = std::to_string(shard.value * 3 + i)});
        commit(shard);
    }
    const auto ids = [&](const std::string& query) {
        const ApiResponse answer = get("/v2/events?" + query);
        std::string out;
        for (std::size_t at = 0;
             (at = answer.body.find("\"eventId\":\"", at)) != std::string::npos;)
            out += answer.body[at += 11];
        return out;
    };
    const std::string oldest = ids("order=asc");
    EXPECT_EQ(oldest.size(), 6u);
    EXPECT_EQ(ids(""), std::string(oldest.rbegin(), oldest.rend()));
}

TEST_F(ApiTest, ShowsExecutionsWithTheirAttempts) {
    const SubscriptionRef subscription = subscribe("u");
    const auto first = log_event(R"({"eventId":"e1","pattern":"a.b"})");
    const auto second = log_event(R"({"eventId":"e2","pattern":"a.b"})");
    record_outcome(first, *subscription, store::DeliveryStatus::kRetrying, "boom");
    clock_.advance_us(5000);
    record_outcome(first, *subscription, store::DeliveryStatus::kCompleted, {}, 2);
    record_outcome(second, *subscription, store::DeliveryStatus::kDead, "dead");
    const ApiResponse listed = get("/v2/executions?eventId=e1");
    EXPECT_TRUE(has(
        listed,
        R"("eventId":"e1","subscriptionId":"u","scriptId":"s1","scriptVersion":1,"status":"completed")"))
        << listed.body;
    EXPECT_TRUE(has(listed, R"("durationUs":1500,"error":"boom"},{)")) << listed.body;
    EXPECT_TRUE(has(listed, R"("durationUs":1500,"error":null}],"logs":[],"result":{"n":1}})"))
        << listed.body;
    EXPECT_FALSE(has(listed, R"("eventId":"e2")"));
    EXPECT_TRUE(has(get("/v2/executions?status=dead"), "\"eventId\":\"e2\""));
    EXPECT_FALSE(has(get("/v2/executions?status=dead"), "\"eventId\":\"e1\""));
    EXPECT_TRUE(has(get("/v2/executions?scriptId=s1&subscriptionId=u"), "\"eventId\":\"e2\""));
    EXPECT_TRUE(has(get("/v2/executions?scriptId=other"), "\"items\":[]"));
    const std::string id =
        store::encode_execution_id(database_->hasher(), {first, subscription->number});
    EXPECT_TRUE(has(get("/v2/executions/" + id), "\"status\":\"completed\""));
}

TEST_F(ApiTest, TracesCausesAndEffects) {
    const SubscriptionRef subscription = subscribe("u");
    const auto root = log_event(R"({"eventId":"root","pattern":"a.b"})");
    record_outcome(root, *subscription, store::DeliveryStatus::kCompleted);
    log_event(
        R"({"eventId":"child","pattern":"c","metadata":{"causationId":"root","correlationId":"x"}})");
    log_event(R"({"eventId":"grandchild","pattern":"d","metadata":{"causationId":"child"}})");
    log_event(R"({"eventId":"stranger","pattern":"d","metadata":{"causationId":"other"}})");
    const ApiResponse middle = get("/v2/events/child/trace");
    EXPECT_EQ(middle.status, 200);
    core::JsonDocument document;
    ASSERT_TRUE(document.parse_object(middle.body)) << middle.body;
    const std::size_t causes = middle.body.find("\"causes\":"),
                      caused = middle.body.find("\"caused\":");
    ASSERT_LT(causes, caused);
    EXPECT_LT(middle.body.find("\"eventId\":\"root\""), caused);
    EXPECT_GT(middle.body.find("\"eventId\":\"root\""), causes);
    EXPECT_GT(middle.body.find("\"eventId\":\"grandchild\""), caused);
    EXPECT_FALSE(has(middle, "stranger"));
    EXPECT_TRUE(has(middle, "\"status\":\"completed\"")) << "the cause's delivery";
    EXPECT_TRUE(has(middle, "\"truncated\":false"));
    EXPECT_TRUE(has(get("/v2/events/root/trace"), "\"eventId\":\"grandchild\""));
}

// Two sources have used one id; a handler emitted for each.
TEST_F(ApiTest, TellsEventsOfOneIdApartByTheirSource) {
    const SubscriptionRef subscription = subscribe("u");
    const auto send = [&](const std::string& source) {
        const core::LogPosition at =
            log_event(R"({"eventId":"1","pattern":"a.b","source":{"type":"external","id":")" +
                      source + R"("}})");
        record_outcome(at, *subscription, store::DeliveryStatus::kCompleted);
        const DerivedEventId derived = derive_event_id(
            cause_key(core::TenantId(0), {"external", source}, "1"), subscription->number.value, 0);
        log_event(R"({"eventId":")" + std::string(derived.view()) + R"(","pattern":"of.)" + source +
                  R"(","source":{"type":"task","id":"s1"},"metadata":{"causationId":"1"}})");
        return std::string(derived.view());
    };
    const std::string of_shop = send("shop"), of_web = send("web");
    ASSERT_NE(of_shop, of_web);
    const std::string shop = "sourceType=external&sourceId=shop";
    const ApiResponse newest = get("/v2/events/1");
    EXPECT_TRUE(has(newest, R"("source":{"type":"external","id":"web"})")) << newest.body;
    EXPECT_TRUE(has(newest, R"("otherSources":[{"type":"external","id":"shop"}]})")) << newest.body;
    const ApiResponse chosen = get("/v2/events/1?" + shop);
    EXPECT_TRUE(has(chosen, R"("id":"shop")")) << chosen.body;
    EXPECT_FALSE(has(chosen, "otherSources"));
    EXPECT_TRUE(has(get("/v2/events/1?sourceId=shop"), R"("id":"shop")"));
    EXPECT_EQ(get("/v2/events/1?sourceId=nobody").status, 404);
    EXPECT_EQ(get("/v2/events/1?sourceType=shop").status, 400);
    EXPECT_FALSE(has(get("/v2/events/" + of_shop), "otherSources"));

    const ApiResponse trace = get("/v2/events/1/trace?" + shop);
    EXPECT_TRUE(has(trace, of_shop)) << trace.body;
    EXPECT_FALSE(has(trace, of_web)) << trace.body;
    const ApiResponse newest_trace = get("/v2/events/1/trace");
    EXPECT_TRUE(has(newest_trace, of_web) && !has(newest_trace, of_shop)) << newest_trace.body;
    EXPECT_TRUE(has(newest_trace, "otherSources"));
    const ApiResponse upwards = get("/v2/events/" + of_shop + "/trace");
    EXPECT_TRUE(has(upwards, R"("id":"shop")") && !has(upwards, R"("id":"web")")) << upwards.body;

    const ApiResponse runs = get("/v2/executions?eventId=1&" + shop);
    EXPECT_TRUE(has(runs, "\"completed\"")) << runs.body;
    EXPECT_FALSE(has(runs, "otherSources"));
    EXPECT_TRUE(has(get("/v2/executions?eventId=1"), "otherSources"));
    EXPECT_EQ(get("/v2/executions?sourceId=shop").status, 400);
}

TEST_F(ApiTest, ShowsDeadLettersAndDeliversThemAgain) {
    const SubscriptionRef subscription = subscribe("u");
    const auto position = log_event(R"({"eventId":"e1","pattern":"a.b","payload":{"x":1}})");
    store::DeadLetter row;
    row.key = {core::TenantId(0), clock_.wall_us(), {position, subscription->number}};
    row.updated_at_us = clock_.wall_us();
    row.retry_count = 3;
    row.retries_max = 3;
    row.subscription_id = "u";
    row.script_id = "s1";
    row.pattern = "a.b";
    row.event_id = "e1";
    row.error = "boom \"x\"";
    row.error_fingerprint = "00ff";
    row.attempts = R"([{"error":"boom"}])";
    store::RowBatch rows;
    rows.put_dead_letter(row, store::RowChange::kNew);
    ASSERT_TRUE(database_->write_now(rows));
    const std::string id = store::encode_dead_letter_id(database_->hasher(), row.key);
    const ApiResponse one = get("/v2/dlq/" + id);
    EXPECT_TRUE(has(
        one,
        R"({"id":")" + id +
            R"(","tenantId":"default","subscriptionId":"u","scriptId":"s1","eventType":"a.b","eventId":"e1","event":{"eventId":"e1")"))
        << one.body;
    EXPECT_TRUE(has(
        one,
        R"("error":"boom \"x\"","errorFingerprint":"00ff","retryCount":3,"maxRetries":3,"nextRetryAt":null,"attempts":[{"error":"boom"}],"createdAt":)"))
        << one.body;
    EXPECT_TRUE(has(get("/v2/dlq?pattern=a.b&scriptId=s1&subscriptionId=u"), id));
    EXPECT_FALSE(has(get("/v2/dlq?pattern=other"), id));

    EXPECT_EQ(post("/v2/dlq/" + id + "/replay", "{}").status, 202);
    EXPECT_EQ(services->redriven, (std::vector<store::DeadLetterKey>{row.key}));
    services->redrive_due = 1'700'000'000'000'000;
    EXPECT_TRUE(has(get("/v2/dlq/" + id), R"("nextRetryAt":"2023-11-14T22:13:20)"));
    EXPECT_TRUE(has(get("/v2/dlq"), R"("nextRetryAt":"2023-11-14T22:13:20)"));
    services->redriven.clear();
    EXPECT_EQ(post("/v2/dlq/replay", R"({"pattern":"a.b","ratePerSecond":5})").body,
              R"({"success":true,"accepted":1})");
    EXPECT_EQ(services->redriven.size(), 1u);
    EXPECT_EQ(services->redriven_per_second, 5);
    EXPECT_EQ(post("/v2/dlq/replay", R"({"pattern":"other"})").body,
              R"({"success":true,"accepted":0})");
    EXPECT_TRUE(has(get("/metrics"), "\nscript_dlq_entries 1\n"));
    EXPECT_EQ(call(io::Method::kDelete, "/v2/dlq/" + id).status, 200);
    EXPECT_EQ(get("/v2/dlq/" + id).status, 404);
    EXPECT_TRUE(has(get("/v2/audit"), R"("action":"delete","kind":"dead_letter")"));
}

TEST_F(ApiTest, ShowsWaitingRetriesByDueTime) {
    const SubscriptionRef subscription = subscribe("u");
    const auto position = log_event(R"({"eventId":"e1","pattern":"a.b"})");
    store::RowBatch rows;
    store::RetryRow row;
    row.due_at_us = 1'800'000'000'000'000;
    row.delivery = {position, subscription->number};
    row.attempt = 2;
    row.created_at_us = clock_.wall_us();
    row.state = "2\n\n[{\"error\":\"first\"},{\"error\":\"second\"}]";
    rows.put_retry(row);
    commit(kZero, std::move(rows));
    const ApiResponse answer = get("/v2/retries");
    EXPECT_TRUE(has(
        answer,
        R"("eventId":"e1","eventType":"a.b","subscriptionId":"u","scriptId":"s1","attempt":2,"dueAt":"2027-01-15T08:00:00.000Z")"))
        << answer.body;
    EXPECT_TRUE(has(answer, R"("error":"second")")) << answer.body;
    EXPECT_TRUE(has(get("/metrics"), "\nscript_dlq_pending_retries 1\n"));
}

TEST_F(ApiTest, AnswersAScriptRunWhenTheLaneHasRunIt) {
    ASSERT_EQ(post("/v2/scripts", R"({"id":"s1","source":"x"})").status, 201);
    ApiResponse answer;
    int answers = 0;
    const auto respond = [&](ApiResponse&& response) { answer = std::move(response), ++answers; };
    call_later(io::Method::kPost, "/v2/script/run",
               R"({"scriptId":"s1","query":{"a":"1"},"body":[1,2]})", respond);
    ASSERT_EQ(services->runs.size(), 1u);
    EXPECT_EQ(services->runs[0].input_json, R"({"query":{"a":"1"},"body":[1,2]})");
    EXPECT_EQ(answers, 0);
    ScriptRunResult done;
    done.result_json = "{\"x\":1}";
    done.execution_id = "ex_1";
    done.duration_us = 1500;
    services->run_done(std::move(done));
    EXPECT_EQ(answers, 1);
    EXPECT_EQ(
        answer.body,
        R"({"success":true,"result":{"x":1},"logs":[],"executionId":"ex_1","durationMs":1.5})");

    call_later(io::Method::kPost, "/v2/script/run", R"({"scriptId":"s1"})", respond);
    EXPECT_EQ(services->runs[1].input_json, R"({"query":{},"body":{}})");
    ScriptRunResult failed;
    failed.error = "line 1: kaputt";
    services->run_done(std::move(failed));
    EXPECT_EQ(answer.status, 500);
    EXPECT_TRUE(has(
        answer,
        R"({"success":false,"error":{"message":"line 1: kaputt","code":"INTERNAL_ERROR","statusCode":500)"));

    ASSERT_EQ(call(io::Method::kPut, "/v2/scripts/s1", R"({"enabled":false})").status, 200);
    EXPECT_EQ(post("/v2/script/run", R"({"scriptId":"s1"})").status, 403);
}

TEST_F(ApiTest, PreviewsASubscriptionOverTheLastEvents) {
    subscribe("old", R"("pattern":"a.b","filter":"$.n < 3")");
    for (int n = 0; n < 6; ++n)
        log_event(R"({"pattern":"a.b","payload":{"n":)" + std::to_string(n) + "}}");
    const ApiResponse all =
        post("/v2/subscriptions/preview", R"({"pattern":"a.b","filter":"$.n > 1"})");
    EXPECT_TRUE(has(all, "\"scanned\":6")) << all.body;
    EXPECT_TRUE(has(all, "\"matched\":4")) << all.body;
    const ApiResponse last =
        post("/v2/subscriptions/preview?events=2&against=old", R"({"pattern":"a.b"})");
    EXPECT_TRUE(has(last, "\"scanned\":2")) << last.body;
    EXPECT_TRUE(has(last, "\"gained\":2,\"lost\":0")) << last.body;
}

TEST_F(ApiTest, StartsReplaysAsAsked) {
    const SubscriptionRef subscription = subscribe("u");
    const ApiResponse started = post(
        "/v2/replays",
        R"({"from":"2023-01-01T00:00:00Z","pattern":"a.b","filter":"$.x > 1","subscriptionIds":["u"],"pace":"250","dryRun":true})");
    EXPECT_EQ(started.status, 202);
    EXPECT_EQ(started.body, R"({"id":"rp_1","status":"running"})");
    ASSERT_EQ(services->replay_specs.size(), 1u);
    const ReplaySpec& spec = services->replay_specs[0];
    EXPECT_EQ(spec.from_us, 1'672'531'200'000'000);
    EXPECT_EQ(spec.to_us, clock_.wall_us());
    EXPECT_EQ(spec.criteria.pattern, "a.b");
    EXPECT_EQ(spec.criteria.filter, "$.x > 1");
    EXPECT_EQ(spec.subscriptions, std::vector<core::SubscriptionId>{subscription->number});
    EXPECT_EQ(spec.pace, ReplayPace::kPerSecond);
    EXPECT_EQ(spec.events_per_second, 250);
    EXPECT_TRUE(spec.dry_run);
    post("/v2/replays",
         R"({"pace":"original","subscriptionIds":"all","filters":{"amount":{"gt":5}}})");
    EXPECT_EQ(services->replay_specs[1].pace, ReplayPace::kOriginal);
    EXPECT_EQ(services->replay_specs[1].criteria.filter, R"({"amount":{"gt":5}})");
    post("/v2/replays", R"({"subscriptionIds":"all","from":"-2d","to":"1h","pattern":"a.*",
        "sourceType":"external","sourceId":"s","correlationId":"c","causationId":"d",
        "contextId":"e","eventTimeFrom":"3h","eventTimeTo":"2h"})");
    ASSERT_EQ(services->replay_specs.size(), 3u);
    const ReplaySpec& last = services->replay_specs[2];
    constexpr std::int64_t kHourUs = 3'600'000'000;
    const std::int64_t now_us = clock_.wall_us();
    EXPECT_EQ(last.from_us, now_us - 48 * kHourUs);
    EXPECT_EQ(last.to_us, now_us - kHourUs);
    EXPECT_EQ(last.criteria.pattern, "a.*");
    EXPECT_EQ(last.criteria.source_type, "external");
    EXPECT_EQ(last.criteria.source_id, "s");
    EXPECT_EQ(last.criteria.correlation_id, "c");
    EXPECT_EQ(last.criteria.causation_id, "d");
    EXPECT_EQ(last.criteria.context_id, "e");
    EXPECT_EQ(last.criteria.event_time_from_us, now_us - 3 * kHourUs);
    EXPECT_EQ(last.criteria.event_time_to_us, now_us - 2 * kHourUs);
    for (const char* bad : {R"("sourceType":"foo")", R"("eventTimeFrom":"soon")",
                            R"("eventTimeFrom":"1h","eventTimeTo":"2h")", R"("pattern":"*a**")"}) {
        EXPECT_EQ(
            post("/v2/replays", R"({"subscriptionIds":"all",)" + std::string(bad) + "}").status,
            400)
            << bad;
    }
    EXPECT_TRUE(has(get("/v2/replays/rp_1"), R"("status":"running","scanned":7)"));
    EXPECT_TRUE(has(call(io::Method::kDelete, "/v2/replays/rp_1"), R"("status":"cancelled")"));
    EXPECT_TRUE(has(get("/v2/replays"), "rp_1"));
}

TEST_F(ApiTest, AChangeTheMatcherRefusesIsTakenBack) {
    const SubscriptionRef kept = subscribe("u");
    services->refuse_changes = true;
    EXPECT_EQ(post("/v2/subscriptions",
                   R"({"id":"v","pattern":"x","executor":{"type":"script","scriptId":"s1"}})")
                  .status,
              400);
    EXPECT_EQ(get("/v2/subscriptions/v").status, 404);
    EXPECT_EQ(call(io::Method::kPatch, "/v2/subscriptions/u", R"({"priority":9})").status, 400);
    EXPECT_EQ(services->registry().find_subscription(core::TenantId(0), "u"), kept);
}

// A change that one shard has not taken up: registry and matcher have both gone back.
TEST_F(ApiTest, AChangeThatAShardIsLateForIsTakenBackEverywhere) {
    const auto matched = [this] {
        return post("/v2/subscriptions/match", R"({"event":{"pattern":"x"}})").body;
    };
    const SubscriptionRef kept = subscribe("u", R"("pattern":"x")");
    services->late_changes = true;
    EXPECT_EQ(post("/v2/subscriptions",
                   R"({"id":"v","pattern":"x","executor":{"type":"script","scriptId":"s1"}})")
                  .status,
              503);
    EXPECT_EQ(get("/v2/subscriptions/v").status, 404);
    EXPECT_EQ(matched(), R"({"matched":["u"]})");
    EXPECT_EQ(call(io::Method::kPatch, "/v2/subscriptions/u", R"({"pattern":"y"})").status, 503);
    EXPECT_EQ(matched(), R"({"matched":["u"]})");
    EXPECT_EQ(call(io::Method::kPatch, "/v2/subscriptions/u", R"({"active":false})").status, 503);
    EXPECT_EQ(matched(), R"({"matched":["u"]})");
    EXPECT_EQ(call(io::Method::kDelete, "/v2/subscriptions/u").status, 503);
    EXPECT_EQ(matched(), R"({"matched":["u"]})");
    EXPECT_EQ(services->registry().find_subscription(core::TenantId(0), "u"), kept);
    EXPECT_EQ(services->registry().snapshot()->subscription(kept->number), kept.get());
    services->late_changes = false;
    EXPECT_EQ(call(io::Method::kDelete, "/v2/subscriptions/u").status, 200);
    EXPECT_EQ(matched(), R"({"matched":[]})");
}

TEST_F(ApiTest, BackupsStayInTheirFolder) {
    const std::string folder =
        testing::TempDir() + "millrace-backups-" + std::to_string(::getpid());
    std::filesystem::create_directories(folder);
    std::filesystem::create_directory_symlink("/", folder + "/way-out");
    services->backups = folder;
    for (const std::string& path : {std::string("/tmp/elsewhere"), folder + "/../up", folder,
                                    folder + "/.", folder + "/way-out/tmp/x", folder + "x",
                                    std::string("rela/tive"), std::string(".."), std::string()}) {
        const ApiResponse answer = post("/v2/backups", R"({"path":")" + path + R"("})");
        EXPECT_EQ(answer.status, 400) << path << answer.body;
    }
    EXPECT_EQ(post("/v2/backups", R"({"path":")" + folder + R"(/a/../two"})").status, 201);
    EXPECT_TRUE(std::filesystem::exists(folder + "/two"));
    EXPECT_EQ(post("/v2/backups", R"({"path":"named"})").status, 201) << "a name alone is in it";
    EXPECT_TRUE(std::filesystem::exists(folder + "/named"));
    std::filesystem::remove_all(folder);
}

// Its number is beyond every type of numbers; the entry is none the less found.
TEST_F(ApiTest, TheAuditLogIsSearchedWhateverNumbersItHolds) {
    store::RowBatch batch;
    batch.put_audit(clock_.wall_us(), core::TenantId(0),
                    R"({"action":"start","kind":"replay","id":"rp_9","by":"loopback",)"
                    R"("request":{"filters":{"wei":{"gt":100000000000000000001}}}})");
    ASSERT_TRUE(database_->write_now(batch));
    for (const char* target : {"/v2/audit", "/v2/audit?kind=replay", "/v2/audit?id=rp_9"})
        EXPECT_TRUE(has(get(target), "100000000000000000001")) << target;
    EXPECT_FALSE(has(get("/v2/audit?kind=rp_9"), "rp_9"));
}

TEST_F(ApiTest, DocumentsHaveTags) {
    subscribe("u");
    const auto tag = [](const ApiResponse& answer) {
        for (const auto& [name, value] : answer.headers) {
            if (name == "ETag") return value;
        }
        return std::string();
    };
    const std::string first = tag(get("/v2/subscriptions/u"));
    ASSERT_FALSE(first.empty());
    const std::string second =
        tag(call(io::Method::kPatch, "/v2/subscriptions/u", R"({"priority":1})"));
    EXPECT_NE(first, second);
    EXPECT_EQ(second, tag(get("/v2/subscriptions/u")));
    headers = {{"if-match", first}};
    EXPECT_EQ(call(io::Method::kPatch, "/v2/subscriptions/u", R"({"priority":2})").status, 409);
    EXPECT_EQ(call(io::Method::kDelete, "/v2/subscriptions/u").status, 409);
    headers = {{"If-Match", second}};
    EXPECT_EQ(call(io::Method::kPatch, "/v2/subscriptions/u", R"({"priority":2})").status, 200);
}

TEST_F(ApiTest, TellsHealthAndReadiness) {
    EXPECT_EQ(get("/healthz").status, 200);
    EXPECT_EQ(get("/readyz").body, R"({"ready":true})");
    services->ready.set_aside = 2;
    services->ready.set_aside_rows = {{"script", "0/s", "torn"}};
    EXPECT_EQ(get("/readyz").body, R"({"ready":true,"details":{"setAside":{"count":2,"items":[)"
                                   R"({"kind":"script","id":"0/s","error":"torn"}]}}})");
    services->ready = {.ready = false, .reason = "draining"};
    const ApiResponse answer = get("/readyz");
    EXPECT_EQ(answer.status, 503);
    EXPECT_TRUE(has(answer, "draining"));
    EXPECT_EQ(answer.headers[0].first, "Retry-After");
    EXPECT_EQ(get("/healthz").status, 200);
}

TEST_F(ApiTest, DescribesItself) {
    core::JsonDocument document;
    for (const char* target : {"/openapi.json", "/v2/stats", "/v2/audit"}) {
        const ApiResponse answer = get(target);
        EXPECT_EQ(answer.status, 200) << target;
        EXPECT_TRUE(document.parse_object(answer.text())) << answer.text();
    }
    const ApiResponse openapi = get("/openapi.json");
    for (const Route& route : route_table())
        EXPECT_TRUE(has(openapi, std::string("\"") + std::string(route.path) + "\"")) << route.path;
    EXPECT_TRUE(has(get("/metrics"), "# TYPE scripts_events_received_total counter"));
}

// A session is the key that opened it, in another form; the console's files hold nobody's data.
TEST_F(ApiTest, ScopesAreOfTheResourceAndFewCallsArePublic) {
    for (const Route& route : route_table()) {
        const std::string_view scope = identity::scope_text(route.scope);
        // Endpoints say themselves who may call them; of a webhook the signature says who it is,
        // of an edge its token.
        const bool probe = route.id == RouteId::kHealthz || route.id == RouteId::kReadyz ||
                           route.id == RouteId::kConsole || route.id == RouteId::kConsoleFile ||
                           route.id == RouteId::kEnterPortal || route.owner == RouteOwner::kHook ||
                           route.id == RouteId::kTakeBatch || route.id == RouteId::kEdgeFilters ||
                           route.path.starts_with("/v2/endpoint/");
        EXPECT_EQ(route.scope == identity::Scope::kPublic, probe) << route.name;
        EXPECT_EQ(scope.find(':') == std::string_view::npos, probe) << route.name;
        const bool changes =
            route.method != io::Method::kGet && route.id != RouteId::kMatchSubscriptions &&
            route.id != RouteId::kPostGraphql && route.id != RouteId::kPreviewSubscription &&
            route.id != RouteId::kCheckSchema && route.id != RouteId::kValidateSchema &&
            route.id != RouteId::kRehearseWorkflowRun && route.id != RouteId::kOpenSession &&
            route.id != RouteId::kCloseSession;
        EXPECT_EQ(scope.ends_with(":read"), !changes && !probe) << route.name << " " << scope;
    }
}

TEST_F(ApiTest, AServerAloneSaysThatItIsInNoCluster) {
    for (const ApiResponse& answer : {get("/v2/cluster"), get("/v2/cluster/partitions/0"),
                                      post("/v2/cluster/partitions/0/move", R"({"to":"b"})")}) {
        EXPECT_EQ(answer.status, 404);
        EXPECT_TRUE(has(answer, "a node of no cluster: [cluster]")) << answer.body;
    }
}

TEST_F(ApiTest, OptionsOfTheWholeServer) {
    io::RouteMatch match;
    api->match(io::Method::kOptions, "*", match);
    const ApiResponse answer = Api::unmatched(io::Method::kOptions, match, "*");
    EXPECT_EQ(answer.status, 204);
    EXPECT_EQ(answer.headers.at(0).first, "Allow");
    EXPECT_EQ(Api::unmatched(io::Method::kOptions, match, "/nowhere").status, 404);
}

TEST_F(ApiTest, EveryRouteOfTheApiHasAHandler) {
    for (const Route& route : route_table()) {
        if (route.owner != RouteOwner::kApi) continue;
        std::string path(route.path);
        for (std::size_t open; (open = path.find('{')) != std::string::npos;)
            path.replace(open, path.find('}') - open + 1, "x");
        ApiResponse answer;
        call_later(route.method, path, "{}",
                   [&](ApiResponse&& response) { answer = std::move(response); });
        EXPECT_NE(answer.status, 500) << route.name << answer.body;
        EXPECT_NE(answer.status, 405) << route.name;
    }
}

TEST_F(ApiTest, TriesAPayloadAgainstASchemaAsWellAsAnEvent) {
    ASSERT_EQ(
        post("/v2/schemas",
             R"({"id":"s","name":"s","pattern":"a","schema":{"properties":{"n":{"minimum":1}}}})")
            .status,
        201);
    for (const std::string_view tried : {R"({"payload":{ "n":0, "x":{"y":[1]} }})",
                                         R"({"event":{"pattern":"a","payload":{"n":0}}})"}) {
        const ApiResponse answer = post("/v2/schemas/s/validate", tried);
        EXPECT_EQ(answer.status, 200) << answer.body;
        EXPECT_TRUE(has(answer, R"("valid":false)")) << answer.body;
        EXPECT_TRUE(has(answer, R"("pointer":"/n")")) << answer.body;
    }
    EXPECT_TRUE(has(post("/v2/schemas/s/validate", R"({"payload":{"n":1}})"), R"("valid":true)"));
}

}  // namespace
}  // namespace millrace::runtime::api::test
