// The graph of a definition: whether it ends, what belongs to which branch, in which order outputs
// are laid over each other.
#include "runtime/workflow/definition.h"

#include <algorithm>
#include <set>
#include <utility>

namespace millrace::runtime::workflow {
namespace {

class Graph {
public:
    explicit Graph(Definition& definition) : steps_(definition.steps) {}

    core::Status check() {
        if (auto ordered = order(); !ordered) return ordered;
        if (auto reached = reach(); !reached) return reached;
        if (auto nested = nest(); !nested) return nested;
        count_edges();
        return {};
    }

private:
    static tl::unexpected<core::Error> refuse(StepIndex at, std::string_view member,
                                              std::string text) {
        const std::string field = "steps[" + std::to_string(at) + "]." + std::string(member);
        return core::fail(
            core::Error(core::ErrorCode::kValidation, field + ": " + std::move(text)).in(field));
    }
    template <typename Visit>
    void each_edge(StepIndex from, Visit&& visit) const {
        for (const StepIndex to : steps_[from].branches) visit(to);
        for (const StepIndex to : steps_[from].next) {
            if (to != kNoStep) visit(to);
        }
    }

    // By a walk in depth without recursion: a step that is met while it is open closes a circle.
    core::Status order() {
        enum : std::uint8_t { kNew, kOpen, kDone };
        std::vector<std::uint8_t> marks(steps_.size(), kNew);
        std::vector<StepIndex> ended;
        std::vector<std::pair<StepIndex, std::size_t>> open;
        for (StepIndex root = 0; root < steps_.size(); ++root) {
            if (marks[root] != kNew) continue;
            open.emplace_back(root, 0);
            marks[root] = kOpen;
            while (!open.empty()) {
                auto& [at, done] = open.back();
                std::vector<StepIndex> edges;
                each_edge(at, [&](StepIndex to) { edges.push_back(to); });
                if (done == edges.size()) {
                    marks[at] = kDone;
                    ended.push_back(at);
                    open.pop_back();
                    continue;
                }
                const StepIndex to = edges[done++];
                if (marks[to] == kOpen) return circle(open, to);
                if (marks[to] == kDone) continue;
                marks[to] = kOpen;
                open.emplace_back(to, 0);
            }
        }
        rank();
        return {};
    }

    core::Status circle(const std::vector<std::pair<StepIndex, std::size_t>>& open,
                        StepIndex to) const {
        std::string path;
        bool inside = false;
        for (const auto& [step, done] : open) {
            inside |= step == to;
            if (inside) path += "\"" + steps_[step].id + "\" -> ";
        }
        return refuse(open.back().first, "next_steps",
                      "leads in a circle: " + path + "\"" + steps_[to].id + "\"; a step runs once");
    }

    // Topological; of those that are free the first in the definition comes first.
    void rank() {
        std::vector<std::uint32_t> left(steps_.size(), 0);
        for (StepIndex from = 0; from < steps_.size(); ++from)
            each_edge(from, [&](StepIndex to) { ++left[to]; });
        std::set<StepIndex> free;
        for (StepIndex i = 0; i < steps_.size(); ++i) {
            if (left[i] == 0) free.insert(i);
        }
        std::uint32_t rank = 0;
        while (!free.empty()) {
            const StepIndex at = *free.begin();
            free.erase(free.begin());
            steps_[at].merge_rank = rank++;
            each_edge(at, [&](StepIndex to) {
                if (--left[to] == 0) free.insert(to);
            });
        }
    }

    std::vector<bool> reached_from(StepIndex root) const {
        std::vector<bool> seen(steps_.size(), false);
        std::vector<StepIndex> open = {root};
        seen[root] = true;
        while (!open.empty()) {
            const StepIndex at = open.back();
            open.pop_back();
            each_edge(at, [&](StepIndex to) {
                if (!seen[to]) open.push_back(to);
                seen[to] = true;
            });
        }
        return seen;
    }

    core::Status reach() const {
        const std::vector<bool> seen = reached_from(0);
        for (StepIndex i = 0; i < steps_.size(); ++i) {
            if (seen[i]) continue;
            return refuse(i, "id",
                          "step \"" + steps_[i].id + "\" is never reached from \"" + steps_[0].id +
                              "\", where a run begins");
        }
        return {};
    }

