// Part of ServerParts: a partition that holds a part of every tenant's events.
#include "runtime/server/server_crossing.h"

#include "runtime/api/api.h"
#include "runtime/crossing/crossing_event.h"
#include "runtime/event/tenant_names.h"
#include "runtime/identity/trusted_front.h"
#include "runtime/orchestrator/runs_left.h"
#include "runtime/registry/copied_rows.h"
#include "runtime/server/server_parts.h"
#include "store/database.h"
#include "store/rows/registry_store.h"

#include <charconv>
#include <memory>
#include <string>
#include <utility>

namespace millrace::runtime {
namespace {

// Nobody waits for its answer: whoever asked comes again by himself.
class AnswersUnread final : public courier::HttpReceiver {
public:
    void receive(std::uint64_t /*ticket*/, courier::HttpAnswer&& /*answer*/) override {}
};
AnswersUnread unread;

template <typename Number>
std::optional<Number> number_in(const api::ApiRequest& request, std::string_view name) {
    const std::string text = request.query_value(name).value_or("");
    Number out = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), out);
    if (text.empty() || read.ec != std::errc() || read.ptr != text.data() + text.size())
        return std::nullopt;
    return out;
}

api::ApiResponse json_answer(std::string&& body) {
    return {
        .status = 200, .content_type = "application/json", .headers = {}, .body = std::move(body)};
}

core::Status only_at_home(std::string_view what, std::string_view member) {
    return core::fail(core::Error(core::ErrorCode::kNotSupported,
                                  std::string(member) + ": " + std::string(what) +
                                      "; in a cluster with partition_by = \"key\" it would see a "
                                      "part of the events")
                          .in(std::string(member)));
}

}  // namespace

bool ServerParts::is_at_home(core::TenantId tenant) const {
    return !spread_rule || spread_rule->home_of(tenant) == spread_rule->partition();
}

void ServerParts::bound_to_partition(Registry::Options& options) const {
    if (!spread_rule) return;
    options.number_step = static_cast<std::uint32_t>(spread_rule->partitions());
    options.number_at = static_cast<std::uint32_t>(spread_rule->partition());
    options.check_schema = [](const EventSchema& schema) -> core::Status {
        if (schema.contract && !schema.contract->transitions().empty())
            return only_at_home("has a transition", "rules");
        return {};
    };
}

const std::atomic<std::int64_t>* ServerParts::lease() const {
    if (crossing) return &crossing->agent->lease();
    return seams.seat ? seams.seat->lease_until_ns : nullptr;
}

core::Status ServerParts::build_crossing() {
    if (!spread_rule) return {};
    const PartitionSeat::ByKey& seat = *seams.seat->by_key;
    crossing = std::make_unique<CrossingParts>(seat.partitions);
    CrossingParts& parts = *crossing;
    identity::Principal cluster;
    parts.neighbours = {.front = seat.front,
                        .token = seams.seat->front_token,
                        .principal = identity::principal_text(cluster, "default"),
                        .token_header = std::string(identity::kFrontTokenHeader),
                        .principal_header = std::string(identity::kFrontPrincipalHeader)};
    if (auto loaded = parts.outbox.load(database->registry()); !loaded) return loaded;
    parts.split = std::make_unique<crossing::CrossingSplit>(
        crossing::CrossingSplit::Place{seat.partition, seat.partitions, seat.seed}, parts.outbox,
        database->pools());
    IntakeDeps intake = intake_deps(5);
    crossing::CrossingAgent::Deps agent;
    agent.sender.clock = &clock;
    agent.sender.log = &log;
    agent.sender.metrics = &metrics;
    agent.sender.rows = &database->registry();
    agent.sender.outbox = &parts.outbox;
    agent.sender.neighbours = &parts.neighbours;
    agent.sender.partition = seat.partition;
    agent.sender.submit = [submit = intake.submit](std::unique_ptr<LaneResult>& result) {
        return submit(result->shard, result);
    };
    agent.caught_up = [&parts] { return parts.follower->caught_up(); };
    agent.lease_until_ns = seams.seat->lease_until_ns;
    auto made = crossing::CrossingAgent::make(std::move(agent));
    if (!made) return core::fail(std::move(made.error()));
    parts.agent = std::move(*made);
    parts.outbox.wake_by([&parts] { parts.agent->wake(); });
    build_follower(seat);
    build_canary_watch(seat);
    // Behind the agent's own ring.
    intake.submit = intake_deps(6).submit;
    crossing::CrossingDesk::Deps desk{
        std::move(intake),
        [this](std::function<void()> task) { conductor.post_answer(std::move(task)); },
        [this](std::string_view name) -> std::optional<core::TenantId> {
            if (name == "default") return core::TenantId{};
            const TenantRef tenant = registry->table<Tenant>().find(kPlatform, name);
            if (!tenant) return std::nullopt;
            return tenant->self();
        }};
    parts.desk = std::make_unique<crossing::CrossingDesk>(std::move(desk));
    return {};
}

