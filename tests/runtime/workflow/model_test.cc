// Goal: whatever the graph and whatever fails, a run ends; nothing is done twice; what never comes
// is skipped; what was begun is undone once, in the order reversed; and a journal gives the same
// state after a stop at any place. Method: random graphs, random answers, stops at random places;
// a small model that knows edges only.
#include "core/random.h"
#include "tests/runtime/workflow/run_fixture.h"

#include <set>
#include <utility>

namespace millrace::runtime::workflow {
namespace {

class Maker {
public:
    explicit Maker(core::Random& random) : random_(random) {}

    std::string definition() {
        std::string steps;
        steps_ = &steps;
        block("", 3 + random_.below(6), 2);
        const char* policies[] = {"retry", "fail", "continue", "compensate"};
        const char* runs[] = {"fail", "compensate"};
        return R"({"id":"w","steps":[)" + steps + R"(],"error_handling":{"on_step_failure":")" +
               policies[random_.below(4)] + R"(","on_workflow_failure":")" +
               runs[random_.below(2)] +
               R"(","retry_policy":{"strategy":"fixed","max_attempts":2,"initial_delay_ms":10}}})";
    }

private:
    // Steps of one branch: each leads to later ones only, and each is led to.
    std::string block(const std::string& prefix, std::size_t count, int depth) {
        std::vector<std::set<std::size_t>> next(count);
        for (std::size_t to = 1; to < count; ++to) {
            next[random_.below(to)].insert(to);
            if (random_.below(3) == 0) next[random_.below(to)].insert(to);
        }
        for (std::size_t i = 0; i < count; ++i) step(prefix, i, next[i], depth);
        return prefix + "0";
    }

    void step(const std::string& prefix, std::size_t index, const std::set<std::size_t>& next,
              int depth) {
        const std::string id = prefix + std::to_string(index);
        std::string text = R"({"id":")" + id + R"(")";
        std::string inner;
        const auto kind = random_.below(8);
        if (kind == 0 && next.size() <= 2) {
            text += R"(,"type":"condition","conditions":[{"field":"x","operator":"gte","value":)" +
                    std::to_string(random_.below(2)) + "}]";
        } else if (kind == 1 && depth > 0) {
            const std::size_t branches = 1 + random_.below(3);
            text += R"(,"type":"parallel","join":)" + std::to_string(1 + random_.below(branches)) +
                    R"(,"branches":[)";
            std::string* outer = steps_;
            steps_ = &inner;
            for (std::size_t i = 0; i < branches; ++i) {
                const std::string begin =
                    block(id + "-" + std::to_string(i) + "-", 1 + random_.below(3), depth - 1);
                text += (i == 0 ? "\"" : ",\"") + begin + "\"";
            }
            steps_ = outer;
            text += "]";
        } else if (kind == 2) {
            text += R"(,"type":"sleep","duration":)" + std::to_string(random_.below(50));
        } else {
            text += R"(,"type":"action","action":"x")";
            if (random_.below(2) == 0) text += R"(,"compensate":"undo")";
        }
        text += R"(,"next_steps":[)";
        bool first = true;
        for (const std::size_t to : next) {
            text +=
                (std::exchange(first, false) ? "\"" : ",\"") + prefix + std::to_string(to) + "\"";
        }
        if (!steps_->empty()) *steps_ += ',';
        *steps_ += text + "]}";
        if (!inner.empty()) *steps_ += "," + inner;
    }

    core::Random& random_;
    std::string* steps_ = nullptr;
};

using Doing = std::pair<StepIndex, EffectKind>;

class Model {
public:
    Model(const std::string& json, core::Random& random) : run_(json), random_(random) {}

    void play_to_the_end() {
        ASSERT_TRUE(run_.start("", R"({"x":0})"));
        see();
        for (int turn = 0; turn < 2'000 && !run_.state.is_final(); ++turn) {
            if (random_.below(5) == 0) stop_and_go_on();
            if (random_.below(60) == 0) {
                run_.simple(InputKind::kCancel);
                see();
            } else {
                one_thing();
            }
            if (testing::Test::HasFatalFailure()) return;
        }
        ASSERT_TRUE(run_.state.is_final()) << "it does not end";
        check_edges();
        check_undone();
    }

private:
    void one_thing() {
        if (doing_.empty()) {
            ASSERT_TRUE(run_.state.next_due_us()) << "nothing is under way, and nothing will be";
            ASSERT_TRUE(run_.time());
            return see();
        }
        auto at = doing_.begin();
        std::advance(at, static_cast<std::ptrdiff_t>(random_.below(doing_.size())));
        const auto [step, kind] = *at;
        doing_.erase(at);
        const std::string& id = run_.definition.steps[step].id;
        const auto fate = random_.below(10);
        const auto how = fate == 0  ? StepOutcome::kFatal
                         : fate < 3 ? StepOutcome::kFailed
                                    : StepOutcome::kOk;
        if (kind == EffectKind::kUndo) {
            ASSERT_TRUE(run_.undone(id, how));
            if (how == StepOutcome::kOk) undone_.push_back(step);
        } else if (how == StepOutcome::kOk) {
            ASSERT_TRUE(done_.insert(step).second) << id << " was done twice";
            ASSERT_TRUE(run_.end(id, R"({"x":)" + std::to_string(random_.below(2)) + "}"));
        } else {
            ASSERT_TRUE(run_.fail(id, how));
        }
        see();
    }

