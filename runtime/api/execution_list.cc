// GET /v2/executions: deliveries and the API's own runs in one list, looked for in steps.
#include "runtime/api/event_lookup.h"
#include "runtime/api/event_view.h"
#include "runtime/api/execution_view.h"
#include "runtime/api/handlers.h"
#include "runtime/api/list_places.h"
#include "store/rows/executions.h"
#include "store/rows/page_cursor.h"

#include <deque>
#include <memory>
#include <utility>

namespace millrace::runtime::api {

using store::DeliveryStatus;

namespace {

core::Status read_status(const Call& call, store::ExecutionQuery& query) {
    std::optional<DeliveryStatus>& status = query.status;
    const std::string text = call.text("status");
    if (text.empty()) return {};
    for (const auto known : {DeliveryStatus::kCompleted, DeliveryStatus::kFailed,
                             DeliveryStatus::kRetrying, DeliveryStatus::kDead}) {
        if (text == delivery_status_text(known)) status = known;
    }
    query.waiting = text == "waiting";
    if (status || query.waiting) return {};
    return core::fail(core::Error(core::ErrorCode::kValidation,
                                  "query parameter status is \"" + text.substr(0, 64) +
                                      "\"; expected completed, failed, retrying, dead or waiting")
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

// ---- runs by the API, which belong to no event

struct RunFilter {
    core::TenantId tenant;
    std::string script_id;
    std::int64_t from_us = INT64_MIN;
    std::int64_t to_us = INT64_MAX;
    std::optional<DeliveryStatus> status;
    bool none = false;  // asked for an event's or a subscription's, or for what waits

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

// Runs and deliveries in one list, newest first, made in steps: a history of millions that holds
// little of what is asked for must not keep the API thread from everybody else.
class ExecutionList {
public:
    static constexpr std::size_t kBlocksPerStep = 8;   // some 10 ms
    static constexpr std::size_t kBlocksLookedUp = 1;  // and each event's pattern with them

    ExecutionList(Services& services, store::ExecutionQuery&& query, RunFilter&& runs,
                  ListCursor&& cursor, std::vector<SourceChoice>&& other_sources, std::size_t limit,
                  const ApiRequest& request)
        : services_(services),
          query_(std::move(query)),
          filter_(std::move(runs)),
          cursor_(std::move(cursor)),
          other_sources_(std::move(other_sources)),
          limit_(limit),
          places_(request) {
        query_.blocks_max = query_.accept ? kBlocksLookedUp : kBlocksPerStep;
        query_.tenant = filter_.tenant;
    }
    ExecutionList(const ExecutionList&) = delete;
    ExecutionList& operator=(const ExecutionList&) = delete;

    Services& services() const { return services_; }
    // True: the list is whole.
    core::Result<bool> step() {
        // Runs may have come and gone since the last step.
        at_ = runs().size();
        while (at_ > 0 && !cursor_.run_below.empty() && runs()[at_ - 1].id >= cursor_.run_below)
            --at_;
        skip_unwanted();
        for (;;) {
            auto whole = add_deliveries();
            if (!whole || (!*whole && count_ < limit_)) return whole;
            if (at_ == 0 || count_ == limit_) return true;
            if (auto status = add_run(); !status) return core::fail(status.error());
            ++count_;
        }
    }
    ApiResponse finish() {
        const bool more = at_ > 0 || !cursor_.deliveries_end;
        ApiResponse response =
            body_.finish(more ? encode_key_cursor(cursor_.write()) : std::string());
        response.body.pop_back();
        append_other_sources(response.body, other_sources_);
        response.body += '}';
        places_.append_to(response);
        return response;
    }

private:
    const std::deque<RunSummary>& runs() const { return services_.run_history().runs(); }
    void skip_unwanted() {
        while (at_ > 0 && (filter_.none || !filter_.wants(runs()[at_ - 1]))) --at_;
    }

    // The deliveries that come before the next run; false: not yet all.
    core::Result<bool> add_deliveries() {
        if (cursor_.deliveries_end) return true;
        const std::string from = cursor_.deliveries;
        query_.cursor = from;
        query_.limit = limit_ - count_;
        query_.pause_below_us = at_ > 0 ? runs()[at_ - 1].started_at_us : INT64_MIN;
        auto page = services_.database().executions().list(query_);
        if (!page) return core::fail(std::move(page.error()));
        for (const store::Execution& execution : page->executions) {
            append_execution(body_.json(), services_, execution,
                             event_id_at(services_, execution.delivery.position));
            if (places_.wanted()) add_place(execution);
        }
        count_ += page->executions.size();
        cursor_.deliveries = std::move(page->next);
        cursor_.deliveries_end = cursor_.deliveries.empty();
        return !page->stalled;
    }

    // Cursors of a log that is one shard, as a partition's is.
    void add_place(const store::Execution& execution) {
        ListCursor cursor = cursor_;
        const std::uint64_t offset = execution.delivery.position.offset.value;
        const std::uint64_t subscription = execution.delivery.subscription.value;
        cursor.deliveries = store::encode_cursor_numbers('e', {offset, subscription + 1});
        places_.begin_at(encode_key_cursor(cursor.write()));
        cursor.deliveries = store::encode_cursor_numbers('e', {offset, subscription});
        places_.add(execution.attempts.front().started_at_us, encode_key_cursor(cursor.write()));
    }

    core::Status add_run() {
        const std::string before = places_.wanted() ? encode_key_cursor(cursor_.write()) : "";
        const RunSummary& run = runs()[--at_];
        auto text = services_.run_history().document(filter_.tenant, run.id);
        if (!text) return core::fail(std::move(text.error()));
        if (!text->empty()) body_.json().raw(*text);
        cursor_.run_below = run.id;
        if (places_.wanted() && !text->empty()) {
            places_.begin_at(before);
            places_.add(run.started_at_us, encode_key_cursor(cursor_.write()));
        }
        skip_unwanted();
        return {};
    }

    Services& services_;
    store::ExecutionQuery query_;
    const RunFilter filter_;
    ListCursor cursor_;
    const std::vector<SourceChoice> other_sources_;  // of the event that is asked for
    const std::size_t limit_;
    ListPlaces places_;
    ListBody body_;
    std::size_t count_ = 0;
    std::size_t at_ = 0;  // runs below this index are still to come
};

core::Result<std::shared_ptr<ExecutionList>> read_list(Call& call) {
    store::ExecutionQuery query;
    const auto range = call.list_range();
    if (!range) return core::fail(range.error());
    if (auto status = read_status(call, query); !status) return core::fail(status.error());
    ListCursor cursor;
    const auto sent = call.key_cursor();
    if (!sent || !cursor.read(*sent)) return core::fail(Call::bad_cursor());
    const std::string event_id = call.text("eventId");
    RunFilter runs{
        call.tenant(),  call.text("scriptId"),
        range->from_us, range->to_us,
        query.status,   query.waiting || !event_id.empty() || !call.text("subscriptionId").empty()};
    if (!select_subscriptions(call, query.subscriptions)) cursor.deliveries_end = true;
    const auto source = source_choice(call);
    if (!source) return core::fail(source.error());
    const bool chosen = !source->type.empty() || !source->id.empty();
    if (chosen && event_id.empty()) {
        return core::fail(core::Error(core::ErrorCode::kValidation,
                                      "query parameters sourceType and sourceId say which event of "
                                      "an eventId is meant; eventId is missing")
                              .in("eventId"));
    }
    std::vector<SourceChoice> other_sources;
    if (!event_id.empty()) {
        auto event = find_event(call.services.database(), call.tenant(), event_id, *source);
        if (!event) return core::fail(std::move(event.error()));
        if (*event && may_see(call.request.principal, **event)) {
            query.event = (*event)->event.event.position;
            other_sources = std::move((*event)->others);
        } else {
            cursor.deliveries_end = true;
        }
    }
    query.from_us = range->from_us;
    query.to_us = range->to_us;
    if (call.request.principal.is_bounded()) {
        query.accept = [by = call.request.principal,
                        &services = call.services](const store::Execution& execution) {
            return may_see(by, services.database(), execution.delivery.position);
        };
    }
    return std::make_shared<ExecutionList>(call.services, std::move(query), std::move(runs),
                                           std::move(cursor), std::move(other_sources),
                                           range->limit, call.request);
}

void go_on(const std::shared_ptr<ExecutionList>& list, const Respond& respond) {
    const auto whole = list->step();
    if (!whole) return respond(error_response(whole.error()));
    if (*whole) return respond(list->finish());
    list->services().run_later([list, respond] { go_on(list, respond); });
}

}  // namespace

void list_executions(Call& call, const Respond& respond) {
    auto list = read_list(call);
    if (!list) return respond(error_response(list.error()));
    go_on(*list, respond);
}

}  // namespace millrace::runtime::api
