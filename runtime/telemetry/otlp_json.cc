#include "runtime/telemetry/otlp_json.h"

#include "core/hex.h"
#include "core/json_reader.h"
#include "core/json_writer.h"

#include <algorithm>
#include <charconv>
#include <span>
#include <vector>

namespace millrace::telemetry {
namespace {

constexpr int kSpanKindConsumer = 5;
constexpr int kStatusOk = 1;
constexpr int kStatusError = 2;
constexpr int kCumulative = 2;

std::string nanos(std::int64_t us) { return std::to_string(us) + "000"; }

class AttributeList {
public:
    explicit AttributeList(core::JsonWriter& json, std::string_view name = "attributes")
        : json_(json) {
        json_.key(name).begin_array();
    }
    AttributeList(const AttributeList&) = delete;
    AttributeList& operator=(const AttributeList&) = delete;
    ~AttributeList() { json_.end_array(); }

    // Nothing where there is no text.
    AttributeList& text(std::string_view name, std::string_view value) {
        return value.empty() ? *this : put(name, "stringValue", value);
    }
    AttributeList& number(std::string_view name, std::uint64_t value) {
        return put(name, "intValue", std::to_string(value));
    }

private:
    AttributeList& put(std::string_view name, std::string_view type, std::string_view value) {
        json_.begin_object().field("key", name).key("value");
        json_.begin_object().field(type, value).end_object().end_object();
        return *this;
    }
    core::JsonWriter& json_;
};

void append_resource(core::JsonWriter& json, const Resource& resource) {
    json.key("resource").begin_object();
    AttributeList(json)
        .text("service.name", "millrace")
        .text("service.instance.id", resource.instance)
        .text("service.version", resource.version);
    json.end_object();
}

void append_scope(core::JsonWriter& json, const Resource& resource) {
    json.key("scope").begin_object().field("name", "millrace");
    json.field("version", resource.version).end_object();
}

template <typename Bytes>
std::string hex_of(const Bytes& bytes) {
    std::string out;
    core::append_hex(out, std::span<const std::uint8_t>(bytes));
    return out;
}

void append_status(core::JsonWriter& json, const Span& span) {
    json.key("status").begin_object().field("code", span.failed ? kStatusError : kStatusOk);
    if (!span.error.empty()) json.field("message", span.error);
    json.end_object();
}

// ---- metrics

// "event_type" of "scripts_events_received_total" and the like.
void append_labels(core::JsonWriter& json, const core::MetricReading& reading) {
    AttributeList list(json);
    if (!reading.labels) return;
    for (std::size_t i = 0; i < reading.label_names->size(); ++i)
        list.text((*reading.label_names)[i], (*reading.labels)[i]);
}

struct Times {
    std::string since, now;
};

void begin_point(core::JsonWriter& json, const core::MetricReading& reading, const Times& times) {
    json.begin_object();
    append_labels(json, reading);
    json.field("startTimeUnixNano", times.since).field("timeUnixNano", times.now);
}

void append_number_point(core::JsonWriter& json, const core::MetricReading& reading,
                         const Times& times) {
    begin_point(json, reading, times);
    if (reading.labels)
        json.field("asInt", std::to_string(reading.value));
    else
        json.field("asDouble", reading.asked);
    json.end_object();
}

void append_histogram_point(core::JsonWriter& json, const core::MetricReading& reading,
                            const Times& times) {
    const core::HistogramCells& cells = *reading.cells;
    std::uint64_t count = 0;
    for (std::size_t i = 0; i + 1 < cells.size(); ++i) count += cells[i];
    begin_point(json, reading, times);
    json.field("count", std::to_string(count));
    json.field("sum", static_cast<double>(cells.back()) / 1e9);
    json.key("bucketCounts").begin_array();
    for (std::size_t i = 0; i + 1 < cells.size(); ++i) json.value(std::to_string(cells[i]));
    json.end_array().key("explicitBounds").begin_array();
    for (const std::uint64_t bound : core::kHistogramBoundsNs)
        json.value(static_cast<double>(bound) / 1e9);
    json.end_array().end_object();
}

// By what a name ends with; Prometheus' names say it in words.
std::string_view unit_of(std::string_view name) {
    if (name.ends_with("_total")) name.remove_suffix(6);
    if (name.ends_with("_seconds")) return "s";
    return name.ends_with("_bytes") ? "By" : "1";
}

// One metric and its points; `begun` closes it when the next one comes.
class MetricList {
public:
    MetricList(core::JsonWriter& json, const Times& times) : json_(json), times_(times) {}

