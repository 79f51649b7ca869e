// What: a schema as a document: what events of a pattern must be, and what becomes of those that
//       are not.
// Threads: immutable once the registry has published it. Lifetime: shared.
// Limits: kSchemasMax of a tenant, kSchemaVersionsMax versions of each; those of schemas.
// Failure: none here.
#pragma once

#include "core/ids.h"
#include "runtime/schema/contract.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace millrace::runtime {

using SchemaNumber = core::StrongInt<struct SchemaNumberTag, std::uint32_t>;

inline constexpr std::size_t kSchemasMax = 1000;
inline constexpr std::size_t kSchemaVersionsMax = 50;

enum class SchemaMode : std::uint8_t { kOff, kWarn, kReject, kDeadLetter };
enum class Compatibility : std::uint8_t { kBackward, kForward, kFull, kNone };

struct EventSchema {
    SchemaNumber number;
    core::TenantId tenant;
    std::uint32_t version = 1;  // grows by one with each change
    std::string id;
    std::string name;
    std::string pattern;  // as of a subscription: stars are wildcards
    std::string label;    // JSON: the author's own version
    std::string schema;   // JSON
    std::vector<schema::SchemaRule> rules;
    SchemaMode mode = SchemaMode::kReject;
    Compatibility compatibility = Compatibility::kBackward;
    std::shared_ptr<const schema::Contract> contract;
    std::int64_t created_at_us = 0;
    std::int64_t updated_at_us = 0;
};

// `rules` of a body: [{"assert":"expression","message"},
// {"in":{"field":"$.path","kv":"namespace"},"message"}].
core::Status read_schema_rules(const core::JsonElement& list, std::vector<schema::SchemaRule>& out);

}  // namespace millrace::runtime
