// What: a schedule's row, read in one pass as write_row() and show() of the kind have written it: a
//       start reads a million of them. What was checked when it came in is not checked again.
// Threads: pure. Lifetime: values. Limits: none.
// Failure: false: it is not as this program writes it (an older one did, or it is damaged); then it
//          is read in full, as a client's body is.
#pragma once

#include "runtime/registry/schedule.h"

#include <string_view>

namespace millrace::runtime {

bool read_schedule_row(std::string_view row, Schedule& out);

}  // namespace millrace::runtime
