// What: moves what an error says about its place to other coordinates: texts are read in the form
//       they were brought into, or together with others, but told by the bytes that were sent.
// Threads: pure. Lifetime: none. Limits: none. Failure: none.
#pragma once

#include "core/result.h"

#include <cstdint>

namespace millrace::runtime {

// `to` is Error::kNoPosition where the place is in nothing that was sent.
void tell_place(core::Error& error, std::int64_t to);

}  // namespace millrace::runtime
