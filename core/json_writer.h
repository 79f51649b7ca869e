// What: appends JSON text to a std::string: escapes correctly, places commas, checks nothing else.
//           JsonWriter json(out);
//           json.begin_object().field("id", id).key("items").begin_array();
//           json.end_array().end_object();
//       Raw JSON text (a stored payload) goes in as it is through raw().
// Threads: one owner. Lifetime: borrows the string.
// Limits: nesting of kJsonWriterDepthMax. Doubles are written in the shortest form that reads back
//       equal; NaN and infinities, which JSON does not have, become null.
// Failure: invalid UTF-8 in a string is written as U+FFFD, one per bad byte, so that the text is
//       always valid JSON; a missing end is the caller's bug.
#pragma once

#include "core/assert.h"
#include "core/utf8.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

namespace millrace::core {

inline constexpr unsigned kJsonWriterDepthMax = 64;

namespace detail {
using core::utf8_sequence_bytes;
}

// Appends the text between quotes, without the quotes.
inline void append_json_escaped(std::string& out, std::string_view text) {
    constexpr char kHex[] = "0123456789abcdef";
    std::size_t done = 0;
    std::size_t i = 0;
    const auto flush = [&] { out.append(text.substr(done, i - done)); };
    while (i < text.size()) {
        const auto c = static_cast<unsigned char>(text[i]);
        if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') [[likely]] {
            ++i;
            continue;
        }
        if (c >= 0x80) {
            const std::size_t bytes = utf8_sequence_bytes(text, i);
            if (bytes != 0) {
                i += bytes;
                continue;
            }
            flush();
            out += "\xEF\xBF\xBD";
        } else {
            flush();
            switch (c) {
                case '"': out += "\\\""; break;
                case '\\': out += "\\\\"; break;
                case '\n': out += "\\n"; break;
                case '\r': out += "\\r"; break;
                case '\t': out += "\\t"; break;
                case '\b': out += "\\b"; break;
                case '\f': out += "\\f"; break;
                default:
                    out += "\\u00";
                    out += kHex[c >> 4];
                    out += kHex[c & 15];
            }
        }
        done = ++i;
    }
    flush();
}

inline void append_json_string(std::string& out, std::string_view text) {
    out += '"';
    append_json_escaped(out, text);
    out += '"';
}

template <typename Int>
requires std::is_integral_v<Int>
void append_number(std::string& out, Int value) {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, value);
    out.append(digits, static_cast<std::size_t>(end.ptr - digits));
}

inline void append_number(std::string& out, double value) {
    if (!std::isfinite(value)) {
        out += "null";
        return;
    }
    char digits[40];
    const auto end = std::to_chars(digits, digits + sizeof digits, value);
    out.append(digits, static_cast<std::size_t>(end.ptr - digits));
}

class JsonWriter {
public:
    explicit JsonWriter(std::string& out) : out_(out) {}
    JsonWriter(const JsonWriter&) = delete;
    JsonWriter& operator=(const JsonWriter&) = delete;

    JsonWriter& begin_object() { return open('{'); }
    JsonWriter& end_object() { return close('}'); }
    JsonWriter& begin_array() { return open('['); }
    JsonWriter& end_array() { return close(']'); }

    JsonWriter& key(std::string_view name) {
        separate();
        append_json_string(out_, name);
        out_ += ':';
        after_key_ = true;
        return *this;
    }

    JsonWriter& value(std::string_view text) {
        separate();
        append_json_string(out_, text);
        return *this;
    }
    JsonWriter& value(const char* text) { return value(std::string_view(text)); }
    JsonWriter& value(const std::string& text) { return value(std::string_view(text)); }
    JsonWriter& value(bool truth) { return raw(truth ? "true" : "false"); }
    JsonWriter& value(std::nullptr_t) { return raw("null"); }
    JsonWriter& value(double number) {
        separate();
        append_number(out_, number);
        return *this;
    }
    template <typename Int>
    requires(std::is_integral_v<Int> && !std::is_same_v<Int, bool>) JsonWriter& value(Int number) {
        separate();
        append_number(out_, number);
        return *this;
    }
    // Text that already is one JSON value.
    JsonWriter& raw(std::string_view json) {
        separate();
        out_ += json;
        return *this;
    }

    template <typename T>
    JsonWriter& field(std::string_view name, const T& content) {
        return key(name).value(content);
    }
    JsonWriter& raw_field(std::string_view name, std::string_view json) {
        return key(name).raw(json);
    }
    // Text, or null when it is empty.
    JsonWriter& field_or_null(std::string_view name, std::string_view text) {
        return text.empty() ? key(name).value(nullptr) : key(name).value(text);
    }

private:
    JsonWriter& open(char bracket) {
        separate();
        out_ += bracket;
        MR_ASSERT(depth_ < kJsonWriterDepthMax);
        ++depth_;
        has_items_ &= ~bit();
        return *this;
    }
    JsonWriter& close(char bracket) {
        MR_DCHECK(depth_ > 0 && !after_key_);
        out_ += bracket;
        --depth_;
        return *this;
    }
    void separate() {
        if (after_key_) {
            after_key_ = false;
            return;
        }
        if (depth_ == 0) return;
        if (has_items_ & bit()) out_ += ',';
        has_items_ |= bit();
    }
    std::uint64_t bit() const { return std::uint64_t{1} << (depth_ - 1); }

    std::string& out_;
    std::uint64_t has_items_ = 0;  // bit (depth - 1): this level has an item already
    unsigned depth_ = 0;
    bool after_key_ = false;
};

}  // namespace millrace::core
