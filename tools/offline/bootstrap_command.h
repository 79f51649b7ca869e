// What: `millrace key create --bootstrap --data DIR`: the first key, made by whoever may write the
//       data folder: an admin of tenant `default` that may make tenants too. Also later, when all
//       such keys are lost. `--node IP:PORT`: the same in a cluster, by its token.
// Threads: main only. Lifetime: one run per call. Limits: none.
// Failure: 0 well, 1 it could not be done, 2 usage. A folder that a server has open is asked for
//          through the server, which lets this machine in as long as there is no key.
#pragma once

#include <string>
#include <vector>

namespace millrace::tools {

bool is_bootstrap_command(const std::vector<std::string>& arguments);
int bootstrap_command(std::vector<std::string> arguments);

}  // namespace millrace::tools
