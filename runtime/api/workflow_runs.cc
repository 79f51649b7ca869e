// /v2/workflow-runs: list, one, its history; cancel, terminate, pause, resume, signal, rehearse.
#include "core/json_writer.h"
#include "runtime/api/audit.h"
#include "runtime/api/handlers.h"
#include "runtime/api/list_places.h"
#include "runtime/api/pattern_bounds.h"
#include "runtime/api/workflow_answers.h"
#include "runtime/orchestrator/orchestrator.h"
#include "runtime/registry/promised_audit.h"
#include "store/rows/registry_store.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace millrace::runtime::api {
namespace {

constexpr std::size_t kPage = 500;
constexpr std::size_t kRunsLookedAt = 20'000;

RunName run_of(const Call& call) {
    return {call.tenant(), std::string(call.request.param("runId"))};
}

// What an event began is the business of those who may see what its subscription hears.
bool may_see_run(const Call& call, const RunHead& head) {
    const identity::Principal& by = call.request.principal;
    if (!by.is_bounded() || head.event_id.empty()) return true;
    const auto subscription =
        call.services.registry().find_subscription(call.tenant(), head.subscription_id);
    return subscription && within_patterns(by, *subscription);
}

// Of another's the call learns what it would of none.
core::Status visible_run(const Call& call, const Orchestrator& orchestrator) {
    if (!call.request.principal.is_bounded()) return {};
    const auto head = orchestrator.store().head(run_of(call));
    if (!head || may_see_run(call, *head)) return {};
    return not_found("workflow run", run_of(call).id);
}

// Where the list goes on with this row: behind all that began later.
std::string before_order_row(const std::string& row_id) {
    return row_id.substr(0, row_id.rfind('/') + 1);
}

struct RunChoice {
    std::string workflow_id, event_id;
    std::optional<workflow::RunStatus> status;
    bool wants(const RunHead& head) const {
        return (workflow_id.empty() || head.workflow_id == workflow_id) &&
               (event_id.empty() || head.event_id == event_id) &&
               (!status || head.status == *status);
    }
};

core::Result<RunChoice> read_choice(const Call& call) {
    RunChoice out{call.text("workflowId"), call.text("eventId"), {}};
    const std::string status = call.text("status");
    if (status.empty()) return out;
    workflow::RunStatus value{};
    if (!workflow::parse_run_status(status, value)) {
        return core::fail(core::Error(core::ErrorCode::kValidation,
                                      "status: is none of pending, running, waiting, paused, "
                                      "completed, failed, cancelled, compensating, compensated, "
                                      "compensation_failed")
                              .in("status"));
    }
    out.status = value;
    return out;
}

core::Result<Orchestrator::Order> read_order(Call& call, workflow::InputKind kind) {
    Orchestrator::Order order;
    order.kind = kind;
    core::JsonDocument document;
    const std::string_view body = call.request.body_view();
    auto in = document.parse_object(body.empty() ? "{}" : body);
    if (!in) return core::fail(std::move(in.error()));
    using Kind = workflow::InputKind;
    if (kind == Kind::kSignal) {
        in->text("name", order.name,
                 {.presence = core::Presence::kRequired, .bytes_min = 1, .bytes_max = 256});
        order.value = "{}";
        if (const auto payload = in->any("payload"); payload && !payload->is_null()) {
            order.value.clear();
            core::append_json(order.value, *payload);
        }
    } else if (kind == Kind::kResume) {
        in->integer_as("version", order.version, 1, INT32_MAX);
        in->text("fromStep", order.step, {.bytes_min = 1, .bytes_max = workflow::kStepIdBytesMax});
    } else {
        in->text("reason", order.name, {.bytes_max = 1024});
    }
    if (auto status = in->finish(); !status) return core::fail(status.error());
    return order;
}

void give_order(Call& call, const Respond& respond, workflow::InputKind kind) {
    auto order = read_order(call, kind);
    if (!order) return respond(error_response(order.error()));
    Orchestrator* const orchestrator = call.services.workflows().orchestrator;
    if (!orchestrator) return respond(error_response(workflows_off()));
    if (auto may = visible_run(call, *orchestrator); !may)
        return respond(error_response(may.error()));
    Services* const services = &call.services;
    const RunName run = run_of(call);
    const std::int64_t now_us = services->clock().wall_us();
    order->audit = audit_entry(call.request.principal, workflow::input_kind_text(kind),
                               "workflow_run", run.id, {}, audit_members(call.request));
    order->audit_row = promised_audit_row(now_us, run.tenant);
    const auto told = [services, run, now_us, entry = order->audit, row = order->audit_row] {
        auto written = services->write_promised_audit(now_us, run.tenant, entry, row);
        if (!written)
            services->log().warn("audit: write failed", {{"error", written.error().message}});
    };
    const bool taken = orchestrator->order(
        run, std::move(*order), [services, respond, told](core::Result<std::string>&& view) {
            const bool done = view.has_value();
            const auto kept = std::make_shared<ApiResponse>(
                done ? json_response(200, std::move(*view)) : error_response(view.error()));
            services->run_later([=] {
                if (done) told();
                respond(std::move(*kept));
            });
        });
    if (!taken) {
        respond(error_response(
            core::Error(core::ErrorCode::kUnavailable, "too many orders to runs are waiting")
                .retry_after(1)));
    }
}

void append_entry(core::JsonWriter& json, const workflow::Definition& definition, std::size_t index,
                  const workflow::Input& input, const std::vector<workflow::Effect>& effects) {
    json.begin_object().field("index", index);
    json.field("kind", workflow::input_kind_text(input.kind));
    time_field(json, "at", input.at_us);
    if (input.step != workflow::kNoStep) json.field("stepId", definition.steps[input.step].id);
    if (input.iteration != 0) json.field("iteration", input.iteration);
    if (input.attempt != 0) json.field("attempt", input.attempt);
    if (!input.name.empty()) json.field("name", input.name);
    if (!input.value.empty()) json.raw_field("value", input.value);
    if (!input.error.empty()) {
        json.key("error").begin_object().field("code", input.code);
        json.field("message", input.error).end_object();
    }
    json.key("events").begin_array();
    for (const workflow::Effect& effect : effects) {
        if (effect.kind != workflow::EffectKind::kTell) continue;
        json.begin_object().field("pattern", effect.pattern);
        if (effect.step != workflow::kNoStep)
            json.field("stepId", definition.steps[effect.step].id);
        if (!effect.code.empty()) json.field("code", effect.code);
        json.end_object();
    }
    json.end_array().end_object();
}

}  // namespace

