#include "runtime/delivery/kv_pending.h"

#include "runtime/delivery/script_limits.h"

#include <charconv>
#include <cmath>
#include <map>

namespace millrace::runtime {

namespace {

// Integers are written as integers, all else with the fewest digits that read back the same.
std::string number_text(double value) {
    char buffer[40];
    constexpr double kExactMax = 9007199254740992.0;  // 2^53: every integer up to here is exact
    const auto end =
        std::nearbyint(value) == value && std::fabs(value) <= kExactMax
            ? std::to_chars(buffer, buffer + sizeof buffer, static_cast<std::int64_t>(value)).ptr
            : std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
    return {buffer, end};
}

double number_of(std::string_view json) {
    double value = 0;
    std::from_chars(json.data(), json.data() + json.size(), value);
    return value;
}

bool alive(const store::KvValue& value, std::int64_t now_us) {
    return value.expires_at_us == 0 || value.expires_at_us > now_us;
}

bool is_integer(std::string_view json) {
    return json.find_first_of(".eE\"{[tfn") == std::string_view::npos;
}

}  // namespace

KvAddress kv_address(KvSpace space, std::string_view script_key) {
    const std::size_t zero = script_key.find('\0');
    const std::string_view room =
        zero == std::string_view::npos ? std::string_view{} : script_key.substr(0, zero);
    KvAddress address;
    address.space = space == KvSpace::kKv ? "kv" : "cache";
    if (!room.empty()) address.space.append("/").append(room);
    address.name = zero == std::string_view::npos ? script_key : script_key.substr(zero + 1);
    return address;
}

std::string_view KvPending::map_key(core::TenantId tenant, KvSpace space, std::string_view key) {
    scratch_.assign(reinterpret_cast<const char*>(&tenant.value), sizeof tenant.value);
    scratch_.push_back(static_cast<char>(space));
    scratch_.append(key);
    return scratch_;
}

KvAnswer KvPending::committed(core::TenantId tenant, KvSpace space, std::string_view key,
                              std::int64_t now_us, std::string& json) {
    const KvAddress address = kv_address(space, key);
    if (baseline_) {
        const auto then = baseline_->values.find({address.space, std::string(address.name)});
        if (then != baseline_->values.end()) {
            if (!then->second || !alive(*then->second, now_us)) return KvAnswer::kAbsent;
            json += then->second->text();
            return KvAnswer::kFound;
        }
        if (baseline_->closed) return KvAnswer::kAbsent;
    }
    auto found = store_.get({tenant, address.space, address.name});
    if (!found) return KvAnswer::kUnavailable;
    if (!*found) return KvAnswer::kAbsent;
    json += (*found)->text();
    return KvAnswer::kFound;
}

KvAnswer KvPending::read(core::TenantId tenant, KvSpace space, std::string_view key,
                         std::int64_t now_us, std::string& json) {
    const auto it = entries_.find(map_key(tenant, space, key));
    if (it == entries_.end()) return committed(tenant, space, key, now_us, json);
    const Entry& entry = it->second;
    switch (entry.kind) {
        case Kind::kErased: return KvAnswer::kAbsent;
        case Kind::kValue:
            if (entry.expires_at_us != 0 && entry.expires_at_us <= now_us) return KvAnswer::kAbsent;
            json += entry.json;
            return KvAnswer::kFound;
        case Kind::kDelta: break;
    }
    std::string base;
    if (committed(tenant, space, key, now_us, base) == KvAnswer::kUnavailable)
        return KvAnswer::kUnavailable;
    std::int64_t value = 0;
    std::from_chars(base.data(), base.data() + base.size(), value);
    json += std::to_string(value + entry.delta);
    return KvAnswer::kFound;
}

core::Result<std::map<std::string, std::string>> KvPending::committed_list(core::TenantId tenant,
                                                                           const KvAddress& address,
                                                                           std::int64_t now_us) {
    std::map<std::string, std::string> out;
    if (!baseline_ || !baseline_->closed) {
        auto items = store_.list(tenant, address.space, address.name, 2 * kLuaKvListMax);
        if (!items) return core::fail(std::move(items.error()));
        for (store::KvItem& item : *items) out.emplace(std::move(item.key), item.value.text());
    }
    if (!baseline_) return out;
    const std::string prefix(address.name);
    for (auto at = baseline_->values.lower_bound({address.space, prefix});
         at != baseline_->values.end() && at->first.first == address.space &&
         at->first.second.starts_with(prefix);
         ++at) {
        if (at->second && alive(*at->second, now_us)) {
            out[at->first.second] = at->second->text();
        } else {
            out.erase(at->first.second);
        }
    }
    return out;
}

KvAnswer KvPending::list(core::TenantId tenant, KvSpace space, std::string_view prefix,
                         std::int64_t now_us, LuaHost::KvVisitor& visitor) {
    const KvAddress address = kv_address(space, prefix);
    auto there = committed_list(tenant, address, now_us);
    if (!there) return KvAnswer::kUnavailable;
    std::map<std::string, std::string>& merged = *there;
    for (const auto& [key, entry] : entries_) {
        if (entry.tenant != tenant || entry.space != space || !entry.key.starts_with(prefix))
            continue;
        std::string json;
        const KvAnswer answer = read(tenant, space, entry.key, now_us, json);
        if (answer == KvAnswer::kUnavailable) return answer;
        const std::string name(kv_address(space, entry.key).name);
        if (answer == KvAnswer::kFound) {
            merged[name] = std::move(json);
        } else {
            merged.erase(name);
        }
    }
    const std::string room(prefix.substr(0, prefix.find('\0') + 1));
    for (const auto& [name, json] : merged) {
        if (!visitor.entry(room + name, json)) break;
    }
    return KvAnswer::kFound;
}

void KvPending::increment(Entry& entry, bool fresh, const KvOp& op, std::int64_t now_us) {
    if (fresh) {
        std::string base;
        committed(entry.tenant, entry.space, entry.key, now_us, base);
        const bool whole = std::nearbyint(op.delta) == op.delta && is_integer(base);
        entry.kind = whole ? Kind::kDelta : Kind::kValue;
        entry.delta = 0;
        if (!whole) entry.json = base;
    } else if (entry.kind == Kind::kErased ||
               (entry.kind == Kind::kValue && entry.expires_at_us != 0 &&
                entry.expires_at_us <= now_us)) {
        entry.kind = Kind::kValue;
        entry.json = "0";
        entry.expires_at_us = 0;
    } else if (entry.kind == Kind::kDelta && std::nearbyint(op.delta) != op.delta) {
        std::string base;
        committed(entry.tenant, entry.space, entry.key, now_us, base);
        entry.kind = Kind::kValue;
        entry.json = number_text(number_of(base) + static_cast<double>(entry.delta));
    }
    if (entry.kind == Kind::kDelta) {
        entry.delta += static_cast<std::int64_t>(op.delta);
    } else {
        entry.json = number_text(number_of(entry.json) + op.delta);
    }
    if (op.expires_at_us != 0) entry.expires_at_us = op.expires_at_us;
}

void KvPending::apply(core::TenantId tenant, const KvOp& op, std::int64_t now_us) {
    const std::string_view key = map_key(tenant, op.space, op.key);
    auto it = entries_.find(key);
    const bool fresh = it == entries_.end();
    if (fresh) {
        it = entries_.emplace(std::string(key), Entry{}).first;
        it->second.tenant = tenant;
        it->second.space = op.space;
        it->second.key.assign(op.key);
    }
    Entry& entry = it->second;
    switch (op.kind) {
        case KvOp::Kind::kSet:
            entry.kind = Kind::kValue;
            entry.json.assign(op.value_json);
            entry.expires_at_us = op.expires_at_us;
            break;
        case KvOp::Kind::kDelete: entry.kind = Kind::kErased; break;
        case KvOp::Kind::kIncrement: increment(entry, fresh, op, now_us); break;
    }
}

void KvPending::hand_over(store::RowBatch& rows, std::int64_t now_us) {
    for (const auto& [key, entry] : entries_) {
        const KvAddress address = kv_address(entry.space, entry.key);
        const store::KvKey kv{entry.tenant, address.space, address.name};
        switch (entry.kind) {
            case Kind::kValue: rows.kv_put(kv, entry.json, entry.expires_at_us); break;
            case Kind::kErased: rows.kv_erase(kv); break;
            case Kind::kDelta: rows.kv_incr(kv, entry.delta, now_us, entry.expires_at_us); break;
        }
    }
    entries_.clear();
}

}  // namespace millrace::runtime
