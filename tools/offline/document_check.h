// What: reads every registered document of a data folder as a server would at its start, and says
//       which it could not read: `millrace verify` for what only the runtime understands.
// Threads: one. Lifetime: none. Limits: SetAside::kNamedMax are told in words.
// Failure: an Error when the folder can not be opened.
#pragma once

#include "core/result.h"
#include "runtime/registry/set_aside.h"

#include <cstddef>
#include <string>
#include <vector>

namespace millrace::tools {

struct UnreadableDocuments {
    std::size_t count = 0;
    std::vector<runtime::SetAside::Row> rows;
};

core::Result<UnreadableDocuments> check_documents(const std::string& folder);

}  // namespace millrace::tools
