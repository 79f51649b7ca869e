// Question: what does matching cost while subscriptions change, and how soon is a change effective?
// Unit: ns of CPU for a block of 16 events (percentiles), us from add() to effective. Budget: p99
// with 1,000 changes a second <= 2 x idle; effective within 10 ms at any size.
// The last row has a rebuild of everything in it.
// Run: build/release/bench/matcher_change_bench [subscriptions]
#include "bench/matcher_harness.h"
#include "core/random.h"

#include <atomic>
#include <chrono>
#include <thread>

namespace {

using namespace millrace;
using namespace millrace::bench;

std::int64_t wall_us() {
    return std::chrono::duration_cast<std::chrono::microseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

SubscriptionSpec spec_of(std::size_t i, std::size_t n) {
    core::Random r(i * 2654435761u + 17);
    SubscriptionSpec spec;
    spec.pattern = {PatternPredicate::Kind::kExact,
                    "type" + std::to_string(r.below(200)) + ".created"};
    const std::string tenant =
        "tenant-" + std::to_string(r.below(std::max<std::size_t>(1, n / 100)));
    spec.predicate = Predicate::all_of(
        {text_is("payload.tenantID", tenant), above("payload.amount", r.unit() * 10000)});
    return spec;
}
std::string event_of(std::size_t i, std::size_t n) {
    core::Random r(i + 1'000'000'007);
    return R"({"pattern":"type)" + std::to_string(r.below(200)) +
           R"(.created","payload":{"tenantID":"tenant-)" +
           std::to_string(r.below(std::max<std::size_t>(1, n / 100))) + R"(","amount":)" +
           std::to_string(r.below(10000)) + "}}";
}

struct Reading {
    std::vector<std::int64_t> block_ns;
    std::size_t matches = 0;
};

// Matches without pause until told to stop; one observation is 16 events.
void read(matcher::Matcher::Reader& reader, const std::vector<std::string>& events,
          std::atomic<bool>& stop, Reading& out) {
    core::EventParser parser;
    core::FieldTable fields;
    core::Envelope envelope;
    matcher::MatchScratch scratch;
    std::vector<core::SubscriptionId> ids;
    out.block_ns.reserve(1 << 22);
    for (std::size_t i = 0; !stop.load(std::memory_order_relaxed) && out.block_ns.size() < 1 << 22;
         i += 16) {
        const std::int64_t start = now_ns();
        const matcher::Snapshot& snapshot = reader.observe();
        for (std::size_t k = 0; k < 16; ++k) {
            const std::string& text = events[(i + k) % events.size()];
            if (!parser.parse_one({text.data(), text.size() - 64}, &snapshot.plan(), envelope,
                                  &fields))
                std::abort();
            snapshot.match(envelope, core::TenantId(0), fields, scratch, ids);
            out.matches += ids.size();
        }
        out.block_ns.push_back(now_ns() - start);
    }
    reader.offline();
}

std::int64_t percentile(std::vector<std::int64_t>& values, double share) {
    if (values.empty()) return 0;
    std::sort(values.begin(), values.end());
    return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
}

}  // namespace

int main(int argc, char** argv) {
    const std::size_t n = argc > 1 && argv[1][0] != '-' ? std::strtoull(argv[1], nullptr, 10)
                          : smoke()                     ? 1000
                                                        : 100'000;
    const double seconds = smoke() ? 0.05 : 5;
    matcher::Matcher matcher;
    {
        std::vector<SubscriptionSpec> specs(n);
        std::vector<matcher::Matcher::Item> items(n);
        for (std::size_t i = 0; i < n; ++i) {
            specs[i] = spec_of(i, n);
            items[i] = {core::SubscriptionId(static_cast<std::uint32_t>(i)), core::TenantId(0),
                        &specs[i]};
        }
        if (!matcher.load(items)) std::abort();
        matcher.publish();
    }
    std::vector<std::string> events;
    for (std::size_t i = 0; i < 4096; ++i) events.push_back(event_of(i, n) + std::string(64, '\0'));
    std::printf(
        "| changes a second | blocks of 16 | p50 ns | p99 ns | p99.9 ns | max us | effective p50 "
        "us | max us | rebuilds |\n"
        "|---|---|---|---|---|---|---|---|---|\n");
    std::uint32_t next = static_cast<std::uint32_t>(n);
    // Expressions without literals make a rebuild of everything due.
    const auto force_rebuild = [&] {
        for (std::size_t i = 0; i < 16 + n / 16'384; ++i) {
            SubscriptionSpec spec;
            spec.pattern = {PatternPredicate::Kind::kAny, ""};
            spec.predicate =
                condition("payload.none", Op::kRegex,
                          {Scalar::string("^[a-z]{" + std::to_string(i % 30 + 1) + "}[0-9]{" +
                                          std::to_string(i / 30 + 1) + "}$")});
            if (!matcher.add(core::SubscriptionId(3'000'000 + static_cast<std::uint32_t>(i)),
                             core::TenantId(0), spec))
                std::abort();
        }
    };
    for (const auto& [rate, rebuild] :
         {std::pair(0, false), std::pair(1000, false), std::pair(1000, true)}) {
        bool due = rebuild;
        matcher::Matcher::Reader reader = matcher.register_reader();
        std::atomic<bool> stop{false};
        Reading reading;
        std::thread thread([&] { read(reader, events, stop, reading); });
        std::vector<std::int64_t> effective_us;
        const std::int64_t begin = wall_us();
        const auto length_us = static_cast<std::int64_t>(seconds * 1e6);
        for (std::int64_t now = begin; now - begin < length_us; now = wall_us()) {
            if (rate == 0) {
                std::this_thread::sleep_for(std::chrono::milliseconds(5));
                continue;
            }
            // One new, one gone, as many as are due.
            if (static_cast<std::int64_t>(effective_us.size()) * 1'000'000 / rate > now - begin) {
                std::this_thread::sleep_for(std::chrono::microseconds(200));
                continue;
            }
            if (due && now - begin > length_us / 4) {
                due = false;
                force_rebuild();
            }
            const std::int64_t start = wall_us();
            const SubscriptionSpec spec = spec_of(next, n);
            if (!matcher.add(core::SubscriptionId(next), core::TenantId(0), spec)) std::abort();
            matcher.remove(core::SubscriptionId(next - static_cast<std::uint32_t>(n)));
            ++next;
            const std::uint64_t epoch = matcher.publish();
            while (!matcher.all_observed(epoch)) std::this_thread::yield();
            effective_us.push_back(wall_us() - start);
            matcher.maintain();
        }
        stop = true;
        thread.join();
        auto& ns = reading.block_ns;
        std::printf(
            "| %zu | %zu | %ld | %ld | %ld | %ld | %ld | %ld | %lu |\n",
            static_cast<std::size_t>(static_cast<double>(effective_us.size() * 2) / seconds),
            ns.size(), percentile(ns, 0.5), percentile(ns, 0.99), percentile(ns, 0.999),
            percentile(ns, 1) / 1000, percentile(effective_us, 0.5), percentile(effective_us, 1),
            matcher.stats().rebuilds);
    }
}
