// What: what a handler sees of an HTTP request and says in a response.
// Threads: the reactor's. Lifetime: every view in Request dies when the callback that got it
//       returns; the body is a counted buffer of the reactor's pools: it may be kept and moved to
//       other threads, but not beyond the reactor's life. Tokens are values and stay safe to use
//       when the connection is gone.
// Limits: HttpLimits.
// Failure: see HttpServer.
#pragma once

#include "core/buffer.h"
#include "io/address.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace millrace::io {

enum class Method : std::uint8_t { kGet, kHead, kPost, kPut, kPatch, kDelete, kOptions };
inline constexpr std::size_t kMethodCount = 7;
std::string_view method_text(Method method);

struct HeaderField {
    std::string_view name;   // as sent; compare without case
    std::string_view value;  // without the white space around it
};

// Names one request of one connection; safe when either is gone.
struct RequestToken {
    std::uint32_t connection = 0;
    std::uint32_t generation = 0;
    std::uint32_t sequence = 0;
    bool operator==(const RequestToken&) const = default;
};

// Names a response that is still being written (Server-Sent Events).
struct StreamToken {
    RequestToken request;
    bool operator==(const StreamToken&) const = default;
};

struct Request {
    RequestToken token;  // on_head: of the connection, the request has no number yet
    Method method = Method::kGet;
    bool keep_alive = true;
    std::string_view target;        // path and query as sent
    std::string_view path;          // as sent, not decoded; the router decodes parameters once
    std::string_view query;         // as sent, without the '?'
    std::string_view host;          // of the target where it names one, else the Host header;
                                    // empty only in HTTP/1.0
    std::string_view content_type;  // whole header value; empty when absent
    std::span<const HeaderField> headers;
    std::uint64_t content_length = 0;  // known in on_head when the body is not chunked
    bool chunked = false;
    core::BufferRef body;  // complete, contiguous, padded; null when there is none
    Peer peer;
    // Names of the certificate that the client has proved to hold; empty: it showed none.
    std::span<const std::string> peer_names;

    // The value of a header, any case of the name; empty when absent.
    std::string_view header(std::string_view name) const;
    // The decoded value of a query parameter: nullopt when absent, "" for `?name` and `?name=`.
    std::optional<std::string> query_value(std::string_view name) const;
    // content_type without parameters equals this, any case.
    bool content_type_is(std::string_view media_type) const;
    std::string_view body_view() const { return body ? body.view() : std::string_view{}; }
};

struct ResponseHead {
    int status = 200;
    std::string_view content_type = "application/json";
    // Further headers. CR, LF and NUL in names or values are replaced by spaces.
    std::span<const HeaderField> headers = {};
    bool close = false;  // close the connection after this response
};

// Percent-decoding, once. False for a broken escape or a %00. '+' is a space only in queries.
enum class PlusIsSpace : std::uint8_t { kNo, kYes };
bool percent_decode(std::string_view text, PlusIsSpace plus, std::string& out);

}  // namespace millrace::io
