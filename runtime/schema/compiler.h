// What: JSON Schema (2020-12 and draft 7, by $schema; 2020-12 without) to a program. Formats and
//       contents annotate, as the drafts have it; expressions are linear ones (matcher/regex).
// Threads: pure; regular expressions may take milliseconds. Lifetime: the program owns everything.
// Limits: program.h, sources.h.
// Failure: kValidation errors that name the place in the schema.
#pragma once

#include "core/result.h"
#include "runtime/schema/program.h"
#include "runtime/schema/sources.h"

#include <string_view>

namespace millrace::runtime::schema {

struct CompileOptions {
    Resolver resolver = {};
    std::string_view uri = "millrace:schema";  // what it is called without an $id of its own
    Dialect dialect = Dialect::kDraft2020;     // of texts without $schema
};

core::Result<ProgramRef> compile_schema(std::string_view text, const CompileOptions& options = {});

}  // namespace millrace::runtime::schema
