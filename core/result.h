// What: errors as values. Result<T> is a value or an Error; Error carries a stable code (the
//       outside contract's list, one X-macro), a text for people and, where it helps, the field,
//       the byte position and the limit that was broken.
// Threads: values, no sharing. Lifetime: owns its text.
// Limits: text is built on cold paths only; hot paths return small enums.
// Failure: this is how failure is told.
#pragma once

#include <tl/expected.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace millrace::core {

// name, text in the API's error body, HTTP status
#define MILLRACE_ERROR_CODES(X)                             \
    X(kValidation, "VALIDATION_ERROR", 400)                 \
    X(kUnauthorized, "UNAUTHORIZED", 401)                   \
    X(kForbidden, "FORBIDDEN", 403)                         \
    X(kNotFound, "NOT_FOUND", 404)                          \
    X(kMethodNotAllowed, "METHOD_NOT_ALLOWED", 405)         \
    X(kTimeout, "REQUEST_TIMEOUT", 408)                     \
    X(kConflict, "CONFLICT", 409)                           \
    X(kPayloadTooLarge, "PAYLOAD_TOO_LARGE", 413)           \
    X(kUriTooLong, "URI_TOO_LONG", 414)                     \
    X(kUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", 415) \
    X(kExpectationFailed, "EXPECTATION_FAILED", 417)        \
    X(kRateLimited, "RATE_LIMIT_EXCEEDED", 429)             \
    X(kHeadersTooLarge, "HEADERS_TOO_LARGE", 431)           \
    X(kInternal, "INTERNAL_ERROR", 500)                     \
    X(kNotSupported, "NOT_SUPPORTED", 501)                  \
    X(kUnavailable, "UNAVAILABLE", 503)                     \
    X(kHttpVersion, "HTTP_VERSION_NOT_SUPPORTED", 505)

enum class ErrorCode : std::uint8_t {
#define X(name, text, status) name,
    MILLRACE_ERROR_CODES(X)
#undef X
};

constexpr std::string_view error_code_text(ErrorCode code) {
    constexpr std::string_view kTexts[] = {
#define X(name, text, status) text,
        MILLRACE_ERROR_CODES(X)
#undef X
    };
    return kTexts[static_cast<std::size_t>(code)];
}

constexpr int error_code_status(ErrorCode code) {
    constexpr int kStatus[] = {
#define X(name, text, status) status,
        MILLRACE_ERROR_CODES(X)
#undef X
    };
    return kStatus[static_cast<std::size_t>(code)];
}

struct Error {
    static constexpr std::int64_t kNoPosition = -1;

    ErrorCode code = ErrorCode::kInternal;
    std::string message;
    std::string field;                    // "filters.amount.gt", "payload"; empty when none
    std::int64_t position = kNoPosition;  // byte offset in the input
    std::int64_t limit = kNoPosition;     // the bound that was broken
    std::int64_t retry_after_seconds = kNoPosition;

    Error() = default;
    Error(ErrorCode c, std::string text) : code(c), message(std::move(text)) {}

    Error&& at(std::int64_t byte) && {
        position = byte;
        return std::move(*this);
    }
    Error&& in(std::string name) && {
        field = std::move(name);
        return std::move(*this);
    }
    Error&& bound(std::int64_t value) && {
        limit = value;
        return std::move(*this);
    }
    Error&& retry_after(std::int64_t seconds) && {
        retry_after_seconds = seconds;
        return std::move(*this);
    }
};

template <typename T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

inline tl::unexpected<Error> fail(ErrorCode code, std::string text) {
    return tl::unexpected<Error>(Error(code, std::move(text)));
}
inline tl::unexpected<Error> fail(Error&& error) { return tl::unexpected<Error>(std::move(error)); }
inline tl::unexpected<Error> fail(const Error& error) { return tl::unexpected<Error>(error); }

}  // namespace millrace::core