    core::Status nest() {
        std::vector<std::pair<std::size_t, StepIndex>> by_size;
        for (StepIndex i = 0; i < steps_.size(); ++i) {
            if (steps_[i].type != StepType::kParallel) continue;
            if (auto made = region(i, by_size); !made) return made;
        }
        // The smallest region that holds a step is its own.
        std::sort(by_size.rbegin(), by_size.rend());
        for (const auto& [size, parallel] : by_size) {
            for (const auto& branch : steps_[parallel].regions) {
                for (const StepIndex step : branch) steps_[step].parent = parallel;
            }
        }
        return {};
    }

    core::Status region(StepIndex at, std::vector<std::pair<std::size_t, StepIndex>>& by_size) {
        Step& parallel = steps_[at];
        std::vector<bool> all(steps_.size(), false);
        for (const StepIndex branch : parallel.branches) {
            const std::vector<bool> seen = reached_from(branch);
            std::vector<StepIndex>& of = parallel.regions.emplace_back();
            for (StepIndex i = 0; i < steps_.size(); ++i) {
                if (!seen[i]) continue;
                if (all[i] && parallel.branches_wanted < parallel.branches.size()) {
                    return refuse(at, "branches",
                                  "step \"" + steps_[i].id +
                                      "\" belongs to two branches, of which not all have to "
                                      "succeed; put it into next_steps of \"" +
                                      parallel.id + "\"");
                }
                all[i] = true;
                of.push_back(i);
            }
        }
        for (StepIndex from = 0; from < steps_.size(); ++from) {
            if (all[from]) continue;
            for (const StepIndex to : steps_[from].next) {
                if (to == kNoStep || !all[to]) continue;
                return refuse(from, "next_steps",
                              "\"" + steps_[to].id + "\" belongs to a branch of \"" + parallel.id +
                                  "\", which only its own steps lead to");
            }
            for (const StepIndex to : steps_[from].branches) {
                if (from == at || !all[to]) continue;
                return refuse(from, "branches",
                              "\"" + steps_[to].id + "\" belongs to a branch of \"" + parallel.id +
                                  "\" as well");
            }
        }
        by_size.emplace_back(static_cast<std::size_t>(std::count(all.begin(), all.end(), true)),
                             at);
        return {};
    }

    void count_edges() {
        for (Step& step : steps_) step.incoming = 0;
        ++steps_[0].incoming;
        for (StepIndex from = 0; from < steps_.size(); ++from)
            each_edge(from, [&](StepIndex to) { ++steps_[to].incoming; });
    }

    std::vector<Step>& steps_;
};

}  // namespace

core::Status check_graph(Definition& definition) { return Graph(definition).check(); }

StepIndex Definition::find(std::string_view step_id) const {
    if (const auto at = by_id.find(step_id); at != by_id.end()) return at->second;
    for (auto i = static_cast<StepIndex>(by_id.size()); i < steps.size(); ++i) {
        if (steps[i].id == step_id) return i;
    }
    return kNoStep;
}

// Few are found quicker one by one.
void Definition::name_steps() {
    constexpr std::size_t kFew = 16;
    if (steps.size() <= kFew) return;
    for (auto i = static_cast<StepIndex>(by_id.size()); i < steps.size(); ++i) {
        if (!by_id.emplace(steps[i].id, i).second) return;  // an id twice: those behind are few
    }
}

std::int64_t delay_ms(const RetryRule& rule, std::uint32_t attempt, std::uint32_t spread) {
    auto delay = static_cast<double>(rule.initial_ms);
    const auto cap = static_cast<double>(rule.max_ms);
    if (rule.strategy == RetryStrategy::kLinear) delay *= attempt;
    if (rule.strategy == RetryStrategy::kExponential) {
        for (std::uint32_t i = 1; i < attempt && delay < cap; ++i) delay *= rule.factor;
    }
    if (rule.strategy != RetryStrategy::kFixed) delay = std::min(delay, cap);
    return static_cast<std::int64_t>(delay * (1 + std::min(spread, 1000u) / 5000.0));
}

std::string_view step_type_text(StepType type) {
    constexpr std::string_view kTexts[] = {"action", "condition", "parallel",
                                           "wait",   "sleep",     "workflow"};
    return kTexts[static_cast<std::size_t>(type)];
}

}  // namespace millrace::runtime::workflow
