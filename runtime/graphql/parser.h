// What: text to Document, by the grammar of executable documents (October 2021, 2.2 to 2.12, and
//       the descriptions of September 2025).
//       What describes a schema is refused: there is one, and it is ours.
// Threads: pure. Lifetime: the document's names are views of the text.
// Limits: kTokensMax, kNestingMax. Failure: an Error with the byte position.
#pragma once

#include "core/result.h"
#include "runtime/graphql/document.h"

#include <string_view>

namespace millrace::runtime::graphql {

core::Result<Document> parse_document(std::string_view text);

}  // namespace millrace::runtime::graphql
