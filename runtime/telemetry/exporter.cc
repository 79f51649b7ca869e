#include "runtime/telemetry/exporter.h"

#include "core/http_url.h"
#include "core/listed.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace millrace::telemetry {
namespace {

constexpr std::int64_t kMsNs = 1'000'000;
constexpr unsigned kDoublingsMax = 5;

tl::unexpected<core::Error> bad_otlp_setting(std::string_view name, std::string_view what) {
    return core::fail(
        core::Error(core::ErrorCode::kValidation, std::string(name) + ": " + std::string(what))
            .in(std::string(name)));
}

bool is_token(std::string_view text) {
    constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
    return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               kOthers.find(c) != std::string_view::npos;
    });
}

bool is_to_be_tried_again(const courier::HttpAnswer& answer) {
    if (answer.fault != courier::HttpFault::kNone)
        return answer.fault != courier::HttpFault::kBlocked;
    const int status = answer.status;
    return status == 429 || status == 502 || status == 503 || status == 504;
}

std::int64_t told_wait_ms(const courier::HttpAnswer& answer) {
    const std::string_view text = answer.header("retry-after");
    std::int64_t seconds = 0;
    (void)std::from_chars(text.data(), text.data() + text.size(), seconds);
    return 1000 * std::clamp<std::int64_t>(seconds, 0, Exporter::kRetryAfterMsMax / 1000);
}

std::string why_not(const courier::HttpAnswer& answer) {
    return answer.fault == courier::HttpFault::kNone ? "HTTP " + std::to_string(answer.status)
                                                     : answer.message;
}

}  // namespace

core::Result<ExportOptions> read_export_options(std::string_view endpoint,
                                                std::string_view headers) {
    ExportOptions out;
    out.endpoint = endpoint;
    while (out.endpoint.ends_with('/')) out.endpoint.pop_back();
    const std::size_t host = out.endpoint.find("://");
    if (host != std::string::npos &&
        out.endpoint.substr(0, out.endpoint.find('/', host + 3)).find('@') != std::string::npos)
        return bad_otlp_setting("otlp.endpoint",
                                "has a user or a password before the host, where many would read "
                                "it; expected otlp.headers with authorization=Basic ..., and "
                                "http://127.0.0.1:4318 here");
    if (auto url = core::HttpUrl::parse(out.endpoint); !url)
        return bad_otlp_setting("otlp.endpoint", url.error().message);
    if (out.endpoint.find_first_of("?#") != std::string::npos)
        return bad_otlp_setting("otlp.endpoint", "must end with a path, without ? and #");
    core::Status good;
    core::each_listed(headers, [&](std::string_view one) {
        const std::size_t at = one.find('=');
        const std::string_view name = one.substr(0, at);
        if (at == std::string_view::npos || !is_token(name))
            good = bad_otlp_setting("otlp.headers", "must be name=value, with commas between them");
        else
            out.headers.emplace_back(name, one.substr(at + 1));
    });
    if (!good) return core::fail(good.error());
    return out;
}

core::Result<std::unique_ptr<Exporter>> Exporter::make(Deps deps, ExportOptions options) {
    std::unique_ptr<courier::Courier> own;
    if (!deps.port) {
        auto made = courier::Courier::to(*deps.clock, options.endpoint);
        if (!made) return bad_otlp_setting("otlp.endpoint", made.error().message);
        own = std::move(*made);
    }
    return std::unique_ptr<Exporter>(
        new Exporter(std::move(deps), std::move(options), std::move(own)));
}

Exporter::Exporter(Deps deps, ExportOptions options, std::unique_ptr<courier::Courier> own)
    : deps_(std::move(deps)),
      options_(std::move(options)),
      resource_(options_.resource),
      own_(std::move(own)),
      port_(deps_.port ? *deps_.port : *own_),
      role_(deps_.metrics->role()),
      random_(deps_.seed),
      since_us_(deps_.clock->wall_us()),
      metrics_at_ns_(deps_.clock->monotonic_ns()) {
    figures_.sent = role_.counter(core::Metric::kOtlpSpans, {"sent"});
    figures_.refused = role_.counter(core::Metric::kOtlpSpans, {"refused"});
    figures_.up = role_.gauge(core::Metric::kOtlpUp);
}

Exporter::~Exporter() = default;

SpanQueue& Exporter::queue() {
    const core::Counter dropped =
        deps_.metrics->role().counter(core::Metric::kOtlpSpans, {"dropped"});
    return *queues_.emplace_back(std::make_unique<SpanQueue>(dropped));
}

// ---- what is sent

std::size_t Exporter::gather() {
    std::size_t taken = 0;
    const auto has_room = [&] {
        return next_spans_ + SpanQueue::kBatchSpans <= kSpansPerCall &&
               next_.size() < kBytesPerCall;
    };
    for (const auto& queue : queues_) {
        while (has_room() && queue->take(batch_)) {
            if (next_spans_ == 0) {
                next_.clear();
                begin_spans(next_, resource_);
                gathered_ns_ = deps_.clock->monotonic_ns();
            }
            batch_->each([&](const Span& span) {
                if (next_spans_++ > 0) next_ += ',';
                append_span(next_, span);
                ++taken;
            });
            queue->give_back(std::move(batch_));
        }
    }
    return taken;
}

bool Exporter::is_due(std::int64_t now_ns) const {
    if (next_spans_ == 0) return false;
    return stopping_.load(std::memory_order_relaxed) || now_ns - gathered_ns_ >= kLingerNs ||
           next_spans_ + SpanQueue::kBatchSpans > kSpansPerCall || next_.size() >= kBytesPerCall;
}

