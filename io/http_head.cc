#include "io/http_head.h"

#include "core/listed.h"

#include <llhttp.h>

#include <cstring>

namespace millrace::io {

namespace {

using core::Error;
using core::ErrorCode;

Error bad(std::string text) { return Error(ErrorCode::kValidation, "http: " + std::move(text)); }

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// RFC 9110 5.6.2: what may stand in methods and header names.
bool is_token_char(char c) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) return true;
    return c != '\0' && std::strchr("!#$%&'*+-.^_`|~", c) != nullptr;
}

bool is_token(std::string_view text) {
    for (const char c : text) {
        if (!is_token_char(c)) return false;
    }
    return !text.empty();
}

// ---- llhttp's callbacks: spans arrive whole because the head is contiguous.

struct Reader {
    ParsedHead* head = nullptr;
    bool too_many = false;
};

Reader& reader_of(llhttp_t* parser) { return *static_cast<Reader*>(parser->data); }

int on_field(llhttp_t* parser, const char* at, size_t bytes) {
    Reader& reader = reader_of(parser);
    if (reader.head->header_count == kHeadersMax) {
        reader.too_many = true;
        return -1;
    }
    reader.head->headers[reader.head->header_count++] = HeaderField{{at, bytes}, {}};
    return 0;
}

int on_value(llhttp_t* parser, const char* at, size_t bytes) {
    Reader& reader = reader_of(parser);
    HeaderField& header = reader.head->headers[reader.head->header_count - 1];
    header.value = header.value.data() == nullptr
                       ? std::string_view(at, bytes)
                       : std::string_view(header.value.data(),
                                          static_cast<size_t>(at + bytes - header.value.data()));
    return 0;
}

int on_headers_complete(llhttp_t*) { return HPE_PAUSED; }  // bodies are framed here, not there

const llhttp_settings_t& settings() {
    static const llhttp_settings_t shared = [] {
        llhttp_settings_t s;
        llhttp_settings_init(&s);
        s.on_header_field = on_field;
        s.on_header_value = on_value;
        s.on_headers_complete = on_headers_complete;
        return s;
    }();
    return shared;
}

// ---- the request line

core::Status check_version(std::string_view line) {
    const std::size_t space = line.rfind(' ');
    const std::string_view version = space == std::string_view::npos ? "" : line.substr(space + 1);
    if (version == "HTTP/1.1" || version == "HTTP/1.0") return {};
    const auto digit = [&](std::size_t i) { return version[i] >= '0' && version[i] <= '9'; };
    if (version.size() == 8 && version.substr(0, 5) == "HTTP/" && digit(5) && version[6] == '.' &&
        digit(7)) {
        return core::fail(ErrorCode::kHttpVersion, "http: version " + std::string(version) +
                                                       " is not spoken here; use HTTP/1.1");
    }
    return core::fail(bad("the request line does not end with HTTP/1.1"));
}

core::Status read_method(std::string_view line, Method& method) {
    const std::string_view text = line.substr(0, line.find(' '));
    for (std::size_t i = 0; i < kMethodCount; ++i) {
        if (text == method_text(static_cast<Method>(i))) {
            method = static_cast<Method>(i);
            return {};
        }
    }
    if (!is_token(text)) return core::fail(bad("the method is not a token"));
    if (text == "TRACE" || text == "CONNECT") {
        return core::fail(ErrorCode::kMethodNotAllowed,
                          "http: method " + std::string(text) + " is not served");
    }
    return core::fail(ErrorCode::kNotSupported,
                      "http: method \"" + std::string(text.substr(0, 32)) + "\" is unknown");
}

bool is_target_char(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte > 0x20 && byte < 0x7f && std::strchr("#\"<>\\^`{|}", c) == nullptr;
}

