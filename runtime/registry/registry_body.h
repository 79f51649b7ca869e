// What: the JSON bodies of scripts and subscriptions to typed objects and back: the shape rules of
//       the outside contract, without any state.
// Threads: pure functions. Lifetime: values.
// Limits: runtime/registry/registry_types.h, matcher/filter/limits.h.
// Failure: kValidation errors that name the member by its full path.
#pragma once

#include "core/json_writer.h"
#include "core/result.h"
#include "runtime/registry/registry_types.h"

#include <string>
#include <string_view>

namespace millrace::runtime {

// Members that a body leaves out keep what `out` holds. `id` is empty when none was given. Members
// that the server makes (version, createdAt, updatedAt) are read over, so that a resource can be
// fetched, edited and sent back.
core::Status read_script_body(std::string_view body, Script& out);

// As above; executor.script is left to the caller, who knows the scripts. spec is made.
core::Status read_subscription_body(std::string_view body, Subscription& out);

// A script as API clients see it.
void append_script(core::JsonWriter& json, const Script& script);

// Rows of the registry. The document of a subscription is rebuilt from its members.
std::string script_row(const Script& script);
core::Result<Script> read_script_row(std::string_view json);
std::string subscription_row(const Subscription& subscription);
core::Result<Subscription> read_subscription_row(std::string_view json);

// The document from the members and the matching members of `body` (pattern, filters, filter,
// form).
core::Result<std::string> subscription_document(const Subscription& subscription,
                                                std::string_view body);

}  // namespace millrace::runtime
