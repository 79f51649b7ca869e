// What: what a caller of an endpoint gets: made of what its script returned or handed to
//       sdk.http.respond, before anything of the run is committed, so that the answer to an
//       Idempotency-Key is in that commit.
// Threads: pure functions. Lifetime: values.
// Limits: kAnswerHeadersMax headers, kAnswerHeaderBytesMax of each value.
// Failure: an answer that HTTP can not say is an Error, and the run has failed.
#pragma once

#include "core/result.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::runtime {

inline constexpr std::string_view kEndpointAnswerKind = "endpoint_answer";
inline constexpr std::size_t kAnswerHeadersMax = 64;
inline constexpr std::size_t kAnswerHeaderBytesMax = 4096;

struct EndpointAnswer {
    int status = 204;
    std::string content_type;
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;
};

// `respond_json`: {"status","headers","body"} as the script said it; empty: it returned
// `result_json`.
core::Result<EndpointAnswer> make_endpoint_answer(std::string_view respond_json,
                                                  std::string_view result_json);

// The row that keeps an answer for its key.
struct KeptAnswer {
    std::uint64_t request_hash = 0;
    std::int64_t at_us = 0;
    EndpointAnswer answer;
};
std::string write_kept_answer(const KeptAnswer& kept);
core::Result<KeptAnswer> read_kept_answer(std::string_view json);

}  // namespace millrace::runtime
