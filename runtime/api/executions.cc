// GET /v2/executions and GET /v2/executions/{id}.
#include "store/executions.h"

#include "runtime/api/event_view.h"
#include "runtime/api/execution_view.h"
#include "runtime/api/handlers.h"
#include "store/log_reader.h"

namespace millrace::runtime::api {

using store::DeliveryStatus;

std::string_view delivery_status_text(DeliveryStatus status) {
    switch (status) {
        case DeliveryStatus::kCompleted: return "completed";
        case DeliveryStatus::kFailed: return "failed";
        case DeliveryStatus::kRetrying: return "retrying";
        case DeliveryStatus::kDead: return "dead";
    }
    return "failed";
}

std::string event_id_at(Services& services, core::LogPosition position) {
    const auto event = services.database().log_reader().read_event(position);
    if (!event || !*event) return {};
    return event_id_of((*event)->event, services.database().hasher());
}

void append_execution(core::JsonWriter& json, Services& services, const store::Execution& execution,
                      std::string_view event_id) {
    const RegistrySnapshotRef registry = services.registry().snapshot();
    const Subscription* subscription = registry->subscription(execution.delivery.subscription);
    json.begin_object();
    json.field("id", store::encode_execution_id(services.database().hasher(), execution.delivery));
    json.field_or_null("eventId", event_id);
    json.field_or_null("subscriptionId",
                       subscription ? std::string_view(subscription->id) : std::string_view{});
    json.field_or_null("scriptId", subscription ? std::string_view(subscription->executor.script_id)
                                                : std::string_view{});
    json.field("scriptVersion", execution.script_version);
    json.field("status", delivery_status_text(execution.status)).key("attempts").begin_array();
    for (const store::ExecutionAttempt& attempt : execution.attempts) {
        if (attempt.attempt == 0) continue;  // put off before it began
        json.begin_object();
        time_field(json, "at", attempt.started_at_us).field("durationUs", attempt.duration_us);
        json.field_or_null("error", attempt.error).end_object();
    }
    json.end_array().raw_field("logs",
                               execution.logs.empty() ? "[]" : std::string_view(execution.logs));
    json.raw_field("result", execution.result.empty() ? "null" : std::string_view(execution.result))
        .end_object();
}

namespace {

core::Status read_status(const Call& call, std::optional<DeliveryStatus>& status) {
    const std::string text = call.text("status");
    if (text.empty()) return {};
    for (const auto known : {DeliveryStatus::kCompleted, DeliveryStatus::kFailed,
                             DeliveryStatus::kRetrying, DeliveryStatus::kDead}) {
        if (text == delivery_status_text(known)) status = known;
    }
    if (status) return {};
    return core::fail(core::Error(core::ErrorCode::kValidation,
                                  "query parameter status is \"" + text.substr(0, 64) +
                                      "\"; expected completed, failed, retrying or dead")
                          .in("status"));
}

// The subscriptions that scriptId and subscriptionId select; false when that is none at all.
bool select_subscriptions(const Call& call, std::vector<core::SubscriptionId>& out) {
    const std::string script_id = call.text("scriptId");
    const std::string subscription_id = call.text("subscriptionId");
    if (script_id.empty() && subscription_id.empty()) return true;
    const auto take = [&](const SubscriptionRef& subscription) {
        if (script_id.empty() || subscription->executor.script_id == script_id)
            out.push_back(subscription->number);
        return true;
    };
    if (subscription_id.empty()) {
        call.services.registry().list_subscriptions(call.tenant(), "", take);
    } else if (const auto found =
                   call.services.registry().find_subscription(call.tenant(), subscription_id)) {
        take(found);
    }
    return !out.empty();
}

bool is_of_tenant(Services& services, const store::Execution& execution, core::TenantId tenant) {
    const RegistrySnapshotRef registry = services.registry().snapshot();
    if (const auto* subscription = registry->subscription(execution.delivery.subscription))
        return subscription->tenant == tenant;
    const auto event = services.database().log_reader().read_event(execution.delivery.position);
    return event && *event && (*event)->event.tenant == tenant;
}

// ---- runs by the API, which belong to no event

struct RunFilter {
    core::TenantId tenant;
    std::string script_id;
    std::int64_t from_us = INT64_MIN;
    std::int64_t to_us = INT64_MAX;
    std::optional<DeliveryStatus> status;
    bool none = false;  // asked for an event's or a subscription's

    bool wants(const RunSummary& run) const {
        const auto status_of = run.failed ? DeliveryStatus::kFailed : DeliveryStatus::kCompleted;
        return run.tenant == tenant && (script_id.empty() || run.script_id == script_id) &&
               run.started_at_us >= from_us && run.started_at_us < to_us &&
               (!status || *status == status_of);
    }
};

// "x<run id>~<cursor of the deliveries>": runs below the id are still to come; "-" for "all" and
// for "none any more".
struct ListCursor {
    std::string run_below;   // empty: from the newest
    std::string deliveries;  // of store::Executions
    bool deliveries_end = false;

