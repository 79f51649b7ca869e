// Goal: spans reach the collector once it takes them, in requests of a bounded size; one that is
// away gets the same ones later and later, one that refuses loses them; what finds no room is
// counted, and no lane waits for any of it.
// Method: a port that keeps the calls and answers as the test says, a clock that the test moves.
#include "runtime/telemetry/exporter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace millrace::telemetry {
namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;

class KeepingPort final : public courier::HttpPort {
public:
    struct Kept {
        courier::HttpReceiver* receiver = nullptr;
        std::uint64_t ticket = 0;
        courier::HttpCall call;
    };
    bool send(courier::HttpReceiver& receiver, std::uint64_t ticket,
              courier::HttpCall&& call) override {
        if (full) return false;
        calls.push_back({&receiver, ticket, std::move(call)});
        return true;
    }
    void cancel(courier::HttpReceiver&, std::uint64_t) override {}
    void answer(std::size_t index, int status, std::string body = "{}",
                courier::HttpHeaders headers = {}) {
        courier::HttpAnswer answer;
        answer.status = status;
        answer.body = std::move(body);
        answer.headers = std::move(headers);
        calls[index].receiver->receive(calls[index].ticket, std::move(answer));
    }
    void break_off(std::size_t index, courier::HttpFault fault) {
        courier::HttpAnswer answer;
        answer.fault = fault;
        answer.message = "Couldn't connect to server";
        calls[index].receiver->receive(calls[index].ticket, std::move(answer));
    }

    std::vector<Kept> calls;
    bool full = false;
};

class ExporterTest : public ::testing::Test {
protected:
    void make(std::int64_t metrics_every_us = 0, std::string headers = "") {
        auto options = read_export_options("http://127.0.0.1:4318/", headers);
        ASSERT_TRUE(options) << options.error().message;
        options->metrics_every_us = metrics_every_us;
        options->resource = {"here", "1"};
        Exporter::Deps deps;
        deps.clock = &clock_;
        deps.log = &log_;
        deps.metrics = &metrics_;
        deps.seed = 1;
        deps.port = &port_;
        auto made = Exporter::make(std::move(deps), std::move(*options));
        ASSERT_TRUE(made) << made.error().message;
        exporter_ = std::move(*made);
        queue_ = &exporter_->queue();
    }
    void add(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            Span span;
            const std::string id = "e" + std::to_string(next_++);
            span.event_id = id;
            span.pattern = "p";
            queue_->add(span);
        }
        queue_->hand_over();
    }
    void run() {
        while (exporter_->do_work() != 0) {
        }
    }
    void advance(std::int64_t ns) {
        clock_.advance_us(ns / 1000);
        run();
    }
    // What was added has waited long enough.
    void due() {
        run();
        advance(kSecondNs);
    }
    static std::size_t spans_in(const std::string& body) {
        std::size_t count = 0;
        for (std::size_t at = body.find("\"spanId\""); at != std::string::npos;
             at = body.find("\"spanId\"", at + 1))
            ++count;
        return count;
    }
    std::int64_t counted(std::string_view outcome) const {
        return metrics_.sum(core::Metric::kOtlpSpans, {outcome});
    }
    bool up() const { return metrics_.sum(core::Metric::kOtlpUp) == 1; }

    core::ManualClock clock_{1'700'000'000'000'000};
    std::string lines_;
    core::Log log_{clock_, core::LogLevel::kInfo,
                   [this](std::string_view line) { lines_ += line; }};
    core::Metrics metrics_;
    KeepingPort port_;
    std::unique_ptr<Exporter> exporter_;
    SpanQueue* queue_ = nullptr;
    int next_ = 0;
};

TEST_F(ExporterTest, WaitsASecondForMoreAndSendsThemTogether) {
    make(0, "api-key=k, x-tenant=a=b");
    add(2);
    run();
    EXPECT_TRUE(port_.calls.empty());
    advance(kSecondNs / 2);
    add(3);
    run();
    EXPECT_TRUE(port_.calls.empty());
    advance(kSecondNs / 2);
    ASSERT_EQ(port_.calls.size(), 1u);
    const courier::HttpCall& call = port_.calls[0].call;
    EXPECT_EQ(call.method, "POST");
    EXPECT_EQ(call.url, "http://127.0.0.1:4318/v1/traces");
    EXPECT_EQ(call.headers,
              (courier::HttpHeaders{
                  {"api-key", "k"}, {"x-tenant", "a=b"}, {"Content-Type", "application/json"}}));
    EXPECT_EQ(spans_in(call.body), 5u);
    EXPECT_NE(call.body.find(R"("stringValue":"e4")"), std::string::npos);
    EXPECT_EQ(counted("sent"), 0);
    port_.answer(0, 200);
    EXPECT_EQ(counted("sent"), 5);
    EXPECT_TRUE(up());
    advance(10 * kSecondNs);
    EXPECT_EQ(port_.calls.size(), 1u);
}

