#include "runtime/registry/registry.h"

#include "core/json_reader.h"
#include "core/json_writer.h"
#include "core/timestamp.h"
#include "matcher/subscription_spec.h"
#include "runtime/registry/registry_body.h"

#include <xxhash.h>

#include <algorithm>

namespace millrace::runtime {
namespace {

using core::ErrorCode;

constexpr std::string_view kScriptKind = "script";
constexpr std::string_view kScriptVersionKind = "script_version";
constexpr std::string_view kSubscriptionKind = "subscription";
constexpr std::string_view kCounterKind = "counter";
constexpr std::string_view kScriptCounter = "script";
constexpr std::string_view kSubscriptionCounter = "subscription";
// A subscription's document stands in the audit log, so that what it was can be read there.
constexpr std::size_t kAuditDocumentBytesMax = 64u << 10;

// Row ids: ids hold no '/', so that tenant, id and version can not run into each other.
std::string row_id(core::TenantId tenant, std::string_view id) {
    return std::to_string(tenant.value) + "/" + std::string(id);
}
std::string version_row_id(core::TenantId tenant, std::string_view id, std::uint32_t version) {
    std::string digits = std::to_string(version);
    return row_id(tenant, id) + "/" + std::string(10 - digits.size(), '0') + digits;
}

std::string made_id(std::string_view prefix, core::Random& random) {
    constexpr char kDigits[] = "0123456789abcdefghjkmnpqrstvwxyz";
    std::string id(prefix);
    for (int i = 0; i < 16; ++i) id += kDigits[random.below(32)];
    return id;
}

RegistryRow counter_row(std::string_view name, std::uint32_t next, std::int64_t now_us) {
    return {std::string(kCounterKind), std::string(name), next, now_us,
            "{\"next\":" + std::to_string(next) + "}"};
}

tl::unexpected<core::Error> not_found(std::string_view kind, std::string_view id) {
    return core::fail(ErrorCode::kNotFound, "no " + std::string(kind) + " has the id \"" +
                                                std::string(id.substr(0, 128)) + "\"");
}

tl::unexpected<core::Error> taken(std::string_view kind, const std::string& id) {
    return core::fail(
        core::Error(ErrorCode::kConflict, std::string(kind) + " \"" + id + "\" exists already")
            .in("id"));
}

std::uint64_t source_hash(const Script& script) {
    return XXH3_64bits(script.source.data(), script.source.size());
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
      options_(std::move(options)),
      snapshot_(std::make_shared<const RegistrySnapshot>()) {}

Registry::~Registry() = default;

std::string Registry::audit_entry(std::string_view action, std::string_view kind,
                                  std::string_view id, std::uint32_t version,
                                  std::string_view document) const {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("action", action).field("kind", kind).field("id", id);
    json.field("version", version).field("by", actor_);
    if (!document.empty() && document.size() <= kAuditDocumentBytesMax)
        json.raw_field("document", document);
    json.end_object();
    return out;
}

core::Status Registry::load() {
    auto snapshot = std::make_shared<RegistrySnapshot>();
    const auto damaged = [](const RegistryRow& row, const core::Error& error) {
        return core::fail(ErrorCode::kInternal, "registry: read " + row.kind + " " + row.id +
                                                    " failed: " + error.message);
    };
    auto scripts = rows_.load_all(kScriptKind);
    if (!scripts) return core::fail(std::move(scripts.error()));
    for (const RegistryRow& row : *scripts) {
        auto script = read_script_row(row.json);
        if (!script) return damaged(row, script.error());
        script->hash = source_hash(*script);
        auto shared = std::make_shared<const Script>(std::move(*script));
        script_number_next_ = std::max(script_number_next_, shared->number.value + 1);
        snapshot->scripts.load(shared->number.value, shared);
        scripts_.emplace(Key(shared->tenant.value, shared->id), std::move(shared));
    }
    auto versions = rows_.load_all(kScriptVersionKind);
    if (!versions) return core::fail(std::move(versions.error()));
    for (const RegistryRow& row : *versions) {
        auto script = read_script_row(row.json);
        if (!script) return damaged(row, script.error());
        script->hash = source_hash(*script);
        auto shared = std::make_shared<const Script>(std::move(*script));
        versions_[Key(shared->tenant.value, shared->id)].push_back(std::move(shared));
    }
    auto subscriptions = rows_.load_all(kSubscriptionKind);
    if (!subscriptions) return core::fail(std::move(subscriptions.error()));
    for (const RegistryRow& row : *subscriptions) {
        auto subscription = read_subscription_row(row.json);
        if (!subscription) return damaged(row, subscription.error());
        if (auto status = resolve_executor(*subscription); !status)
            return damaged(row, status.error());
        auto shared = std::make_shared<const Subscription>(std::move(*subscription));
        subscription_number_next_ = std::max(subscription_number_next_, shared->number.value + 1);
        snapshot->subscriptions.load(shared->number.value, shared);
        subscriptions_.emplace(Key(shared->tenant.value, shared->id), std::move(shared));
    }
    auto counters = rows_.load_all(kCounterKind);
    if (!counters) return core::fail(std::move(counters.error()));
    for (const RegistryRow& row : *counters) {
        auto& next = row.id == kScriptCounter ? script_number_next_ : subscription_number_next_;
        next = std::max(next, static_cast<std::uint32_t>(row.version));
    }
    std::lock_guard lock(snapshot_mutex_);
    snapshot->version = 1;
    snapshot_ = std::move(snapshot);
    version_.store(1, std::memory_order_release);  // pairs with the acquire in version()
    return {};
}

RegistrySnapshotRef Registry::snapshot() const {
    std::lock_guard lock(snapshot_mutex_);
    return snapshot_;
}

void Registry::publish(const RegistryChange& change) {
    auto next =
        std::make_shared<RegistrySnapshot>(*snapshot_);  // only the owner replaces snapshot_
    ++next->version;
    if (change.script_put) next->scripts.set(change.script_put->number.value, change.script_put);
    if (change.script_removed) next->scripts.set(change.script_removed->number.value, nullptr);
    if (change.subscription_put)
        next->subscriptions.set(change.subscription_put->number.value, change.subscription_put);
    if (change.subscription_removed)
        next->subscriptions.set(change.subscription_removed->number.value, nullptr);
    const std::uint64_t version = next->version;
    RegistrySnapshotRef fresh = std::move(next);
    {
        std::lock_guard lock(snapshot_mutex_);
        snapshot_.swap(fresh);  // the old one dies outside the lock
    }
    version_.store(version, std::memory_order_release);  // pairs with the acquire in version()
}

core::Status Registry::check_script(const Script& script) const {
    if (!options_.check_script) return {};
    return options_.check_script(script.name, script.source);
}

core::Result<ScriptRef> Registry::create_script(core::TenantId tenant, std::string_view body) {
    Script script;
    script.timeout_ms = options_.script_timeout_ms_default;
    script.memory_bytes = options_.script_memory_bytes_default;
    if (auto status = read_script_body(body, script); !status)
        return core::fail(std::move(status.error()));
    if (script.id.empty()) script.id = made_id("scr_", random_);
    if (script.name.empty()) script.name = script.id;
    if (find_script(tenant, script.id)) return taken("script", script.id);
    if (auto status = check_script(script); !status) return core::fail(std::move(status.error()));
    script.tenant = tenant;
    script.number = ScriptNumber(script_number_next_);
    script.hash = source_hash(script);
    script.created_at_us = script.updated_at_us = clock_.wall_us();
    return keep_script(std::move(script), "create");
}

core::Result<ScriptRef> Registry::update_script(core::TenantId tenant, std::string_view id,
                                                std::string_view body) {
    const ScriptRef old = find_script(tenant, id);
    if (!old) return not_found("script", id);
    Script script = *old;
    if (auto status = read_script_body(body, script); !status)
        return core::fail(std::move(status.error()));
    if (script.id != old->id) {
        return core::fail(
            core::Error(ErrorCode::kValidation,
                        "id is \"" + script.id + "\"; the id of a script never changes")
                .in("id"));
    }
    if (auto status = check_script(script); !status) return core::fail(std::move(status.error()));
    if (script.name.empty()) script.name = script.id;
    ++script.version;
    script.hash = source_hash(script);
    script.updated_at_us = clock_.wall_us();
    return keep_script(std::move(script), "update");
}

core::Result<ScriptRef> Registry::keep_script(Script&& script, std::string_view action) {
    const auto shared = std::make_shared<const Script>(std::move(script));
    const Key key(shared->tenant.value, shared->id);
    const std::int64_t now_us = shared->updated_at_us;
    auto& versions = versions_[key];
    const std::string row = script_row(*shared);
    std::vector<RegistryRow> puts;
    puts.push_back({std::string(kScriptKind), row_id(shared->tenant, shared->id), shared->version,
                    now_us, row});
    puts.push_back({std::string(kScriptVersionKind),
                    version_row_id(shared->tenant, shared->id, shared->version), shared->version,
                    now_us, row});
    const bool is_new = shared->number.value == script_number_next_;
    if (is_new) puts.push_back(counter_row(kScriptCounter, script_number_next_ + 1, now_us));
    std::vector<RegistryRowName> erases;
    if (versions.size() >= kScriptVersionsMax) {
        erases.push_back({std::string(kScriptVersionKind),
                          version_row_id(shared->tenant, shared->id, versions.front()->version)});
    }
    const std::string audit = audit_entry(action, kScriptKind, shared->id, shared->version);
    if (auto status = rows_.commit(puts, erases, now_us, shared->tenant, audit); !status) {
        if (versions.empty()) versions_.erase(key);
        return core::fail(std::move(status.error()));
    }
    if (!erases.empty()) versions.erase(versions.begin());
    versions.push_back(shared);
    if (is_new) ++script_number_next_;
    scripts_[key] = shared;
    publish({.script_put = shared});
    return shared;
}

core::Result<ScriptRef> Registry::remove_script(core::TenantId tenant, std::string_view id) {
    const ScriptRef script = find_script(tenant, id);
    if (!script) return not_found("script", id);
    std::string users;
    std::size_t user_count = 0;
    for (const auto& [key, subscription] : subscriptions_) {
        if (subscription->executor.script != script->number) continue;
        if (user_count++ < 10) users += (users.empty() ? "" : ", ") + subscription->id;
    }
    if (user_count > 0) {
        if (user_count > 10) users += " and " + std::to_string(user_count - 10) + " more";
        return core::fail(ErrorCode::kConflict,
                          "script \"" + script->id + "\" is used by " + std::to_string(user_count) +
                              " subscription(s): " + users + "; remove them first");
    }
    const Key key(tenant.value, script->id);
    std::vector<RegistryRowName> erases = {{std::string(kScriptKind), row_id(tenant, script->id)}};
    for (const ScriptRef& version : versions_[key]) {
        erases.push_back({std::string(kScriptVersionKind),
                          version_row_id(tenant, script->id, version->version)});
    }
    const std::string audit = audit_entry("delete", kScriptKind, script->id, script->version);
    if (auto status = rows_.commit({}, erases, clock_.wall_us(), tenant, audit); !status) {
        return core::fail(std::move(status.error()));
    }
    versions_.erase(key);
    scripts_.erase(key);
    publish({.script_removed = script});
    return script;
}

ScriptRef Registry::find_script(core::TenantId tenant, std::string_view id) const {
    const auto found = scripts_.find(Key(tenant.value, id));
    return found == scripts_.end() ? nullptr : found->second;
}

std::span<const ScriptRef> Registry::script_versions(core::TenantId tenant,
                                                     std::string_view id) const {
    const auto found = versions_.find(Key(tenant.value, id));
    return found == versions_.end() ? std::span<const ScriptRef>{}
                                    : std::span<const ScriptRef>(found->second);
}

core::Status Registry::resolve_executor(Subscription& subscription) const {
    const ScriptRef script = find_script(subscription.tenant, subscription.executor.script_id);
    if (!script) {
        return core::fail(core::Error(ErrorCode::kValidation, "executor.scriptId is \"" +
                                                                  subscription.executor.script_id +
                                                                  "\"; no script has that id")
                              .in("executor.scriptId"));
    }
    subscription.executor.script = script->number;
    return {};
}

core::Status Registry::read_subscription(Subscription& subscription, std::string_view body) const {
    subscription.retry = options_.retry_default;
    if (auto status = read_subscription_body(body, subscription); !status) return status;
    if (auto status = resolve_executor(subscription); !status) return status;
    if (options_.check_spec) return options_.check_spec(*subscription.spec);
    return {};
}

core::Result<SubscriptionRef> Registry::check_subscription(core::TenantId tenant,
                                                           std::string_view body) const {
    Subscription subscription;
    subscription.tenant = tenant;
    if (auto status = read_subscription(subscription, body); !status)
        return core::fail(std::move(status.error()));
    return std::make_shared<const Subscription>(std::move(subscription));
}

core::Result<SubscriptionRef> Registry::create_subscription(core::TenantId tenant,
                                                            std::string_view body, LogEnds ends) {
    Subscription subscription;
    subscription.tenant = tenant;
    if (auto status = read_subscription(subscription, body); !status)
        return core::fail(std::move(status.error()));
    if (subscription.id.empty()) subscription.id = made_id("sub_", random_);
    if (subscription.name.empty()) subscription.name = subscription.id;
    if (find_subscription(tenant, subscription.id)) return taken("subscription", subscription.id);
    subscription.number = core::SubscriptionId(subscription_number_next_);
    subscription.effective_from = std::move(ends);
    subscription.created_at_us = subscription.updated_at_us = clock_.wall_us();
    return keep_subscription(std::move(subscription), body, "create");
}

core::Result<SubscriptionRef> Registry::patch_subscription(core::TenantId tenant,
                                                           std::string_view id,
                                                           std::string_view patch,
                                                           const LogEnds& ends) {
    const SubscriptionRef old = find_subscription(tenant, id);
    if (!old) return not_found("subscription", id);
    auto merged = core::json_merge_patch(old->document, patch);
    if (!merged) return core::fail(std::move(merged.error()));
    Subscription subscription;
    subscription.tenant = tenant;
    if (auto status = read_subscription(subscription, *merged); !status)
        return core::fail(std::move(status.error()));
    if (subscription.id != old->id) {
        return core::fail(
            core::Error(ErrorCode::kValidation, "id: the id of a subscription never changes")
                .in("id"));
    }
    if (subscription.name.empty()) subscription.name = subscription.id;
    subscription.number = old->number;
    subscription.version = old->version + 1;
    subscription.created_at_us = old->created_at_us;
    subscription.updated_at_us = clock_.wall_us();
    // What came while it was switched off stays undelivered.
    subscription.effective_from = !old->active && subscription.active ? ends : old->effective_from;
    return keep_subscription(std::move(subscription), *merged, "update");
}

core::Result<SubscriptionRef> Registry::keep_subscription(Subscription&& subscription,
                                                          std::string_view body,
                                                          std::string_view action) {
    auto document = subscription_document(subscription, body);
    if (!document) return core::fail(std::move(document.error()));
    subscription.document = std::move(*document);
    const auto shared = std::make_shared<const Subscription>(std::move(subscription));
    const std::int64_t now_us = shared->updated_at_us;
    std::vector<RegistryRow> puts;
    puts.push_back({std::string(kSubscriptionKind), row_id(shared->tenant, shared->id),
                    shared->version, now_us, subscription_row(*shared)});
    const bool is_new = shared->number.value == subscription_number_next_;
    if (is_new)
        puts.push_back(counter_row(kSubscriptionCounter, subscription_number_next_ + 1, now_us));
    const std::string audit =
        audit_entry(action, kSubscriptionKind, shared->id, shared->version, shared->document);
    if (auto status = rows_.commit(puts, {}, now_us, shared->tenant, audit); !status) {
        return core::fail(std::move(status.error()));
    }
    if (is_new) ++subscription_number_next_;
    subscriptions_[Key(shared->tenant.value, shared->id)] = shared;
    publish({.subscription_put = shared});
    return shared;
}

core::Status Registry::restore_subscription(const SubscriptionRef& old) {
    const RegistryRow row{std::string(kSubscriptionKind), row_id(old->tenant, old->id),
                          old->version, old->updated_at_us, subscription_row(*old)};
    const std::string audit = audit_entry("restore", kSubscriptionKind, old->id, old->version);
    if (auto status = rows_.commit({&row, 1}, {}, clock_.wall_us(), old->tenant, audit); !status)
        return status;
    subscriptions_[Key(old->tenant.value, old->id)] = old;
    publish({.subscription_put = old});
    return {};
}

core::Result<SubscriptionRef> Registry::remove_subscription(core::TenantId tenant,
                                                            std::string_view id) {
    const SubscriptionRef subscription = find_subscription(tenant, id);
    if (!subscription) return not_found("subscription", id);
    const RegistryRowName name{std::string(kSubscriptionKind), row_id(tenant, subscription->id)};
    const std::string audit =
        audit_entry("delete", kSubscriptionKind, subscription->id, subscription->version);
    if (auto status = rows_.commit({}, {&name, 1}, clock_.wall_us(), tenant, audit); !status) {
        return core::fail(std::move(status.error()));
    }
    subscriptions_.erase(Key(tenant.value, subscription->id));
    publish({.subscription_removed = subscription});
    return subscription;
}

SubscriptionRef Registry::find_subscription(core::TenantId tenant, std::string_view id) const {
    const auto found = subscriptions_.find(Key(tenant.value, id));
    return found == subscriptions_.end() ? nullptr : found->second;
}

void Registry::list_scripts(core::TenantId tenant, std::string_view after,
                            const std::function<bool(const ScriptRef&)>& visit) const {
    for (auto at = scripts_.upper_bound(Key(tenant.value, after)); at != scripts_.end(); ++at) {
        if (at->first.first != tenant.value || !visit(at->second)) return;
    }
}

void Registry::list_subscriptions(core::TenantId tenant, std::string_view after,
                                  const std::function<bool(const SubscriptionRef&)>& visit) const {
    for (auto at = subscriptions_.upper_bound(Key(tenant.value, after)); at != subscriptions_.end();
         ++at) {
        if (at->first.first != tenant.value || !visit(at->second)) return;
    }
}

}  // namespace millrace::runtime
