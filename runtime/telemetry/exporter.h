// What: sends what lanes tell of their attempts, and metrics, to an OpenTelemetry collector: OTLP
//       over HTTP in its JSON encoding, by a courier of its own. It is there where otlp.endpoint
//       says where to; else nobody makes a span.
// Threads: do_work() its own, which drives libcurl too; queue() before the threads start;
//          metrics_made() any; idle() and stop_soon() any.
// Lifetime: borrows all of Deps; its queues live as long as it, and lanes no longer.
// Limits: one request of each kind under way, kSpansPerCall spans or kBytesPerCall of them; beyond
//         that spans wait in the queues, which drop the newest (span_queue.h). An answer of
//         kAnswerBytesMax.
// Failure: a collector that is gone, or says 429, 502, 503 or 504, gets the same spans again: after
//          kRetryMsMin, doubling to kRetryMsMax, not before it said. What it refuses otherwise is
//          dropped and counted. Metrics are cumulative: the next ones say more than those that were
//          lost. A crash takes what waits: a delivery that is made again tells the same span.
#pragma once

#include "core/agent.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/metrics.h"
#include "core/random.h"
#include "core/result.h"
#include "core/task_queue.h"
#include "runtime/courier/courier.h"
#include "runtime/telemetry/otlp_json.h"
#include "runtime/telemetry/span_queue.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace millrace::telemetry {

struct ExportOptions {
    std::string endpoint;  // without /v1/...
    courier::HttpHeaders headers;
    std::int64_t metrics_every_us = 60'000'000;  // 0: never
    Resource resource;
};
// What a server's settings say: the endpoint and, with commas between them, name=value.
core::Result<ExportOptions> read_export_options(std::string_view endpoint,
                                                std::string_view headers);

class Exporter final : public core::Agent, private courier::HttpReceiver {
public:
    static constexpr std::size_t kSpansPerCall = 2'048;
    static constexpr std::size_t kBytesPerCall = 4u << 20;
    static constexpr std::int64_t kLingerNs = 1'000'000'000;  // for more spans
    static constexpr std::int64_t kPollUs = 20'000;           // how soon a span is seen
    static constexpr std::int64_t kRetryMsMin = 1'000;
    static constexpr std::int64_t kRetryMsMax = 30'000;
    static constexpr std::int64_t kRetryAfterMsMax = 300'000;
    static constexpr std::int64_t kCallMs = 10'000;
    static constexpr std::size_t kAnswerBytesMax = 64u << 10;

    struct Deps {
        const core::Clock* clock = nullptr;
        core::Log* log = nullptr;
        core::Metrics* metrics = nullptr;
        std::uint64_t seed = 0;
        // Has metrics_request() called where callbacks of metrics may be, and metrics_made() with
        // what it says. Null: here, at once.
        std::function<void()> ask_metrics = nullptr;
        courier::HttpPort* port = nullptr;  // tests; null: its own courier
    };
    static core::Result<std::unique_ptr<Exporter>> make(Deps deps, ExportOptions options);
    ~Exporter() override;

    // Who tells it (service.instance.id), where that is known only later: before its thread begins.
    void told_by(std::string&& instance) { resource_.instance = std::move(instance); }
    // One lane's; it lives as long as the exporter.
    SpanQueue& queue();

    std::string make_metrics() const;
    void metrics_made(std::string&& request);

    std::string_view name() const override { return "otlp"; }
    std::size_t do_work() override;
    void wait(std::int64_t timeout_us) override;
    void wake() override;

    // When lanes have ended: what waits goes out without waiting for more.
    void stop_soon();
    // After stop_soon(): nothing is left of what was handed over before it.
    bool idle() const { return idle_.load(std::memory_order_acquire); }

private:
    enum Signal : std::uint64_t { kSpans, kMetrics };  // a call's ticket

    // A request as it is sent, until it is answered for good.
    struct Outgoing {
        std::string body;
        std::size_t spans = 0;
        bool under_way = false;
        unsigned tries = 0;
        std::int64_t try_at_ns = 0;
    };

    Exporter(Deps deps, ExportOptions options, std::unique_ptr<courier::Courier> own);

    std::size_t gather();
    bool is_due(std::int64_t now_ns) const;
    std::size_t send_spans(std::int64_t now_ns);
    std::size_t send_metrics(std::int64_t now_ns);
    bool post(Signal signal, std::string_view path, const std::string& body);
    void receive(std::uint64_t ticket, courier::HttpAnswer&& answer) override;
    void take_spans_answer(const courier::HttpAnswer& answer);
    void try_later(const courier::HttpAnswer& answer);
    void drop_spans(const std::string& why);
    void tell(Signal signal, const std::string& why);

    const Deps deps_;
    const ExportOptions options_;
    Resource resource_;
    const std::unique_ptr<courier::Courier> own_;
    courier::HttpPort& port_;
    core::MetricsRole& role_;
    core::Random random_;
    const std::int64_t since_us_;
    std::vector<std::unique_ptr<SpanQueue>> queues_;
    SpanQueue::BatchRef batch_;
    std::string next_;  // spans that were gathered, closed when they are sent
    std::size_t next_spans_ = 0;
    std::int64_t gathered_ns_ = 0;  // the first of them
    Outgoing spans_;
    core::TaskQueue<std::string> made_{4};  // metrics, ready to go
    bool metrics_under_way_ = false;
    std::int64_t metrics_at_ns_ = 0;
    std::array<std::string, 2> refusals_;  // by signal; empty: it is taken
    bool up_ = false;
    struct Figures {
        core::Counter sent, refused;
        core::Gauge up;
    } figures_;
    std::atomic<bool> stopping_{false};
    std::atomic<bool> idle_{false};
};

}  // namespace millrace::telemetry
