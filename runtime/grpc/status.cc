#include "runtime/grpc/status.h"

#include <algorithm>
#include <charconv>

namespace millrace::runtime::grpc {

std::string_view code_text(Code code) {
    switch (code) {
#define X(name, number, text) \
    case Code::name: return text;
        MILLRACE_GRPC_CODES(X)
#undef X
    }
    return "UNKNOWN";
}

Code code_of(core::ErrorCode code) {
    switch (code) {
        case core::ErrorCode::kValidation: return Code::kInvalidArgument;
        case core::ErrorCode::kUnauthorized: return Code::kUnauthenticated;
        case core::ErrorCode::kForbidden: return Code::kPermissionDenied;
        case core::ErrorCode::kNotFound: return Code::kNotFound;
        case core::ErrorCode::kTimeout: return Code::kDeadlineExceeded;
        case core::ErrorCode::kConflict: return Code::kAborted;
        case core::ErrorCode::kPayloadTooLarge:
        case core::ErrorCode::kUriTooLong:
        case core::ErrorCode::kHeadersTooLarge:
        case core::ErrorCode::kRateLimited: return Code::kResourceExhausted;
        case core::ErrorCode::kMethodNotAllowed:
        case core::ErrorCode::kUnsupportedMediaType:
        case core::ErrorCode::kHttpVersion:
        case core::ErrorCode::kNotSupported: return Code::kUnimplemented;
        case core::ErrorCode::kExpectationFailed: return Code::kFailedPrecondition;
        case core::ErrorCode::kUnavailable: return Code::kUnavailable;
        case core::ErrorCode::kInternal: break;
    }
    return Code::kInternal;
}

CallStatus status_of(const core::Error& error) {
    constexpr std::int64_t kMsPerSecond = 1000;
    CallStatus status{code_of(error.code), error.message};
    if (!error.field.empty() && !error.message.starts_with(error.field))
        status.message = error.field + ": " + error.message;
    if (error.retry_after_seconds != core::Error::kNoPosition)
        status.retry_after_ms = error.retry_after_seconds * kMsPerSecond;
    return status;
}

std::string encode_message(std::string_view message) {
    constexpr char kHex[] = "0123456789ABCDEF";
    std::string out;
    for (const char c : message.substr(0, kMessageBytesMax)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= ' ' && byte <= '~' && byte != '%') {
            out.push_back(c);
            continue;
        }
        out.push_back('%');
        out.push_back(kHex[byte >> 4]);
        out.push_back(kHex[byte & 15]);
    }
    return out;
}

std::optional<std::int64_t> parse_timeout(std::string_view text) {
    constexpr std::size_t kDigitsMax = 8;
    constexpr std::int64_t kSecondNs = 1'000'000'000;
    constexpr std::int64_t kMostNs = 366LL * 86'400 * kSecondNs;
    if (text.size() < 2 || text.size() > kDigitsMax + 1) return std::nullopt;
    std::int64_t unit = 0;
    switch (text.back()) {
        case 'H': unit = 3600 * kSecondNs; break;
        case 'M': unit = 60 * kSecondNs; break;
        case 'S': unit = kSecondNs; break;
        case 'm': unit = 1'000'000; break;
        case 'u': unit = 1000; break;
        case 'n': unit = 1; break;
        default: return std::nullopt;
    }
    std::uint32_t value = 0;
    const char* const end = text.data() + text.size() - 1;
    const auto read = std::from_chars(text.data(), end, value);
    if (read.ec != std::errc() || read.ptr != end) return std::nullopt;
    return value > kMostNs / unit ? kMostNs : std::int64_t{value} * unit;
}

}  // namespace millrace::runtime::grpc
