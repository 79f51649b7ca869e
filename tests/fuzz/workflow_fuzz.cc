// Fuzzes the reader of workflows: what is refused says why and where; what is taken runs to an end
// when every step succeeds, and its journal gives the same state again.
#include "core/assert.h"
#include "runtime/workflow/journal.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace millrace::runtime::workflow;

Input answer_of(const Effect& effect) {
    Input input;
    input.kind = effect.kind == EffectKind::kUndo ? InputKind::kUndoEnded : InputKind::kStepEnded;
    if (effect.kind == EffectKind::kWait) input.kind = InputKind::kEvent;
    input.step = effect.step;
    input.iteration = effect.iteration;
    input.attempt = effect.attempt;
    input.value = R"({"x":1})";
    return input;
}

void run(const Definition& definition) {
    RunState state;
    std::vector<std::string> journal;
    std::deque<Input> inputs(1);
    inputs.front().source = {"run", "", R"({"x":1})"};
    for (int turn = 0; turn < 200 && !inputs.empty() && !state.is_final(); ++turn) {
        Input input = inputs.front();
        inputs.pop_front();
        input.at_us = 1'000'000 + turn;
        std::vector<Effect> effects;
        if (!decide(definition, state, input, effects)) continue;
        journal.push_back(write_input(definition, input));
        for (const Effect& effect : effects) {
            if (effect.kind == EffectKind::kStart || effect.kind == EffectKind::kUndo ||
                effect.kind == EffectKind::kChild || effect.kind == EffectKind::kWait)
                inputs.push_back(answer_of(effect));
        }
    }
    const auto again = play(definition, journal);
    MR_ASSERT(again && again->status == state.status && again->output == state.output);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
    const std::string_view text(reinterpret_cast<const char*>(data), bytes);
    const auto definition = parse_definition(text);
    if (!definition) {
        MR_ASSERT(!definition.error().message.empty());
        MR_ASSERT(definition.error().position <= static_cast<std::int64_t>(bytes));
        return 0;
    }
    // One that goes on for long is no find.
    if (definition->steps.size() <= 50) run(*definition);
    return 0;
}
