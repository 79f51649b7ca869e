// What: whether each event of a body has an id of its sender's: then the same body again is known
//       where it belongs, and a front may send it once more when it does not know what became of
//       it.
// Threads: pure. Lifetime: none.
// Limits: looked at only where an owner was lost; one pass over the body.
// Failure: false for whatever does not read: then nobody repeats it but its sender.
#pragma once

#include "runtime/node/forward_head.h"

#include <string_view>

namespace millrace::runtime::node {

bool events_are_named(const HeaderList& headers, std::string_view body);

}  // namespace millrace::runtime::node
