// What: the one schema that there is, as tables: its types, their fields, the fields' arguments.
//       Types are named as documents name them: "[Event!]!".
// Threads: constants. Lifetime: static. Limits: none.
// Failure: none; what is not there is null.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace millrace::runtime::graphql {

struct SchemaArgument {
    std::string_view name;
    std::string_view type;
    std::string_view doc;
    std::string_view absent = {};  // as a document would write it; empty: none
};

struct SchemaField {
    std::string_view name;
    std::string_view type;
    std::string_view doc;
    std::span<const SchemaArgument> arguments = {};
};

struct SchemaValue {
    std::string_view name;
    std::string_view doc;
};

enum class SchemaKind : std::uint8_t { kScalar, kObject, kEnum };

struct SchemaType {
    SchemaKind kind;
    std::string_view name;
    std::string_view doc;
    std::span<const SchemaField> fields = {};
    std::span<const SchemaValue> values = {};

    const SchemaField* field(std::string_view wanted) const;
};

std::span<const SchemaType> schema_types();
const SchemaType* schema_type(std::string_view name);

struct SchemaDirective {
    std::string_view name;
    std::string_view doc;
    std::span<const SchemaArgument> arguments;
    std::span<const std::string_view> locations;
};
std::span<const SchemaDirective> schema_directives();
const SchemaDirective* schema_directive(std::string_view name);

inline constexpr std::string_view kQueryType = "Query";
inline constexpr std::string_view kSubscriptionType = "Subscription";

// __schema and __type, which every query has, and __typename, which every object has.
const SchemaField* meta_field(std::string_view name);

// "[Event!]!" is not null, a list of "Event!", and about "Event".
constexpr bool is_non_null(std::string_view type) { return type.ends_with('!'); }
constexpr std::string_view nullable(std::string_view type) {
    return is_non_null(type) ? type.substr(0, type.size() - 1) : type;
}
constexpr bool is_list(std::string_view type) { return nullable(type).starts_with('['); }
constexpr std::string_view item_type(std::string_view list) {
    list = nullable(list);
    return list.substr(1, list.size() - 2);
}
constexpr std::string_view named_type(std::string_view type) {
    while (is_list(type)) type = item_type(type);
    return nullable(type);
}

}  // namespace millrace::runtime::graphql
