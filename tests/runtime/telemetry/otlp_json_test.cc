// Goal: spans and metrics read as OTLP's JSON encoding says: ids in hexadecimal, enums as numbers,
// 64 bits as texts, cumulative counts. Method: the whole text of each case.
#include "runtime/telemetry/otlp_json.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::telemetry {
namespace {

const Resource kResource{"host/127.0.0.1:7070", "1.2.3"};

constexpr std::string_view kResourceJson =
    R"("resource":{"attributes":[{"key":"service.name","value":{"stringValue":"millrace"}},)"
    R"({"key":"service.instance.id","value":{"stringValue":"host/127.0.0.1:7070"}},)"
    R"({"key":"service.version","value":{"stringValue":"1.2.3"}}]})";
constexpr std::string_view kScopeJson = R"("scope":{"name":"millrace","version":"1.2.3"})";

Span span_of(std::uint32_t attempt) {
    Span span;
    std::fill(span.trace.own.trace.begin(), span.trace.own.trace.end(), 0xab);
    std::fill(span.trace.own.span.begin(), span.trace.own.span.end(), 0x0c);
    span.trace.own.flags = 1;
    span.started_at_us = 1'700'000'000'000'001;
    span.duration_us = 250;
    span.attempt = attempt;
    span.shard = 3;
    span.offset = 18'014'398'509'481'985;  // no double holds it
    span.status = "completed";
    span.executor = "script";
    span.pattern = "order.paid";
    span.event_id = "e\"1";
    span.subscription_id = "s1";
    span.delivery_id = "dv_1";
    span.tenant = "default";
    return span;
}

std::string request_of(const std::vector<Span>& spans) {
    std::string out;
    begin_spans(out, kResource);
    for (std::size_t i = 0; i < spans.size(); ++i) {
        if (i > 0) out += ',';
        append_span(out, spans[i]);
    }
    end_spans(out);
    return out;
}

TEST(OtlpSpans, AnAttemptIsAConsumersSpan) {
    EXPECT_EQ(
        request_of({span_of(1)}),
        R"({"resourceSpans":[{)" + std::string(kResourceJson) + R"(,"scopeSpans":[{)" +
            std::string(kScopeJson) +
            R"(,"spans":[{"traceId":"abababababababababababababababab","spanId":"0c0c0c0c0c0c0c0c",)"
            R"("flags":1,"name":"process order.paid","kind":5,)"
            R"("startTimeUnixNano":"1700000000000001000","endTimeUnixNano":"1700000000000251000",)"
            R"("attributes":[{"key":"messaging.system","value":{"stringValue":"millrace"}},)"
            R"({"key":"messaging.operation.name","value":{"stringValue":"process"}},)"
            R"({"key":"messaging.operation.type","value":{"stringValue":"process"}},)"
            R"({"key":"messaging.destination.name","value":{"stringValue":"order.paid"}},)"
            R"({"key":"messaging.message.id","value":{"stringValue":"e\"1"}},)"
            R"({"key":"messaging.consumer.group.name","value":{"stringValue":"s1"}},)"
            R"({"key":"millrace.delivery.id","value":{"stringValue":"dv_1"}},)"
            R"({"key":"millrace.delivery.status","value":{"stringValue":"completed"}},)"
            R"({"key":"millrace.executor","value":{"stringValue":"script"}},)"
            R"({"key":"millrace.tenant","value":{"stringValue":"default"}},)"
            R"({"key":"millrace.attempt","value":{"intValue":"1"}},)"
            R"({"key":"millrace.shard","value":{"intValue":"3"}},)"
            R"({"key":"millrace.offset","value":{"intValue":"18014398509481985"}}],)"
            R"("status":{"code":1}}]}]}]})");
}

TEST(OtlpSpans, SayTheirParentTheirStateAndWhatWentWrong) {
    Span span = span_of(2);
    span.trace.parent = runtime::SpanId{1, 2, 3, 4, 5, 6, 7, 8};
    span.trace.own.state = "foo=1";
    span.correlation_id = "c";
    span.replay_id = "rp_1";
    span.failed = true;
    span.status = "retrying";
    span.error = "boom\nat line 1";
    const std::string text = request_of({span});
    for (const std::string_view part :
         {R"("traceState":"foo=1","parentSpanId":"0102030405060708","flags":1)",
          R"({"key":"messaging.message.conversation_id","value":{"stringValue":"c"}})",
          R"({"key":"millrace.replay.id","value":{"stringValue":"rp_1"}})",
          R"({"key":"millrace.delivery.status","value":{"stringValue":"retrying"}})",
          R"({"key":"millrace.attempt","value":{"intValue":"2"}})",
          R"("status":{"code":2,"message":"boom\nat line 1"})"})
        EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
}

TEST(OtlpSpans, StandInOneRequestWithCommas) {
    const std::string text = request_of({span_of(1), span_of(2), span_of(3)});
    std::size_t spans = 0;
    for (std::size_t at = text.find("\"spanId\""); at != std::string::npos;
         at = text.find("\"spanId\"", at + 1))
        ++spans;
    EXPECT_EQ(spans, 3u);
    EXPECT_NE(text.find(R"("status":{"code":1}},{"traceId")"), std::string::npos);
    EXPECT_TRUE(text.ends_with(R"("status":{"code":1}}]}]}]})"));
}

