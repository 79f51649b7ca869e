#include "runtime/registry/registry.h"

#include "matcher/subscription_spec.h"
#include "runtime/event/tenant_names.h"
#include "runtime/identity/limits.h"

#include <variant>

namespace millrace::runtime {
namespace {

Script fresh_script(const Registry::Options& options) {
    Script script;
    script.timeout_ms = options.script_timeout_ms_default;
    script.memory_bytes = options.script_memory_bytes_default;
    return script;
}

Subscription fresh_subscription(const Registry::Options& options) {
    Subscription subscription;
    subscription.retry = options.retry_default;
    return subscription;
}

EventSchema fresh_schema(const Registry::Options& options) {
    EventSchema schema;
    schema.mode = options.schema_mode_default;
    return schema;
}

template <typename T>
core::Result<std::shared_ptr<const T>> after(core::Result<DocumentChange<T>>&& change) {
    if (!change) return core::fail(std::move(change.error()));
    return change->after;
}

template <typename T>
core::Result<std::shared_ptr<const T>> before(core::Result<DocumentChange<T>>&& change) {
    if (!change) return core::fail(std::move(change.error()));
    return change->before;
}

template <typename T>
void follow(NumberedTable<T>& table, const RegistryChange& any) {
    const auto* of = std::get_if<DocumentChange<T>>(&any);
    if (of == nullptr) return;
    const DocumentChange<T>& change = *of;
    if (const auto& shown = change.after ? change.after : change.before)
        table.set(shown->number.value, change.after);
}

// A broker lets in one client of a name: two links of one would end each other's connections for
// ever. Whichever tenants they are of.
core::Status check_client_id(const RegistrySnapshot& snapshot, const Link& link) {
    const LinkConfig& config = link.config;
    if (config.client.empty()) return {};
    core::Status status;
    snapshot.links.for_each([&](const LinkRef& other) {
        const LinkConfig& there = other->config;
        if (other->type != link.type || there.client != config.client ||
            there.host != config.host || there.port != config.port ||
            (other->tenant == link.tenant && other->id == link.id))
            return;
        const std::string whose = other->tenant == link.tenant ? "link \"" + other->id + "\""
                                                               : "a link of another tenant";
        status = core::fail(
            core::Error(core::ErrorCode::kConflict,
                        "config.clientId: by \"" + config.client + "\" " + config.host + ":" +
                            std::to_string(config.port) + " knows " + whose +
                            " already, and a broker keeps one connection for a client id")
                .in("config.clientId"));
    });
    return status;
}

}  // namespace

core::Result<std::unique_ptr<Registry>> Registry::open(RegistryRows& rows, const core::Clock& clock,
                                                       core::Random& random, Options options) {
    std::unique_ptr<Registry> registry(new Registry(rows, clock, random, std::move(options)));
    if (auto status = registry->load(); !status) return core::fail(std::move(status.error()));
    return registry;
}

Registry::Registry(RegistryRows& rows, const core::Clock& clock, core::Random& random,
                   Options options)
    : rows_(rows),
      clock_(clock),
      random_(random),
      quota_defaults_(options.quota_defaults),
      number_step_(options.number_step),
      number_at_(options.number_at),
      scripts_(*this, fresh_script(options),
               [check = std::move(options.check_script)](const Script& script) -> core::Status {
                   if (!check) return {};
                   return check(script.name, script.source);
               }),
      secrets_(*this, Secret{}, {}),
      actions_(*this, Action{}, {}),
      sources_(*this, Source{}, {}),
      schemas_(*this, fresh_schema(options), std::move(options.check_schema)),
      workflows_(*this, Workflow{}, {}),
      links_(*this, Link{},
             [this, check = std::move(options.check_link)](const Link& link) -> core::Status {
                 if (auto alone = check_client_id(*snapshot(), link); !alone) return alone;
                 if (!check) return {};
                 return check(link);
             }),
      edges_(*this, EdgeNode{}, {}),
      subscriptions_(*this, fresh_subscription(options),
                     [this, check = std::move(options.check_spec)](
                         const Subscription& subscription) -> core::Status {
                         if (auto share = check_script_share(subscription); !share) return share;
                         if (auto sink = check_is_sink(subscription); !sink) return sink;
                         if (!check) return {};
                         return check(*subscription.spec);
                     }),
      tenants_(*this, Tenant{}, {}),
      keys_(*this, ApiKey{}, {}),
      schedules_(*this, Schedule{}, {}),
      endpoints_(*this, Endpoint{},
                 [this](const Endpoint& endpoint) { return check_route(endpoint); }),
      hooks_(*this, Hook{}, {}),
      snapshot_(std::make_shared<const RegistrySnapshot>()) {}

Registry::~Registry() = default;

core::Status Registry::load() {
    auto snapshot = std::make_shared<RegistrySnapshot>();
#define X(Type, table) \
    if (auto loaded = table##_.load(snapshot->table); !loaded) return loaded;
    MILLRACE_DOCUMENT_KINDS(X)
#undef X
    snapshot->tenants.for_each(
        [](const TenantRef& tenant) { name_tenant(tenant->self(), tenant->id); });
    tell_set_aside(*snapshot);
    std::lock_guard lock(snapshot_mutex_);
    // As if every commit there has been had been published by this process: blocks name it.
    const std::uint64_t version = rows_.revision() + 1;
    snapshot->version = version;
    snapshot_ = std::move(snapshot);
    version_.store(version, std::memory_order_release);  // pairs with the acquire in version()
    return {};
}

RegistrySnapshotRef Registry::snapshot() const {
    std::lock_guard lock(snapshot_mutex_);
    return snapshot_;
}

// No path may lead to two of them.
core::Status Registry::check_route(const Endpoint& endpoint) const {
    core::Status status;
    const std::string shape = route_shape(endpoint.route);
    endpoints_.list(endpoint.tenant, {}, [&](const EndpointRef& other) {
        if (other->id == endpoint.id || other->method != endpoint.method ||
            route_shape(other->route) != shape)
            return true;
        status = core::fail(core::Error(core::ErrorCode::kConflict,
                                        "route: " + other->method + " " + other->route +
                                            " belongs to endpoint \"" + other->id + "\"")
                                .in("route"));
        return false;
    });
    return status;
}

TenantRef Registry::document_of(core::TenantId tenant) const {
    if (tenant.value == 0) return tenants_.find(kPlatform, "default");
    return snapshot()->tenants.share(tenant.value);
}

identity::Quotas Registry::quotas_of(core::TenantId tenant) const {
    const TenantRef document = document_of(tenant);
    return document ? document->quotas.over(quota_defaults_) : quota_defaults_;
}

// Of those that run one script, whether a subscription is made for it or comes to it.
core::Status Registry::check_script_share(const Subscription& subscription) const {
    const std::string& script = subscription.executor.script_id;
    const auto most = quotas_of(subscription.tenant).of(identity::Quota::kScriptSubscriptions);
    if (most == 0 || script.empty()) return {};
    std::int64_t held = 0;
    bool there = false;
    subscriptions_.list(subscription.tenant, "", [&](const SubscriptionRef& one) {
        if (one->executor.script_id != script) return true;
        ++held;
        there |= one->id == subscription.id;
        return true;
    });
    if (there) return {};
    return identity::within_quota(identity::Quota::kScriptSubscriptions, held, most);
}

// Nothing can be sent to what events come from, or to what takes them from the log by itself.
core::Status Registry::check_is_sink(const Subscription& subscription) const {
    if (subscription.executor.type != ExecutorType::kLink) return {};
    const LinkRef link = links_.find(subscription.tenant, subscription.executor.link_id);
    if (!link || (link->direction == LinkDirection::kOut && !is_stream(*link))) return {};
    const std::string_view why = is_stream(*link)
                                     ? "\" has the mode stream: it takes its events from the log"
                                     : "\" has the direction in: events come from it";
    return core::fail(core::Error(core::ErrorCode::kValidation,
                                  "executor.linkId: link \"" + link->id + std::string(why))
                          .in("executor.linkId"));
}

void Registry::tell_set_aside(RegistrySnapshot& snapshot) const {
    snapshot.set_aside.clear();
    snapshot.unknown_set_aside = false;
    subscriptions_.each_set_aside([&](core::TenantId, std::string_view, std::uint32_t number) {
        if (number == 0)
            snapshot.unknown_set_aside = true;
        else
            snapshot.set_aside.emplace_back(number);
    });
}

void Registry::publish(const RegistryChange& change) {
    if (const auto* of = std::get_if<DocumentChange<Tenant>>(&change); of && of->after)
        name_tenant(of->after->self(), of->after->id);
    auto next =
        std::make_shared<RegistrySnapshot>(*snapshot_);  // only the owner replaces snapshot_
    ++next->version;
#define X(Type, table) follow(next->table, change);
    MILLRACE_DOCUMENT_KINDS(X)
#undef X
    tell_set_aside(*next);
    const std::uint64_t version = next->version;
    RegistrySnapshotRef fresh = std::move(next);
    {
        std::lock_guard lock(snapshot_mutex_);
        snapshot_.swap(fresh);  // the old one dies outside the lock
    }
    version_.store(version, std::memory_order_release);  // pairs with the acquire in version()
}

std::uint32_t Registry::number_of(std::string_view kind, core::TenantId tenant,
                                  std::string_view id) const {
#define X(Type, table)                                \
    if (kind == document_kind<Type>().name) {         \
        const auto found = table##_.find(tenant, id); \
        return found ? found->number.value : 0;       \
    }
    MILLRACE_DOCUMENT_KINDS(X)
#undef X
    if (kind == kWorkflowScriptKind) {
        const ScriptRef script = scripts_.find(tenant, id);
        if (script && script_type_text(script->type) == "workflow") return script->number.value;
    }
    return 0;
}

void Registry::users_of(std::string_view kind, std::uint32_t number, const VisitUser& visit) const {
    if (kind == document_kind<Script>().name) users_of(kWorkflowScriptKind, number, visit);
#define X(Type, table) table##_.each_user_of(kind, number, visit);
    MILLRACE_DOCUMENT_KINDS(X)
#undef X
}

void Registry::set_aside(std::string_view kind, std::string_view row_id, const core::Error& why) {
    rows_.set_aside(kind, row_id, why);
}

core::Result<ScriptRef> Registry::create_script(core::TenantId tenant, std::string_view body) {
    return after(scripts_.create({.tenant = tenant}, body));
}

core::Result<ScriptRef> Registry::update_script(core::TenantId tenant, std::string_view id,
                                                std::string_view body) {
    return after(scripts_.put({.tenant = tenant}, id, body));
}

core::Result<ScriptRef> Registry::remove_script(core::TenantId tenant, std::string_view id) {
    return before(scripts_.remove({.tenant = tenant}, id));
}

core::Result<SubscriptionRef> Registry::create_subscription(core::TenantId tenant,
                                                            std::string_view body, LogEnds ends) {
    return after(subscriptions_.create({.tenant = tenant, .log_ends = std::move(ends)}, body));
}

core::Result<SubscriptionRef> Registry::patch_subscription(core::TenantId tenant,
                                                           std::string_view id,
                                                           std::string_view patch,
                                                           const LogEnds& ends) {
    return after(subscriptions_.patch({.tenant = tenant, .log_ends = ends}, id, patch));
}

core::Result<SubscriptionRef> Registry::remove_subscription(core::TenantId tenant,
                                                            std::string_view id) {
    return before(subscriptions_.remove({.tenant = tenant}, id));
}

}  // namespace millrace::runtime
