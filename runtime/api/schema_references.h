// What: the other schemas that a schema refers to, as they are when it is registered: they are kept
//       with it, so that what it means changes when it is registered again and at no other time.
// Threads: the API thread. Lifetime: none.
// Limits: kDocumentsMax texts, kSchemaReferencesBytesMax bytes.
// Failure: a body that does not read stays as it is, for whoever reads it to say so; what a $ref
//       names that is not there is said by the compiler.
#pragma once

#include "runtime/api/call.h"

#include <string>
#include <string_view>

namespace millrace::runtime::api {

// The body of a schema (or a change of one) with its member "references". `id`: of the schema, ""
// where the body says it.
core::Result<std::string> with_schema_references(Call& call, std::string body, std::string_view id);

// The same for a schema's text: [{"uri","id","version","schema"}], JSON.
std::string schema_references(Call& call, std::string_view schema, std::string_view id);

}  // namespace millrace::runtime::api
