#include "tests/runtime/workflow/run_model.h"

#include <algorithm>
#include <iterator>

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
        const auto kind = random_.below(10);
        if (kind == 0 && next.size() <= 2) {
            text += R"(,"type":"condition","conditions":[{"field":"x","operator":"gte","value":)" +
                    std::to_string(random_.below(2)) + "}]";
        } else if (kind == 1 && depth > 0) {
            text += parallel(id, inner, depth);
        } else if (kind == 2) {
            text += R"(,"type":"sleep","duration":)" + std::to_string(random_.below(50));
        } else if (kind == 3) {
            text += R"(,"type":"wait","signal":"go","timeout":40)";
        } else {
            text += R"(,"type":"action","action":"x")";
            if (random_.below(2) == 0) text += R"(,"compensate":"undo")";
            if (random_.below(6) == 0) text += R"(,"at_most_once":true)";
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

    std::string parallel(const std::string& id, std::string& inner, int depth) {
        const std::size_t branches = 1 + random_.below(3);
        std::string text = R"(,"type":"parallel","join":)" +
                           std::to_string(1 + random_.below(branches)) + R"(,"branches":[)";
        std::string* outer = steps_;
        steps_ = &inner;
        for (std::size_t i = 0; i < branches; ++i) {
            const std::string begin =
                block(id + "-" + std::to_string(i) + "-", 1 + random_.below(3), depth - 1);
            text += (i == 0 ? "\"" : ",\"") + begin + "\"";
        }
        steps_ = outer;
        return text + "]";
    }

    core::Random& random_;
    std::string* steps_ = nullptr;
};

}  // namespace

std::string random_definition(core::Random& random) { return Maker(random).definition(); }

RunModel::RunModel(const std::string& definition_json, std::uint64_t seed) : random_(seed) {
    auto parsed = parse_definition(definition_json);
    if (parsed)
        definition_ = std::move(*parsed);
    else
        fail("the definition does not read: " + parsed.error().message);
}

void RunModel::fail(const std::string& what) {
    if (wrong_.empty()) wrong_ = what;
}

void RunModel::play_to_the_end() {
    Input start;
    start.source = {"run_1", {}, R"({"x":0})"};
    // Nobody was told that it began: whoever asked does so again.
    while (wrong_.empty() && journal_.empty()) say(start);
    for (int turn = 0; turn < kTurnsMax && wrong_.empty() && !state_.is_final(); ++turn) {
        const auto fate = random_.below(80);
        if (fate < 8) {
            die();
        } else if (fate == 8) {
            Input cancel;
            cancel.kind = InputKind::kCancel;
            say(cancel);
        } else if (fate < 14) {
            signal();
        } else {
            one_thing();
        }
    }
    if (!wrong_.empty()) return;
    if (!state_.is_final()) return fail("it does not end");
    check_end();
}

// One commit: the entry, the effect inside, and behind it what follows. The process may die on
// either side of it.
bool RunModel::say(Input input, const std::string& inside) {
    input.at_us = now_us_;
    input.spread = 0;
    std::vector<Effect> effects;
    const auto fate = random_.below(12);
    const Death death = fate == 0   ? Death::kBeforeCommit
                        : fate == 1 ? Death::kBehindCommit
                                    : Death::kNone;
    if (!decide(definition_, state_, input, effects)) return false;
    if (death == Death::kBeforeCommit) {
        die();
        return true;
    }
    journal_.push_back(write_input(definition_, input, outline(definition_, state_, effects)));
    for (const Effect& effect : effects) {
        if (effect.kind == EffectKind::kStart && begun_.insert(effect.step).second)
            order_.push_back(effect.step);
    }
    if (!inside.empty() && ++inside_[inside] > 1)
        fail("the effect of " + inside + " is there twice");
    if (death == Death::kBehindCommit)
        die();
    else
        begin(effects);
    return true;
}

void RunModel::begin(const std::vector<Effect>& effects) {
    const std::size_t deaths = deaths_;
    for (const Effect& effect : effects) {
        if (effect.kind == EffectKind::kAbandon) doing_.erase({effect.step, EffectKind::kStart});
        if (effect.kind == EffectKind::kStart || effect.kind == EffectKind::kUndo)
            begin_one(effect);
        if (deaths_ != deaths) return;  // whoever came up has begun all that there was to begin
    }
    for (StepIndex i = 0; i < state_.steps.size(); ++i) {
        const StepState& step = state_.steps[i];
        const bool sleeps =
            definition_.steps[i].type == StepType::kSleep && step.status == StepStatus::kWaiting;
        if (sleeps && asleep_.emplace(i, step.due_us).first->second != step.due_us)
            fail("step " + id(i) + " sleeps until another time than it began with");
    }
}

