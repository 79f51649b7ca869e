// Figures and lists that are put together from what each partition has for itself. What is less
// without one partition says whose is missing; what would be wrong is all or none.
#include "runtime/node/figures_asked.h"
#include "runtime/node/order_steps.h"
#include "runtime/node/trace_merge.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace millrace::runtime::node {
namespace {

// What its client has not read yet it misses; nothing waits for it.
void tell_pulse(KeyFront& key, Passage& passage, std::string_view newest) {
    if (!passage.streams()) {
        if (key.pulses().size() >= FrontLimits::kPulsesMax) {
            return key.desk().answer(passage, core::Error(core::ErrorCode::kRateLimited,
                                                          "too many streams of figures are open")
                                                  .bound(FrontLimits::kPulsesMax)
                                                  .retry_after(10));
        }
        passage.begin_merged();
        if (!passage.streams()) return;
    }
    key.pulses()[passage.id()] = key.now_ns() + FrontLimits::kPulseNs;
    if (!passage.is_behind()) passage.tell("data: " + std::string(newest) + "\n\n");
}

void tell_figures(KeyFront& key, Passage& passage, const Gathering& whole,
                  const FiguresAsk& asked) {
    KeyDesk& desk = key.desk();
    if (asked.whole && told_refusal(key, passage, whole)) return;
    std::vector<std::size_t> missing;
    for (const auto& part : whole.parts) {
        if (part->good()) continue;
        if (part->state == Part::State::kAnswered && part->status < 500)
            return desk.answer_text(passage, part->status, part->content_type, part->text);
        missing.push_back(part->partition);
    }
    const std::vector<PartPage> pages = answers_of(whole);
    if (pages.empty())
        return desk.answer(passage, silent_partition(missing.empty() ? 0 : missing.front()));
    const auto merged = asked.merge(pages, missing);
    if (!merged) return desk.answer(passage, merged.error());
    if (figures_of(passage.method, passage.path) == Figures::kPulse)
        return tell_pulse(key, passage, *merged);
    desk.answer_text(passage, 200, "application/json", *merged);
}

// ---- GET /v2/events/{id}/trace

void ask_round(KeyFront& key, const Passage& passage, const std::shared_ptr<TraceMerge>& trace,
               std::vector<TraceMerge::Ask>&& asks);

void tell_round(KeyFront& key, Passage& passage, const Gathering& whole,
                const std::shared_ptr<TraceMerge>& trace) {
    if (told_refusal(key, passage, whole)) return;
    for (const PartPage& page : answers_of(whole)) {
        if (auto read = trace->add(page); !read) return key.desk().answer(passage, read.error());
    }
    ask_round(key, passage, trace, trace->next_round());
}

void ask_round(KeyFront& key, const Passage& passage, const std::shared_ptr<TraceMerge>& trace,
               std::vector<TraceMerge::Ask>&& asks) {
    if (asks.empty()) {
        if (Passage* waits = key.desk().passage_of(passage.id()))
            key.desk().answer_text(*waits, 200, "application/json", trace->text());
        return;
    }
    auto next = key.gathering_of(passage);
    for (TraceMerge::Ask& ask : asks)
        key.add_part(*next, ask.partition, passage.target).places = std::move(ask.what);
    key.gather(std::move(next), [trace](KeyFront& front, Passage& waits, const Gathering& over) {
        tell_round(front, waits, over, trace);
    });
}

void tell_first(KeyFront& key, Passage& passage, const Gathering& whole) {
    KeyDesk& desk = key.desk();
    for (const auto& part : whole.parts) {
        if (part->state != Part::State::kAnswered)
            return desk.answer(passage, silent_partition(part->partition));
    }
    const auto found = std::find_if(whole.parts.begin(), whole.parts.end(),
                                    [](const auto& part) { return part->good(); });
    // Nobody has it, or may not say so.
    if (found == whole.parts.end()) return tell_found(key, passage, whole);
    const auto trace = std::make_shared<TraceMerge>(key.routing().targets.size());
    if (auto read = trace->begin({(*found)->partition, (*found)->text}); !read)
        return desk.answer(passage, read.error());
    ask_round(key, passage, trace, trace->next_round());
}

void ask_trace(KeyFront& key, const Passage& passage) {
    key.gather(key.gathering_of_all(passage), tell_first);
}

}  // namespace

void ask_for_figures(KeyFront& key, Passage& passage, std::size_t /*home*/) {
    const Figures which = figures_of(passage.method, passage.path);
    if (which == Figures::kTrace) return ask_trace(key, passage);
    auto made = figures_ask(which, passage.target, key.routing().targets.size());
    if (!made) return key.desk().answer(passage, made.error());
    const auto asked = std::make_shared<FiguresAsk>(std::move(*made));
    auto whole = key.gathering_of(passage);
    whole->repeatable = true;  // nothing is changed by any of them
    if (!asked->whole) {
        whole->hold_until_ns = key.now_ns() + FrontLimits::kFiguresHoldNs;
        whole->answer_ns = FrontLimits::kMetricsNs;
    }
    for (std::size_t p = 0; p < asked->targets.size(); ++p) {
        Part& part = key.add_part(*whole, p, std::move(asked->targets[p]));
        part.body = passage.body;
        if (which == Figures::kStats || which == Figures::kPulse) part.places = "1";
    }
    key.gather(std::move(whole), [asked](KeyFront& front, Passage& waits, const Gathering& over) {
        tell_figures(front, waits, over, *asked);
    });
}

// ---- GET /v2/stats/stream

// Each second it is asked anew who looks: whoever has lost the right is let go.
void KeyFront::look_at_pulses() {
    std::vector<std::uint64_t> due;
    for (const auto& [id, next_ns] : pulses_) {
        if (now_ns() >= next_ns || !desk_.passage_of(id)) due.push_back(id);
    }
    for (const std::uint64_t id : due) {
        Passage* passage = desk_.passage_of(id);
        if (!passage) {
            pulses_.erase(id);
            continue;
        }
        pulses_[id] = INT64_MAX;  // until that is answered
        desk_.begin_again(*passage);
    }
}

void KeyFront::drain() {
    for (const auto& [id, next_ns] : std::exchange(pulses_, {})) {
        if (Passage* passage = desk_.passage_of(id)) passage->end_merged();
    }
}

}  // namespace millrace::runtime::node
