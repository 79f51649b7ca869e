#include "runtime/server/key_directory.h"

#include "core/json_reader.h"
#include "core/json_writer.h"
#include "store/retention/stored_bytes.h"
#include "store/rows/registry_store.h"
#include "store/rows/row_batch.h"

#include <charconv>
#include <utility>
#include <variant>

namespace millrace::runtime {
namespace {

using identity::KeyTable;
using identity::Quota;

// When a key was used last, by its number: no change of its document.
constexpr std::string_view kUseKind = "key_use";

void set_rates(identity::Meter& meter, const identity::Quotas& quotas) {
    meter.events.set_rate(quotas.of(Quota::kEvents));
    meter.bytes.set_rate(quotas.of(Quota::kBytes));
}

// Of what of them is there at once.
void set_counts(identity::Count& connections, std::atomic<std::int64_t>& streams_max,
                const identity::Quotas& quotas) {
    connections.most.store(quotas.of(Quota::kConnections), std::memory_order_relaxed);
    streams_max.store(quotas.of(Quota::kStreams), std::memory_order_relaxed);
}

void set_limits(const ApiKey& key) {
    set_rates(key.holder->meter, key.quotas);
    set_counts(key.holder->connections, key.holder->streams_max, key.quotas);
}

void set_limits(identity::TenantHolder& tenant, const identity::Quotas& quotas) {
    tenant.stored_most.store(quotas.of(Quota::kStored), std::memory_order_relaxed);
    set_rates(tenant.meter, quotas);
    set_counts(tenant.connections, tenant.streams_max, quotas);
}

std::shared_ptr<const identity::KeyIdentity> identity_of(
    const ApiKey& key, std::shared_ptr<identity::TenantHolder> tenant) {
    auto out = std::make_shared<identity::KeyIdentity>();
    out->id = key.id;
    out->name = key.name;
    out->user = key.user;
    out->shown = key.shown;
    out->role = key.role;
    out->expires_at_us = key.expires_at_us;
    out->holder = key.holder;
    out->grant = key.holder->grant.load(std::memory_order_relaxed);  // ours
    out->tenant = std::move(tenant);
    for (const std::string& pattern : key.patterns) {
        // Checked when the document was read.
        if (auto parsed = matcher::parse_wildcard(pattern); parsed)
            out->patterns.push_back(std::move(*parsed));
    }
    return out;
}

// Whoever came by the key before the change may do something else now, or nothing: a rotation
// without overlap ends the text that it came with.
bool gives_other(const ApiKey& before, const ApiKey& after) {
    return !(before.scopes == after.scopes) || before.role != after.role ||
           before.patterns != after.patterns || before.ips != after.ips ||
           before.client_cert_sans != after.client_cert_sans ||
           before.expires_at_us != after.expires_at_us || before.user != after.user ||
           before.name != after.name || (before.hash != after.hash && after.retired.empty());
}

}  // namespace

std::shared_ptr<identity::TenantHolder> KeyDirectory::holder_of(core::TenantId tenant) const {
    TenantRef document;
    if (tenant.value == 0)
        document = deps_.registry->table<Tenant>().find(kPlatform, "default");
    else
        document = deps_.registry->snapshot()->tenants.share(tenant.value);
    return document ? document->holder : default_holder_;
}

void KeyDirectory::append_entries(KeyEntries& out, const ApiKey& key) const {
    auto grant = std::make_shared<identity::KeyGrant>();
    grant->tenant = key.tenant;
    grant->scopes = key.scopes;
    if (key.tenant != kPlatform) grant->scopes.remove(identity::server_scopes());
    grant->key = identity_of(key, holder_of(key.tenant));
    for (const std::string& block : key.ips) {
        matcher::CidrBlock parsed;
        if (matcher::parse_cidr(block, parsed)) grant->from.push_back(parsed);
    }
    out.push_back({key.hash, 0, grant});
    for (const std::string& name : key.client_cert_sans)
        out.push_back({KeyTable::digest_of_name(name), 0, grant});
    for (const RetiredText& old : key.retired) out.push_back({old.hash, old.until_us, grant});
}

void KeyDirectory::put(KeyTable& table, const ApiKey& key) const {
    KeyEntries entries;
    append_entries(entries, key);
    for (auto& entry : entries) table.put(std::move(entry));
}

void KeyDirectory::erase(KeyTable& table, const ApiKey& key) {
    table.erase(key.hash);
    for (const std::string& name : key.client_cert_sans)
        table.erase(KeyTable::digest_of_name(name));
    for (const RetiredText& old : key.retired) table.erase(old.hash);
}

void KeyDirectory::publish(std::shared_ptr<KeyTable> next) {
    table_ = std::move(next);
    deps_.ring->publish(table_);
}

void KeyDirectory::settle_tenant(const Tenant& tenant) {
    tenant.holder->stored.store(&deps_.database->stored_bytes().of(tenant.self()),
                                std::memory_order_relaxed);
    set_limits(*tenant.holder, tenant.quotas.over(deps_.registry->quota_defaults()));
    tenant.holder->suspend(tenant.suspended, tenant.reason);
}

// Which tenants this partition knows, by name.
void KeyDirectory::tell_front() const {
    if (!deps_.front) return;
    auto known = std::make_shared<identity::TrustedFront::KnownTenants>();
    (*known)["default"] = {core::TenantId{}, holder_of(core::TenantId{})};
    deps_.registry->snapshot()->tenants.for_each([&known](const TenantRef& tenant) {
        (*known)[tenant->id] = {tenant->self(), tenant->holder};
    });
    deps_.front->publish(std::move(known));
}

core::Status KeyDirectory::start() {
    const RegistrySnapshotRef registry = deps_.registry->snapshot();
    default_holder_->stored.store(&deps_.database->stored_bytes().of(core::TenantId{}),
                                  std::memory_order_relaxed);
    set_limits(*default_holder_, deps_.registry->quota_defaults());
    registry->tenants.for_each([this](const TenantRef& tenant) { settle_tenant(*tenant); });
    KeyEntries entries;
    registry->keys.for_each([&](const ApiKeyRef& key) {
        set_limits(*key);
        append_entries(entries, *key);
    });
    if (auto restored = restore_uses(); !restored) return restored;
    publish(KeyTable::of(std::move(entries)));
    tell_front();
    if (deps_.registry->table<ApiKey>().ever_made()) deps_.ring->close();
    return {};
}

void KeyDirectory::follow(const RegistryChange& change) {
    if (const auto* key = std::get_if<DocumentChange<ApiKey>>(&change)) follow_key(*key);
    if (const auto* tenant = std::get_if<DocumentChange<Tenant>>(&change)) follow_tenant(*tenant);
}

void KeyDirectory::follow_key(const DocumentChange<ApiKey>& change) {
    auto next = std::make_shared<KeyTable>(*table_);
    if (change.before) erase(*next, *change.before);
    if (change.after) {
        if (change.before && gives_other(*change.before, *change.after))
            change.after->holder->grant.fetch_add(1, std::memory_order_release);
        set_limits(*change.after);
        put(*next, *change.after);
    } else if (change.before) {
        // release: pairs with Principal::still_holds().
        change.before->holder->revoked.store(true, std::memory_order_release);
    }
    publish(std::move(next));
    deps_.ring->close();
}

void KeyDirectory::follow_tenant(const DocumentChange<Tenant>& change) {
    if (!change.after) return tell_front();
    settle_tenant(*change.after);
    tell_front();
    if (change.before) return;
    // `default` has a holder of its own from here on.
    auto next = std::make_shared<KeyTable>(*table_);
    deps_.registry->table<ApiKey>().list(change.after->self(), "", [&](const ApiKeyRef& key) {
        put(*next, *key);
        return true;
    });
    publish(std::move(next));
}

core::Status KeyDirectory::restore_uses() {
    auto rows = deps_.database->registry().load_all(kUseKind);
    if (!rows) return core::fail(std::move(rows.error()));
    const RegistrySnapshotRef registry = deps_.registry->snapshot();
    for (const store::RegistryDocument& row : *rows) {
        std::uint32_t number = 0;
        std::from_chars(row.id.data(), row.id.data() + row.id.size(), number);
        const ApiKey* key = registry->keys.find(number);
        if (!key) continue;
        core::JsonDocument document;
        auto in = document.parse_object(row.json, "row");
        if (!in) continue;  // a time that is lost is no reason not to start
        std::int64_t at_us = 0;
        std::string from;
        in->integer("atUs", at_us, INT64_MIN, INT64_MAX);
        in->text("from", from);
        if (in->finish()) key->holder->restore_use(at_us, std::move(from));
    }
    return {};
}

std::size_t KeyDirectory::write_uses(When when) {
    const std::int64_t now_us = deps_.clock->wall_us();
    if (!deps_.ring->closed()) return 0;
    if (when == When::kInTime && now_us - written_us_ < kWriteUs) return 0;
    written_us_ = now_us;
    store::RowBatch batch;
    std::vector<std::pair<identity::KeyHolder*, std::int64_t>> written;
    deps_.registry->snapshot()->keys.for_each([&](const ApiKeyRef& key) {
        identity::KeyHolder& holder = *key->holder;
        const std::int64_t used_us = holder.used_us();
        if (used_us == holder.written_us || written.size() == kWritesMax) return;
        std::string row;
        core::JsonWriter json(row);
        json.begin_object().field("atUs", used_us).field("from", holder.used_from()).end_object();
        batch.put_registry(kUseKind, std::to_string(key->number.value), 1, used_us, row);
        written.emplace_back(&holder, used_us);
    });
    if (written.empty()) return 0;
    if (auto status = deps_.database->write_now(batch); !status) {
        deps_.log->warn("keys: when they were used could not be written",
                        {{"error", status.error().message}});
        return 0;
    }
    for (const auto& [holder, used_us] : written) holder->written_us = used_us;
    return written.size();
}

}  // namespace millrace::runtime
