// What: the token of an edge says whose edge it is, where that is not tenant default's: a node of a
//       cluster finds the partition by it, without asking anybody. It proves nothing: the partition
//       compares the whole token.
// Threads: pure. Lifetime: a view of the token. Limits: those of names. Failure: none.
#pragma once

#include <string>
#include <string_view>

namespace millrace::runtime {

// mredge_HEX, or mredge_HEX.TENANT
std::string edge_token_of(std::string_view tenant);
// Of anything that is shown instead: tenant default.
std::string_view tenant_of_edge_token(std::string_view token);

}  // namespace millrace::runtime
