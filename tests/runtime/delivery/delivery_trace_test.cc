// Goal: each attempt is told as a span of its event's trace, under an id that it has again when it
// is made again; what it emits goes on in that trace. Where nobody asks, nothing is told.
// Method: a real lane over a store in a temporary folder, an executor that does as the test says,
// a queue of spans that the test reads.
#include "core/hex.h"
#include "runtime/delivery/lane.h"
#include "runtime/event/trace_context.h"
#include "runtime/telemetry/span_queue.h"
#include "tests/runtime/block_maker.h"
#include "tests/store/store_fixture.h"

#include <gtest/gtest.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace millrace::runtime {
namespace {

constexpr core::ShardId kTracedShard{0};
constexpr std::string_view kCame = "00-12345678901234567890123456789012-1234567890123456-01";

struct KeepingShard final : ResultPort {
    std::vector<std::unique_ptr<LaneResult>> results;
    bool take_result(std::uint32_t, std::unique_ptr<LaneResult>& result) override {
        results.push_back(std::move(result));
        return true;
    }
};

// Fails, or emits so many events, at once.
class ObedientExecutor final : public Executor {
public:
    Start start(const AttemptInput&, AttemptResult& result) override {
        if (fails) {
            result.fail("boom");
            return Start::kDone;
        }
        result.outcome = AttemptOutcome::kOk;
        for (std::size_t i = 0; i < emits; ++i) {
            EmittedEvent event;
            event.envelope = "{\"pattern\":\"emitted\"}\n";
            result.effects.emitted.push_back(event);
        }
        return Start::kDone;
    }
    bool fails = false;
    std::size_t emits = 0;
};

struct Told {
    std::string trace, span, parent, state, event, status, error, delivery, correlation;
    std::uint32_t attempt = 0;
    bool failed = false;
};

std::string hex_text(std::span<const std::uint8_t> bytes) {
    std::string out;
    core::append_hex(out, bytes);
    return out;
}

class DeliveryTraceTest : public store::test::StoreTest {
protected:
    void SetUp() override { open(); }
    void TearDown() override {
        lane_.reset();
        store::test::StoreTest::TearDown();
    }
    void start(bool tells, double sample = 1.0) {
        auto snapshot = std::make_shared<RegistrySnapshot>();
        auto subscription = std::make_shared<Subscription>();
        subscription->number = core::SubscriptionId(1);
        subscription->id = "s1";
        subscription->retry.jitter = Jitter::kNone;
        snapshot->subscriptions.set(1, subscription);
        registry_ = snapshot;
        Lane::Deps deps;
        deps.run.clock = &clock_;
        deps.run.hasher = &database_->hasher();
        deps.run.kv = &database_->kv();
        deps.run.pools = &database_->pools();
        deps.run.metrics = &metrics_;
        deps.run.drain = [](const DrainRequest&) {};
        if (tells) deps.run.spans = &queue_;
        deps.run.traces = {tells, sample};
        deps.make_executors = [this](AnswerPort&) {
            ExecutorSet set;
            auto made = std::make_unique<ObedientExecutor>();
            executor_ = made.get();
            set[static_cast<std::size_t>(ExecutorType::kScript)] = std::move(made);
            return set;
        };
        deps.registry = [this] { return registry_; };
        deps.registry_version = [this] { return registry_->version; };
        deps.results = {&shard_};
        lane_ = std::make_unique<Lane>(std::move(deps));
    }
    void send(const std::vector<std::string>& texts, const std::vector<std::string>& fills) {
        auto job = std::make_unique<LaneJob>();
        for (std::uint32_t i = 0; i < texts.size(); ++i)
            job->items.push_back({i, core::SubscriptionId(1)});
        job->block = maker_.make(texts, {}, fills);
        lane_->submit(kTracedShard, std::move(job));
        while (lane_->do_work() != 0) {
        }
    }
    // The attempt after `made` others, as the feeder brings it back.
    void send_retry(const std::string& text, const std::string& fill, std::uint32_t made) {
        const store::EventBlock block = maker_.make({text}, {}, {fill});
        auto job = std::make_unique<LaneJob>();
        job->kind = JobKind::kRetry;
        job->items.push_back({0, core::SubscriptionId(1)});
        job->single.emplace();
        job->single->event = block.event(0);
        job->single->bytes = block.body();
        job->earlier.made = job->earlier.counted = made;
        ASSERT_TRUE(lane_->submit_aside(job));
        while (lane_->do_work() != 0) {
        }
    }
    std::vector<Told> told() {
        std::vector<Told> out;
        telemetry::SpanQueue::BatchRef batch;
        while (queue_.take(batch)) {
            batch->each([&](const telemetry::Span& span) {
                const AttemptTrace& trace = span.trace;
                out.push_back({hex_text(trace.own.trace), hex_text(trace.own.span),
                               trace.parent ? hex_text(*trace.parent) : "",
                               std::string(trace.own.state), std::string(span.event_id),
                               std::string(span.status), std::string(span.error),
                               std::string(span.delivery_id), std::string(span.correlation_id),
                               span.attempt, span.failed});
            });
            queue_.give_back(std::move(batch));
        }
        return out;
    }
    std::vector<EmittedTrace> emitted_traces() const {
        std::vector<EmittedTrace> out;
        for (const auto& result : shard_.results)
            out.insert(out.end(), result->traces.begin(), result->traces.end());
        return out;
    }