// ---- metrics

std::string metric_in(const std::string& request, std::string_view name) {
    const std::string begin = R"({"name":")" + std::string(name) + "\"";
    const std::size_t at = request.find(begin);
    if (at == std::string::npos) return "none";
    const std::size_t next = request.find(R"(,{"name":")", at + 1);
    return request.substr(at, next == std::string::npos ? next : next - at);
}

TEST(OtlpMetrics, CountersAreSumsOfAllAgentsByLabel) {
    core::Metrics metrics;
    metrics.role().counter(core::Metric::kDlqRetries, {"success"}).add(3);
    metrics.role().counter(core::Metric::kDlqRetries, {"success"}).add(4);
    metrics.role().counter(core::Metric::kDlqRetries, {"failure"}).add(1);
    const std::string text = metrics_request(metrics, kResource, 1'000, 2'000);
    EXPECT_TRUE(text.starts_with(R"({"resourceMetrics":[{)" + std::string(kResourceJson) +
                                 R"(,"scopeMetrics":[{)" + std::string(kScopeJson) +
                                 R"(,"metrics":[{"name":")"))
        << text;
    EXPECT_TRUE(text.ends_with("]}]}]}"));
    const std::string times = R"("startTimeUnixNano":"1000000","timeUnixNano":"2000000","asInt":")";
    EXPECT_EQ(
        metric_in(text, "script_dlq_retries_total"),
        R"({"name":"script_dlq_retries_total","description":"Retries and dead-letter replays by )"
        R"(result","unit":"1","sum":{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[)"
        R"({"attributes":[{"key":"result","value":{"stringValue":"failure"}}],)" +
            times + R"(1"},{"attributes":[{"key":"result","value":{"stringValue":"success"}}],)" +
            times + R"(7"}]}}]}]}]})");
}

TEST(OtlpMetrics, GaugesMayFallBelowZeroOrBeAskedFor) {
    core::Metrics metrics;
    metrics.role().gauge(core::Metric::kHubLag).set(-2);
    metrics.gauge_callback(core::Metric::kDiskFree, [] { return 1.5; });
    const std::string text = metrics_request(metrics, kResource, 0, 1);
    const std::string lag = metric_in(text, "millrace_hub_lag");
    EXPECT_NE(lag.find(R"("unit":"1","gauge":{"dataPoints":[{"attributes":[],)"), std::string::npos)
        << lag;
    EXPECT_NE(lag.find(R"("asInt":"-2"})"), std::string::npos) << lag;
    const std::string disk = metric_in(text, "millrace_disk_free_bytes");
    EXPECT_NE(disk.find(R"("unit":"By","gauge":)"), std::string::npos) << disk;
    EXPECT_NE(disk.find(R"("asDouble":1.5})"), std::string::npos) << disk;
}

TEST(OtlpMetrics, BucketsOfHistogramsAreNotCumulated) {
    core::Metrics metrics;
    const core::Histogram seconds = metrics.role().histogram(core::Metric::kQueueSeconds);
    seconds.observe_ns(10'000);
    seconds.observe_ns(20'000);
    seconds.observe_ns(20'000);
    seconds.observe_ns(60'000'000'000);
    const std::string text =
        metric_in(metrics_request(metrics, kResource, 0, 1), "script_event_queue_time_seconds");
    EXPECT_NE(text.find(R"("unit":"s","histogram":{"aggregationTemporality":2,)"),
              std::string::npos)
        << text;
    EXPECT_NE(text.find(R"("count":"4","sum":60.00005,"bucketCounts":["1","2","0",)"),
              std::string::npos)
        << text;
    EXPECT_NE(text.find(R"("0","1"],"explicitBounds":[1e-05,2.5e-05,)"), std::string::npos) << text;
    EXPECT_NE(text.find(R"(10,30]})"), std::string::npos) << text;
}

// ---- answers

TEST(OtlpAnswers, SayWhatWasNotTaken) {
    const auto partial = [](std::string_view text) { return read_partial_success(text); };
    EXPECT_EQ(partial("{}").rejected, 0u);
    EXPECT_EQ(partial("").rejected, 0u);
    EXPECT_EQ(partial("no JSON").rejected, 0u);
    EXPECT_EQ(partial(R"({"partialSuccess":{}})").rejected, 0u);
    EXPECT_EQ(partial(R"({"partialSuccess":null})").rejected, 0u);
    const PartialSuccess some =
        partial(R"({"partialSuccess":{"rejectedSpans":"3","errorMessage":"too old"}})");
    EXPECT_EQ(some.rejected, 3u);
    EXPECT_EQ(some.message, "too old");
    EXPECT_EQ(partial(R"({"partialSuccess":{"rejectedSpans":3}})").rejected, 3u);
    EXPECT_EQ(partial(R"({"partialSuccess":{"rejectedSpans":-3}})").rejected, 0u);
    EXPECT_EQ(partial(R"({"partialSuccess":{"rejectedDataPoints":"9"}})").rejected, 9u);
}

}  // namespace
}  // namespace millrace::telemetry
