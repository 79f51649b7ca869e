#include "io/error_headers.h"

#include <algorithm>

namespace millrace::io {

ErrorHeaders::ErrorHeaders(const core::Error& error) {
    if (error.code == core::ErrorCode::kUnauthorized)
        add("WWW-Authenticate", "Bearer realm=\"millrace\"");
    if (error.retry_after_seconds == core::Error::kNoPosition) return;
    retry_after_ = std::to_string(error.retry_after_seconds);
    add("Retry-After", retry_after_);
    if (error.code != core::ErrorCode::kRateLimited || error.field.empty()) return;
    // draft-ietf-httpapi-ratelimit-headers-10: a quota, its window, what is left and until when.
    const std::string name = "\"" + error.field + "\"";
    policy_ = name + ";q=" + std::to_string(std::max<std::int64_t>(0, error.limit)) + ";w=1";
    limit_ = name + ";r=0;t=" + retry_after_;
    add("RateLimit-Policy", policy_);
    add("RateLimit", limit_);
}

}  // namespace millrace::io