// Origin form, `*` for OPTIONS, or the absolute form, of which only path and query count.
core::Status split_target(ParsedHead& head) {
    std::string_view rest = head.target;
    for (const char c : rest) {
        if (!is_target_char(c))
            return core::fail(bad("the request target has a byte that must be percent-encoded"));
    }
    if (rest == "*" && head.method == Method::kOptions) {
        head.path = rest;
        return {};
    }
    if (rest.empty() || rest.front() != '/') {
        const std::size_t scheme = equals_ignore_case(rest.substr(0, 7), "http://")    ? 7
                                   : equals_ignore_case(rest.substr(0, 8), "https://") ? 8
                                                                                       : 0;
        if (scheme == 0) return core::fail(bad("the request target does not begin with a slash"));
        const std::size_t end = rest.find_first_of("/?", scheme);
        head.host = rest.substr(scheme, end - scheme);
        if (!is_host(head.host)) return core::fail(bad("the request target has no proper host"));
        rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end);
    }
    const std::size_t mark = rest.find('?');
    head.path = rest.substr(0, mark);
    head.query = mark == std::string_view::npos ? std::string_view{} : rest.substr(mark + 1);
    if (head.path.empty()) head.path = "/";
    return {};
}

// ---- the headers

struct Framing {
    std::size_t hosts = 0, lengths = 0, codings = 0, types = 0;
    std::string_view length, coding;
};

core::Status read_length(const Framing& framing, ParsedHead& head) {
    if (framing.lengths == 0) return {};
    if (framing.lengths > 1) return core::fail(bad("more than one Content-Length"));
    if (framing.length.empty()) return core::fail(bad("Content-Length is empty"));
    std::uint64_t value = 0;
    for (const char c : framing.length) {
        if (c < '0' || c > '9') return core::fail(bad("Content-Length is not a number"));
        // 10^18 is no real body and leaves room before the 64 bits overflow.
        if (value >= 100'000'000'000'000'000ULL) {
            return core::fail(ErrorCode::kPayloadTooLarge,
                              "http: Content-Length is beyond every limit");
        }
        value = value * 10 + static_cast<std::uint64_t>(c - '0');
    }
    head.has_length = true;
    head.content_length = value;
    return {};
}

core::Status read_coding(const Framing& framing, ParsedHead& head) {
    if (framing.codings == 0) return {};
    if (framing.lengths > 0) return core::fail(bad("both Transfer-Encoding and Content-Length"));
    if (head.version_minor == 0) return core::fail(bad("Transfer-Encoding in HTTP/1.0"));
    if (framing.codings > 1) return core::fail(bad("more than one Transfer-Encoding"));
    if (equals_ignore_case(framing.coding, "chunked")) {
        head.chunked = true;
        return {};
    }
    if (framing.coding.empty() || framing.coding.find(',') != std::string_view::npos ||
        !is_token(framing.coding)) {
        return core::fail(bad("Transfer-Encoding is not exactly \"chunked\""));
    }
    return core::fail(ErrorCode::kNotSupported, "http: Transfer-Encoding \"" +
                                                    std::string(framing.coding.substr(0, 32)) +
                                                    "\" is not understood; use chunked");
}

void read_connection(std::string_view value, ParsedHead& head) {
    core::each_listed(value, [&](std::string_view item) {
        if (equals_ignore_case(item, "close")) head.keep_alive = false;
        if (equals_ignore_case(item, "keep-alive") && head.version_minor == 0)
            head.keep_alive = true;
    });
}