    BlockMaker maker_{kTracedShard};
    core::Metrics metrics_;
    telemetry::SpanQueue queue_{metrics_.role().counter(core::Metric::kOtlpSpans, {"dropped"})};
    RegistrySnapshotRef registry_;
    KeepingShard shard_;
    ObedientExecutor* executor_ = nullptr;
    std::unique_ptr<Lane> lane_;
};

const std::string kEvent = R"({"eventId":"e1","pattern":"test","payload":{}})";
const std::string kFill = trace_fill("", std::string(kCame) + " foo=1");

TEST_F(DeliveryTraceTest, AnAttemptIsASpanOfItsEventsTrace) {
    start(true);
    send({kEvent}, {kFill});
    const std::vector<Told> spans = told();
    ASSERT_EQ(spans.size(), 1u);
    EXPECT_EQ(spans[0].trace, "12345678901234567890123456789012");
    EXPECT_EQ(spans[0].parent, "1234567890123456");
    EXPECT_EQ(spans[0].state, "foo=1");
    EXPECT_EQ(spans[0].event, "e1");
    EXPECT_EQ(spans[0].status, "completed");
    EXPECT_EQ(spans[0].attempt, 1u);
    EXPECT_FALSE(spans[0].failed);
    EXPECT_TRUE(spans[0].delivery.starts_with("dv_"));
}

TEST_F(DeliveryTraceTest, OfEventsWithoutOneThoseOfAChainAreOneTrace) {
    start(true);
    const auto with = [](const std::string& id, const std::string& correlation) {
        return R"({"eventId":")" + id + R"(","pattern":"test","payload":{},)" +
               R"("metadata":{"correlationId":")" + correlation + R"("}})";
    };
    send({with("a", "c1"), with("b", "c1"), with("c", "c2"), kEvent}, {"", "3", "", ""});
    const std::vector<Told> spans = told();
    ASSERT_EQ(spans.size(), 4u);
    EXPECT_EQ(spans[0].trace, spans[1].trace);
    EXPECT_NE(spans[0].span, spans[1].span);
    EXPECT_NE(spans[0].trace, spans[2].trace);
    EXPECT_EQ(spans[1].parent, "");
    EXPECT_EQ(spans[1].correlation, "c1");
    EXPECT_EQ(spans[3].correlation, "");
}

TEST_F(DeliveryTraceTest, AnAttemptThatIsMadeAgainIsTheSameSpanAndARetryIsAnother) {
    start(true);
    executor_->fails = true;
    send({kEvent}, {kFill});
    // The outcome was lost with a crash: the same attempt comes once more.
    send({kEvent}, {kFill});
    send_retry(kEvent, kFill, 1);
    const std::vector<Told> spans = told();
    ASSERT_EQ(spans.size(), 3u);
    EXPECT_EQ(spans[0].span, spans[1].span);
    EXPECT_EQ(spans[0].status, "retrying");
    EXPECT_EQ(spans[0].error, "boom");
    EXPECT_TRUE(spans[0].failed);
    EXPECT_NE(spans[2].span, spans[0].span);
    EXPECT_EQ(spans[2].trace, spans[0].trace);
    EXPECT_EQ(spans[2].delivery, spans[0].delivery);
    EXPECT_EQ(spans[2].attempt, 2u);
}

TEST_F(DeliveryTraceTest, TheFlagSaysWhetherASpanIsToldAndElseTheRatio) {
    start(true, 0.0);
    const std::string off = trace_fill("", std::string(kCame.substr(0, 53)) + "00");
    send({kEvent, kEvent, kEvent}, {off, kFill, ""});
    EXPECT_EQ(told().size(), 1u);
}

TEST_F(DeliveryTraceTest, WhatIsEmittedGoesOnInTheTraceOfTheAttempt) {
    start(true);
    executor_->emits = 2;
    send({kEvent}, {kFill});
    const std::vector<Told> spans = told();
    ASSERT_EQ(spans.size(), 1u);
    const std::string expected = "00-" + spans[0].trace + "-" + spans[0].span + "-01 foo=1";
    const std::vector<EmittedTrace> traces = emitted_traces();
    ASSERT_EQ(traces.size(), 2u);
    EXPECT_EQ(traces[0].entry, 0u);
    EXPECT_EQ(traces[1].entry, 1u);
    EXPECT_EQ(traces[0].text, expected);
    EXPECT_EQ(traces[1].text, expected);
}

TEST_F(DeliveryTraceTest, WhereNobodyAsksNothingIsToldAndATraceGoesOnAllTheSame) {
    start(false);
    executor_->emits = 1;
    send({kEvent}, {""});
    EXPECT_TRUE(emitted_traces().empty());
    send({kEvent}, {kFill});
    const std::vector<EmittedTrace> traces = emitted_traces();
    ASSERT_EQ(traces.size(), 1u);
    EXPECT_TRUE(traces[0].text.starts_with("00-12345678901234567890123456789012-"));
    EXPECT_TRUE(traces[0].text.ends_with("-01 foo=1"));
    EXPECT_TRUE(told().empty());
}

}  // namespace
}  // namespace millrace::runtime
