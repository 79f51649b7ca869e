#include "runtime/delivery/kv_pending.h"

#include "runtime/delivery/script_limits.h"
#include "store/rows/row_codec.h"

#include <map>
#include <utility>

namespace millrace::runtime {

namespace {

bool alive(const store::KvValue& value, std::int64_t now_us) {
    return value.expires_at_us == 0 || value.expires_at_us > now_us;
}

// The sum of a JSON number (what is none counts as 0) and an increment, by the store's rule.
std::string sum_text(std::string_view json, const KvOp& op) {
    store::KvValue before;
    before.json = json;
    return store::apply_increment(&before, {op.delta, 0, 0, op.delta_text}).text();
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

core::Result<std::optional<store::KvValue>> KvPending::committed(core::TenantId tenant,
                                                                 KvSpace space,
                                                                 std::string_view key) {
    const KvAddress address = kv_address(space, key);
    if (baseline_) {
        const auto then = baseline_->values.find({address.space, std::string(address.name)});
        if (then != baseline_->values.end()) return then->second;
        if (baseline_->closed) return std::optional<store::KvValue>();
    }
    return store_.get({tenant, address.space, address.name});
}

KvAnswer KvPending::read(core::TenantId tenant, KvSpace space, std::string_view key,
                         std::int64_t now_us, std::string& json) {
    const auto it = entries_.find(map_key(tenant, space, key));
    const Entry* entry = it == entries_.end() ? nullptr : &it->second;
    if (entry && entry->kind == Kind::kErased) return KvAnswer::kAbsent;
    if (entry && entry->expires_at_us != 0 && entry->expires_at_us <= now_us)
        return KvAnswer::kAbsent;
    if (entry && entry->kind == Kind::kValue) {
        json += entry->json;
        return KvAnswer::kFound;
    }
    auto base = committed(tenant, space, key);
    if (!base) return KvAnswer::kUnavailable;
    if (*base && !alive(**base, now_us)) base->reset();
    if (entry) {
        json += store::apply_increment(*base ? &**base : nullptr,
                                       {entry->delta, now_us, 0, entry->delta_decimal})
                    .text();
        return KvAnswer::kFound;
    }
    if (!*base) return KvAnswer::kAbsent;
    json += (*base)->text();
    return KvAnswer::kFound;
}

core::Result<KvPending::Overlay> KvPending::overlay(core::TenantId tenant, KvSpace space,
                                                    std::string_view prefix, std::int64_t now_us) {
    Overlay over;
    const KvAddress address = kv_address(space, prefix);
    if (baseline_) {
        const std::string name(address.name);
        for (auto at = baseline_->values.lower_bound({address.space, name});
             at != baseline_->values.end() && at->first.first == address.space &&
             at->first.second.starts_with(name);
             ++at) {
            auto& value = over[at->first.second];
            const auto& then = at->second;
            if (then && *then && alive(**then, now_us)) value = (*then)->text();
        }
    }
    for (const auto& [key, entry] : entries_) {
        if (entry.tenant != tenant || entry.space != space || !entry.key.starts_with(prefix))
            continue;
        std::string json;
        const KvAnswer answer = read(tenant, space, entry.key, now_us, json);
        if (answer == KvAnswer::kUnavailable)
            return core::fail(core::ErrorCode::kUnavailable, "kv: the store can't be read now");
        auto& value = over[std::string(kv_address(space, entry.key).name)];
        value.reset();
        if (answer == KvAnswer::kFound) value = std::move(json);
    }
    return over;
}

// In pages, until the visitor has enough: what is deleted but not committed yet may be most of what
// is stored.
KvAnswer KvPending::list(core::TenantId tenant, KvSpace space, std::string_view prefix,
                         std::int64_t now_us, LuaHost::KvVisitor& visitor) {
    const KvAddress address = kv_address(space, prefix);
    const std::string room(prefix.substr(0, prefix.find('\0') + 1));
    auto over = overlay(tenant, space, prefix, now_us);
    if (!over) return KvAnswer::kUnavailable;
    auto next = over->begin();
    // Shows what lies over the stored keys before `name`; false when the visitor has enough.
    const auto show_until = [&](const std::string* name) {
        for (; next != over->end() && (!name || next->first < *name); ++next) {
            if (next->second && !visitor.entry(room + next->first, *next->second)) return false;
        }
        return true;
    };
    std::string after;
    bool more = !baseline_ || !baseline_->closed;
    while (more) {
        auto page = store_.list(tenant, address.space, address.name, kLuaKvListMax, after);
        if (!page) return KvAnswer::kUnavailable;
        more = page->size() == kLuaKvListMax;
        for (store::KvItem& item : *page) {
            if (!show_until(&item.key)) return KvAnswer::kFound;
            const bool hidden = next != over->end() && next->first == item.key;
            if (!hidden && !visitor.entry(room + item.key, item.value.text()))
                return KvAnswer::kFound;
        }
        if (more) after = std::move(page->back().key);
    }
    show_until(nullptr);
    return KvAnswer::kFound;
}

void KvPending::increment(Entry& entry, bool fresh, const KvOp& op, std::int64_t now_us) {
    const bool expired = entry.expires_at_us != 0 && entry.expires_at_us <= now_us;
    if (fresh) {
        entry.kind = Kind::kDelta;
    } else if (entry.kind == Kind::kErased || expired) {
        entry.kind = Kind::kValue;
        entry.json = "0";
        entry.expires_at_us = 0;
    }
    std::int64_t whole = 0;
    if (entry.kind == Kind::kValue) {
        entry.json = sum_text(entry.json, op);
    } else if (op.delta_text.empty() && entry.delta_decimal.empty() &&
               !__builtin_add_overflow(entry.delta, op.delta, &whole)) {
        entry.delta = whole;
    } else {
        store::KvValue so_far;
        so_far.type = entry.delta_decimal.empty() ? store::KvType::kInt64 : store::KvType::kJson;
        so_far.integer = entry.delta;
        so_far.json = entry.delta_decimal;
        const store::KvValue sum = store::apply_increment(&so_far, {op.delta, 0, 0, op.delta_text});
        entry.delta = sum.integer;
        entry.delta_decimal = sum.json;
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
        case KvOp::Kind::kDelete:
            entry.kind = Kind::kErased;
            entry.expires_at_us = 0;
            break;
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
            case Kind::kDelta:
                if (entry.delta_decimal.empty())
                    rows.kv_incr(kv, entry.delta, now_us, entry.expires_at_us);
                else
                    rows.kv_incr(kv, entry.delta_decimal, now_us, entry.expires_at_us);
                break;
        }
    }
    entries_.clear();
}

}  // namespace millrace::runtime