    void see() {
        for (const Effect& effect : run_.effects) {
            if (effect.kind == EffectKind::kAbandon)
                doing_.erase({effect.step, EffectKind::kStart});
            if (effect.kind != EffectKind::kStart && effect.kind != EffectKind::kUndo) continue;
            ASSERT_TRUE(doing_.insert({effect.step, effect.kind}).second) << "begun twice";
            ASSERT_FALSE(effect.kind == EffectKind::kStart && done_.contains(effect.step))
                << "begun again after it was done";
            if (effect.kind == EffectKind::kStart && begun_.insert(effect.step).second)
                order_.push_back(effect.step);
            if (effect.kind == EffectKind::kUndo) {
                ASSERT_EQ(doing_.size(), 1u) << "compensation beside something else";
                if (asked_undo_.empty() || asked_undo_.back() != effect.step)
                    asked_undo_.push_back(effect.step);
            }
        }
    }

    // The process dies: all there is is the journal.
    void stop_and_go_on() {
        auto again = play(run_.definition, run_.journal);
        ASSERT_TRUE(again) << again.error().message;
        ASSERT_EQ(again->status, run_.state.status);
        ASSERT_EQ(again->next_due_us(), run_.state.next_due_us());
        std::vector<Effect> effects;
        resume_effects(run_.definition, *again, effects);
        std::set<Doing> doing;
        for (const Effect& effect : effects) doing.insert({effect.step, effect.kind});
        ASSERT_EQ(doing, doing_);
        run_.state = std::move(*again);
    }

    bool taken(StepIndex from, std::size_t edge) {
        const StepState& step = run_.state.steps[from];
        if (step.status != StepStatus::kCompleted && !step.soft) return false;
        return run_.definition.steps[from].type != StepType::kCondition ||
               step.output == (edge == 0 ? "true" : "false");
    }

    // A run that came through: a step ran if and only if somebody led to it.
    void check_edges() {
        if (run_.state.status != RunStatus::kCompleted) return;
        const auto& steps = run_.definition.steps;
        std::vector<bool> led_to(steps.size(), false);
        led_to[0] = true;
        for (StepIndex from = 0; from < steps.size(); ++from) {
            for (std::size_t edge = 0; edge < steps[from].next.size(); ++edge) {
                if (taken(from, edge)) led_to[steps[from].next[edge]] = true;
            }
            for (const StepIndex branch : steps[from].branches)
                if (run_.state.steps[from].order != 0) led_to[branch] = true;
        }
        for (StepIndex i = 0; i < steps.size(); ++i) {
            const StepStatus status = run_.state.steps[i].status;
            if (status == StepStatus::kCancelled || status == StepStatus::kFailed) continue;
            EXPECT_EQ(status == StepStatus::kCompleted, led_to[i]) << steps[i].id;
            EXPECT_TRUE(run_.state.steps[i].is_final()) << steps[i].id;
        }
    }

    void check_undone() {
        std::vector<StepIndex> wanted;
        for (auto at = order_.rbegin(); at != order_.rend(); ++at) {
            if (!run_.definition.steps[*at].compensate.empty()) wanted.push_back(*at);
        }
        const RunStatus status = run_.state.status;
        if (status == RunStatus::kCompensated || status == RunStatus::kCompensationFailed) {
            EXPECT_EQ(asked_undo_, wanted);
            EXPECT_EQ(undone_.size() == wanted.size(), status == RunStatus::kCompensated);
        } else {
            EXPECT_TRUE(asked_undo_.empty());
        }
    }

    TestRun run_;
    core::Random& random_;
    std::set<Doing> doing_;
    std::set<StepIndex> begun_, done_;
    std::vector<StepIndex> order_, asked_undo_, undone_;
};

TEST(WorkflowModel, HoldsForRandomGraphsAndRandomFaults) {
    for (std::uint64_t seed = 1; seed <= 1'000; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        core::Random random(seed);
        Maker maker(random);
        const std::string json = maker.definition();
        auto parsed = parse_definition(json);
        ASSERT_TRUE(parsed) << parsed.error().message << "\n" << json;
        Model model(json, random);
        model.play_to_the_end();
        if (testing::Test::HasFailure()) FAIL() << json;
    }
}

}  // namespace
}  // namespace millrace::runtime::workflow
