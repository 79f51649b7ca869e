// What: __schema and __type: the tables of schema.h as a plan has selected them.
// Threads: pure. Lifetime: none. Limits: kIntrospectionBytesMax of one answer.
// Failure: false when that is reached.
#pragma once

#include "runtime/graphql/plan.h"

#include <cstddef>
#include <string>

namespace millrace::runtime::graphql {

inline constexpr std::size_t kIntrospectionBytesMax = 256u << 10;

// Whether a root field is one of these two.
bool is_introspection(const PlannedField& field);
bool write_introspection(const PlannedField& field, std::string& out);

}  // namespace millrace::runtime::graphql
