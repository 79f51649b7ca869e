// What: where an answer sends the caller on to, as a pure function: the next call, or none.
//       GET follows 301, 302 and 303; what had a body goes on as GET without it, but for 307 and
//       308. To another origin goes nothing that was meant for the first one: of the headers only
//       those that say what is understood and who asks, and what would take its body along does
//       not go there at all.
// Threads: pure. Lifetime: values. Limits: the call's redirects_max, counted by the caller.
// Failure: none: what can not be followed is the answer.
#pragma once

#include "core/http_url.h"
#include "runtime/courier/http_port.h"

namespace millrace::courier {

inline bool is_redirect(int status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// `call` becomes the one to `next_url`, which is absolute. False: it is not followed, and stays.
bool follow_redirect(HttpCall& call, int status, std::string next_url);

}  // namespace millrace::courier