TEST_F(ExporterTest, AFullRequestGoesAtOnceAndOneIsUnderWayAtATime) {
    make();
    add(3 * Exporter::kSpansPerCall);
    run();
    ASSERT_EQ(port_.calls.size(), 1u);
    EXPECT_EQ(spans_in(port_.calls[0].call.body), Exporter::kSpansPerCall);
    port_.answer(0, 200);
    run();
    ASSERT_EQ(port_.calls.size(), 2u);
    EXPECT_EQ(spans_in(port_.calls[1].call.body), Exporter::kSpansPerCall);
    EXPECT_NE(port_.calls[0].call.body, port_.calls[1].call.body);
    port_.answer(1, 202);
    run();
    port_.answer(2, 200);
    EXPECT_EQ(counted("sent"), static_cast<std::int64_t>(3 * Exporter::kSpansPerCall));
    EXPECT_EQ(counted("dropped"), 0);
}

TEST_F(ExporterTest, OneThatIsAwayGetsTheSameSpansLaterAndLater) {
    make();
    add(4);
    due();
    ASSERT_EQ(port_.calls.size(), 1u);
    port_.break_off(0, courier::HttpFault::kConnect);
    EXPECT_FALSE(up());
    std::int64_t least_ms = Exporter::kRetryMsMin / 2, most_ms = Exporter::kRetryMsMin;
    for (std::size_t tries = 1; tries <= 8; ++tries) {
        advance((least_ms - 1) * 1'000'000);
        EXPECT_EQ(port_.calls.size(), tries) << tries;
        advance((most_ms - least_ms + 2) * 1'000'000);
        ASSERT_EQ(port_.calls.size(), tries + 1) << tries;
        EXPECT_EQ(port_.calls[tries].call.body, port_.calls[0].call.body);
        port_.answer(tries, tries % 2 == 0 ? 503 : 504);
        most_ms = std::min(Exporter::kRetryMsMax, 2 * most_ms);
        least_ms = most_ms / 2;
    }
    advance(most_ms * 1'000'000);
    port_.answer(9, 200);
    EXPECT_EQ(counted("sent"), 4);
    EXPECT_EQ(counted("refused"), 0);
    EXPECT_TRUE(up());
    // The next ones do not wait as long as the last of these did.
    add(1);
    due();
    EXPECT_EQ(port_.calls.size(), 11u);
}

TEST_F(ExporterTest, RetryAfterIsWaitedForButNotForEver) {
    make();
    add(1);
    due();
    port_.answer(0, 429, "", {{"retry-after", "20"}});
    advance(19 * kSecondNs);
    EXPECT_EQ(port_.calls.size(), 1u);
    advance(kSecondNs);
    ASSERT_EQ(port_.calls.size(), 2u);
    port_.answer(1, 503, "", {{"retry-after", "999999999"}});
    advance(299 * kSecondNs);
    EXPECT_EQ(port_.calls.size(), 2u);
    advance(kSecondNs);
    EXPECT_EQ(port_.calls.size(), 3u);
    port_.answer(2, 503, "", {{"retry-after", "Wed, 21 Oct 2026 07:28:00 GMT"}});
    advance(5 * kSecondNs);
    EXPECT_EQ(port_.calls.size(), 4u);
}

TEST_F(ExporterTest, WhatIsRefusedIsDroppedCountedAndToldOnce) {
    make();
    for (const int status : {400, 401, 404, 500, 301}) {
        const std::size_t before = port_.calls.size();
        add(2);
        due();
        ASSERT_EQ(port_.calls.size(), before + 1) << status;
        port_.answer(before, status);
        advance(60 * kSecondNs);
        EXPECT_EQ(port_.calls.size(), before + 1) << status;
    }
    EXPECT_EQ(counted("refused"), 10);
    EXPECT_EQ(counted("sent"), 0);
    lines_.clear();
    for (int i = 0; i < 3; ++i) {
        add(1);
        due();
        port_.answer(port_.calls.size() - 1, 400);
    }
    EXPECT_EQ(lines_.find("HTTP 400"), lines_.rfind("HTTP 400"));
    EXPECT_NE(lines_.find("HTTP 400"), std::string::npos);
}

TEST_F(ExporterTest, OfAPartialSuccessSoManyAreRefused) {
    make();
    add(5);
    due();
    port_.answer(0, 200,
                 R"({"partialSuccess":{"rejectedSpans":"2","errorMessage":"no such tenant"}})");
    EXPECT_EQ(counted("sent"), 3);
    EXPECT_EQ(counted("refused"), 2);
    EXPECT_NE(lines_.find("no such tenant"), std::string::npos);
}

