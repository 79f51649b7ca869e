#include "runtime/registry/identity_rows.h"

#include "core/json_writer.h"
#include "runtime/identity/roles.h"
#include "runtime/registry/quota_members.h"
#include "runtime/registry/row_reader.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string>
#include <utility>

namespace millrace::runtime {
namespace {

using core::crypto::Digest;
using identity::Quota;
using identity::Role;

template <typename Self, typename T>
class IdentityRowReader : public RowReader<Self, T> {
protected:
    using RowReader<Self, T>::RowReader;
    using RowReader<Self, T>::take;

    // As append_quotas() writes them.
    bool quotas() {
        if (!take("{")) return false;
        if (take("}")) return true;
        bool more = true;
        for (const Quota quota : all_quotas()) {
            if (!more || !take("\"" + std::string(quota_name(quota)) + "\":")) continue;
            std::int64_t most = 0;
            if (!this->whole_number(most) || most < 1 || most > kQuotaMax) return false;
            this->out_.quotas.set(quota, most);
            more = take(",");
        }
        return !more && take("}");
    }
};

// The scopes of each role as a key shows them, in the platform's room and elsewhere.
std::string_view shown_scopes(core::TenantId tenant, Role role) {
    using Texts = std::array<std::string, identity::kRoles.size()>;
    static const std::array<Texts, 2> all = [] {
        std::array<Texts, 2> out;
        for (std::uint32_t room = 0; room < 2; ++room) {
            for (const auto& [name, each] : identity::kRoles) {
                core::JsonWriter json(out[room][static_cast<std::size_t>(each)]);
                json.begin_array();
                for (const auto scope :
                     identity::scope_names(role_scopes_in(core::TenantId{room}, each)))
                    json.value(scope);
                json.end_array();
            }
        }
        return out;
    }();
    return all[tenant.value == 0 ? 0 : 1][static_cast<std::size_t>(role)];
}

class KeyRowReader : public IdentityRowReader<KeyRowReader, ApiKey> {
public:
    using IdentityRowReader::IdentityRowReader;
    bool read();

private:
    using Self = KeyRowReader;

    static int digit(char c) {
        if (c >= '0' && c <= '9') return c - '0';
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    }
    bool digest() {
        const auto hex = string();
        if (!hex || hex->size() != out_.hash.size() * 2) return false;
        int bad = 0;
        for (std::size_t i = 0; i < out_.hash.size(); ++i) {
            const int high = digit((*hex)[2 * i]), low = digit((*hex)[2 * i + 1]);
            bad |= high | low;
            out_.hash[i] = static_cast<std::uint8_t>(high << 4 | low);
        }
        return bad >= 0;
    }
    // One that was rotated, or has scopes of its own, is read in full.
    bool nothing_retired() { return take("[]"); }
    bool not_own_scopes() { return take("false"); }
    bool scopes() {
        out_.scopes = role_scopes_in(out_.tenant, out_.role);
        return take(shown_scopes(out_.tenant, out_.role));
    }
    bool quota_list() { return quotas(); }
    bool body();
};

bool KeyRowReader::body() {
    static constexpr Member kMembers[] = {
        {"\"id\":", &Self::text<&ApiKey::id>},
        {"\"name\":", &Self::text<&ApiKey::name>},
        // The row says these itself.
        {"\"prefix\":", &Self::pass},
        {"\"last4\":", &Self::pass},
        {"\"tenantId\":", &Self::pass},
        {"\"role\":", &Self::word<&identity::kRoles, &ApiKey::role>},
        {"\"scopes\":", &Self::scopes},
        {"\"patterns\":", &Self::texts<&ApiKey::patterns>},
        {"\"ips\":", &Self::texts<&ApiKey::ips>},
        {"\"clientCertSans\":", &Self::texts<&ApiKey::client_cert_sans>},
        {"\"user\":", &Self::text<&ApiKey::user>},
        {"\"quotas\":", &Self::quota_list},
        {"\"expiresAt\":", &Self::time_or_null<&ApiKey::expires_at_us>},
        {"\"lastUsedAt\":", &Self::pass},
        {"\"lastUsedIp\":", &Self::pass},
        {"\"version\":", &Self::pass},
        {"\"createdAt\":", &Self::pass},
        {"\"updatedAt\":", &Self::pass}};
    return object(kMembers, std::size(kMembers) - 1);  // many are nobody's in particular
}

bool KeyRowReader::read() {
    static constexpr Member kMembers[] = {
        {"\"number\":", &Self::strong_number<&ApiKey::number>},
        {"\"tenant\":", &Self::strong_number<&ApiKey::tenant>},
        {"\"version\":", &Self::number<&ApiKey::version>},
        {"\"createdAtUs\":", &Self::number<&ApiKey::created_at_us>},
        {"\"updatedAtUs\":", &Self::number<&ApiKey::updated_at_us>},
        {"\"ownScopes\":", &Self::not_own_scopes},
        {"\"prefix\":", &Self::text<&ApiKey::shown>},
        {"\"last4\":", &Self::text<&ApiKey::last4>},
        {"\"hash\":", &Self::digest},
        {"\"retired\":", &Self::nothing_retired},
        {"\"body\":", &Self::body}};
    return object(kMembers) && rest_.empty() && out_.number.value != 0 && out_.version != 0 &&
           !out_.id.empty();
}

class TenantRowReader : public IdentityRowReader<TenantRowReader, Tenant> {
public:
    using IdentityRowReader::IdentityRowReader;
    bool read();

private:
    using Self = TenantRowReader;

    bool status() {
        out_.suspended = rest_.starts_with("\"suspended\"");
        return take("\"suspended\"") || take("\"active\"");
    }
    bool quota_list() { return quotas(); }
    bool body();
};

bool TenantRowReader::body() {
    static constexpr Member kMembers[] = {
        {"\"id\":", &Self::text<&Tenant::id>}, {"\"name\":", &Self::text<&Tenant::name>},
        {"\"status\":", &Self::status},        {"\"reason\":", &Self::text<&Tenant::reason>},
        {"\"quotas\":", &Self::quota_list},    {"\"version\":", &Self::pass},
        {"\"createdAt\":", &Self::pass},       {"\"updatedAt\":", &Self::pass}};
    return object(kMembers, std::size(kMembers) - 1);  // who is active has no reason
}

bool TenantRowReader::read() {
    static constexpr Member kMembers[] = {
        {"\"number\":", &Self::strong_number<&Tenant::number>},
        {"\"tenant\":", &Self::strong_number<&Tenant::tenant>},
        {"\"version\":", &Self::number<&Tenant::version>},
        {"\"createdAtUs\":", &Self::number<&Tenant::created_at_us>},
        {"\"updatedAtUs\":", &Self::number<&Tenant::updated_at_us>},
        {"\"body\":", &Self::body}};
    return object(kMembers) && rest_.empty() && out_.number.value != 0 && out_.version != 0 &&
           !out_.id.empty();
}

}  // namespace

bool read_key_row(std::string_view row, ApiKey& out) {
    if (!KeyRowReader(row, out).read()) return false;
    out.holder = std::make_shared<identity::KeyHolder>();
    return true;
}

bool read_tenant_row(std::string_view row, Tenant& out) {
    if (!TenantRowReader(row, out).read()) return false;
    out.holder = std::make_shared<identity::TenantHolder>();
    return true;
}

}  // namespace millrace::runtime
