// Goal: cells of all roles add up, names are those of the contract, label sets stay bounded.
#include "core/metrics.h"

#include <gtest/gtest.h>

namespace millrace::core {
namespace {

std::string exported(const Metrics& metrics) {
    std::string out;
    metrics.export_text(out);
    return out;
}

bool has_line(const std::string& text, const std::string& line) {
    return text.find("\n" + line + "\n") != std::string::npos;
}

TEST(Metrics, AddsTheCellsOfAllRoles) {
    Metrics metrics;
    MetricsRole& first = metrics.role();
    MetricsRole& second = metrics.role();
    first.counter(Metric::kEventsReceived, {"invoice.created"}).add(3);
    second.counter(Metric::kEventsReceived, {"invoice.created"}).add(4);
    first.gauge(Metric::kHttpConnections).set(5);
    second.gauge(Metric::kHttpConnections).add(-2);
    const std::string text = exported(metrics);
    EXPECT_TRUE(has_line(text, "scripts_events_received_total{event_type=\"invoice.created\"} 7"))
        << text;
    EXPECT_TRUE(has_line(text, "millrace_http_connections 3"));
    EXPECT_EQ(metrics.sum(Metric::kEventsReceived), 7);
}

TEST(Metrics, SameLabelsGiveTheSameCell) {
    Metrics metrics;
    MetricsRole& role = metrics.role();
    for (int i = 0; i < 10; ++i) role.counter(Metric::kAttempts, {"a", "s", "completed"}).add();
    EXPECT_EQ(metrics.sum(Metric::kAttempts, {"a", "s"}), 10);
    EXPECT_EQ(metrics.sum(Metric::kAttempts, {"b"}), 0);
}

TEST(Metrics, HistogramBucketsAreCumulative) {
    Metrics metrics;
    Histogram histogram = metrics.role().histogram(Metric::kQueueSeconds);
    histogram.observe_ns(10'000);
    histogram.observe_ns(10'001);
    histogram.observe_ns(60'000'000'000);
    const std::string text = exported(metrics);
    EXPECT_TRUE(has_line(text, "script_event_queue_time_seconds_bucket{le=\"1e-05\"} 1")) << text;
    EXPECT_TRUE(has_line(text, "script_event_queue_time_seconds_bucket{le=\"2.5e-05\"} 2"));
    EXPECT_TRUE(has_line(text, "script_event_queue_time_seconds_bucket{le=\"+Inf\"} 3"));
    EXPECT_TRUE(has_line(text, "script_event_queue_time_seconds_count 3"));
    EXPECT_TRUE(has_line(text, "script_event_queue_time_seconds_sum 60.000020001"));
}

TEST(Metrics, ContractNamesAreThereFromTheStart) {
    Metrics metrics;
    const std::string text = "\n" + exported(metrics);
    for (const char* name :
         {"scripts_events_received_total", "scripts_events_processed_total",
          "script_events_processed_total", "script_event_processing_duration_seconds",
          "script_event_queue_size", "script_events_dropped_total",
          "script_event_queue_time_seconds", "script_dlq_entries", "script_dlq_pending_retries",
          "script_dlq_retries_total"}) {
        EXPECT_NE(text.find(std::string("\n# TYPE ") + name + " "), std::string::npos) << name;
    }
    EXPECT_TRUE(has_line(text, "script_events_dropped_total 0"));
}

TEST(Metrics, FoldsLabelsBeyondTheBoundIntoOther) {
    Metrics metrics(Metrics::Options{.series_max = 10});
    MetricsRole& role = metrics.role();
    for (int i = 0; i < 1000; ++i)
        role.counter(Metric::kEventsProcessed, {"type" + std::to_string(i), "failed"}).add();
    const std::string text = exported(metrics);
    EXPECT_TRUE(has_line(
        text, "scripts_events_processed_total{event_type=\"other\",status=\"failed\"} 990"))
        << text;
    EXPECT_EQ(metrics.sum(Metric::kEventsProcessed), 1000);
}

// A million patterns made the page 1.4 MB once: histograms have a line a bucket.
TEST(Metrics, ThePageStaysBelowAMegabyte) {
    Metrics metrics;
    MetricsRole& role = metrics.role();
    for (int i = 0; i < 3000; ++i) {
        for (const std::size_t bytes : {12u, 256u}) {
            const std::string type = std::to_string(i) + std::string(bytes, '"');
            role.counter(Metric::kEventsReceived, {type}).add();
            for (const char* status : {"completed", "failed", "unmatched"}) {
                role.counter(Metric::kEventsProcessed, {type, status}).add();
                role.counter(Metric::kAttempts, {type, type, status}).add();
            }
            role.histogram(Metric::kAttemptSeconds, {type, type}).observe_ns(1'000);
        }
    }
    EXPECT_LT(exported(metrics).size(), 1'000'000u);
    EXPECT_EQ(metrics.sum(Metric::kEventsReceived), 6000);
}

TEST(Metrics, WhatIsForgottenIsNotExportedAndMakesRoom) {
    Metrics metrics({.series_max = 2});
    MetricsRole& one = metrics.role();
    MetricsRole& two = metrics.role();
    one.gauge(Metric::kLinkUp, {"t", "a"}).set(1);
    one.gauge(Metric::kLinkUp, {"t", "b"}).set(1);
    two.gauge(Metric::kLinkUp, {"t", "b"}).set(1);
    one.forget(Metric::kLinkUp, {"t", "a"});
    one.forget(Metric::kLinkUp, {"t", "b"});  // the other role has it still
    one.forget(Metric::kLinkUp, {"t", "never"});
    std::string text = exported(metrics);
    EXPECT_EQ(text.find("link=\"a\""), std::string::npos) << text;
    EXPECT_TRUE(has_line(text, "millrace_link_up{tenant=\"t\",link=\"b\"} 1")) << text;
    // What comes anew begins at nought, and is itself.
    one.gauge(Metric::kLinkUp, {"t", "c"});
    text = exported(metrics);
    EXPECT_TRUE(has_line(text, "millrace_link_up{tenant=\"t\",link=\"c\"} 0")) << text;
}

TEST(Metrics, EscapesLabelValues) {
    Metrics metrics;
    metrics.role().counter(Metric::kEventsReceived, {"a\"b\\c\nd"}).add();
    EXPECT_TRUE(has_line(exported(metrics),
                         "scripts_events_received_total{event_type=\"a\\\"b\\\\c\\nd\"} 1"));
}

TEST(Metrics, CallbackGaugeIsReadAtExport) {
    Metrics metrics;
    double value = 1;
    metrics.gauge_callback(Metric::kQueueSize, [&] { return value; });
    value = 41;
    EXPECT_TRUE(has_line(exported(metrics), "script_event_queue_size 41"));
}

TEST(Metrics, SumsOverTheSeriesOfOneLabelsValue) {
    Metrics metrics;
    MetricsRole& role = metrics.role();
    role.counter(Metric::kAttempts, {"a", "s1", "completed"}).add(3);
    role.counter(Metric::kAttempts, {"b", "s2", "completed"}).add(4);
    role.counter(Metric::kAttempts, {"a", "s1", "dead"}).add(5);
    EXPECT_EQ(metrics.sum_where(Metric::kAttempts, 2, "completed"), 7);
    EXPECT_EQ(metrics.sum_where(Metric::kAttempts, 0, "a"), 8);
    EXPECT_EQ(metrics.sum_where(Metric::kAttempts, 2, "retrying"), 0);
}

TEST(Metrics, AddsUpAHistogramOverRolesAndLabels) {
    Metrics metrics;
    metrics.role().histogram(Metric::kAttemptSeconds, {"a", "s"}).observe_ns(5'000);
    metrics.role().histogram(Metric::kAttemptSeconds, {"b", "s"}).observe_ns(7'000);
    const auto cells = metrics.histogram_sum(Metric::kAttemptSeconds);
    EXPECT_EQ(cells[0], 2u);
    EXPECT_EQ(cells.back(), 12'000u) << "the last cell is the sum in ns";
}

TEST(LabelCache, FindsCellsByTextAndStopsGrowing) {
    Metrics metrics(Metrics::Options{.series_max = 5});
    MetricsRole& role = metrics.role();
    int made = 0;
    LabelCache<Counter> cache(
        [&](std::string_view label) {
            ++made;
            return role.counter(Metric::kEventsReceived, {label});
        },
        8);
    for (int round = 0; round < 3; ++round) {
        for (int i = 0; i < 50; ++i) cache.at("type" + std::to_string(i)).add();
    }
    EXPECT_EQ(made, 9);
    EXPECT_EQ(metrics.sum(Metric::kEventsReceived), 150);
    EXPECT_EQ(metrics.sum(Metric::kEventsReceived, {"type0"}), 3);
}

}  // namespace
}  // namespace millrace::core
