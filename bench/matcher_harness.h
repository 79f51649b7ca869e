// What the matcher's benches share: building subscriptions by hand, loading them, timing load,
// parse and match apart, one line of a table per size.
#pragma once

#include "core/event_parser.h"
#include "matcher/filter/case_fold.h"
#include "matcher/matcher.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

namespace millrace::bench {

using matcher::Leaf;
using matcher::Op;
using matcher::Path;
using matcher::PathStep;
using matcher::PatternPredicate;
using matcher::Predicate;
using matcher::Scalar;
using matcher::SubscriptionSpec;

// CPU time of this thread: others use this machine too.
inline std::int64_t now_ns() {
    timespec t{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<std::int64_t>(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}
// EVENTS: so many different events take turns; of few, a processor learns the branches by heart.
// MEASURE_MS: how long each figure is measured.
inline std::size_t setting(const char* name, std::size_t otherwise) {
    const char* text = std::getenv(name);
    return text ? std::strtoull(text, nullptr, 10) : otherwise;
}
inline bool smoke() { return std::getenv("MILLRACE_BENCH_SMOKE") != nullptr; }

// "a.b.c" as a path of names.
inline Path path_of(const std::string& dotted) {
    Path path;
    for (std::size_t at = 0; at <= dotted.size();) {
        const std::size_t dot = std::min(dotted.find('.', at), dotted.size());
        path.steps.emplace_back();
        path.steps.back().name = dotted.substr(at, dot - at);
        at = dot + 1;
    }
    return path;
}
inline Predicate condition(const std::string& path, Op op, std::vector<Scalar> operands,
                           bool negated = false) {
    Leaf leaf;
    leaf.path = path_of(path);
    leaf.op = op;
    leaf.negated = negated;
    leaf.operands = std::move(operands);
    return Predicate::of(std::move(leaf));
}
inline Predicate text_is(const std::string& path, const std::string& value) {
    return condition(path, Op::kEquals, {Scalar::string(value)});
}
inline Predicate above(const std::string& path, double bound) {
    return condition(path, Op::kRange, {Scalar::number(std::to_string(bound)), Scalar::null()});
}
inline Predicate between(const std::string& path, double lower, double upper) {
    return condition(
        path, Op::kRange,
        {Scalar::number(std::to_string(lower)), Scalar::number(std::to_string(upper))});
}

struct Workload {
    std::string name;
    std::function<SubscriptionSpec(std::size_t i, std::size_t n)> spec;
    std::function<std::string(std::size_t i, std::size_t n)> event;
    double expected = -1;  // matches per event, when it is exact
};

struct Figures {
    double load_s = 0, bytes_each = 0, parse_ns = 0, match_ns = 0, both_ns = 0, matches = 0;
    std::size_t unpivoted = 0;
};

class Bench {
public:
    // Loads n subscriptions; their specs are made before the clock starts.
    Bench(const Workload& workload, std::size_t n, std::size_t events = setting("EVENTS", 512))
        : workload_(workload), n_(n) {
        std::vector<SubscriptionSpec> specs(n);
        for (std::size_t i = 0; i < n; ++i) specs[i] = workload.spec(i, n);
        std::vector<matcher::Matcher::Item> items(n);
        for (std::size_t i = 0; i < n; ++i) {
            items[i] = {core::SubscriptionId(static_cast<std::uint32_t>(i)), core::TenantId(0),
                        &specs[i]};
        }
        const std::int64_t start = now_ns();
        if (auto loaded = matcher_.load(items); !loaded) fail(loaded.error().message);
        matcher_.publish();
        figures_.load_s = static_cast<double>(now_ns() - start) * 1e-9;
        reader_ = matcher_.register_reader();
        for (std::size_t i = 0; i < events; ++i) {
            events_.push_back(workload.event(i, n));
            sizes_.push_back(events_.back().size());
            events_.back().append(64, '\0');
        }
    }

    Figures run() {
        const matcher::Snapshot& snapshot = reader_.observe();
        const matcher::Matcher::Stats stats = matcher_.stats();
        figures_.bytes_each =
            static_cast<double>(stats.bytes) / static_cast<double>(std::max<std::size_t>(1, n_));
        figures_.unpivoted = stats.unpivoted_clauses;
        // Parsed once each, then matched over and over: the match alone.
        std::vector<core::FieldTable> tables(events_.size());
        std::vector<core::Envelope> envelopes(events_.size());
        std::vector<core::EventParser> parsers(events_.size());
        for (std::size_t i = 0; i < events_.size(); ++i)
            parse(parsers[i], snapshot, i, envelopes[i], &tables[i]);
        std::size_t matches = 0;
        figures_.match_ns = median([&] {
            for (std::size_t i = 0; i < events_.size(); ++i) {
                snapshot.match(envelopes[i], core::TenantId(0), tables[i], scratch_, out_);
                matches += out_.size();
            }
        });
        figures_.matches =
            static_cast<double>(matches) / static_cast<double>(rounds_ * events_.size());
        core::Envelope envelope;
        core::FieldTable fields;
        figures_.parse_ns = median([&] {
            for (std::size_t i = 0; i < events_.size(); ++i)
                parse(parser_, snapshot, i, envelope, &fields);
        });
        parser_.listen({[](void* self, std::string_view pattern) {
                            auto& bench = *static_cast<Bench*>(self);
                            bench.expecting_->expect(pattern, core::TenantId(0), bench.scratch_);
                        },
                        this});
        expecting_ = &snapshot;
        figures_.both_ns = median([&] {
            for (std::size_t i = 0; i < events_.size(); ++i) {
                parse(parser_, snapshot, i, envelope, &fields);
                snapshot.match(envelope, core::TenantId(0), fields, scratch_, out_);
            }
        });
        parser_.listen({});  // the snapshot may be gone at the next run
        if (workload_.expected >= 0 && figures_.matches != workload_.expected) {
            fail(workload_.name + ": " + std::to_string(figures_.matches) +
                 " matches an event, expected " + std::to_string(workload_.expected));
        }
        return figures_;
    }

    matcher::Matcher& matcher() { return matcher_; }
    matcher::Matcher::Reader& reader() { return reader_; }
    const std::vector<std::string>& events() const { return events_; }

private:
    [[noreturn]] static void fail(const std::string& why) {
        std::fprintf(stderr, "%s\n", why.c_str());
        std::exit(1);
    }
    void parse(core::EventParser& parser, const matcher::Snapshot& snapshot, std::size_t i,
               core::Envelope& envelope, core::FieldTable* fields) {
        const auto status =
            parser.parse_one({events_[i].data(), sizes_[i]}, &snapshot.plan(), envelope, fields);
        if (!status) fail(status.error().message + " in " + events_[i]);
    }
    // The median of some rounds, ns per event. Not the fastest: where a hypervisor takes time away,
    // a thread's CPU clock now and then leaves out more than was taken.
    template <typename Work>
    double median(Work work) {
        std::vector<std::int64_t> took;
        const std::int64_t limit =
            static_cast<std::int64_t>(smoke() ? 1 : setting("MEASURE_MS", 300)) * 1'000'000;
        const std::int64_t until = now_ns() + limit;
        do {
            const std::int64_t start = now_ns();
            work();
            took.push_back(now_ns() - start);
        } while (now_ns() < until);
        rounds_ = took.size();
        const auto middle = took.begin() + static_cast<std::ptrdiff_t>(took.size() / 2);
        std::nth_element(took.begin(), middle, took.end());
        return static_cast<double>(*middle) / static_cast<double>(events_.size());
    }

    const Workload& workload_;
    std::size_t n_;
    matcher::Matcher matcher_;
    matcher::Matcher::Reader reader_;
    matcher::MatchScratch scratch_;
    core::EventParser parser_;
    const matcher::Snapshot* expecting_ = nullptr;
    std::vector<core::SubscriptionId> out_;
    std::vector<std::string> events_;
    std::vector<std::size_t> sizes_;
    std::size_t rounds_ = 0;
    Figures figures_;
};

inline void print_header() {
    std::printf(
        "| workload | subscriptions | load s | bytes each | parse ns | match ns | both ns | M "
        "events/s | "
        "matches | without pivot |\n|---|---|---|---|---|---|---|---|---|---|\n");
}
inline void print_row(const std::string& name, std::size_t n, const Figures& f) {
    std::printf("| %s | %zu | %.3f | %.0f | %.0f | %.0f | %.0f | %.2f | %.3f | %zu |\n",
                name.c_str(), n, f.load_s, f.bytes_each, f.parse_ns, f.match_ns, f.both_ns,
                1e3 / f.both_ns, f.matches, f.unpivoted);
    std::fflush(stdout);
}

}  // namespace millrace::bench