    void add(const core::MetricReading& reading) {
        if (reading.name != name_) begin(reading);
        if (reading.kind == core::MetricKind::kHistogram)
            append_histogram_point(json_, reading, times_);
        else
            append_number_point(json_, reading, times_);
    }
    void end() {
        if (!name_.empty()) json_.end_array().end_object().end_object();
        name_ = {};
    }

private:
    void begin(const core::MetricReading& reading) {
        end();
        name_ = reading.name;
        json_.begin_object().field("name", reading.name).field("description", reading.help);
        json_.field("unit", unit_of(reading.name));
        switch (reading.kind) {
            case core::MetricKind::kCounter:
                json_.key("sum").begin_object().field("aggregationTemporality", kCumulative);
                json_.field("isMonotonic", true);
                break;
            case core::MetricKind::kGauge: json_.key("gauge").begin_object(); break;
            case core::MetricKind::kHistogram:
                json_.key("histogram").begin_object();
                json_.field("aggregationTemporality", kCumulative);
                break;
        }
        json_.key("dataPoints").begin_array();
    }

    core::JsonWriter& json_;
    const Times& times_;
    std::string_view name_;
};

}  // namespace

void begin_spans(std::string& out, const Resource& resource) {
    // What stands open is closed by end_spans(): spans go between as they come.
    std::string head;
    core::JsonWriter json(head);
    json.begin_object().key("resourceSpans").begin_array().begin_object();
    append_resource(json, resource);
    json.key("scopeSpans").begin_array().begin_object();
    append_scope(json, resource);
    json.key("spans").begin_array();
    out += head;
}

void end_spans(std::string& out) { out += "]}]}]}"; }

void append_span(std::string& out, const Span& span) {
    const runtime::TraceContext& own = span.trace.own;
    core::JsonWriter json(out);
    json.begin_object().field("traceId", hex_of(own.trace)).field("spanId", hex_of(own.span));
    if (!own.state.empty()) json.field("traceState", own.state);
    if (span.trace.parent) json.field("parentSpanId", hex_of(*span.trace.parent));
    json.field("flags", own.flags);
    json.key("name").value("process " + std::string(span.pattern));
    json.field("kind", kSpanKindConsumer);
    json.field("startTimeUnixNano", nanos(span.started_at_us));
    json.field("endTimeUnixNano", nanos(span.started_at_us + span.duration_us));
    AttributeList(json)
        .text("messaging.system", "millrace")
        .text("messaging.operation.name", "process")
        .text("messaging.operation.type", "process")
        .text("messaging.destination.name", span.pattern)
        .text("messaging.message.id", span.event_id)
        .text("messaging.message.conversation_id", span.correlation_id)
        .text("messaging.consumer.group.name", span.subscription_id)
        .text("millrace.delivery.id", span.delivery_id)
        .text("millrace.delivery.status", span.status)
        .text("millrace.executor", span.executor)
        .text("millrace.replay.id", span.replay_id)
        .text("millrace.tenant", span.tenant)
        .number("millrace.attempt", span.attempt)
        .number("millrace.shard", span.shard)
        .number("millrace.offset", span.offset);
    append_status(json, span);
    json.end_object();
}

std::string metrics_request(const core::Metrics& metrics, const Resource& resource,
                            std::int64_t since_us, std::int64_t now_us) {
    const Times times{nanos(since_us), nanos(now_us)};
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().key("resourceMetrics").begin_array().begin_object();
    append_resource(json, resource);
    json.key("scopeMetrics").begin_array().begin_object();
    append_scope(json, resource);
    json.key("metrics").begin_array();
    MetricList list(json, times);
    metrics.visit([&](const core::MetricReading& reading) { list.add(reading); });
    list.end();
    json.end_array().end_object().end_array().end_object().end_array().end_object();
    return out;
}

PartialSuccess read_partial_success(std::string_view answer) {
    PartialSuccess out;
    core::JsonDocument document;
    auto root = document.parse_object(answer, "the collector's answer");
    if (!root) return out;
    auto partial = root->object("partialSuccess");
    if (!partial) return out;
    for (const std::string_view name : {"rejectedSpans", "rejectedDataPoints"}) {
        // 64 bits are texts; some write them as numbers all the same.
        const auto count = partial->any(name);
        if (!count) continue;
        std::string_view digits;
        std::int64_t number = 0;
        if (count->get(digits))
            (void)std::from_chars(digits.data(), digits.data() + digits.size(), out.rejected);
        else if (count->get(number) && number > 0)
            out.rejected = static_cast<std::uint64_t>(number);
    }
    partial->text("errorMessage", out.message);
    return out;
}

}  // namespace millrace::telemetry
