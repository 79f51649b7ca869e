// `stats`: what the server has received, processed and still holds, from /metrics and /readyz.
// Where partitions hold parts of every tenant's events it is what all of them have, from /v2/stats.
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
using Rows = std::vector<std::pair<std::string, double>>;

Rows totals(const Samples& samples) {
    constexpr const char* kProcessed = "scripts_events_processed_total";
    constexpr const char* kAttempts = "script_events_processed_total";
    Rows rows;
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

// The same of all partitions, as a node adds them up.
Rows totals(core::JsonElement stats) {
    constexpr std::pair<const char*, const char*> kMembers[] = {
        {"received", "events.received"},
        {"completed", "events.completed"},
        {"failed", "events.failed"},
        {"unmatched", "events.unmatched"},
        {"attempts", "deliveries.attempts"},
        {"queued", "deliveries.waiting"},
        {"retriesWaiting", "deliveries.retries"},
        {"deadLetters", "deliveries.deadLetters"},
        {"dropped", "events.dropped"}};
    Rows rows;
    for (const auto& [name, path] : kMembers)
        rows.emplace_back(name, static_cast<double>(number_at(stats, path)));
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
    order.reserve(received.size());
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

// Whether a node's partitions have parts of the same tenants.
bool lives_by_key(CliContext& context) {
    const auto cluster = context.send({.path = "/v2/cluster"});
    core::JsonDom dom;
    if (cluster == nullptr || !cluster->ok()) return false;
    const auto root = dom.parse(cluster->body);
    return root && text_at(*root, "partitionBy") == "key";
}

// What is told, and of whom.
struct Told {
    Rows rows;
    std::string own;      // the partitions that these figures are of, where they are not of all
    bool of_all = false;  // partitions, but for those that are missing
    std::vector<std::string> missing;
};

// False: the answer has been told.
bool read_of_all(CliContext& context, Told& told) {
    const auto stats = context.send({.path = "/v2/stats"});
    if (stats == nullptr) return false;
    core::JsonDom dom;
    const auto root = dom.parse(stats->body);
    if (!stats->ok() || !root) {
        context.failed(*stats);
        return false;
    }
    told.of_all = true;
    told.rows = totals(*root);
    bool found = false;
    for (const core::JsonElement partition : array_at(*root, "missing", found))
        told.missing.push_back(json_compact(partition));
    return true;
}

std::string joined(const std::vector<std::string>& words, const char* between) {
    std::string out;
    for (const std::string& word : words) out += (out.empty() ? "" : between) + word;
    return out;
}

void print_told(CliContext& context, const Told& told, const HttpReply& ready) {
    if (context.json()) {
        JsonObject body;
        body.flag("ready", ready.ok());
        for (const auto& [name, value] : told.rows) body.raw(name, number_text(value));
        if (told.of_all) body.raw("missing", "[" + joined(told.missing, ",") + "]");
        context.out() << body.str() << '\n';
        return;
    }
    Table table({"WHAT", "COUNT"});
    table.add({"state", Cell(ready.ok() ? "ready" : "not ready: " + ready.body,
                             ready.ok() ? Style::kGood : Style::kBad)});
    if (!told.own.empty()) table.add({"partitions that this node owns", told.own});
    if (!told.missing.empty()) {
        table.add({"partitions that did not answer, and are not in it",
                   Cell(joined(told.missing, ", "), Style::kBad)});
    }
    for (const auto& [name, value] : told.rows)
        table.add({row_title(name), Cell(number_text(value), total_style(name, value))});
    table.print(context.out(), context.terminal());
}

int show_stats(CliContext& context) {
    const auto metrics = context.send({.path = "/metrics"});
    if (metrics == nullptr) return kExitFailed;
    if (!metrics->ok()) return context.failed(*metrics);
    const auto ready = context.send({.path = "/readyz"});
    if (ready == nullptr) return kExitFailed;
    const Samples samples = parse_metrics(metrics->body);
    Told told;
    told.own = partitions_of(samples);
    // A node that owns nothing has figures of its own all the same.
    const bool is_node = metric_exists(samples, "millrace_cluster_nats_up");
    if (is_node && lives_by_key(context)) {
        told.own.clear();
        if (!read_of_all(context, told)) return kExitFailed;
    } else {
        told.rows = totals(samples);
    }
    print_told(context, told, *ready);
    if (!context.json() && !told.of_all) print_types(context, samples);
    return kExitOk;
}

}  // namespace

void add_stats_command(CLI::App& app, CliContext& context) {
    CLI::App* stats = app.add_subcommand("stats", "What the server received, processed and holds");
    stats->callback([&context] { context.action = [&context] { return show_stats(context); }; });
}

}  // namespace millrace::tools
