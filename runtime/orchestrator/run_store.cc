#include "runtime/orchestrator/run_store.h"

#include "core/json_writer.h"
#include "core/timestamp.h"
#include "store/rows/registry_store.h"

#include <cstdlib>
#include <utility>

namespace millrace::runtime {
namespace {

using workflow::StepState;

constexpr std::size_t kPage = 1'000;

void time_or_null(core::JsonWriter& json, std::string_view name, std::int64_t us) {
    if (us == 0)
        json.key(name).value(nullptr);
    else
        json.field(name, core::format_timestamp(us));
}

void json_or_null(core::JsonWriter& json, std::string_view name, const std::string& text) {
    json.raw_field(name, text.empty() ? std::string_view("null") : std::string_view(text));
}

void append_head(core::JsonWriter& json, const RunHead& head) {
    json.field("runId", head.run.id).field("workflowId", head.workflow_id);
    json.field("version", head.version).field("status", workflow::run_status_text(head.status));
    json.field("startedAt", core::format_timestamp(head.started_us));
    json.field("updatedAt", core::format_timestamp(head.updated_us));
    time_or_null(json, "endedAt", head.ended_us);
    json.field_or_null("eventId", head.event_id);
    json.field_or_null("correlationId", head.correlation_id);
    json.field_or_null("subscriptionId", head.subscription_id);
    json.field_or_null("parentRunId", head.parent.run_id).field_or_null("code", head.code);
    if (!head.differs) return;
    json.key("differs").begin_object().field("index", head.differs->index);
    json.field("expected", head.differs->expected).field("found", head.differs->found);
    json.end_object();
}

void append_step(core::JsonWriter& json, const workflow::Step& step, const StepState& state) {
    json.begin_object().field("id", step.id).field("name", step.name);
    json.field("type", workflow::step_type_text(step.type));
    json.field("status", workflow::step_status_text(state.status));
    json.field("attempt", state.attempt).field("iteration", state.iteration);
    time_or_null(json, "startedAt", state.started_us);
    time_or_null(json, "endedAt", state.ended_us);
    if (state.due_us != 0 && !state.is_final())
        json.field("nextAt", core::format_timestamp(state.due_us));
    json_or_null(json, "input", state.input);
    json_or_null(json, "output", state.output);
    if (!state.error.empty()) {
        json.key("error").begin_object().field("code", state.code);
        json.field("message", state.error).end_object();
    }
    json.end_object();
}

}  // namespace

std::string head_view(const RunHead& head) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object();
    append_head(json, head);
    json.end_object();
    return out;
}

std::string run_view(const StoredRun& run) {
    std::string out;
    core::JsonWriter json(out);
    const workflow::RunState& state = run.state;
    json.begin_object();
    append_head(json, run.head);
    if (state.paused) json.field_or_null("pauseReason", state.pause_reason);
    if (!state.is_final()) {
        const auto due = state.next_due_us();
        time_or_null(json, "nextAt", due.value_or(0));
    }
    json_or_null(json, "input", state.source.input);
    json_or_null(json, "output", state.output);
    if (!state.error.empty()) {
        json.key("error").begin_object().field("code", state.code);
        json.field("message", state.error).end_object();
    }
    json.key("steps").begin_array();
    for (std::size_t i = 0; i < state.steps.size(); ++i)
        append_step(json, run.workflow->definition.steps[i], state.steps[i]);
    json.end_array().field("entries", run.journal.size()).field("bytes", state.bytes);
    json.key("limits").begin_object().field("bytes", workflow::kRunBytesMax);
    json.field("steps", workflow::kStepStartsMax).field("stepsBegun", state.starts);
    json.field("near", state.warned).end_object();
    json.end_object();
    return out;
}

