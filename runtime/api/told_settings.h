// What: the settings of a server as GET /v2/config tells them.
// Threads: immutable once the server runs. Lifetime: values. Limits: none.
// Failure: none; of what is secret the value says no more than whether there is one.
#pragma once

#include <string>
#include <vector>

namespace millrace::runtime::api {

struct ToldSetting {
    std::string key;    // "http.listen"
    std::string value;  // as it was at the start
    std::string from;   // "default", "profile", a file's name, "environment", "flag"
};
using ToldSettings = std::vector<ToldSetting>;

}  // namespace millrace::runtime::api
