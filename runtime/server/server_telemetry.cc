// Part of ServerParts: what is told to an OpenTelemetry collector, where one is named.
#include "runtime/server/server_parts.h"

#include <memory>
#include <string>
#include <utility>

#include <unistd.h>

namespace millrace::runtime {
namespace {

std::string host_name() {
    char name[256] = {};
    return ::gethostname(name, sizeof name - 1) == 0 ? name : "unknown";
}

}  // namespace

core::Status ServerParts::build_telemetry() {
    if (config.otlp.endpoint.empty() || seams.make_reactor) return {};
    auto options = telemetry::read_export_options(config.otlp.endpoint, config.otlp.headers);
    if (!options) return core::fail(std::move(options.error()));
    options->metrics_every_us = config.otlp.metrics_every_us;
    options->resource = {host_name() + "/" + config.http.listen, MILLRACE_VERSION};
    telemetry::Exporter::Deps deps;
    deps.clock = &clock;
    deps.log = &log;
    deps.metrics = &metrics;
    deps.seed = random.next();
    deps.ask_metrics = [this] {
        conductor.post_answer([this] { exporter->metrics_made(exporter->make_metrics()); });
    };
    auto made = telemetry::Exporter::make(std::move(deps), std::move(*options));
    if (!made) return core::fail(std::move(made.error()));
    exporter = std::move(*made);
    return {};
}

// The port that was asked for may have been 0: then several servers of a machine would be one.
void ServerParts::name_telemetry() {
    if (exporter) exporter->told_by(host_name() + "/" + addresses.http);
}

TraceRule ServerParts::trace_rule() const {
    return {.exports = exporter != nullptr, .sample = config.otlp.sample};
}

// When nobody makes spans any more: what is left goes out, if somebody takes it.
void ServerParts::stop_telemetry() {
    constexpr std::int64_t kFlushNs = 2'000'000'000;
    if (!exporter) return;
    exporter->stop_soon();
    const std::int64_t give_up_ns = clock.monotonic_ns() + kFlushNs;
    while (!exporter->idle() && clock.monotonic_ns() < give_up_ns) ::usleep(5'000);
    exporter_thread.reset();
}

}  // namespace millrace::runtime
