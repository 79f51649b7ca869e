// What: how a gRPC call ends: its status codes, what an Error is among them, and the texts of
//       grpc-message and grpc-timeout.
// Threads: pure. Lifetime: none. Limits: kMessageBytesMax of a grpc-message.
// Failure: nullopt for what is no timeout.
#pragma once

#include "core/result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::runtime::grpc {

// name, number, as it is written
#define MILLRACE_GRPC_CODES(X)                       \
    X(kOk, 0, "OK")                                  \
    X(kCancelled, 1, "CANCELLED")                    \
    X(kUnknown, 2, "UNKNOWN")                        \
    X(kInvalidArgument, 3, "INVALID_ARGUMENT")       \
    X(kDeadlineExceeded, 4, "DEADLINE_EXCEEDED")     \
    X(kNotFound, 5, "NOT_FOUND")                     \
    X(kPermissionDenied, 7, "PERMISSION_DENIED")     \
    X(kResourceExhausted, 8, "RESOURCE_EXHAUSTED")   \
    X(kFailedPrecondition, 9, "FAILED_PRECONDITION") \
    X(kAborted, 10, "ABORTED")                       \
    X(kUnimplemented, 12, "UNIMPLEMENTED")           \
    X(kInternal, 13, "INTERNAL")                     \
    X(kUnavailable, 14, "UNAVAILABLE")               \
    X(kUnauthenticated, 16, "UNAUTHENTICATED")

enum class Code : std::uint8_t {
#define X(name, number, text) name = (number),
    MILLRACE_GRPC_CODES(X)
#undef X
};

std::string_view code_text(Code code);

struct CallStatus {
    Code code = Code::kOk;
    std::string message = {};
    // When it is worth while to come again; negative: nothing is known of that.
    std::int64_t retry_after_ms = -1;
};

Code code_of(core::ErrorCode code);
CallStatus status_of(const core::Error& error);

inline constexpr std::size_t kMessageBytesMax = 2048;
// As it may stand in a header: percent-encoded.
std::string encode_message(std::string_view message);

// "10S", "500m" in nanoseconds, at most a year.
std::optional<std::int64_t> parse_timeout(std::string_view text);

}  // namespace millrace::runtime::grpc