    static constexpr std::string_view kNone = "-";
    bool read(std::string_view text) {
        if (text.empty()) return true;
        const std::size_t mark = text.find('~');
        if (text.front() != 'x' || mark == std::string_view::npos) return false;
        run_below = text.substr(1, mark - 1);
        deliveries = text.substr(mark + 1);
        deliveries_end = deliveries == kNone;
        return !deliveries.empty();
    }
    std::string write() const {
        return "x" + run_below + "~" + (deliveries_end ? std::string(kNone) : deliveries);
    }
};

// Runs and deliveries in one list, newest first.
class ExecutionList {
public:
    ExecutionList(Call& call, store::ExecutionQuery& query, const RunFilter& runs,
                  ListCursor& cursor)
        : call_(call),
          query_(query),
          filter_(runs),
          cursor_(cursor),
          runs_(call.services.run_history().runs()),
          at_(runs_.size()) {
        while (at_ > 0 && !cursor.run_below.empty() && runs_[at_ - 1].id >= cursor.run_below) --at_;
        skip_unwanted();
    }

    Answer make(std::size_t limit) {
        ListBody body;
        std::size_t count = 0;
        for (;;) {
            if (auto status = add_deliveries(body, limit, count); !status)
                return core::fail(status.error());
            if (at_ == 0 || count == limit) break;
            if (auto status = add_run(body); !status) return core::fail(status.error());
            ++count;
        }
        const bool more = at_ > 0 || !cursor_.deliveries_end;
        return body.finish(more ? cursor_.write() : std::string());
    }

private:
    void skip_unwanted() {
        while (at_ > 0 && (filter_.none || !filter_.wants(runs_[at_ - 1]))) --at_;
    }

    // The deliveries that come before the next run.
    core::Status add_deliveries(ListBody& body, std::size_t limit, std::size_t& count) {
        if (cursor_.deliveries_end) return {};
        const std::string from = cursor_.deliveries;
        query_.cursor = from;
        query_.limit = limit - count;
        query_.pause_below_us = at_ > 0 ? runs_[at_ - 1].started_at_us : INT64_MIN;
        auto page = call_.services.database().executions().list(query_);
        if (!page) return core::fail(std::move(page.error()));
        for (const store::Execution& execution : page->executions) {
            append_execution(body.json(), call_.services, execution,
                             event_id_at(call_.services, execution.delivery.position));
        }
        count += page->executions.size();
        cursor_.deliveries = std::move(page->next);
        cursor_.deliveries_end = cursor_.deliveries.empty();
        return {};
    }

    core::Status add_run(ListBody& body) {
        const RunSummary& run = runs_[--at_];
        auto text = call_.services.run_history().document(filter_.tenant, run.id);
        if (!text) return core::fail(std::move(text.error()));
        if (!text->empty()) body.json().raw(*text);
        cursor_.run_below = run.id;
        skip_unwanted();
        return {};
    }

    Call& call_;
    store::ExecutionQuery& query_;
    const RunFilter& filter_;
    ListCursor& cursor_;
    const std::deque<RunSummary>& runs_;
    std::size_t at_;  // runs below this index are still to come
};

}  // namespace

Answer list_executions(Call& call) {
    store::ExecutionQuery query;
    const auto limit = call.limit();
    if (!limit) return core::fail(limit.error());
    const auto from_us = call.time("from", INT64_MIN);
    if (!from_us) return core::fail(from_us.error());
    const auto to_us = call.time("to", INT64_MAX);
    if (!to_us) return core::fail(to_us.error());
    if (auto status = read_status(call, query.status); !status) return core::fail(status.error());
    ListCursor cursor;
    if (!cursor.read(call.text("cursor"))) {
        return core::fail(
            core::Error(core::ErrorCode::kValidation, "cursor is not one that this list gave")
                .in("cursor"));
    }
    const std::string event_id = call.text("eventId");
    RunFilter runs{call.tenant(), call.text("scriptId"),
                   *from_us,      *to_us,
                   query.status,  !event_id.empty() || !call.text("subscriptionId").empty()};
    if (!select_subscriptions(call, query.subscriptions)) cursor.deliveries_end = true;
    if (!event_id.empty()) {
        auto event = call.services.database().log_reader().find(call.tenant(), event_id);
        if (!event) return core::fail(std::move(event.error()));
        if (!*event) return ListBody().finish("");
        query.event = (*event)->event.position;
    }
    query.from_us = *from_us;
    query.to_us = *to_us;
    query.accept = [&call](const store::Execution& execution) {
        return is_of_tenant(call.services, execution, call.tenant());
    };
    return ExecutionList(call, query, runs, cursor).make(*limit);
}

Answer get_execution(Call& call) {
    const std::string_view id = call.request.param("id");
    auto run = call.services.run_history().document(call.tenant(), id);
    if (!run) return core::fail(std::move(run.error()));
    if (!run->empty()) return json_response(200, std::move(*run));
    const auto key = store::decode_execution_id(call.services.database().hasher(), id);
    if (!key) return not_found("execution", id);
    auto execution = call.services.database().executions().get(*key);
    if (!execution) return core::fail(std::move(execution.error()));
    if (!*execution || !is_of_tenant(call.services, **execution, call.tenant()))
        return not_found("execution", id);
    std::string body;
    core::JsonWriter json(body);
    append_execution(json, call.services, **execution, event_id_at(call.services, key->position));
    return json_response(200, std::move(body));
}

}  // namespace millrace::runtime::api