TEST_F(ExporterTest, WhatFindsNoRoomIsDroppedAndCountedAndTheOldestStay) {
    make();
    constexpr std::size_t kRoom = SpanQueue::kBatches * SpanQueue::kBatchSpans;
    add(kRoom + 100);
    EXPECT_EQ(counted("dropped"), 100);
    due();
    ASSERT_EQ(port_.calls.size(), 1u);
    EXPECT_NE(port_.calls[0].call.body.find(R"("stringValue":"e0")"), std::string::npos);
    // While it is away, the queue and what was gathered hold what they can.
    port_.break_off(0, courier::HttpFault::kTimeout);
    add(2 * kRoom);
    EXPECT_GT(counted("dropped"), 100);
    const std::int64_t dropped = counted("dropped");
    for (std::size_t done = 1; done < 1000; ++done) {
        advance(30 * kSecondNs);
        if (port_.calls.size() == done) break;
        port_.answer(port_.calls.size() - 1, 200);
    }
    EXPECT_EQ(counted("dropped"), dropped);
    EXPECT_EQ(counted("sent") + dropped, static_cast<std::int64_t>(3 * kRoom + 100));
}

TEST_F(ExporterTest, SmallResultsOfALaneShareABatchWhileNobodyTakesThem) {
    make();
    const Span span;
    for (int i = 0; i < 1'000; ++i) {
        queue_->add(span);
        queue_->offer();
    }
    EXPECT_EQ(counted("dropped"), 0);
    due();
    ASSERT_EQ(port_.calls.size(), 1u);
    const std::size_t first = spans_in(port_.calls[0].call.body);
    EXPECT_LT(first, 1'000u);
    port_.answer(0, 200);
    // The lane has nothing to do, and the exporter has caught up.
    queue_->offer();
    queue_->offer();
    due();
    ASSERT_EQ(port_.calls.size(), 2u);
    EXPECT_EQ(first + spans_in(port_.calls[1].call.body), 1'000u);
}

TEST_F(ExporterTest, AStopSendsWhatIsThereAndSaysWhenItIsOut) {
    make();
    add(3);
    run();
    EXPECT_FALSE(exporter_->idle());
    queue_->add(Span());  // of a lane that has ended without a word
    exporter_->stop_soon();
    run();
    ASSERT_EQ(port_.calls.size(), 1u);
    EXPECT_EQ(spans_in(port_.calls[0].call.body), 4u);
    EXPECT_FALSE(exporter_->idle());
    port_.answer(0, 200);
    run();
    EXPECT_TRUE(exporter_->idle());
}

TEST_F(ExporterTest, ACourierThatIsFullIsAskedAgain) {
    make();
    add(1);
    port_.full = true;
    due();
    EXPECT_TRUE(port_.calls.empty());
    port_.full = false;
    run();
    EXPECT_EQ(port_.calls.size(), 1u);
}

TEST_F(ExporterTest, MetricsGoAtTheirTimeAndAreNotSentAgain) {
    make(15'000'000);
    run();
    ASSERT_EQ(port_.calls.size(), 1u);
    EXPECT_EQ(port_.calls[0].call.url, "http://127.0.0.1:4318/v1/metrics");
    EXPECT_TRUE(port_.calls[0].call.body.starts_with(R"({"resourceMetrics":[)"));
    port_.answer(0, 503);
    EXPECT_FALSE(up());
    advance(14 * kSecondNs);
    EXPECT_EQ(port_.calls.size(), 1u);
    advance(kSecondNs);
    ASSERT_EQ(port_.calls.size(), 2u);
    EXPECT_NE(port_.calls[1].call.body.find(R"("startTimeUnixNano":"1700000000000000000")"),
              std::string::npos);
    port_.answer(1, 200);
    EXPECT_TRUE(up());
    // They do not wait for spans that are tried again, nor those for them.
    add(1);
    run();
    advance(15 * kSecondNs);
    EXPECT_EQ(port_.calls.size(), 4u);
}

TEST(ExportOptions, AreCheckedByName) {
    const auto read = [](std::string_view endpoint, std::string_view headers) {
        const auto options = read_export_options(endpoint, headers);
        return options ? options->endpoint : options.error().field;
    };
    EXPECT_EQ(read("https://otel.example/collect//", ""), "https://otel.example/collect");
    for (const char* bad :
         {"collector:4318", "ftp://x", "http://", "http://u:p@x", "http://x/?a=1"})
        EXPECT_EQ(read(bad, ""), "otlp.endpoint") << bad;
    // A newcomer's first try: where it goes instead, and not what it was.
    const auto refused = read_export_options("http://u:hush@x:4318", "");
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("otlp.headers"), std::string::npos);
    EXPECT_EQ(refused.error().message.find("hush"), std::string::npos);
    for (const char* bad : {"key", "a b=1", "=1", "a=1,,b=2"})
        EXPECT_EQ(read("http://x", bad), "otlp.headers") << bad;
}

}  // namespace
}  // namespace millrace::telemetry
