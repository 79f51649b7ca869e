// What: the values of the rare rows: retry, dead letter, registry, entity, audit, cursor, kv. Each
//       begins with version:u8 (kv with its header) and then holds varints and length-prefixed
//       text, in the order of the structs' members.
// Threads: pure. Lifetime: decoded views point into the value. Limits: none.
// Failure: decoders return false for a value that is too short or of an unknown version.
#pragma once

#include "store/rows/kv_store.h"
#include "store/rows/row_batch.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::store {

inline constexpr std::uint8_t kRowVersion = 1;

// The key of a row, whatever it waits for.
std::string waiting_key(const RetryRow& row);
std::string encode_retry(const RetryRow& row);
// Due time, delivery and tenant come from the key.
bool decode_retry_key(std::string_view key, RetryRow& out);
bool decode_retry(std::string_view key, std::string_view value, RetryRow& out);

std::string encode_dead_letter(const DeadLetter& row);
bool decode_dead_letter(std::string_view key, std::string_view value, DeadLetter& out);

struct RegistryRow {
    std::uint64_t version = 0;
    std::int64_t updated_at_us = 0;
    std::string_view json;
};
std::string encode_registry(const RegistryRow& row);
bool decode_registry(std::string_view value, RegistryRow& out);

struct EntityRow {
    std::uint64_t version = 0;
    std::int64_t created_at_us = 0;
    std::int64_t updated_at_us = 0;
    std::string_view json;
};
std::string encode_entity(const EntityRow& row);
bool decode_entity(std::string_view value, EntityRow& out);

struct AuditRow {
    core::TenantId tenant;
    std::string_view json;
};
std::string encode_audit(const AuditRow& row);
bool decode_audit(std::string_view value, AuditRow& out);

std::string encode_cursor(core::LogOffset offset);
bool decode_cursor(std::string_view value, core::LogOffset& out);

std::string encode_kv_json(std::string_view json, std::int64_t expires_at_us);
std::string encode_kv_int(std::int64_t value, std::int64_t expires_at_us);
std::string encode_kv_value(const KvValue& value);
bool decode_kv(std::string_view value, KvValue& out);

// A row: the three numbers, then `decimal`'s bytes.
struct KvIncrement {
    std::int64_t delta = 0;
    std::int64_t now_us = 0;
    std::int64_t expires_at_us = 0;  // 0: keeps what is there
    std::string_view decimal{};      // not empty: a JSON number to add instead of delta
};
std::string encode_increment(const KvIncrement& increment);
bool decode_increment(std::string_view row, KvIncrement& out);

// What kv_incr means, in one place for overlay, merge operator and writer: the exact sum, so that
// it does not matter in which order and in which portions it came about. A whole sum of 64 bits is
// an integer, any other one a JSON number. `existing` may be null; what is no number counts as 0.
KvValue apply_increment(const KvValue* existing, const KvIncrement& increment);
// One increment in place of two, where no expiry can lie between them; else false.
bool join_increments(const KvIncrement& first, const KvIncrement& second, std::string& row);

}  // namespace millrace::store
