#include "runtime/workflow/journal.h"

#include "core/json_reader.h"
#include "core/json_writer.h"

#include <xxhash.h>

#include <array>
#include <utility>

namespace millrace::runtime::workflow {
namespace {

// On the disk: none of these words may change or be used again.
constexpr std::array<std::pair<std::string_view, InputKind>, 13> kKinds = {
    {{"start", InputKind::kStart},
     {"step_began", InputKind::kStepBegan},
     {"step_ended", InputKind::kStepEnded},
     {"undo_ended", InputKind::kUndoEnded},
     {"time", InputKind::kTime},
     {"event", InputKind::kEvent},
     {"signal", InputKind::kSignal},
     {"cancel", InputKind::kCancel},
     {"terminate", InputKind::kTerminate},
     {"pause", InputKind::kPause},
     {"resume", InputKind::kResume},
     {"asked", InputKind::kAsked},
     {"returned", InputKind::kReturned}}};
constexpr std::array<std::pair<std::string_view, StepOutcome>, 3> kOutcomes = {
    {{"ok", StepOutcome::kOk}, {"failed", StepOutcome::kFailed}, {"fatal", StepOutcome::kFatal}}};

std::string_view effect_text(EffectKind kind) {
    constexpr std::string_view kTexts[] = {"start", "undo", "workflow", "wait", "abandon", "", ""};
    return kTexts[static_cast<std::size_t>(kind)];
}

// What a decision depends on, and no text: those are the inputs' own.
std::uint32_t digest(const RunState& state) {
    XXH64_hash_t hash = 0;
    const auto add = [&](std::uint64_t value) { hash = XXH3_64bits_withSeed(&value, 8, hash); };
    add(static_cast<std::uint64_t>(state.ending) | (state.paused ? 16u : 0u) |
        (state.undo_wanted ? 32u : 0u));
    add(static_cast<std::uint64_t>(state.due_us));
    for (std::size_t i = 0; i < state.steps.size(); ++i) {
        const StepState& step = state.steps[i];
        if (step.arrived == 0 && step.order == 0 && step.status == StepStatus::kPending) continue;
        add(i);
        add(static_cast<std::uint64_t>(step.status) | (step.ready ? 16u : 0u) |
            (step.soft ? 32u : 0u) | (static_cast<std::uint64_t>(step.undo) << 8));
        add(std::uint64_t{step.iteration} << 32 | step.attempt);
        add(std::uint64_t{step.order} << 32 | step.undo_attempt);
        add(std::uint64_t{step.arrived} << 32 | step.taken);
        add(static_cast<std::uint64_t>(step.due_us));
        add(static_cast<std::uint64_t>(step.undo_due_us));
    }
    return static_cast<std::uint32_t>(hash);
}

// What an entry says that followed, and which version of the definition it was written by.
struct Followed {
    std::int64_t of = 0;
    std::string then;
};

void raw_member(core::JsonObject& in, std::string_view name, std::string& out) {
    const auto element = in.any(name);
    if (!element) return;
    out.clear();
    core::append_json(out, *element);
}

core::Result<Input> read_entry(const Definition& definition, std::string_view json,
                               Followed& followed);

}  // namespace

std::string_view input_kind_text(InputKind kind) {
    return kKinds[static_cast<std::size_t>(kind)].first;
}

std::string outline(const Definition& definition, const RunState& state,
                    const std::vector<Effect>& effects) {
    std::string out;
    out.reserve(128);
    out += run_status_text(state.status);
    for (const Effect& effect : effects) {
        const std::string_view kind = effect_text(effect.kind);
        if (kind.empty()) continue;
        out.append("; ").append(kind).append(" ").append(definition.steps[effect.step].id);
        out += ' ';
        out += std::to_string(effect.iteration) + "." + std::to_string(effect.attempt);
    }
    out += "; ";
    const std::uint32_t of = digest(state);
    for (int shift = 28; shift >= 0; shift -= 4) out += "0123456789abcdef"[of >> shift & 15];
    return out;
}

std::string write_input(const Definition& definition, const Input& input, std::string_view then) {
    std::string out;
    out.reserve(256 + input.value.size() + input.source.event.size() + input.source.input.size());
    core::JsonWriter json(out);
    json.begin_object().field("kind", input_kind_text(input.kind)).field("at", input.at_us);
    if (input.spread != 0) json.field("spread", input.spread);
    if (input.step != kNoStep) json.field("step", definition.steps[input.step].id);
    if (input.iteration != 0) json.field("iteration", input.iteration);
    if (input.attempt != 0) json.field("attempt", input.attempt);
    if (input.kind == InputKind::kStepEnded || input.kind == InputKind::kUndoEnded ||
        input.kind == InputKind::kReturned)
        json.field("outcome", kOutcomes[static_cast<std::size_t>(input.outcome)].first);
    if (input.retry_after_ms != 0) json.field("retryAfterMs", input.retry_after_ms);
    if (!input.name.empty()) json.field("name", input.name);
    if (!input.value.empty()) json.raw_field("value", input.value);
    if (!input.error.empty()) json.field("error", input.error);
    if (!input.code.empty()) json.field("code", input.code);
    if (input.kind == InputKind::kStart) {
        json.field("runId", input.source.run_id);
        if (!input.source.event.empty()) json.raw_field("event", input.source.event);
        if (!input.source.input.empty()) json.raw_field("input", input.source.input);
        if (input.source.continued != 0) json.field("continued", input.source.continued);
    }
    if (!then.empty()) json.field("of", definition.version).field("then", then);
    json.end_object();
    return out;
}

core::Result<Input> read_input(const Definition& definition, std::string_view json) {
    Followed followed;
    return read_entry(definition, json, followed);
}

namespace {

core::Result<Input> read_entry(const Definition& definition, std::string_view json,
                               Followed& followed) {
    core::JsonDocument document;
    auto in = document.parse_object(json, "journal");
    if (!in) return core::fail(std::move(in.error()));
    Input out;
    constexpr std::int64_t kMax = INT64_MAX;
    in->choice("kind", out.kind, kKinds, core::Presence::kRequired);
    in->integer("at", out.at_us, 0, kMax, core::Presence::kRequired);
    in->integer_as("spread", out.spread, 0, 1000);
    std::string step;
    if (in->text("step", step)) {
        out.step = definition.find(step);
        if (out.step == kNoStep) {
            return core::fail(
                core::ErrorCode::kNotFound,
                "the journal speaks of step \"" + step + "\", which this version does not have");
        }
    }
    in->integer_as("iteration", out.iteration, 0, UINT32_MAX);
    in->integer_as("attempt", out.attempt, 0, UINT32_MAX);
    in->choice("outcome", out.outcome, kOutcomes);
    in->integer("retryAfterMs", out.retry_after_ms, 0, kMax);
    constexpr core::TextRules kAnyLength{.bytes_max = SIZE_MAX};
    in->text("name", out.name, kAnyLength);
    raw_member(*in, "value", out.value);
    in->text("error", out.error, kAnyLength);
    in->text("code", out.code, kAnyLength);
    in->text("runId", out.source.run_id, kAnyLength);
    raw_member(*in, "event", out.source.event);
    raw_member(*in, "input", out.source.input);
    in->integer_as("continued", out.source.continued, 0, UINT32_MAX);
    in->integer("of", followed.of, 0, kMax);
    in->text("then", followed.then, kAnyLength);
    if (auto status = in->finish(); !status) return core::fail(status.error());
    return out;
}

}  // namespace

core::Result<RunState> play(const Definition& definition, std::span<const std::string> entries,
                            const SeeEntry& see, Difference* difference) {
    RunState state;
    std::vector<Effect> effects;
    for (std::size_t i = 0; i < entries.size(); ++i) {
        const auto refuse = [&](const std::string& why) {
            if (difference && difference->found.empty())
                *difference = {i, "an entry that this version can read and meets", why};
            return core::fail(core::Error(core::ErrorCode::kConflict,
                                          "entry " + std::to_string(i) + " of the journal: " + why)
                                  .at(static_cast<std::int64_t>(i)));
        };
        Followed kept;
        auto input = read_entry(definition, entries[i], kept);
        if (!input) return refuse(input.error().message);
        effects.clear();
        if (!decide(definition, state, *input, effects)) {
            const std::string step =
                input->step == kNoStep
                    ? ""
                    : " of step \"" + definition.steps[input->step].id + "\", which is " +
                          std::string(step_status_text(input->step >= state.steps.size()
                                                           ? StepStatus::kPending
                                                           : state.steps[input->step].status));
            return refuse("\"" + std::string(input_kind_text(input->kind)) + "\"" + step +
                          ", has no place here");
        }
        if (!kept.then.empty() && kept.of == definition.version) {
            const std::string found = outline(definition, state, effects);
            if (found != kept.then) {
                if (difference) *difference = {i, kept.then, found};
                return refuse("expected \"" + kept.then + "\", found \"" + found + "\"");
            }
        }
        if (see) see(i, *input, effects, state);
    }
    return state;
}

}  // namespace millrace::runtime::workflow
