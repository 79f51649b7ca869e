// What: what a receiver's answer means for the delivery, as a pure function. 2xx is well; 410 and
//       "webhook-delivery: abort-message" end it, 410 the subscription too for now; 429 does not
//       count kSilentMax times; everything else, redirects and broken connections too, is tried
//       again. Retry-After counts with 429 and 503.
// Threads: pure. Lifetime: values.
// Limits: kBodyBytesKept of the answer are kept. Failure: none.
#pragma once

#include "runtime/courier/http_port.h"
#include "runtime/delivery/attempt_result.h"

#include <cstdint>
#include <string_view>

namespace millrace::runtime {

inline constexpr std::size_t kAnswerBytesRead = 64u << 10;
inline constexpr std::size_t kAnswerBytesKept = 4u << 10;
inline constexpr std::uint32_t kTooManyRequestsSilentMax = 10;

// `silent`: attempts before this one that did not count.
void judge_answer(const courier::HttpAnswer& answer, std::uint32_t silent, std::int64_t now_us,
                  AttemptResult& result);

// Retry-After: seconds or an HTTP date, in milliseconds from now; 0: none, or one that is past.
std::int64_t retry_after_ms(std::string_view header, std::int64_t now_us);

}  // namespace millrace::runtime
