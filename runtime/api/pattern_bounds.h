// What: a key's patterns, held against what a document would have it send or see: whom a
//       subscription or a hook hears, what a schedule, a source or a link says, what a replay
//       delivers. What a script emits is beyond: whoever may write scripts may say anything.
// Threads: any. Lifetime: none. Limits: none.
// Failure: kForbidden names the member. Where nobody can say (a regular expression), it is refused.
#pragma once

#include "core/result.h"
#include "runtime/identity/principal.h"
#include "runtime/registry/document_kinds.h"

#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::api {

// Of a kind that neither sends nor sees events there is nothing to hold.
template <typename T>
core::Status within_patterns(const identity::Principal&, const T&) {
    return {};
}
core::Status within_patterns(const identity::Principal& by, const Subscription& subscription);
core::Status within_patterns(const identity::Principal& by, const Schedule& schedule);
core::Status within_patterns(const identity::Principal& by, const Source& source);
core::Status within_patterns(const identity::Principal& by, const Link& link);
core::Status within_patterns(const identity::Principal& by, const Hook& hook);
core::Status within_patterns(const identity::Principal& by, const EdgeNode& edge);

// The patterns as wildcards' text, for what goes on without the key; none: it is not bounded.
std::vector<std::string> patterns_of(const identity::Principal& by);

}  // namespace millrace::runtime::api