std::string RunModel::key_of(const Effect& effect) const {
    return id(effect.step) + ":" + std::to_string(effect.iteration) +
           (effect.kind == EffectKind::kUndo ? ":undo" : "");
}

// At most once: that it begins is on the disk before it does.
void RunModel::begin_one(const Effect& effect) {
    const bool undo = effect.kind == EffectKind::kUndo;
    const StepState& step = state_.steps[effect.step];
    // It was cancelled while its start was made durable.
    if (!undo && (step.status != StepStatus::kRunning || step.attempt != effect.attempt ||
                  step.iteration != effect.iteration))
        return;
    if (!undo && definition_.steps[effect.step].at_most_once) {
        Input input;
        input.step = effect.step;
        input.iteration = effect.iteration;
        input.attempt = effect.attempt;
        if (step.began) {
            input.kind = InputKind::kStepEnded;
            input.outcome = StepOutcome::kFatal;
            input.code = "INTERRUPTED";
            say(input);
            return;
        }
        const std::size_t before = journal_.size();
        const std::size_t deaths = deaths_;
        input.kind = InputKind::kStepBegan;
        say(input);
        if (journal_.size() == before || deaths_ != deaths) return;
    }
    check_begin(effect);
    doing_.insert({effect.step, effect.kind});
    const std::string key = key_of(effect);
    ++calls_[key];
    const std::string& known = called_with_.emplace(key, effect.input).first->second;
    if (known != effect.input) fail("what is called as " + key + " gets another input");
    if (!undo && definition_.steps[effect.step].at_most_once && calls_[key] > 1)
        fail("step " + id(effect.step) + " was begun twice, and may be once at most");
}

void RunModel::check_begin(const Effect& effect) {
    const StepIndex at = effect.step;
    if (doing_.contains({at, effect.kind})) fail("step " + id(at) + " is begun twice");
    if (effect.kind == EffectKind::kUndo) {
        if (!doing_.empty()) fail("compensation of " + id(at) + " beside something else");
        if (undo_order_.empty() || undo_order_.back() != at) undo_order_.push_back(at);
        return;
    }
    if (inside_.contains(key_of(effect))) fail("step " + id(at) + " begins after it was done");
    for (StepIndex from = 0; from < definition_.steps.size(); ++from) {
        const auto& next = definition_.steps[from].next;
        if (std::find(next.begin(), next.end(), at) != next.end() && !state_.steps[from].is_final())
            fail("step " + id(at) + " begins before " + id(from) + " has ended");
    }
}

// All there is is the disk.
void RunModel::die() {
    ++deaths_;
    doing_.clear();
    state_ = RunState{};
    if (journal_.empty()) return;
    Difference difference;
    auto again = play(definition_, journal_, {}, &difference);
    if (!again) return fail("its journal does not play: " + again.error().message);
    state_ = std::move(*again);
    std::vector<Effect> effects;
    if (!state_.is_final()) resume_effects(definition_, state_, effects);
    begin(effects);
}

void RunModel::one_thing() {
    if (doing_.empty()) {
        const auto due = state_.next_due_us();
        if (!due) return fail("nothing is under way, and nothing will be");
        for (const auto& [step, until] : asleep_) {
            if (!state_.steps[step].is_final() && until < *due)
                return fail("step " + id(step) + " is left asleep when its time has come");
        }
        now_us_ = std::max(now_us_, *due);
        Input time;
        time.kind = InputKind::kTime;
        if (!say(time)) fail("it was due, and time has done nothing");
        return;
    }
    auto at = doing_.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(random_.below(doing_.size())));
    answer(*at);
}

