// `stats`: what the server has received, processed and still holds, from /metrics and /readyz.
#include "tools/cli/cli.h"
#include "tools/cli/json.h"
#include "tools/cli/metrics.h"

#include <cmath>
#include <cstdlib>
#include <map>
#include <set>
#include <sstream>

namespace millrace::tools {

namespace {

constexpr std::size_t kTypesShownMax = 20;

std::string number_text(double value) {
    std::ostringstream text;
    if (value == std::floor(value)) {
        text << static_cast<std::int64_t>(value);
    } else {
        text << value;
    }
    return text.str();
}

using Samples = std::vector<MetricSample>;

std::vector<std::pair<std::string, double>> totals(const Samples& samples) {
    constexpr const char* kProcessed = "scripts_events_processed_total";
    constexpr const char* kAttempts = "script_events_processed_total";
    std::vector<std::pair<std::string, double>> rows;
    rows.emplace_back("received", metric_sum(samples, "scripts_events_received_total"));
    for (const char* status : {"completed", "failed", "unmatched"}) {
        rows.emplace_back(status, metric_sum(samples, kProcessed, "status", status));
    }
    rows.emplace_back("attempts", metric_sum(samples, kAttempts));
    rows.emplace_back("queued", metric_sum(samples, "script_event_queue_size"));
    rows.emplace_back("retriesWaiting", metric_sum(samples, "script_dlq_pending_retries"));
    rows.emplace_back("deadLetters", metric_sum(samples, "script_dlq_entries"));
    rows.emplace_back("dropped", metric_sum(samples, "script_events_dropped_total"));
    return rows;
}

// What is counted is said: an event is completed when all its deliveries are.
std::string row_title(const std::string& name) {
    constexpr std::pair<const char*, const char*> kTitles[] = {
        {"received", "events received"},
        {"completed", "events completed, all deliveries done"},
        {"failed", "events with a failed first attempt"},
        {"unmatched", "events that no handler wanted"},
        {"attempts", "attempts of deliveries"},
        {"queued", "deliveries queued"},
        {"retriesWaiting", "deliveries waiting for a retry"},
        {"deadLetters", "dead letters"},
        {"dropped", "emitted events dropped"}};
    for (const auto& [key, title] : kTitles) {
        if (name == key) return title;
    }
    return name;
}

Style total_style(const std::string& name, double value) {
    if (value == 0) return Style::kPlain;
    if (name == "dropped") return Style::kBad;
    return name == "failed" || name == "deadLetters" ? Style::kWarn : Style::kPlain;
}

void print_types(CliContext& context, const Samples& samples) {
    std::map<std::string, double> received;
    for (const MetricSample& sample : samples) {
        if (sample.name == "scripts_events_received_total") {
            received[sample.label("event_type")] += sample.value;
        }
    }
    std::vector<std::pair<double, std::string>> order;
    for (const auto& [type, count] : received) order.emplace_back(-count, type);
    std::sort(order.begin(), order.end());
    Table table({"EVENT TYPE", "RECEIVED"});
    for (std::size_t i = 0; i < order.size() && i < kTypesShownMax; ++i) {
        table.add({order[i].second, number_text(-order[i].first)});
    }
    if (table.row_count() == 0) return;
    context.out() << '\n';
    table.print(context.out(), context.terminal());
}

// Those whose figures these are; empty on a server alone.
std::string partitions_of(const Samples& samples) {
    std::set<std::uint64_t> numbers;
    for (const MetricSample& sample : samples) {
        const std::string partition = sample.label("partition");
        if (sample.name == "script_event_queue_size" && !partition.empty())
            numbers.insert(std::strtoull(partition.c_str(), nullptr, 10));
    }
    std::string out;
    for (const std::uint64_t number : numbers)
        out += (out.empty() ? "" : ", ") + std::to_string(number);
    return out;
}

int show_stats(CliContext& context) {
    const auto metrics = context.send({.path = "/metrics"});
    if (metrics == nullptr) return kExitFailed;
    if (!metrics->ok()) return context.failed(*metrics);
    const auto ready = context.send({.path = "/readyz"});
    if (ready == nullptr) return kExitFailed;
    const Samples samples = parse_metrics(metrics->body);
    const auto rows = totals(samples);
    if (context.json()) {
        JsonObject body;
        body.flag("ready", ready->ok());
        for (const auto& [name, value] : rows) body.raw(name, number_text(value));
        context.out() << body.str() << '\n';
        return kExitOk;
    }
    Table table({"WHAT", "COUNT"});
    table.add({"state", Cell(ready->ok() ? "ready" : "not ready: " + ready->body,
                             ready->ok() ? Style::kGood : Style::kBad)});
    // A node's own figures are of those partitions that it owns.
    const std::string partitions = partitions_of(samples);
    if (!partitions.empty()) table.add({"partitions that this node owns", partitions});
    for (const auto& [name, value] : rows) {
        table.add({row_title(name), Cell(number_text(value), total_style(name, value))});
    }
    table.print(context.out(), context.terminal());
    print_types(context, samples);
    return kExitOk;
}

}  // namespace

void add_stats_command(CLI::App& app, CliContext& context) {
    CLI::App* stats = app.add_subcommand("stats", "What the server received, processed and holds");
    stats->callback([&context] { context.action = [&context] { return show_stats(context); }; });
}

}  // namespace millrace::tools
