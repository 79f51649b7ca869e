// What reaches the outside (courier, commands, databases, the tester), its figures, and what a
// start knows again of it: events that were cancelled, versions on trial, the state of receivers.
#include "runtime/executors/command_executor.h"
#include "runtime/executors/webhook_executor.h"
#include "runtime/registry/document_rows.h"
#include "runtime/server/memory_parts.h"
#include "runtime/server/part_options.h"
#include "runtime/server/server_parts.h"
#include "store/database.h"
#include "store/rows/registry_store.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <memory>
#include <set>
#include <string>
#include <utility>

namespace millrace::runtime {

// What calls the outside. The simulator, which has no sockets, has a network of its own or none.
core::Status ServerParts::build_courier() {
    if (!seams.http && !seams.make_reactor) {
        auto rules = address_rules(config.http_client);
        if (!rules) return core::fail(std::move(rules.error()));
        courier = std::make_unique<courier::Courier>(
            clock, std::move(*rules), static_cast<std::size_t>(config.executors.webhook.limit),
            bound_outside(memory, memory_holders(), courier::Courier::kAnswersBytesMax));
    }
    if (!seams.make_reactor) {
        auto options = command_options(config.executors);
        if (!options) return core::fail(std::move(options.error()));
        commands = std::make_unique<CommandRunner>(clock, std::move(*options));
    }
    ActionCaller::Deps calls;
    calls.clock = &clock;
    calls.http = http();
    calls.commands = commands.get();
    calls.commands_enabled = config.executors.command.enabled;
    calls.registry = [this] { return registry->snapshot(); };
    actions = std::make_unique<ActionCaller>(std::move(calls));
    if (!seams.make_reactor) {
        auto rules = address_rules(config.http_client);
        if (!rules) return core::fail(std::move(rules.error()));
        database_client = std::make_unique<DatabaseClient>(DatabaseClient::Deps{
            &clock, std::move(*rules), [this] { return registry->snapshot(); },
            courier ? courier->answers() : std::make_shared<core::ByteShare>()});
        outside = std::make_unique<OutsideSwitch>(*actions, *database_client);
    }
    if (!seams.make_reactor) {
        if (auto built = build_links(); !built) return built;
    }
    DeliveryTester::Deps deps;
    deps.clock = &clock;
    deps.random = &random;
    deps.http = http();
    deps.commands = commands.get();
    deps.kv = &database->kv();
    deps.watchdog_slot = watchdog.add_slot();
    deps.registry = [this] { return registry->snapshot(); };
    deps.post = [this](std::function<void()> task) { conductor.post_answer(std::move(task)); };
    tester = std::make_unique<DeliveryTester>(std::move(deps));
    return {};
}

core::Status ServerParts::build_links() {
    auto rules = address_rules(config.http_client);
    if (!rules) return core::fail(std::move(rules.error()));
    auto files = FileAccess::make(config.links.file_allow);
    if (!files) return core::fail(std::move(files.error()));
    // Behind the lanes, the scheduler and the orchestrator.
    link_scripts = std::make_unique<LinkShaper>(
        LinkShaper::Deps{&clock, &database->kv(), watchdog.add_slot(),
                         [this] { return registry->snapshot(); }, random.next()});
    LinkAgent::Deps deps{intake_deps(2), std::move(*rules), std::move(*files), link_scripts.get()};
    if (memory.limit > 0) deps.read_ahead_bytes = memory.unshared() / 4;
    deps.lease_until_ns = lease();
    deps.reads_for = [this](core::TenantId tenant) { return is_at_home(tenant); };
    if (spread_rule) deps.partition = spread_rule->partition();
    links = std::make_unique<LinkAgent>(std::move(deps));
    return links->load(set_aside);
}

void ServerParts::append_outside_figures(std::vector<api::ExecutorFigures>& out) const {
    api::ExecutorFigures webhook{.type = executor_type_text(ExecutorType::kWebhook)};
    webhook.enabled = config.executors.webhook.enabled;
    webhook.limit = static_cast<std::uint64_t>(config.executors.webhook.limit);
    webhook.breakers_open = endpoints.open();
    if (courier) {
        webhook.running = courier->webhooks_under_way();
        webhook.waiting = courier->webhooks_waiting();
    }
    api::ExecutorFigures command{.type = executor_type_text(ExecutorType::kCommand)};
    command.enabled = config.executors.command.enabled;
    command.limit = static_cast<std::uint64_t>(config.executors.command.limit);
    if (commands) {
        command.running = commands->running();
        command.waiting = commands->waiting();
    }
    add_waiting(webhook, ExecutorType::kWebhook);
    add_waiting(command, ExecutorType::kCommand);
    out.push_back(webhook);
    out.push_back(command);
    api::ExecutorFigures workflow{.type = executor_type_text(ExecutorType::kWorkflow)};
    workflow.enabled = config.executors.workflow.enabled;
    workflow.limit = static_cast<std::uint64_t>(config.executors.workflow.limit);
    if (orchestrator) {
        const Orchestrator::Figures figures = orchestrator->figures();
        workflow.running = figures.active;
        workflow.waiting = figures.waiting;
    }
    add_waiting(workflow, ExecutorType::kWorkflow);
    out.push_back(workflow);
    api::ExecutorFigures link{.type = executor_type_text(ExecutorType::kLink)};
    link.enabled = links != nullptr;
    link.limit = LinkPort::kSendsWaitingMax;
    if (links) link.running = links->sending();
    add_waiting(link, ExecutorType::kLink);
    out.push_back(link);
}

// What waits somewhere else than with those who make the calls: in lanes, behind in the log, for
// its next attempt. Of the last so many are looked at, which a figure may cost.
void ServerParts::add_waiting(api::ExecutorFigures& figures, ExecutorType type) const {
    constexpr std::size_t kRowsLookedAtMax = 100'000;
    for (const auto& lane : lanes) figures.waiting += lane->waiting_for(type);
    const RegistrySnapshotRef snapshot = registry->snapshot();
    const auto is_of_type = [&](core::SubscriptionId number) {
        const Subscription* subscription = snapshot->subscription(number);
        return subscription && subscription->executor.type == type;
    };
    behind.visit_waiting([&](core::SubscriptionId number, std::uint64_t count) {
        if (is_of_type(number)) figures.waiting += count;
    });
    std::size_t looked_at = 0;
    (void)database->retries().visit_all([&](const store::RetryRow& row) {
        figures.waiting += is_of_type(row.delivery.subscription);
        return ++looked_at < kRowsLookedAtMax;
    });
}

// Events that were cancelled, but for those of which nothing can be waiting any more.
core::Status ServerParts::load_cancelled() {
    auto rows = database->registry().load_all(kCancelledEventKind);
    if (!rows) return core::fail(std::move(rows.error()));
    if (rows->empty()) return {};
    std::set<core::LogPosition> waited_for;
    auto visited = database->retries().visit_all([&](const store::RetryRow& row) {
        waited_for.insert(row.delivery.position);
        return true;
    });
    if (!visited) return visited;
    std::vector<core::LogOffset> floors = behind.floors(shard_count);
    for (std::size_t i = 0; i < shard_count; ++i) floors[i] = std::min(floors[i], unread_floors[i]);
    store::RowBatch over;
    for (const store::RegistryDocument& row : *rows) {
        const auto place = parse_cancelled_event_id(row.id);
        const bool known = place && place->shard.value < shard_count;
        if (known && (waited_for.contains(*place) || place->offset >= floors[place->shard.value] ||
                      place->offset >= database->cursor(kDeliveryCursor, place->shard)))
            cancelled.add(*place);
        else
            over.erase_registry(kCancelledEventKind, row.id);
    }
    return over.empty() ? core::Status{} : database->write_now(over);
}

FindVersion ServerParts::find_version() const {
    return [this](core::TenantId tenant, std::string_view id, std::uint32_t version) -> ScriptRef {
        for (const ScriptRef& script : registry->script_versions(tenant, id)) {
            if (script->version == version) return script;
        }
        return nullptr;
    };
}

void ServerParts::begin_canary(CanarySpec&& spec) {
    const ScriptRef newest = registry->find_script(spec.tenant, spec.script_id);
    const ScriptNumber number = spec.number;
    canaries.begin(std::move(spec));
    canaries.follow(number, newest ? std::optional(newest->version) : std::nullopt);
}

// Versions that were tried on a part of the keys go on being tried.
core::Status ServerParts::load_canaries() {
    canaries.on_rollback([this](const CanarySpec& spec) {
        conductor.post_answer([this, spec] { services->canary_rolled_back(spec); });
    });
    auto rows = database->registry().load_all(kCanaryKind);
    if (!rows) return core::fail(std::move(rows.error()));
    store::RowBatch over;
    // What it names may be among the rows that do not read.
    const bool reads_badly =
        set_aside.any_of(document_kind<Script>().name) || set_aside.any_of(version_kind<Script>());
    for (const store::RegistryDocument& row : *rows) {
        auto spec = read_canary_document(row.json, find_version());
        if (spec)
            begin_canary(std::move(*spec));
        else if (spec.error().code == core::ErrorCode::kNotFound && !reads_badly)
            (void)registry->erase_row({std::string(kCanaryKind), row.id}, clock.wall_us(),
                                      kPlatform, "");
        else
            set_aside.add(kCanaryKind, row.id, spec.error());
    }
    auto figures = database->registry().load_all(kCanaryFiguresKind);
    if (!figures) return core::fail(std::move(figures.error()));
    for (const store::RegistryDocument& row : *figures) {
        const ScriptNumber number(
            static_cast<std::uint32_t>(std::strtoul(row.id.c_str(), nullptr, 10)));
        if (!canaries.restore(number, row.json) && !reads_badly)
            over.erase_registry(kCanaryFiguresKind, row.id);
    }
    return over.empty() ? core::Status{} : database->write_now(over);
}

// What the last process knew of the receivers of webhooks. That a subscription is to be paused was
// in the commit of the outcome that said so; the change of its document may not have followed.
core::Status ServerParts::restore_receivers() {
    auto rows = database->registry().load_all(kExecutorStateKind);
    if (!rows) return core::fail(std::move(rows.error()));
    store::RowBatch over;
    for (const store::RegistryDocument& row : *rows) {
        std::uint32_t number = 0;
        std::from_chars(row.id.data(), row.id.data() + row.id.size(), number);
        const RegistrySnapshotRef snapshot = registry->snapshot();
        const Subscription* of = snapshot->subscription(core::SubscriptionId(number));
        if (!of) {
            if (!snapshot->may_be_set_aside(core::SubscriptionId(number)))
                over.erase_registry(kExecutorStateKind, row.id);
            continue;
        }
        const auto pauses =
            endpoints.restore(of->number, row.json, clock.monotonic_ns(), clock.wall_us());
        if (!pauses) {
            set_aside.add(kExecutorStateKind, row.id, pauses.error());
            continue;
        }
        if (!*pauses) continue;
        over.erase_registry(kExecutorStateKind, row.id);
        if (of->paused) continue;
        registry->act_as("millrace");
        auto made = registry->table<Subscription>().amend({.tenant = of->tenant}, of->id, "pause",
                                                          [](Subscription& next) {
                                                              next.paused = true;
                                                              return core::Status{};
                                                          });
        if (!made) set_aside.add("subscription", of->id, made.error());
    }
    return over.empty() ? core::Status{} : database->write_now(over);
}

}  // namespace millrace::runtime