std::string progress_view(const StoredRun& run) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("runId", run.head.run.id);
    json.field("workflowId", run.head.workflow_id).field("version", run.head.version);
    json.field("status", workflow::run_status_text(run.head.status)).key("steps").begin_array();
    for (std::size_t i = 0; i < run.state.steps.size(); ++i) {
        const StepState& state = run.state.steps[i];
        json.begin_object().field("id", run.workflow->definition.steps[i].id);
        json.field("type", workflow::step_type_text(run.workflow->definition.steps[i].type));
        json.field("status", workflow::step_status_text(state.status));
        json.field("attempt", state.attempt);
        time_or_null(json, "startedAt", state.started_us);
        time_or_null(json, "endedAt", state.ended_us);
        json.field_or_null("code", state.code).end_object();
    }
    json.end_array().end_object();
    return out;
}

bool RunStore::exists(const RunName& run) const {
    const auto row = database_.registry().get(kRunHeadKind, run_row_id(run));
    return row && *row;
}

core::Result<RunHead> RunStore::head(const RunName& run) const {
    auto row = database_.registry().get(kRunHeadKind, run_row_id(run));
    if (!row) return core::fail(std::move(row.error()));
    if (!*row) {
        return core::fail(core::ErrorCode::kNotFound,
                          "no workflow run has the id \"" + run.id.substr(0, 128) + "\"");
    }
    return read_head(run, (*row)->json);
}

std::size_t RunStore::entries(const RunName& run) const {
    // Several of one commit are a row under the number of the first; erasing goes by those.
    constexpr std::size_t kDigits = 8;
    std::string last;
    for (bool more = true; more;) {
        const auto rows =
            database_.registry().list(kRunJournalKind, journal_prefix(run), last, kPage);
        more = rows && rows->size() == kPage;
        if (rows && !rows->empty()) last = rows->back().id;
    }
    if (last.size() < kDigits) return 0;
    return std::strtoul(last.substr(last.size() - kDigits).c_str(), nullptr, 16) + 1;
}

core::Result<StoredRun> RunStore::read(const RunName& run) const {
    StoredRun out;
    auto found = head(run);
    if (!found) return core::fail(std::move(found.error()));
    out.head = std::move(*found);
    std::shared_ptr<Workflow> by_code;
    if (out.head.code_made_us >= 0) {
        auto code = codes_.find(out.head);
        if (!code) return core::fail(std::move(code.error()));
        out.workflow = by_code = std::move(*code);
    } else {
        out.workflow = workflows_.find(run.tenant, out.head.workflow_id, out.head.version);
    }
    if (!out.workflow) {
        return core::fail(core::ErrorCode::kConflict,
                          "version " + std::to_string(out.head.version) + " of workflow \"" +
                              out.head.workflow_id + "\", which run " + run.id +
                              " began with, was removed");
    }
    auto key = keys_.unwrap(out.head);
    if (!key) return core::fail(std::move(key.error()));
    out.key = std::move(*key);
    const std::string prefix = journal_prefix(run);
    std::string after;
    for (;;) {
        auto rows = database_.registry().list(kRunJournalKind, prefix, after, kPage);
        if (!rows) return core::fail(std::move(rows.error()));
        for (const store::RegistryDocument& row : *rows) {
            auto opened = open_entries(out.head, out.key, row.json, out.journal);
            if (!opened) return core::fail(std::move(opened.error()));
        }
        if (rows->size() < kPage) break;
        after = rows->back().id;
    }
    if (by_code) {
        if (auto grown = grow_by_journal(by_code->definition, out.journal); !grown)
            return core::fail(grown.error());
    }
    return out;
}

core::Result<StoredRun> RunStore::load(const RunName& run, const workflow::SeeEntry& see,
                                       workflow::Difference* difference) const {
    auto out = read(run);
    if (!out) return out;
    auto state = workflow::play(out->workflow->definition, out->journal, see, difference);
    if (!state) return core::fail(std::move(state.error()));
    out->state = std::move(*state);
    return out;
}

}  // namespace millrace::runtime
