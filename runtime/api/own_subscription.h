// What: the subscription that another document has of its own (a schedule with an executor, a hook
//       that is told): it comes, changes and goes with it.
// Threads: the API thread. Lifetime: none. Limits: none of its own.
// Failure: what the table refuses; a change that not every shard takes up is taken back.
#pragma once

#include "runtime/api/call.h"

#include <string>
#include <string_view>

namespace millrace::runtime::api {

// As `body` says, whether it is there or not.
core::Status put_own_subscription(Call& call, const std::string& id, std::string_view body);
// What waits for it becomes dead letters; answers {"success":true} when it is gone.
void remove_own_subscription(Call& call, const std::string& id, const Respond& respond);

}  // namespace millrace::runtime::api
