// What: the texts that are kept about attempts: the history of one delivery as JSON, the logs of
//       one run as JSON, and the fingerprint under which like errors are grouped.
// Threads: pure functions. Lifetime: none.
// Limits: kErrorTextBytesMax of an error are kept, kHistoryBytesMax of a history.
// Failure: none.
#pragma once

#include "runtime/delivery/script_types.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::runtime {

inline constexpr std::size_t kErrorTextBytesMax = 4u << 10;
inline constexpr std::size_t kHistoryBytesMax = 64u << 10;
inline constexpr std::size_t kResultBytesKeptMax = 64u << 10;

struct AttemptText {
    std::uint32_t attempt = 1;
    std::int64_t at_us = 0;
    std::uint32_t duration_us = 0;
    std::string_view status;  // completed | failed | silent | fatal | timeout | memory
    std::string_view error;
};

// `history` is a JSON array ("" = none yet); returns it with one attempt more. Where it grows too
// long the oldest attempts lose their error's text ("errorCut":true), then the oldest go: the first
// one that is left says how many did ("earlierCut":n). Their numbers stay what they were.
std::string append_attempt(std::string_view history, const AttemptText& attempt);
// The number of the last attempt in it; 0: none.
std::uint32_t attempts_made_in(std::string_view history);

// [{"level","text","fields","at"}]; "" when there are none.
void append_logs_json(std::string& out, const InvocationResult& result);

// 16 hex digits; numbers, quoted texts and addresses inside the error do not count.
std::string error_fingerprint(std::string_view script_id, std::string_view error);

}  // namespace millrace::runtime
