#include "store/retention/stored_bytes.h"

#include "store/database.h"

#include <charconv>
#include <string_view>

namespace millrace::store {
namespace {

constexpr std::string_view kStored = "stored:";
constexpr std::string_view kDropped = "dropped:";

core::TenantId tenant_of(std::string_view name, std::string_view prefix) {
    core::TenantId tenant;
    name.remove_prefix(prefix.size());
    std::from_chars(name.data(), name.data() + name.size(), tenant.value);
    return tenant;
}

}  // namespace

std::string stored_cursor(core::TenantId tenant) {
    return std::string(kStored) + std::to_string(tenant.value);
}
std::string dropped_cursor(core::TenantId tenant) {
    return std::string(kDropped) + std::to_string(tenant.value);
}

StoredBytes::Of& StoredBytes::find(core::TenantId tenant) {
    std::unique_ptr<Of>& of = tenants_[tenant.value];
    if (!of) {
        of = std::make_unique<Of>();
        of->stored.resize(shards_);
        of->dropped.resize(shards_);
    }
    return *of;
}

core::Status StoredBytes::load(const Database& database) {
    const std::lock_guard lock(mutex_);
    auto visited = database.visit_cursors(kStored, [&](std::string_view name, auto end) {
        Of& of = find(tenant_of(name, kStored));
        of.stored[end.shard.value] = end.offset.value;
        of.held.fetch_add(static_cast<std::int64_t>(end.offset.value), std::memory_order_relaxed);
    });
    if (!visited) return visited;
    return database.visit_cursors(kDropped, [&](std::string_view name, auto end) {
        Of& of = find(tenant_of(name, kDropped));
        of.dropped[end.shard.value] = end.offset.value;
        of.held.fetch_sub(static_cast<std::int64_t>(end.offset.value), std::memory_order_relaxed);
    });
}

std::uint64_t StoredBytes::add(core::ShardId shard, core::TenantId tenant, std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    Of& of = find(tenant);
    of.held.fetch_add(static_cast<std::int64_t>(bytes), std::memory_order_relaxed);  // a figure
    return of.stored[shard.value] += bytes;
}

std::uint64_t StoredBytes::dropped(core::ShardId shard, core::TenantId tenant) const {
    const std::lock_guard lock(mutex_);
    const auto at = tenants_.find(tenant.value);
    return at == tenants_.end() ? 0 : at->second->dropped[shard.value];
}

void StoredBytes::drop(core::ShardId shard, core::TenantId tenant, std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    Of& of = find(tenant);
    of.held.fetch_sub(static_cast<std::int64_t>(bytes), std::memory_order_relaxed);  // a figure
    of.dropped[shard.value] += bytes;
}

const StoredBytes::Held& StoredBytes::of(core::TenantId tenant) {
    const std::lock_guard lock(mutex_);
    return find(tenant).held;
}

std::int64_t StoredBytes::held(core::TenantId tenant) const {
    const std::lock_guard lock(mutex_);
    const auto at = tenants_.find(tenant.value);
    return at == tenants_.end() ? 0 : at->second->held.load(std::memory_order_relaxed);
}

}  // namespace millrace::store
