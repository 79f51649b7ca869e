// What: what a subscription's one field means: which stream it is, from where, and what of each
//       thing that comes its selection tells.
// Threads: pure. Lifetime: the operation outlives what is made of it.
// Limits: kResultBytesMax of a message.
// Failure: a field that needs a scope which the caller does not have is kForbidden.
#pragma once

#include "core/json_dom.h"
#include "core/result.h"
#include "runtime/graphql/request.h"
#include "runtime/graphql/result_writer.h"
#include "runtime/identity/principal.h"
#include "runtime/stream/stream_source.h"

#include <string>
#include <string_view>

namespace millrace::runtime::graphql {

// The scope that a root field asks for: that of the REST call which it stands for.
identity::Scope scope_of(std::string_view root_field);

// Fills in what the field says of the stream; who asks is there already.
core::Status follow(const PreparedOperation& operation, StreamRequest& request);

// {"data":{...}} of one thing that came. False: it is none of those that were asked for.
bool append_told(std::string& out, const PreparedOperation& operation, std::string_view data,
                 const ResultContext& context);
// What is told where the client was further than the log.
void append_reset_told(std::string& out, std::string_view data);

}  // namespace millrace::runtime::graphql
