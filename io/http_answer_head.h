// What: the head of an answer (status line and headers) from contiguous bytes to views, and how its
//       body is framed: what a client of HTTP/1.1 reads. Strict, as http_head.h is.
// Threads: pure. Lifetime: the views point into the bytes given.
// Limits: kHeadersMax headers.
// Failure: false; the connection has lost its framing then.
#pragma once

#include "io/http_head.h"
#include "io/http_types.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace millrace::io {

struct AnswerHead {
    int status = 0;
    bool keep_alive = true;
    bool chunked = false;
    bool has_length = false;
    std::uint64_t content_length = 0;
    std::string_view content_type;
    std::array<HeaderField, kHeadersMax> fields;
    std::size_t field_count = 0;

    std::span<const HeaderField> headers() const { return {fields.data(), field_count}; }
    // The first of that name, any case; empty when absent.
    std::string_view header(std::string_view name) const;
    // There is a body, if only one of no bytes.
    bool has_body() const { return status >= 200 && status != 204 && status != 304; }
};

// `head` ends with the empty line.
bool parse_answer_head(std::string_view head, AnswerHead& out);

}  // namespace millrace::io
