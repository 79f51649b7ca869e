// What: a schema as a document: what events of a pattern must be, and what becomes of those that
//       are not.
// Threads: immutable once the registry has published it. Lifetime: shared.
// Limits: kSchemasMax of a tenant, kSchemaVersionsMax versions of each; those of schemas.
// Failure: none here.
#pragma once

#include "core/ids.h"
#include "runtime/schema/contract.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
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
    // The other schemas that it refers to, as they were when it was registered: a JSON array of
    // {"uri","id","version","schema"}; empty: none.
    std::string references;
    std::vector<schema::SchemaRule> rules;
    SchemaMode mode = SchemaMode::kReject;
    Compatibility compatibility = Compatibility::kBackward;
    std::shared_ptr<const schema::Contract> contract;
    std::int64_t created_at_us = 0;
    std::int64_t updated_at_us = 0;

    bool asks_scripts() const {
        return std::any_of(rules.begin(), rules.end(), [](const schema::SchemaRule& rule) {
            return rule.kind == schema::SchemaRule::Kind::kScript;
        });
    }
};

// All that the schemas referred to may have together.
inline constexpr std::size_t kSchemaReferencesBytesMax = 512u << 10;

std::optional<SchemaMode> parse_schema_mode(std::string_view text);

// What a schema is called by another one's $ref: "millrace:address", or as a plain reference
// "address".
std::string schema_uri(std::string_view id);
// The id in such a URI; empty: it is none.
std::string_view schema_id_of(std::string_view uri);

// EventSchema::references as texts by URI: what $ref finds.
using SchemaTexts = std::map<std::string, std::string, std::less<>>;
core::Result<SchemaTexts> read_schema_references(const std::string& text);

// `rules` of a body: [{"assert":"expression"}, {"in":{"field":"$.path","kv":"namespace"}},
// {"transition":{"key":"$.path","field":"$.path","allowed":{"from":["to"]}}}, {"scriptId"}], each
// with a message of its own or without.
core::Status read_schema_rules(const core::JsonElement& list, std::vector<schema::SchemaRule>& out);

}  // namespace millrace::runtime