void ServerParts::connect_crossing(EngineServices::Deps& deps) {
    if (!crossing) return;
    if (front) front->take_crossing();
    deps.cross = [this](const api::ApiRequest& request, const api::Respond& respond) {
        cross(request, respond);
    };
    deps.pause_at_home = [this](core::TenantId tenant, const std::string& subscription_id) {
        return pause_at_home(tenant, subscription_id);
    };
    deps.tell_neighbours = [this] { tell_neighbours(); };
    conductor.add_chore([this] { return crossing->follower->do_work(); });
    conductor.add_chore([this] { return crossing->canaries->do_work(); });
}

void ServerParts::build_follower(const PartitionSeat::ByKey& seat) {
    crossing::RegistryFollower::Deps follower;
    follower.clock = &clock;
    follower.log = &log;
    follower.port = &crossing->agent->port();
    follower.neighbours = &crossing->neighbours;
    follower.partition = seat.partition;
    follower.partitions = seat.partitions;
    follower.post = [this](std::function<void()> task) { conductor.post_answer(std::move(task)); };
    follower.kept = [this](std::size_t home) -> std::uint64_t {
        const auto row = database->registry().get(kSpreadFromKind, std::to_string(home));
        return row && *row ? (*row)->version : 0;
    };
    follower.take = [this](std::size_t home, SpreadRows&& rows, bool whole,
                           std::uint64_t revision) {
        return take_copies_of(home, std::move(rows), whole, revision);
    };
    crossing->follower = std::make_unique<crossing::RegistryFollower>(std::move(follower));
}

void ServerParts::build_canary_watch(const PartitionSeat::ByKey& seat) {
    canaries.spread_over(seat.partition, seat.partitions,
                         [this](core::TenantId tenant) { return is_at_home(tenant); });
    crossing::CanaryWatch::Deps watch;
    watch.clock = &clock;
    watch.log = &log;
    watch.port = &crossing->agent->port();
    watch.neighbours = &crossing->neighbours;
    watch.partition = seat.partition;
    watch.partitions = seat.partitions;
    watch.post = [this](std::function<void()> task) { conductor.post_answer(std::move(task)); };
    watch.any = [this] { return canaries.asks_others(); };
    watch.hear = [this](std::size_t partition, std::string_view told) {
        return canaries.hear(partition, told, clock.monotonic_ns());
    };
    watch.hear_nothing = [this](std::size_t partition) {
        canaries.hear_nothing(partition, clock.monotonic_ns());
    };
    crossing->canaries = std::make_unique<crossing::CanaryWatch>(std::move(watch));
}

core::Status ServerParts::take_copies_of(std::size_t home, SpreadRows&& rows, bool whole,
                                         std::uint64_t revision) {
    for (auto& [name, row] : rows) {
        if (!row.json || !sealed_rows) continue;
        RegistryRow stored{row.kind, row.id, row.version, row.updated_at_us, std::move(*row.json)};
        row.json = sealed_rows->opened(std::move(stored)).json;
    }
    if (whole) {
        if (auto added = add_gone(database->registry(), *spread_rule, home, rows); !added)
            return added;
    }
    ChangeContext context;
    context.log_ends = services->log_ends();
    context.handled_to = services->handled_to();
    registry->act_as("cluster");
    const auto runs_left = [this](core::TenantId tenant, std::string_view workflow,
                                  std::uint32_t version) {
        const auto left = count_runs_left(database->registry(), tenant, workflow, version);
        return !left || *left > 0;
    };
    auto taken = take_copies(*registry, rows, context, home, revision, runs_left);
    if (!taken) return core::fail(std::move(taken.error()));
    for (const std::string& row : taken->left_out)
        log.error("what is registered in another partition is not here", {{"row", row}});
    auto effective = services->copies_changed(taken->changes);
    for (const SubscriptionRef& one : taken->closing) services->bury_copy(one);
    for (const SpreadRow& row : taken->canaries) follow_canary(row);
    return effective;
}