void RunModel::answer(const Doing& doing) {
    const StepState& step = state_.steps[doing.step];
    const bool undo = doing.kind == EffectKind::kUndo;
    const auto fate = random_.below(10);
    Input input;
    input.kind = undo ? InputKind::kUndoEnded : InputKind::kStepEnded;
    input.step = doing.step;
    input.iteration = step.iteration;
    input.attempt = undo ? step.undo_attempt : step.attempt;
    input.outcome = fate == 0  ? StepOutcome::kFatal
                    : fate < 3 ? StepOutcome::kFailed
                               : StepOutcome::kOk;
    Effect done;
    done.kind = doing.kind;
    done.step = doing.step;
    done.iteration = step.iteration;
    std::string inside;
    if (input.outcome == StepOutcome::kOk) {
        input.value = R"({"x":)" + std::to_string(random_.below(2)) + "}";
        inside = key_of(done);
    } else {
        input.error = "it broke";
    }
    doing_.erase(Doing(doing));
    const std::size_t deaths = deaths_;
    const std::size_t entries = journal_.size();
    if (!say(input, inside)) fail("the answer of " + key_of(done) + " has no place");
    // It may come twice: whoever was called answers again, late.
    if (deaths_ != deaths || journal_.size() != entries + 1 || random_.below(6) != 0) return;
    RunState again = state_;
    std::vector<Effect> effects;
    if (decide(definition_, again, input, effects))
        fail("the answer of " + key_of(done) + " was taken twice");
}

void RunModel::signal() {
    Input input;
    input.kind = InputKind::kSignal;
    input.name = "go";
    input.value = R"({"n":)" + std::to_string(++signals_sent_) + "}";
    say(input);
}

bool RunModel::taken(StepIndex from, std::size_t edge) const {
    const StepState& step = state_.steps[from];
    if (step.status != StepStatus::kCompleted && !step.soft) return false;
    return definition_.steps[from].type != StepType::kCondition ||
           step.output == (edge == 0 ? "true" : "false");
}

void RunModel::check_end() {
    check_edges();
    check_undone();
    check_effects();
}

// A run that came through: a step ran if and only if somebody led to it.
void RunModel::check_edges() {
    if (state_.status != RunStatus::kCompleted) return;
    const auto& steps = definition_.steps;
    std::vector<bool> led_to(steps.size(), false);
    led_to[0] = true;
    for (StepIndex from = 0; from < steps.size(); ++from) {
        for (std::size_t edge = 0; edge < steps[from].next.size(); ++edge) {
            if (taken(from, edge)) led_to[steps[from].next[edge]] = true;
        }
        for (const StepIndex branch : steps[from].branches)
            if (state_.steps[from].order != 0) led_to[branch] = true;
    }
    for (StepIndex i = 0; i < steps.size(); ++i) {
        const StepStatus status = state_.steps[i].status;
        if (status == StepStatus::kCancelled || status == StepStatus::kFailed) continue;
        if ((status == StepStatus::kCompleted) != led_to[i])
            fail("step " + id(i) + " is " + std::string(step_status_text(status)) + ", and was " +
                 (led_to[i] ? "led to" : "not led to"));
        if (!state_.steps[i].is_final()) fail("step " + id(i) + " has not ended");
    }
}

void RunModel::check_undone() {
    std::vector<StepIndex> wanted;
    for (auto at = order_.rbegin(); at != order_.rend(); ++at) {
        if (!definition_.steps[*at].compensate.empty()) wanted.push_back(*at);
    }
    const bool undoes =
        state_.status == RunStatus::kCompensated || state_.status == RunStatus::kCompensationFailed;
    if (undoes && undo_order_ != wanted) fail("what was begun is not what was undone, in reverse");
    if (!undoes && !undo_order_.empty()) fail("something was undone, and nothing was to be");
}

// Inside once for what has completed, and not at all for what has not.
void RunModel::check_effects() {
    for (StepIndex i = 0; i < definition_.steps.size(); ++i) {
        if (definition_.steps[i].type != StepType::kAction) continue;
        const StepState& step = state_.steps[i];
        const std::string key = id(i) + ":" + std::to_string(step.iteration);
        const bool completed =
            step.status == StepStatus::kCompleted || step.status == StepStatus::kCompensated;
        if (step.status == StepStatus::kCompleted && inside_[key] != 1)
            fail("step " + id(i) + " has completed, and its effect is not there");
        if (completed && step.undo != Undo::kDone && calls_[key] < 1)
            fail("step " + id(i) + " has completed, and nobody was called");
        if (step.undo == Undo::kDone && inside_[key + ":undo"] != 1)
            fail("step " + id(i) + " was undone, and the effect of that is not there once");
    }
}

}  // namespace millrace::runtime::workflow