core::Status note_header(const HeaderField& header, Framing& framing, ParsedHead& head) {
    if (!is_token(header.name)) return core::fail(bad("a header name is not a token"));
    for (const char c : header.value) {
        const auto byte = static_cast<unsigned char>(c);
        if ((byte < 0x20 && c != '\t') || byte == 0x7f) {
            return core::fail(bad("the value of header " + std::string(header.name.substr(0, 64)) +
                                  " has a control byte"));
        }
    }
    // The length picks the few names that matter here.
    switch (header.name.size()) {
        case 4:
            if (equals_ignore_case(header.name, "host")) {
                ++framing.hosts;
                if (!is_host(header.value))
                    return core::fail(bad("the Host header is not host or host:port"));
                if (head.host.empty()) head.host = header.value;
            }
            break;
        case 6:
            if (equals_ignore_case(header.name, "expect")) {
                if (!equals_ignore_case(header.value, "100-continue")) {
                    return core::fail(ErrorCode::kExpectationFailed,
                                      "http: Expect is not 100-continue");
                }
                head.expects_continue = head.version_minor == 1;
            }
            break;
        case 10:
            if (equals_ignore_case(header.name, "connection")) read_connection(header.value, head);
            break;
        case 12:
            if (equals_ignore_case(header.name, "content-type")) {
                ++framing.types;
                head.content_type = header.value;
            }
            break;
        case 14:
            if (equals_ignore_case(header.name, "content-length")) {
                ++framing.lengths;
                framing.length = header.value;
            }
            break;
        case 16:
            if (equals_ignore_case(header.name, "content-encoding"))
                core::each_listed(header.value, [&](std::string_view item) {
                    head.coding = also(head.coding, item);
                });
            break;
        case 17:
            if (equals_ignore_case(header.name, "transfer-encoding")) {
                ++framing.codings;
                framing.coding = header.value;
            }
            break;
        default: break;
    }
    return {};
}

core::Status frame(ParsedHead& head) {
    Framing framing;
    for (std::size_t i = 0; i < head.header_count; ++i) {
        HeaderField& header = head.headers[i];
        header.value = core::trimmed(header.value, " \t");
        if (auto ok = note_header(header, framing, head); !ok) return ok;
    }
    if (framing.hosts > 1) return core::fail(bad("more than one Host header"));
    if (framing.hosts == 0 && head.version_minor == 1)
        return core::fail(bad("the Host header is missing"));
    if (framing.types > 1) return core::fail(bad("more than one Content-Type"));
    if (auto ok = read_length(framing, head); !ok) return ok;
    return read_coding(framing, head);
}

}  // namespace

bool is_host(std::string_view host) {
    if (host.empty()) return false;
    std::size_t end = 0;
    if (host.front() == '[') {
        end = host.find(']');
        if (end == std::string_view::npos || end < 3) return false;
        for (const char c : host.substr(1, end - 1)) {
            if (std::strchr("0123456789abcdefABCDEF:.", c) == nullptr) return false;
        }
        ++end;
    } else {
        while (end < host.size() && host[end] != ':') {
            const char c = host[end++];
            const bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                            (c >= '0' && c <= '9') || std::strchr("-._~%!$&'()*+;=", c) != nullptr;
            if (!ok || c == '\0') return false;
        }
        if (end == 0) return false;
    }
    if (end == host.size()) return true;
    if (host[end] != ':' || host.size() - end > 6) return false;
    for (const char c : host.substr(end + 1)) {
        if (c < '0' || c > '9') return false;
    }
    return true;
}

bool equals_ignore_case(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (lower(a[i]) != lower(b[i])) return false;
    }
    return true;
}

HeadScanner::Outcome HeadScanner::end_line(std::string_view line, const Limits& limits) {
    if (line.find('\r') != std::string_view::npos) return Outcome::kBareCr;
    if (line_count_++ == 0) {
        first_line_bytes_ = line.size() + 2;
        return line.size() > limits.line_bytes_max ? Outcome::kLineTooLong : Outcome::kIncomplete;
    }
    if (line.front() == ' ' || line.front() == '\t') return Outcome::kFolded;
    if (scanned_ + line.size() + 2 - first_line_bytes_ > limits.header_bytes_max)
        return Outcome::kHeadersTooLarge;
    return line_count_ - 1 > limits.header_count_max ? Outcome::kTooManyHeaders
                                                     : Outcome::kIncomplete;
}

