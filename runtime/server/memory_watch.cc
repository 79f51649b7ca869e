#include "runtime/server/memory_watch.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include <malloc.h>
#include <unistd.h>

namespace millrace::runtime {

namespace {

// For what a control group counts beside our own pages: code that runs, the kernel's buffers of
// sockets and files.
constexpr std::uint64_t kLeftMin = 12ULL << 20;

struct Marks {
    std::uint64_t refuse = 0;
    std::uint64_t take_again = 0;
    std::uint64_t tight = 0;
    std::uint64_t calm = 0;
};

Marks marks_of(std::uint64_t limit) {
    const std::uint64_t left = std::max(kLeftMin, limit / 10);
    const std::uint64_t refuse = limit > left ? limit - left : 0;
    const auto below = [&](std::uint64_t percent) {
        return refuse - std::min(refuse, limit / 100 * percent);
    };
    return {refuse, below(4), below(6), below(9)};
}

}  // namespace

std::uint64_t own_memory_bytes() {
    std::FILE* file = std::fopen("/proc/self/statm", "re");
    if (!file) return 0;
    unsigned long long size = 0, resident = 0, shared = 0;
    const int read = std::fscanf(file, "%llu %llu %llu", &size, &resident, &shared);
    std::fclose(file);
    if (read != 3 || shared > resident) return 0;
    return (resident - shared) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

MemoryLevel memory_level(MemoryLevel before, std::uint64_t held, std::uint64_t limit) {
    if (limit == 0) return MemoryLevel::kCalm;
    const Marks marks = marks_of(limit);
    if (held >= marks.refuse) return MemoryLevel::kShort;
    if (before == MemoryLevel::kShort && held >= marks.take_again) return MemoryLevel::kShort;
    if (held >= marks.tight) return MemoryLevel::kTight;
    if (before != MemoryLevel::kCalm && held >= marks.calm) return MemoryLevel::kTight;
    return MemoryLevel::kCalm;
}

std::string_view memory_level_text(MemoryLevel level) {
    switch (level) {
        case MemoryLevel::kCalm: return "calm";
        case MemoryLevel::kTight: return "tight";
        case MemoryLevel::kShort: return "short";
    }
    return "";
}

MemoryWatch::MemoryWatch(Deps deps)
    : deps_(std::move(deps)),
      short_of_memory_(deps_.metrics->role().counter(core::Metric::kMemoryShort)) {
    deps_.metrics->gauge_callback(core::Metric::kMemoryLimit, [limit = deps_.plan.limit] {
        return static_cast<double>(limit);
    });
    deps_.metrics->gauge_callback(core::Metric::kMemoryHeld,
                                  [held = deps_.held] { return static_cast<double>(held()); });
}

void MemoryWatch::look(std::int64_t now_ns) {
    if (deps_.plan.limit == 0 || now_ns - looked_ns_ < kLookNs) return;
    looked_ns_ = now_ns;
    const MemoryLevel before = level();
    std::uint64_t held = deps_.held();
    MemoryLevel now = memory_level(before, held, deps_.plan.limit);
    if (now != MemoryLevel::kCalm && now_ns - trimmed_ns_ >= kTrimNs) {
        trimmed_ns_ = now_ns;
        if (deps_.trim)
            deps_.trim();
        else
            ::malloc_trim(0);
        held = deps_.held();
        now = memory_level(before, held, deps_.plan.limit);
    }
    level_.store(now, std::memory_order_relaxed);  // a hint; no data behind it
    const bool refuses = now == MemoryLevel::kShort;
    deps_.refuse->store(refuses, std::memory_order_relaxed);  // likewise
    if (refuses != (before == MemoryLevel::kShort)) tell(held);
}

void MemoryWatch::append_stats(core::JsonWriter& json) const {
    json.key("memory").begin_object().field("heldBytes", deps_.held());
    if (deps_.plan.limit == 0) {
        json.field("limitBytes", nullptr).end_object();
        return;
    }
    json.field("limitBytes", deps_.plan.limit).field("level", memory_level_text(level()));
    json.key("shares").begin_object().field("program", deps_.plan.program);
    for (std::size_t i = 0; i < kMemoryShares; ++i)
        json.field(memory_share_text(static_cast<MemoryShare>(i)), deps_.plan.shares[i]);
    json.field("unshared", deps_.plan.unshared()).end_object().end_object();
}

void MemoryWatch::tell(std::uint64_t held) {
    if (level() != MemoryLevel::kShort) {
        deps_.log->info("there is memory again: events are taken",
                        {{"heldBytes", held}, {"limitBytes", deps_.plan.limit}});
        return;
    }
    short_of_memory_.add();
    deps_.log->warn(
        "memory is short: events are refused (503) until there is room; raise memory.max or the "
        "limit of the control group, or look at what holds it in /v2/stats",
        {{"heldBytes", held}, {"limitBytes", deps_.plan.limit}});
}

}  // namespace millrace::runtime
