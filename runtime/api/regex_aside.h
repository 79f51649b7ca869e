// What: changes of documents whose expressions may still have to be compiled, which takes up to
//       half a second each: the change is tried, what it lacks is compiled aside, and it is tried
//       again. Others are answered meanwhile.
// Threads: the API thread. Lifetime: the request is kept until it is answered.
// Limits: those of Services::compile_aside. Failure: 429 where too much waits there, 503 when the
//       server ends first.
#pragma once

#include "runtime/api/call.h"

namespace millrace::runtime::api {

// `change` must do nothing before it has compiled all it needs.
void change_with_regexes(Call& call, const Respond& respond, Answer (*change)(Call&));

}  // namespace millrace::runtime::api