// What is tried here, or not any more, since its home says so.
void ServerParts::follow_canary(const SpreadRow& row) {
    std::uint32_t number = 0;
    std::from_chars(row.id.data(), row.id.data() + row.id.size(), number);
    if (!row.json) {
        canaries.end(ScriptNumber(number));
        store::RowBatch over;
        over.erase_registry(kCanaryFiguresKind, row.id);
        (void)database->write_now(over);
        return;
    }
    auto spec = read_canary_document(*row.json, find_version());
    if (spec) return begin_canary(std::move(*spec));
    // Whatever was tried before is over.
    canaries.end(ScriptNumber(number));
    log.error("what is tried in another partition is not here",
              {{"script", row.id}, {"reason", spec.error().message}});
}

// They come by themselves too, later: whether they hear this does not matter.
void ServerParts::tell_neighbours() {
    const std::size_t home = spread_rule->partition();
    const std::string path =
        std::string(crossing::kCrossingFollowPath) + "?home=" + std::to_string(home);
    for (std::size_t p = 0; p < spread_rule->partitions(); ++p) {
        if (p != home)
            (void)crossing->agent->port().send(unread, 0,
                                               crossing->neighbours.call_to(p, "POST", path));
    }
}

// Of all of its keys, by its home: which tells everybody.
bool ServerParts::pause_at_home(core::TenantId tenant, const std::string& subscription_id) {
    if (!crossing || is_at_home(tenant)) return false;
    identity::Principal principal;
    principal.scopes.add(identity::Scope::kSubscriptionsWrite);
    courier::HttpCall call = crossing->neighbours.call_to(
        spread_rule->home_of(tenant), "POST", "/v2/subscriptions/" + subscription_id + "/pause");
    for (auto& [name, value] : call.headers) {
        if (name == identity::kFrontPrincipalHeader)
            value = identity::principal_text(principal, tenant_name(tenant));
    }
    if (!crossing->agent->port().send(unread, 0, std::move(call)))
        log.warn("a subscription's home was not asked to pause it",
                 {{"subscription", subscription_id}});
    return true;
}

void ServerParts::cross(const api::ApiRequest& request, const api::Respond& respond) {
    const std::string_view path = request.header(identity::kCrossingPath);
    const auto refuse = [&](const core::Error& error) { respond(api::error_response(error)); };
    if (path == crossing::kCrossingRegistryPath && request.method == io::Method::kGet) {
        const auto after = number_in<std::uint64_t>(request, "after");
        if (!after) return refuse(core::Error(core::ErrorCode::kValidation, "after: is no number"));
        const auto page =
            read_spread_page(database->registry(), *spread_rule, registry_rows->revision(), *after,
                             request.query_value("next").value_or(""));
        if (!page) return refuse(page.error());
        return respond(json_answer(spread_page_text(*page)));
    }
    if (path == crossing::kCrossingFollowPath && request.method == io::Method::kPost) {
        const auto home = number_in<std::size_t>(request, "home");
        if (!home) return refuse(core::Error(core::ErrorCode::kValidation, "home: is no number"));
        return crossing->follower->follow(*home, [respond](core::Result<std::uint64_t>&& done) {
            if (!done) return respond(api::error_response(done.error()));
            respond(json_answer("{\"revision\":" + std::to_string(*done) + "}"));
        });
    }
    if (path == crossing::kCrossingCanariesPath && request.method == io::Method::kGet) {
        const auto home = number_in<std::size_t>(request, "home");
        if (!home) return refuse(core::Error(core::ErrorCode::kValidation, "home: is no number"));
        return respond(json_answer(canaries.told(
            [&](core::TenantId tenant) { return spread_rule->home_of(tenant) == *home; })));
    }
    if (path == crossing::kCrossingEventsPath && request.method == io::Method::kPost) {
        return crossing->desk->take(request.body_view(),
                                    [respond](core::Result<std::size_t>&& taken) {
                                        if (!taken)
                                            return respond(api::error_response(taken.error()));
                                        respond(json_answer(crossing::taken_text(*taken)));
                                    });
    }
    refuse(core::Error(core::ErrorCode::kNotFound, "nothing is at " + std::string(path)));
}

}  // namespace millrace::runtime
