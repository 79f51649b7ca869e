// What: the key that a request shows: Authorization: Bearer K, X-API-Key: K, and ?apiKey=K where
//       that is allowed. One of them, once.
// Threads: pure. Lifetime: the text lives as long as the request and `scratch`.
// Limits: none. Failure: kBad for two, for one in the wrong place, for another scheme.
#pragma once

#include "io/http_types.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::runtime::identity {

enum class Shown : std::uint8_t { kNothing, kKey, kBad };

struct Credential {
    Shown shown = Shown::kNothing;
    std::string_view text;
};

// Where ?apiKey= counts (auth.query_keys).
enum class QueryKeys : std::uint8_t { kOff, kSome, kAll };

// What stands behind "Bearer " in an Authorization header; empty: it says something else.
std::string_view bearer_of(std::string_view authorization);

Credential find_credential(const io::Request& request, bool query_counts, std::string& scratch);

}  // namespace millrace::runtime::identity
