// What: what a document has to be as a whole (spec, 5.2, 5.5, 5.8), before any of its operations is
//       looked into: names used once, fragments that are there, used and not in circles,
//       variables of types that may come in.
// Threads: pure. Lifetime: none. Limits: none. Failure: the first mistake, with its position.
#pragma once

#include "core/result.h"
#include "runtime/graphql/document.h"

namespace millrace::runtime::graphql {

core::Status check_document(const Document& document);

}  // namespace millrace::runtime::graphql
