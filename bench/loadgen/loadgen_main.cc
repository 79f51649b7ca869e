// The load generator: `loadgen --address HOST:PORT --mode http-batch --connections 4 --batch 1000`.
// One line of JSON on stdout: events per second, latency percentiles, and both sides' CPU, so that
// one sees which side was the limit.
#include "bench/loadgen/driver.h"
#include "bench/loadgen/process_cpu.h"

#include <CLI/CLI.hpp>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

namespace millrace::bench {
namespace {

struct Options {
    LoadOptions load;
    std::string mode = "http-batch";
    std::string event_file = MILLRACE_SOURCE_DIR "/bench/corpus/invoice_event.json";
    std::size_t threads = 1;
    int server_pid = 0;
};

void add_options(CLI::App& app, Options& o) {
    app.add_option("--address", o.load.address, "HOST:PORT, or the path of a Unix socket")
        ->required();
    app.add_flag("--tls", o.load.tls, "speaks TLS, and believes any certificate");
    app.add_option("--mode", o.mode)
        ->check(CLI::IsMember({"http-batch", "http-single", "http-call", "lines", "redis"}))
        ->capture_default_str();
    app.add_option("--connections", o.load.connections, "in all")->check(CLI::Range(1, 10000));
    app.add_option("--batch", o.load.request.batch_events, "events per request")
        ->check(CLI::Range(1, 65536));
    app.add_option("--in-flight", o.load.in_flight, "requests on the way per connection")
        ->check(CLI::Range(1, 1024));
    app.add_option("--patterns", o.load.request.patterns)->check(CLI::Range(1, 100));
    app.add_option("--query", o.load.request.query, "of /v2/events")->capture_default_str();
    app.add_option("--method", o.load.request.method, "of a call")->capture_default_str();
    app.add_option("--path", o.load.request.path, "of a call; {id} is a new one each time")
        ->capture_default_str();
    app.add_option("--body", o.load.request.body, "of a call: JSON; {id} likewise");
    app.add_option("--rate", o.load.rate_events, "open loop: events per second in all");
    app.add_option("--warmup", o.load.warmup_seconds, "seconds")->capture_default_str();
    app.add_option("--seconds", o.load.seconds, "measured")->capture_default_str();
    app.add_option("--events", o.load.events_max, "end after so many");
    app.add_option("--threads", o.threads)->check(CLI::Range(1, 64));
    app.add_option("--event-file", o.event_file);
    app.add_option("--server-pid", o.server_pid, "reports that process's CPU and memory");
}

bool prepare(Options& o) {
    RequestOptions& request = o.load.request;
    if (o.mode == "http-single") {
        request.mode = Mode::kHttpSingle;
        request.batch_events = 1;
    } else if (o.mode == "http-call") {
        request.mode = Mode::kHttpCall;
        request.batch_events = 1;
    } else if (o.mode == "lines") {
        request.mode = Mode::kLines;
    } else if (o.mode == "redis") {
        request.mode = Mode::kRedis;
    }
    std::ifstream file(o.event_file);
    if (!std::getline(file, request.event_text)) {
        std::fprintf(stderr, "loadgen: cannot read %s\n", o.event_file.c_str());
        return false;
    }
    o.load.seed =
        static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count()) ^
        (static_cast<std::uint64_t>(getpid()) << 40);
    return true;
}

struct CpuWindow {
    double own = -1;
    double server = -1;
};

CpuWindow cpu_now(const Options& o) {
    return {process_cpu_seconds(getpid()),
            o.server_pid > 0 ? process_cpu_seconds(o.server_pid) : -1};
}

// Waits for [from, to) of the measured time while the drivers work, to take the CPU of just that.
CpuWindow measure_cpu(const Options& o) {
    std::this_thread::sleep_for(std::chrono::duration<double>(o.load.warmup_seconds));
    const CpuWindow before = cpu_now(o);
    std::this_thread::sleep_for(std::chrono::duration<double>(o.load.seconds));
    const CpuWindow after = cpu_now(o);
    return {after.own - before.own, after.server - before.server};
}

LoadResult merged(const std::vector<std::unique_ptr<Driver>>& drivers) {
    LoadResult all;
    for (const auto& driver : drivers) {
        const LoadResult& one = driver->result();
        all.latency_ns.merge(one.latency_ns);
        all.events += one.events;
        all.events_all += one.events_all;
        all.errors += one.errors;
        all.events_refused += one.events_refused;
        all.late_requests += one.late_requests;
        all.seconds = std::max(all.seconds, one.seconds);
        if (all.failure.empty()) all.failure = one.failure;
        if (all.first_error.empty()) all.first_error = one.first_error;
    }
    return all;
}

void report(const Options& o, const LoadResult& result, const CpuWindow& cpu) {
    const double seconds = result.seconds > 0 ? result.seconds : 1;
    const auto us = [&](double quantile) {
        return static_cast<double>(result.latency_ns.at(quantile)) / 1000.0;
    };
    std::printf(
        "{\"mode\":\"%s\",\"connections\":%zu,\"batch\":%zu,\"events\":%llu,\"eventsAll\":%llu,"
        "\"seconds\":%.3f,\"eventsPerSecond\":%.0f,\"requestsPerSecond\":%.0f,"
        "\"p50us\":%.1f,\"p99us\":%.1f,\"p999us\":%.1f,\"maxUs\":%.1f,"
        "\"errors\":%llu,\"refused\":%llu,\"late\":%llu,\"clientCpuSeconds\":%.2f",
        o.mode.c_str(), o.load.connections * o.threads, o.load.request.batch_events,
        static_cast<unsigned long long>(result.events),
        static_cast<unsigned long long>(result.events_all), result.seconds,
        static_cast<double>(result.events) / seconds,
        static_cast<double>(result.latency_ns.total()) / seconds, us(0.50), us(0.99), us(0.999),
        us(1.0 - 1e-12), static_cast<unsigned long long>(result.errors),
        static_cast<unsigned long long>(result.events_refused),
        static_cast<unsigned long long>(result.late_requests), cpu.own);
    if (o.server_pid > 0) {
        std::printf(",\"serverCpuSeconds\":%.2f,\"serverResidentMiB\":%.1f", cpu.server,
                    static_cast<double>(process_resident_bytes(o.server_pid)) / 1048576.0);
    }
    std::printf("}\n");
    if (!result.failure.empty()) std::fprintf(stderr, "loadgen: %s\n", result.failure.c_str());
    if (!result.first_error.empty()) {
        std::fprintf(stderr, "loadgen: first error: %s\n", result.first_error.c_str());
    }
}

int run(Options o) {
    if (!prepare(o)) return 1;
    o.threads = std::min(o.threads, o.load.connections);
    o.load.connections /= o.threads;
    o.load.rate_events /= static_cast<double>(o.threads);
    std::vector<std::unique_ptr<Driver>> drivers;
    for (std::size_t i = 0; i < o.threads; ++i) {
        LoadOptions load = o.load;
        load.seed += i << 56;
        drivers.push_back(std::make_unique<Driver>(load));
        if (!drivers.back()->connect_all()) {
            std::fprintf(stderr, "loadgen: %s\n", drivers.back()->result().failure.c_str());
            return 1;
        }
    }
    std::vector<std::thread> threads;
    for (const auto& driver : drivers) threads.emplace_back([&driver] { driver->run(); });
    CpuWindow cpu;
    if (o.load.events_max == 0) cpu = measure_cpu(o);
    for (std::thread& thread : threads) thread.join();
    const LoadResult result = merged(drivers);
    report(o, result, cpu);
    return result.failure.empty() && result.errors == 0 ? 0 : 1;
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
    millrace::bench::Options options;
    CLI::App app("Load for Millrace (and, for comparison, XADD for Redis)", "loadgen");
    millrace::bench::add_options(app, options);
    CLI11_PARSE(app, argc, argv);
    return millrace::bench::run(options);
}