Answer list_workflow_runs(Call& call) {
    const auto limit = call.limit();
    if (!limit) return core::fail(limit.error());
    const auto after = call.key_cursor();
    if (!after) return core::fail(after.error());
    const auto choice = read_choice(call);
    if (!choice) return core::fail(choice.error());
    const WorkflowServices of = call.services.workflows();
    if (!of.orchestrator) return core::fail(workflows_off());
    ListBody body;
    ListPlaces places(call.request);
    std::string behind = *after, next;
    std::size_t count = 0, looked = 0;
    for (bool more = true; more && next.empty();) {
        auto rows = call.services.database().registry().list(
            kRunOrderKind, tenant_prefix(call.tenant()), behind, kPage);
        if (!rows) return core::fail(std::move(rows.error()));
        more = rows->size() == kPage;
        for (const store::RegistryDocument& row : *rows) {
            if (count == *limit || looked++ == kRunsLookedAt) {
                next = encode_key_cursor(behind);
                break;
            }
            behind = row.id;
            const auto head = of.orchestrator->store().head(run_of_row(row.id));
            if (!head || !choice->wants(*head) || !may_see_run(call, *head)) continue;
            body.json().raw(head_view(*head));
            if (places.wanted()) {
                places.begin_at(encode_key_cursor(before_order_row(row.id)));
                places.add(head->started_us, encode_key_cursor(row.id));
            }
            ++count;
        }
    }
    ApiResponse response = body.finish(next);
    places.append_to(response);
    return response;
}

Answer get_workflow_run(Call& call) {
    const WorkflowServices of = call.services.workflows();
    if (!of.orchestrator) return core::fail(workflows_off());
    if (auto may = visible_run(call, *of.orchestrator); !may) return core::fail(may.error());
    auto run = of.orchestrator->store().load(run_of(call));
    if (run) return json_response(200, run_view(*run));
    // Its workflow was removed, its key does not open, or this program would have led it another
    // way: what is known without its journal.
    const auto head = of.orchestrator->store().head(run_of(call));
    if (head && (head->ended_us != 0 || head->differs)) return json_response(200, head_view(*head));
    return core::fail(std::move(run.error()));
}

