#include "runtime/orchestrator/run_keys.h"

#include "core/base64.h"
#include "core/crypto/digest.h"
#include "core/crypto/random_bits.h"
#include "core/crypto/secret_bytes.h"
#include "core/json_reader.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace millrace::runtime {
namespace {

// As secrets are: sealed with the server's own key (registry/sealed_rows.h).
constexpr std::string_view kKeyKind = "secret_workflow_key";
// Wrapped with a key that is made of the tenant's for one run; ':' alone: with the tenant's own.
constexpr std::string_view kMadeForOne = "r:";

std::string version_digits(std::uint32_t version) {
    char text[16];
    std::snprintf(text, sizeof text, "%08x", version);
    return text;
}

std::string about_key(const RunName& run, std::string_view workflow) {
    return std::to_string(run.tenant.value) + "|" + std::string(workflow) + "|" + run.id + "|key";
}

std::string made_for(const std::string& tenant_key, std::string_view about) {
    const core::crypto::Digest digest = core::crypto::hmac_sha256(tenant_key, about);
    return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

std::string wrapped(std::uint32_t version, const std::string& tenant_key, std::string_view key,
                    const std::string& about) {
    return std::to_string(version) + std::string(kMadeForOne) +
           core::encode_base64(core::crypto::seal(made_for(tenant_key, about), key, about));
}

}  // namespace

core::Status RunKeys::load() {
    if (!rows_) return {};
    auto rows = rows_->load_all(kKeyKind);
    if (!rows) return core::fail(std::move(rows.error()));
    for (const RegistryRow& row : *rows) {
        core::JsonDocument document;
        auto in = document.parse_object(row.json, "key");
        std::string text;
        if (in) in->text("key", text);
        const auto key = core::decode_base64(text, core::Base64Form::kPaddingOrNone);
        const auto tenant =
            static_cast<std::uint32_t>(std::strtoul(row.id.substr(0, 8).c_str(), nullptr, 16));
        if (!key || key->size() != core::crypto::kSealKeyBytes) {
            rows_->set_aside(kKeyKind, row.id,
                             core::Error(core::ErrorCode::kInternal, "does not open"));
            std::uint32_t& last = set_aside_[tenant];
            last = std::max(last, static_cast<std::uint32_t>(row.version));
            continue;
        }
        keys_[tenant][static_cast<std::uint32_t>(row.version)] = {*key, row.updated_at_us};
    }
    return {};
}

core::Status RunKeys::add(core::TenantId tenant, std::uint32_t version, std::int64_t now_us,
                          std::string_view audit) {
    const std::string key = core::crypto::random_bytes(core::crypto::kSealKeyBytes);
    const RegistryRow row{std::string(kKeyKind), tenant_prefix(tenant) + version_digits(version),
                          version, now_us, R"({"key":")" + core::encode_base64(key) + "\"}"};
    auto written = rows_->commit({&row, 1}, {}, now_us, tenant, audit);
    if (!written) return written;
    const std::lock_guard lock(mutex_);
    keys_[tenant.value][version] = {key, now_us};
    return {};
}

core::Status RunKeys::ensure(core::TenantId tenant, std::int64_t now_us) {
    if (!rows_ || newest(tenant) != 0) return {};
    return add(tenant, next_version(tenant), now_us, {});
}

// Never one that stands there and does not open today: it may with another key of secrets.
std::uint32_t RunKeys::next_version(core::TenantId tenant) const {
    const auto at = set_aside_.find(tenant.value);
    return std::max(newest(tenant), at == set_aside_.end() ? 0 : at->second) + 1;
}

core::Result<std::uint32_t> RunKeys::rotate(core::TenantId tenant, std::int64_t now_us,
                                            std::string_view audit) {
    if (!rows_)
        return core::fail(core::ErrorCode::kNotSupported, "this server seals no journals of runs");
    const std::uint32_t version = next_version(tenant);
    if (auto added = add(tenant, version, now_us, audit); !added) return core::fail(added.error());
    return version;
}

