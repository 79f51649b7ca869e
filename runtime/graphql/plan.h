// What: an operation, held against the schema (spec, 5.3 to 5.8) and made ready to be answered:
//       fragments put in their places, fields of one name merged, @skip and @include decided,
//       arguments filled in.
// Threads: pure. Lifetime: names are views of the document's text and of the schema; fields of the
//       schema are its own.
// Limits: kDepthMax levels of fields, kIntrospectionDepthMax where the schema tells of itself;
//       kSelectionsMax fields and fragments once every fragment is in its place.
// Failure: an Error with the position and, where there is one, the limit.
#pragma once

#include "core/json_dom.h"
#include "core/result.h"
#include "runtime/graphql/document.h"
#include "runtime/graphql/schema.h"
#include "runtime/graphql/values.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::graphql {

inline constexpr std::size_t kDepthMax = 8;
inline constexpr std::size_t kIntrospectionDepthMax = 20;
inline constexpr std::size_t kSelectionsMax = 4'000;

struct PlannedField {
    std::string_view key;  // in the answer
    const SchemaField* field = nullptr;
    std::string_view parent;  // the type that it is a field of
    std::vector<std::pair<std::string_view, Coerced>> arguments = {};  // those that were given
    std::vector<PlannedField> fields = {};
    std::size_t position = 0;

    // Empty: not given, or null.
    std::string_view argument(std::string_view name) const {
        for (const auto& [given, value] : arguments) {
            if (given == name) return value.text;
        }
        return {};
    }
};

struct Plan {
    OperationKind kind = OperationKind::kQuery;
    std::vector<PlannedField> fields;
};

// The whole document is checked, whichever operation is meant. `name` is empty: the only one.
core::Result<Plan> plan_operation(const Document& document, std::string_view name,
                                  const core::JsonElement& variables);

}  // namespace millrace::runtime::graphql
