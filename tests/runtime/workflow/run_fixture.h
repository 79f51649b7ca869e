// What: a run in the hands of a test: says what happened, sees what is to be done.
#pragma once

#include "runtime/workflow/journal.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::workflow {

class TestRun {
public:
    explicit TestRun(std::string_view json, Unknown unknown = Unknown::kWarn) {
        auto parsed = parse_definition(json, unknown);
        EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().message);
        if (parsed) definition = std::move(*parsed);
    }

    bool say(Input input) {
        input.at_us = now_us;
        effects.clear();
        if (!decide(definition, state, input, effects)) return false;
        journal.push_back(write_input(definition, input));
        for (const Effect& effect : effects) {
            if (effect.kind == EffectKind::kTell) told.emplace_back(effect.pattern);
        }
        return true;
    }
    bool start(std::string event, std::string input = {}) {
        Input in;
        in.source = {"run_1", std::move(event), std::move(input)};
        return say(std::move(in));
    }
    bool end(std::string_view step, std::string output) {
        Input in = of(InputKind::kStepEnded, step);
        in.value = std::move(output);
        return say(std::move(in));
    }
    bool fail(std::string_view step, StepOutcome how = StepOutcome::kFailed) {
        Input in = of(InputKind::kStepEnded, step);
        in.outcome = how;
        in.error = "it broke";
        return say(std::move(in));
    }
    bool undone(std::string_view step, StepOutcome how = StepOutcome::kOk) {
        Input in = of(InputKind::kUndoEnded, step);
        in.attempt = at(step).undo_attempt;
        in.outcome = how;
        return say(std::move(in));
    }
    bool simple(InputKind kind, std::string_view step = {}) {
        Input in;
        in.kind = kind;
        if (!step.empty()) in.step = definition.find(step);
        return say(std::move(in));
    }
    bool time() {
        now_us = std::max(now_us, state.next_due_us().value_or(now_us));
        return simple(InputKind::kTime);
    }
    bool signal(std::string name, std::string payload) {
        Input in;
        in.kind = InputKind::kSignal;
        in.name = std::move(name);
        in.value = std::move(payload);
        return say(std::move(in));
    }
    Input of(InputKind kind, std::string_view step) {
        Input in;
        in.kind = kind;
        in.step = definition.find(step);
        in.iteration = at(step).iteration;
        in.attempt = at(step).attempt;
        return in;
    }

    StepState& at(std::string_view step) { return state.steps.at(definition.find(step)); }
    StepStatus status(std::string_view step) { return at(step).status; }
    // Steps to be done, by what has come last.
    std::vector<std::string> asked(EffectKind kind = EffectKind::kStart) const {
        std::vector<std::string> out;
        for (const Effect& effect : effects) {
            if (effect.kind == kind) out.push_back(definition.steps[effect.step].id);
        }
        return out;
    }
    std::string input_of(std::string_view step) const {
        for (const Effect& effect : effects) {
            if (effect.step != kNoStep && definition.steps[effect.step].id == step &&
                (effect.kind == EffectKind::kStart || effect.kind == EffectKind::kUndo))
                return effect.input;
        }
        return "nothing";
    }
    bool has_told(std::string_view pattern) const {
        return std::find(told.begin(), told.end(), pattern) != told.end();
    }

    Definition definition;
    RunState state;
    std::vector<Effect> effects;
    std::vector<std::string> journal;
    std::vector<std::string> told;
    std::int64_t now_us = 1'000'000;
};

using Steps = std::vector<std::string>;

}  // namespace millrace::runtime::workflow