core::Status RunKeys::drop_below(core::TenantId tenant, std::uint32_t version,
                                 std::int64_t now_us) {
    std::vector<RegistryRowName> erases;
    for (const Version& one : versions(tenant)) {
        if (one.number < version)
            erases.push_back(
                {std::string(kKeyKind), tenant_prefix(tenant) + version_digits(one.number)});
    }
    if (!rows_ || erases.empty()) return {};
    auto written = rows_->commit({}, erases, now_us, tenant, {});
    if (!written) return written;
    const std::lock_guard lock(mutex_);
    auto& held = keys_[tenant.value];
    held.erase(held.begin(), held.lower_bound(version));
    return {};
}

std::vector<RunKeys::Version> RunKeys::versions(core::TenantId tenant) const {
    std::vector<Version> out;
    const std::lock_guard lock(mutex_);
    if (const auto at = keys_.find(tenant.value); at != keys_.end()) {
        for (const auto& [number, key] : at->second) out.push_back({number, key.created_at_us});
    }
    return out;
}

std::vector<core::TenantId> RunKeys::rotating() const {
    std::vector<core::TenantId> out;
    const std::lock_guard lock(mutex_);
    for (const auto& [tenant, versions] : keys_) {
        if (versions.size() > 1) out.emplace_back(tenant);
    }
    return out;
}

std::uint32_t RunKeys::newest(core::TenantId tenant) const {
    const std::lock_guard lock(mutex_);
    const auto at = keys_.find(tenant.value);
    return at == keys_.end() || at->second.empty() ? 0 : at->second.rbegin()->first;
}

std::pair<std::string, std::string> RunKeys::make(const RunName& run,
                                                  std::string_view workflow) const {
    if (!rows_) return {};
    std::uint32_t version = 0;
    std::string tenant_key;
    {
        const std::lock_guard lock(mutex_);
        const auto at = keys_.find(run.tenant.value);
        if (at == keys_.end() || at->second.empty()) return {};
        version = at->second.rbegin()->first;
        tenant_key = at->second.rbegin()->second.bytes;
    }
    std::string key = core::crypto::random_bytes(core::crypto::kSealKeyBytes);
    std::string kept = wrapped(version, tenant_key, key, about_key(run, workflow));
    return {std::move(key), std::move(kept)};
}

std::uint32_t RunKeys::version_of(std::string_view wrapped) {
    return static_cast<std::uint32_t>(std::strtoul(std::string(wrapped).c_str(), nullptr, 10));
}

core::Result<std::string> RunKeys::unwrap(const RunHead& head) const {
    if (head.key.empty()) return std::string();
    const std::size_t colon = head.key.find(':');
    const std::uint32_t version = version_of(head.key);
    std::string tenant_key;
    {
        const std::lock_guard lock(mutex_);
        const auto tenant = keys_.find(head.run.tenant.value);
        if (tenant != keys_.end()) {
            if (const auto key = tenant->second.find(version); key != tenant->second.end())
                tenant_key = key->second.bytes;
        }
    }
    const auto sealed = colon == std::string::npos
                            ? std::nullopt
                            : core::decode_base64(std::string_view(head.key).substr(colon + 1),
                                                  core::Base64Form::kPaddingOrNone);
    if (sealed && !tenant_key.empty()) {
        const std::string about = about_key(head.run, head.workflow_id);
        const bool for_one = colon > 0 && head.key[colon - 1] == kMadeForOne[0];
        auto plain = core::crypto::open_sealed(for_one ? made_for(tenant_key, about) : tenant_key,
                                               *sealed, about);
        if (plain) return std::move(*plain);
    }
    return core::fail(core::ErrorCode::kInternal,
                      "the key of run " + head.run.id + " does not open (version " +
                          std::to_string(version) + " of the tenant's)");
}

core::Result<std::optional<std::string>> RunKeys::wrap_anew(const RunHead& head) const {
    if (head.key.empty() || version_of(head.key) >= newest(head.run.tenant)) return std::nullopt;
    auto key = unwrap(head);
    if (!key) return core::fail(std::move(key.error()));
    const std::lock_guard lock(mutex_);
    const auto& [version, tenant_key] = *keys_.at(head.run.tenant.value).rbegin();
    return wrapped(version, tenant_key.bytes, *key, about_key(head.run, head.workflow_id));
}

}  // namespace millrace::runtime