Answer workflow_run_history(Call& call) {
    const WorkflowServices of = call.services.workflows();
    if (!of.orchestrator) return core::fail(workflows_off());
    if (auto may = visible_run(call, *of.orchestrator); !may) return core::fail(may.error());
    auto run = of.orchestrator->store().read(run_of(call));
    if (!run) return core::fail(std::move(run.error()));
    ListBody body;
    const workflow::Definition& definition = run->workflow->definition;
    auto played = workflow::play(
        definition, run->journal,
        [&](std::size_t index, const workflow::Input& input,
            const std::vector<workflow::Effect>& effects, const workflow::RunState&) {
            append_entry(body.json(), definition, index, input, effects);
        });
    if (!played) return core::fail(std::move(played.error()));
    return body.finish("");
}

namespace {

Answer rehearse_definition(Call& call, const StoredRun& run, std::uint32_t version) {
    const WorkflowServices of = call.services.workflows();
    const WorkflowRef other = of.table->find(call.tenant(), run.head.workflow_id, version);
    if (!other) return not_found("version of the workflow", std::to_string(version));
    workflow::Difference difference;
    auto played = workflow::play(other->definition, run.journal, {}, &difference);
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("fits", played.has_value()).field("version", version);
    json.field("entries", run.journal.size());
    if (played) {
        json.field("status", workflow::run_status_text(played->status));
    } else {
        json.field("index", played.error().position).field("message", played.error().message);
        json.field("expected", difference.expected).field("found", difference.found);
    }
    json.end_object();
    return json_response(200, std::move(out));
}

core::Result<std::uint32_t> read_rehearsed_version(Call& call) {
    core::JsonDocument document;
    auto in = document.parse_object(call.request.body_view());
    if (!in) return core::fail(std::move(in.error()));
    std::uint32_t version = 0;
    in->integer_as("version", version, 1, INT32_MAX, core::Presence::kRequired);
    if (auto status = in->finish(); !status) return core::fail(status.error());
    return version;
}

}  // namespace

// Whether another version would have come the same way: nothing is done. A script's code is played
// where such runs go on.
void rehearse_workflow_run(Call& call, const Respond& respond) {
    const auto version = read_rehearsed_version(call);
    if (!version) return respond(error_response(version.error()));
    Orchestrator* const orchestrator = call.services.workflows().orchestrator;
    if (!orchestrator) return respond(error_response(workflows_off()));
    if (auto may = visible_run(call, *orchestrator); !may)
        return respond(error_response(may.error()));
    auto run = orchestrator->store().read(run_of(call));
    if (!run) return respond(error_response(run.error()));
    if (!run->workflow->code) {
        auto answer = rehearse_definition(call, *run, *version);
        return respond(answer ? std::move(*answer) : error_response(answer.error()));
    }
    Services* const services = &call.services;
    const bool taken = orchestrator->rehearse(
        run_of(call), *version, [services, respond](core::Result<std::string>&& told) {
            const auto kept = std::make_shared<ApiResponse>(
                told ? json_response(200, std::move(*told)) : error_response(told.error()));
            services->run_later([=] { respond(std::move(*kept)); });
        });
    if (!taken) {
        respond(error_response(
            core::Error(core::ErrorCode::kUnavailable, "too many orders to runs are waiting")
                .retry_after(1)));
    }
}

void cancel_workflow_run(Call& call, const Respond& respond) {
    give_order(call, respond, workflow::InputKind::kCancel);
}
void terminate_workflow_run(Call& call, const Respond& respond) {
    give_order(call, respond, workflow::InputKind::kTerminate);
}
void pause_workflow_run(Call& call, const Respond& respond) {
    give_order(call, respond, workflow::InputKind::kPause);
}
void resume_workflow_run(Call& call, const Respond& respond) {
    give_order(call, respond, workflow::InputKind::kResume);
}
void signal_workflow_run(Call& call, const Respond& respond) {
    give_order(call, respond, workflow::InputKind::kSignal);
}

}  // namespace millrace::runtime::api
