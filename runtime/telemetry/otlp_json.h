// What: spans and metrics in OTLP's JSON encoding (opentelemetry-proto 1.x:
//       ExportTraceServiceRequest, ExportMetricsServiceRequest): ids in hexadecimal, enums as
//       numbers, 64 bits as texts.
// Threads: pure functions. Lifetime: none. Limits: the caller's.
// Failure: none; an answer that does not read says nothing.
#pragma once

#include "core/metrics.h"
#include "runtime/telemetry/span_queue.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::telemetry {

// Who tells it.
struct Resource {
    std::string instance;  // service.instance.id
    std::string version;
};

// Spans stand between these two, with commas.
void begin_spans(std::string& out, const Resource& resource);
void append_span(std::string& out, const Span& span);
void end_spans(std::string& out);

// All metrics, cumulative since `since_us`.
std::string metrics_request(const core::Metrics& metrics, const Resource& resource,
                            std::int64_t since_us, std::int64_t now_us);

// What a collector has not taken of a request that it has answered with 200.
struct PartialSuccess {
    std::uint64_t rejected = 0;
    std::string message;
};
PartialSuccess read_partial_success(std::string_view answer);

}  // namespace millrace::telemetry
