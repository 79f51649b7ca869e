#include "store/rows/row_codec.h"

#include "core/decimal.h"
#include "store/rows/keys.h"
#include "store/rows/varint.h"

namespace millrace::store {
namespace {

std::string begin_row() { return std::string(1, static_cast<char>(kRowVersion)); }

bool row_known(RecordReader& record) {
    return record.le<std::uint8_t>() == kRowVersion && record.ok();
}

std::string encode_kv(KvType type, std::string_view payload, std::int64_t expires_at_us) {
    KvValueHeader header;
    header.type = type;
    header.expires_at_us = expires_at_us;
    std::string out;
    put_le(out, header);
    out.append(payload);
    return out;
}

}  // namespace

std::string waiting_key(const RetryRow& row) {
    if (row.parked()) return parked_key(row.key_hash, row.tenant, row.delivery);
    if (row.held()) return held_key(row.held_due_at_us, row.tenant, row.delivery);
    return retry_key(row.due_at_us, row.tenant, row.delivery);
}

std::string encode_retry(const RetryRow& row) {
    std::string out = begin_row();
    put_varint(out, row.tenant.value);
    put_varint(out, row.attempt);
    put_varint(out, zigzag(row.created_at_us));
    put_text(out, row.state);
    return out;
}

bool decode_retry_key(std::string_view key, RetryRow& out) {
    KeyReader reader(key);
    core::LogPosition& position = out.delivery.position;
    position.shard = core::ShardId{reader.be<std::uint16_t>()};
    out.due_at_us = reader.be<std::int64_t>();
    if (out.parked()) {
        out.delivery.subscription = core::SubscriptionId{reader.be<std::uint32_t>()};
        out.key_hash = reader.be<std::uint32_t>();
        position.offset = core::LogOffset{reader.be<std::uint64_t>()};
    } else if (out.held()) {
        out.delivery.subscription = core::SubscriptionId{reader.be<std::uint32_t>()};
        out.held_due_at_us = reader.be<std::int64_t>();
        position.offset = core::LogOffset{reader.be<std::uint64_t>()};
    } else {
        position.offset = core::LogOffset{reader.be<std::uint64_t>()};
        out.delivery.subscription = core::SubscriptionId{reader.be<std::uint32_t>()};
    }
    out.tenant = core::TenantId{reader.be<std::uint32_t>()};
    return reader.ok() && reader.rest().empty();
}

bool decode_retry(std::string_view key, std::string_view value, RetryRow& out) {
    if (!decode_retry_key(key, out)) return false;
    RecordReader record(value);
    if (!row_known(record)) return false;
    const core::TenantId tenant{record.varint32()};
    out.attempt = record.varint32();
    out.created_at_us = record.signed_varint();
    out.state = record.text();
    return record.ok() && tenant == out.tenant;
}

std::string encode_dead_letter(const DeadLetter& row) {
    std::string out = begin_row();
    put_varint(out, zigzag(row.updated_at_us));
    put_varint(out, 0);  // a time that older versions left unset: retry rows know when
    put_varint(out, row.retry_count);
    put_varint(out, row.retries_max);
    for (const std::string_view text :
         {row.subscription_id, row.script_id, row.pattern, row.event_id, row.error,
          row.error_fingerprint, row.attempts, row.extra}) {
        put_text(out, text);
    }
    return out;
}

bool decode_dead_letter(std::string_view key, std::string_view value, DeadLetter& out) {
    KeyReader reader(key);
    out.key = read_dead_letter_key(reader);
    RecordReader record(value);
    if (!row_known(record)) return false;
    out.updated_at_us = record.signed_varint();
    (void)record.signed_varint();
    out.retry_count = record.varint32();
    out.retries_max = record.varint32();
    for (std::string_view* text :
         {&out.subscription_id, &out.script_id, &out.pattern, &out.event_id, &out.error,
          &out.error_fingerprint, &out.attempts, &out.extra}) {
        *text = record.text();
    }
    return reader.ok() && record.ok();
}

std::string encode_registry(const RegistryRow& row) {
    std::string out = begin_row();
    put_varint(out, row.version);
    put_varint(out, zigzag(row.updated_at_us));
    put_text(out, row.json);
    return out;
}

bool decode_registry(std::string_view value, RegistryRow& out) {
    RecordReader record(value);
    if (!row_known(record)) return false;
    out.version = record.varint();
    out.updated_at_us = record.signed_varint();
    out.json = record.text();
    return record.ok();
}

std::string encode_entity(const EntityRow& row) {
    std::string out = begin_row();
    put_varint(out, row.version);
    put_varint(out, zigzag(row.created_at_us));
    put_varint(out, zigzag(row.updated_at_us));
    put_text(out, row.json);
    return out;
}

bool decode_entity(std::string_view value, EntityRow& out) {
    RecordReader record(value);
    if (!row_known(record)) return false;
    out.version = record.varint();
    out.created_at_us = record.signed_varint();
    out.updated_at_us = record.signed_varint();
    out.json = record.text();
    return record.ok();
}

std::string encode_audit(const AuditRow& row) {
    std::string out = begin_row();
    put_varint(out, row.tenant.value);
    put_text(out, row.json);
    return out;
}

bool decode_audit(std::string_view value, AuditRow& out) {
    RecordReader record(value);
    if (!row_known(record)) return false;
    out.tenant = core::TenantId{record.varint32()};
    out.json = record.text();
    return record.ok();
}

std::string encode_cursor(core::LogOffset offset) {
    std::string out = begin_row();
    put_le(out, offset.value);
    return out;
}

bool decode_cursor(std::string_view value, core::LogOffset& out) {
    RecordReader record(value);
    if (!row_known(record)) return false;
    out.value = record.le<std::uint64_t>();
    return record.ok();
}

std::string encode_kv_json(std::string_view json, std::int64_t expires_at_us) {
    return encode_kv(KvType::kJson, json, expires_at_us);
}

std::string encode_kv_int(std::int64_t value, std::int64_t expires_at_us) {
    return encode_kv(KvType::kInt64, {reinterpret_cast<const char*>(&value), sizeof(value)},
                     expires_at_us);
}

std::string encode_kv_value(const KvValue& value) {
    return value.type == KvType::kInt64 ? encode_kv_int(value.integer, value.expires_at_us)
                                        : encode_kv_json(value.json, value.expires_at_us);
}

bool decode_kv(std::string_view value, KvValue& out) {
    RecordReader record(value);
    const auto header = record.le<KvValueHeader>();
    if (!record.ok() || header.version != 1) return false;
    out.type = header.type;
    out.expires_at_us = header.expires_at_us;
    out.integer = 0;
    out.json.clear();
    if (header.type == KvType::kInt64) {
        out.integer = record.le<std::int64_t>();
        return record.ok();
    }
    out.json.assign(record.rest());
    return header.type == KvType::kJson;
}

std::string encode_increment(const KvIncrement& increment) {
    std::string out;
    put_le(out, increment.delta);
    put_le(out, increment.now_us);
    put_le(out, increment.expires_at_us);
    out += increment.decimal;
    return out;
}

bool decode_increment(std::string_view row, KvIncrement& out) {
    RecordReader record(row);
    out.delta = record.le<std::int64_t>();
    out.now_us = record.le<std::int64_t>();
    out.expires_at_us = record.le<std::int64_t>();
    out.decimal = record.rest();
    return record.ok();
}

namespace {

core::Decimal decimal_of(const KvIncrement& increment) {
    core::Decimal out;
    if (increment.decimal.empty() || !core::Decimal::parse(increment.decimal, out))
        out = core::Decimal::of(increment.delta);
    return out;
}

// A number that a handler has set as JSON counts on.
core::Decimal decimal_of(const KvValue& value) {
    core::Decimal out;
    if (value.type == KvType::kInt64) return core::Decimal::of(value.integer);
    if (!core::Decimal::parse(value.json, out)) out = core::Decimal();
    return out;
}

}  // namespace

KvValue apply_increment(const KvValue* existing, const KvIncrement& increment) {
    KvValue out;
    out.type = KvType::kInt64;
    const bool alive =
        existing && (existing->expires_at_us == 0 || existing->expires_at_us > increment.now_us);
    if (alive) out.expires_at_us = existing->expires_at_us;
    if (increment.expires_at_us != 0) out.expires_at_us = increment.expires_at_us;
    const bool whole = increment.decimal.empty() && (!alive || existing->type == KvType::kInt64);
    if (whole &&
        !__builtin_add_overflow(alive ? existing->integer : 0, increment.delta, &out.integer)) {
        return out;
    }
    core::Decimal sum = alive ? decimal_of(*existing) : core::Decimal();
    // 40 digits before the point are more than increments can ever reach.
    (void)sum.add(decimal_of(increment));
    if (sum.get(out.integer)) return out;
    out.type = KvType::kJson;
    out.integer = 0;
    sum.append_to(out.json);
    return out;
}

bool join_increments(const KvIncrement& first, const KvIncrement& second, std::string& row) {
    if (first.expires_at_us != 0 || second.expires_at_us != 0 || first.now_us != second.now_us)
        return false;
    KvIncrement joined = first;
    if (first.decimal.empty() && second.decimal.empty() &&
        !__builtin_add_overflow(first.delta, second.delta, &joined.delta)) {
        row = encode_increment(joined);
        return true;
    }
    core::Decimal sum = decimal_of(first);
    if (!sum.add(decimal_of(second))) return false;
    std::string text;
    sum.append_to(text);
    joined.delta = 0;
    joined.decimal = text;
    row = encode_increment(joined);
    return true;
}

std::string KvValue::text() const {
    return type == KvType::kInt64 ? std::to_string(integer) : json;
}

}  // namespace millrace::store
