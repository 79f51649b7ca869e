// What: an event that a run would emit, as it is told to people: by a trial, by a dry run. One text
//       for both, so that two runs that differ in anything differ in it.
// Threads: pure. Lifetime: values. Limits: none; who shows it cuts it. Failure: none.
#pragma once

#include "runtime/delivery/script_types.h"

#include <string>

namespace millrace::runtime {

std::string emitted_json(const EmittedEvent& event);

}  // namespace millrace::runtime