std::size_t Exporter::send_spans(std::int64_t now_ns) {
    if (spans_.under_way) return 0;
    if (spans_.spans == 0) {
        if (!is_due(now_ns)) return 0;
        end_spans(next_);
        spans_.body.swap(next_);
        spans_.spans = std::exchange(next_spans_, 0);
        spans_.tries = 0;
        spans_.try_at_ns = 0;
    }
    if (now_ns < spans_.try_at_ns) return 0;
    spans_.under_way = post(kSpans, "/v1/traces", spans_.body);
    return spans_.under_way ? 1 : 0;
}

std::size_t Exporter::send_metrics(std::int64_t now_ns) {
    if (options_.metrics_every_us == 0) return 0;
    std::size_t done = 0;
    // In a stop the conductor may be gone: what it would say is lost.
    if (now_ns >= metrics_at_ns_ && !stopping_.load(std::memory_order_relaxed)) {
        metrics_at_ns_ = now_ns + options_.metrics_every_us * 1000;
        if (deps_.ask_metrics)
            deps_.ask_metrics();
        else
            metrics_made(make_metrics());
        ++done;
    }
    std::string request;
    if (metrics_under_way_ || !made_.try_pop(request)) return done;
    metrics_under_way_ = post(kMetrics, "/v1/metrics", request);
    return done + 1;
}

bool Exporter::post(Signal signal, std::string_view path, const std::string& body) {
    courier::HttpCall call;
    call.method = "POST";
    call.url = options_.endpoint + std::string(path);
    call.headers = options_.headers;
    call.headers.emplace_back("Content-Type", "application/json");
    call.body = body;
    call.timeout_ms = kCallMs;
    call.body_bytes_max = kAnswerBytesMax;
    call.cut_body = true;
    return port_.send(*this, signal, std::move(call));
}

std::string Exporter::make_metrics() const {
    return metrics_request(*deps_.metrics, resource_, since_us_, deps_.clock->wall_us());
}

// What finds no room is as good as what came a moment before.
void Exporter::metrics_made(std::string&& request) {
    (void)made_.try_push(std::move(request));
    wake();
}

// ---- what is answered

void Exporter::receive(std::uint64_t ticket, courier::HttpAnswer&& answer) {
    if (ticket == kSpans) {
        spans_.under_way = false;
        return take_spans_answer(answer);
    }
    metrics_under_way_ = false;
    const bool taken = answer.fault == courier::HttpFault::kNone && answer.status / 100 == 2;
    tell(kMetrics, taken ? std::string() : "metrics: " + why_not(answer));
}

void Exporter::take_spans_answer(const courier::HttpAnswer& answer) {
    const bool taken = answer.fault == courier::HttpFault::kNone && answer.status / 100 == 2;
    if (!taken && is_to_be_tried_again(answer)) return try_later(answer);
    if (!taken) return drop_spans("spans: " + why_not(answer));
    const PartialSuccess partial = read_partial_success(answer.body);
    const std::uint64_t refused = std::min<std::uint64_t>(partial.rejected, spans_.spans);
    figures_.sent.add(spans_.spans - refused);
    figures_.refused.add(refused);
    spans_.spans = 0;
    tell(kSpans, {});
    if (refused > 0)
        deps_.log->warn("otlp: the collector refuses spans",
                        {{"spans", std::to_string(refused)}, {"reason", partial.message}});
}

// Half of it at random: what waits for one collector does not come back at one time.
void Exporter::try_later(const courier::HttpAnswer& answer) {
    const std::int64_t full =
        std::min(kRetryMsMax, kRetryMsMin << std::min(spans_.tries++, kDoublingsMax));
    const std::int64_t half =
        full / 2 +
        static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(full / 2) + 1));
    spans_.try_at_ns = deps_.clock->monotonic_ns() + std::max(half, told_wait_ms(answer)) * kMsNs;
    tell(kSpans, "spans: " + why_not(answer));
}

void Exporter::drop_spans(const std::string& why) {
    figures_.refused.add(std::exchange(spans_.spans, 0));
    tell(kSpans, why);
}

// Once for all that fail alike; empty: it was taken.
void Exporter::tell(Signal signal, const std::string& why) {
    if (std::exchange(refusals_[signal], why) != why && !why.empty())
        deps_.log->warn("otlp: the collector does not take what it is sent", {{"reason", why}});
    const bool up = std::all_of(refusals_.begin(), refusals_.end(),
                                [](const std::string& refusal) { return refusal.empty(); });
    figures_.up.set(up);
    if (!std::exchange(up_, up) && up)
        deps_.log->info("otlp: the collector takes what it is sent",
                        {{"endpoint", options_.endpoint}});
}

// ---- the agent

std::size_t Exporter::do_work() {
    // acquire: what lanes handed over before the stop is seen in this turn
    const bool stopping = stopping_.load(std::memory_order_acquire);
    std::size_t done = own_ ? own_->do_work() : 0;
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    done += gather();
    done += send_spans(now_ns);
    done += send_metrics(now_ns);
    const bool none = std::all_of(queues_.begin(), queues_.end(),
                                  [](const auto& queue) { return queue->idle(); });
    // release: whoever sees it finds what was counted
    idle_.store(stopping && none && next_spans_ == 0 && spans_.spans == 0,
                std::memory_order_release);
    return done;
}

void Exporter::stop_soon() {
    for (const auto& queue : queues_) queue->hand_over();
    stopping_.store(true, std::memory_order_release);  // pairs with do_work()
    wake();
}

void Exporter::wait(std::int64_t timeout_us) {
    const std::int64_t at_most = std::min(timeout_us, kPollUs);
    if (own_)
        own_->wait(at_most);
    else
        core::Agent::wait(at_most);
}

void Exporter::wake() {
    if (own_)
        own_->wake();
    else
        core::Agent::wake();
}

}  // namespace millrace::telemetry