HeadScanner::Outcome HeadScanner::scan(std::string_view text, const Limits& limits) {
    for (;;) {
        const std::string_view rest = text.substr(scanned_);
        const std::size_t end = rest.find('\n');
        if (end == std::string_view::npos) break;
        if (end == 0 || rest[end - 1] != '\r') return Outcome::kBareLf;
        const std::string_view line = rest.substr(0, end - 1);
        if (line.empty()) {
            scanned_ += 2;
            return Outcome::kComplete;
        }
        if (const Outcome outcome = end_line(line, limits); outcome != Outcome::kIncomplete)
            return outcome;
        scanned_ += end + 1;
    }
    // The line end is still to come: one byte more than the limit may be its CR.
    const std::size_t open = text.size() - scanned_;
    if (line_count_ == 0)
        return open > limits.line_bytes_max + 1 ? Outcome::kLineTooLong : Outcome::kIncomplete;
    return text.size() - first_line_bytes_ > limits.header_bytes_max + 1 ? Outcome::kHeadersTooLarge
                                                                         : Outcome::kIncomplete;
}

Error head_scan_error(HeadScanner::Outcome outcome, const HeadScanner::Limits& limits) {
    const auto limit = [](std::size_t value) { return static_cast<std::int64_t>(value); };
    switch (outcome) {
        case HeadScanner::Outcome::kBareCr: return bad("a CR without LF in the head");
        case HeadScanner::Outcome::kBareLf: return bad("a line of the head ends with LF alone");
        case HeadScanner::Outcome::kFolded:
            return bad("a header line begins with white space (folding)");
        case HeadScanner::Outcome::kLineTooLong:
            return Error(ErrorCode::kUriTooLong,
                         "http: the request line exceeds http.request_line_bytes_max " +
                             std::to_string(limits.line_bytes_max))
                .bound(limit(limits.line_bytes_max));
        case HeadScanner::Outcome::kHeadersTooLarge:
            return Error(ErrorCode::kHeadersTooLarge,
                         "http: the headers exceed http.header_bytes_max " +
                             std::to_string(limits.header_bytes_max))
                .bound(limit(limits.header_bytes_max));
        case HeadScanner::Outcome::kTooManyHeaders:
            return Error(ErrorCode::kHeadersTooLarge,
                         "http: the headers are more than http.header_count_max " +
                             std::to_string(limits.header_count_max))
                .bound(limit(limits.header_count_max));
        default: return Error(ErrorCode::kInternal, "http: head");
    }
}

core::Status parse_head(std::string_view text, ParsedHead& head) {
    head.header_count = 0;
    head.keep_alive = true;
    head.chunked = head.has_length = head.expects_continue = false;
    head.content_length = 0;
    head.coding = ContentCoding::kIdentity;
    head.target = head.path = head.query = head.content_type = head.host = {};
    const std::string_view line = text.substr(0, text.find('\r'));
    if (auto ok = check_version(line); !ok) return ok;
    if (auto ok = read_method(line, head.method); !ok) return ok;
    head.version_minor = line.back() == '1' ? 1 : 0;
    // Exactly one space on each side: llhttp takes more, and split_target() refuses spaces inside.
    const std::size_t begin = line.find(' ') + 1;
    const std::size_t end = line.rfind(' ');
    if (end < begin) return core::fail(bad("the request line has no target"));
    head.target = line.substr(begin, end - begin);
    head.keep_alive = head.version_minor == 1;

    Reader reader{&head, false};
    llhttp_t parser;
    llhttp_init(&parser, HTTP_REQUEST, &settings());
    parser.data = &reader;
    const llhttp_errno_t outcome = llhttp_execute(&parser, text.data(), text.size());
    // Framing is judged below with better words; llhttp's own verdicts on it come to the same.
    if (outcome != HPE_PAUSED) {
        if (reader.too_many)
            return core::fail(ErrorCode::kHeadersTooLarge, "http: too many headers");
        const char* reason = llhttp_get_error_reason(&parser);
        return core::fail(bad("the head is malformed: " +
                              std::string(reason ? reason : llhttp_errno_name(outcome))));
    }
    if (auto ok = split_target(head); !ok) return ok;
    return frame(head);
}

}  // namespace millrace::io
