// What: reads a document's row in one pass, as write_row() and show() of its kind have written it:
//       a start reads a million of them. What was checked when it came in is not checked again.
// Threads: values. Lifetime: borrows text and document.
// Limits: none.
// Failure: false: it is not as this program writes it (an older one did, or it is damaged); then it
//          is read in full, as a client's body is.
//
// A reader names the members in their order, each with what reads its value:
//     static constexpr Member kMembers[] = {{"\"id\":", &Self::text<&Schedule::id>}, ...};
//     return object(kMembers);
#pragma once

#include "core/timestamp.h"
#include "runtime/event/json_scan.h"
#include "runtime/registry/schedule_words.h"

#include <charconv>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace millrace::runtime {

// Without quotes; none: it is no string, or holds escapes.
inline std::optional<std::string_view> plain_text(std::string_view quoted) {
    if (quoted.size() < 2 || quoted.front() != '"') return std::nullopt;
    if (quoted.find('\\') != std::string_view::npos) return std::nullopt;
    return quoted.substr(1, quoted.size() - 2);
}

// Text as JsonWriter makes it: no blanks between tokens.
template <typename Self, typename T>
class RowReader {
public:
    RowReader(std::string_view row, T& out) : rest_(row), out_(out) {}

protected:
    struct Member {
        std::string_view name;  // with quotes and colon
        bool (Self::*read)();
    };

    bool take(std::string_view text) {
        if (!rest_.starts_with(text)) return false;
        rest_.remove_prefix(text.size());
        return true;
    }
    // Members come in the order of the table; those that are not there are passed over.
    template <std::size_t N>
    bool object(const Member (&members)[N], std::size_t members_min = N) {
        if (!take("{")) return false;
        std::size_t taken = 0;
        bool more = true;
        for (const Member& member : members) {
            if (!more || !take(member.name)) continue;
            if (!(static_cast<Self*>(this)->*member.read)()) return false;
            ++taken;
            more = take(",");
        }
        return !more && take("}") && taken >= members_min;
    }

    // A string without escapes.
    std::optional<std::string_view> string() {
        if (!rest_.starts_with('"')) return std::nullopt;
        const std::size_t end = rest_.find('"', 1);
        if (end == std::string_view::npos) return std::nullopt;
        const auto text = plain_text(rest_.substr(0, end + 1));
        if (text) rest_.remove_prefix(end + 1);
        return text;
    }
    template <auto kMember>
    bool text() {
        const auto value = string();
        if (value) (out_.*kMember).assign(*value);
        return value.has_value();
    }
    template <auto kMember>
    bool texts() {
        if (!take("[")) return false;
        if (take("]")) return true;
        do {
            const auto value = string();
            if (!value) return false;
            (out_.*kMember).emplace_back(*value);
        } while (take(","));
        return take("]");
    }
    template <typename Int>
    bool whole_number(Int& out) {
        const char* end = rest_.data() + rest_.size();
        const auto [stop, error] = std::from_chars(rest_.data(), end, out);
        if (error != std::errc()) return false;
        rest_.remove_prefix(static_cast<std::size_t>(stop - rest_.data()));
        return true;
    }
    template <auto kMember>
    bool number() {
        return whole_number(out_.*kMember);
    }
    template <auto kMember>
    bool strong_number() {
        return whole_number((out_.*kMember).value);
    }
    template <auto kMember>
    bool flag() {
        out_.*kMember = rest_.starts_with('t');
        return take("true") || take("false");
    }
    template <auto kMember>
    bool time() {
        const auto value = string();
        return value && core::parse_timestamp(*value, out_.*kMember);
    }
    template <auto kMember>
    bool time_or_null() {
        return take("null") || time<kMember>();
    }
    template <auto kMember>
    bool raw() {
        const auto value = JsonScanner(rest_).value();
        if (!value || value->front() != '{') return false;
        (out_.*kMember).assign(*value);
        rest_.remove_prefix(value->size());
        return true;
    }
    template <auto kWords, auto kMember>
    bool word() {
        const auto value = string();
        return value && read_word(*kWords, *value, out_.*kMember);
    }
    // Any value.
    bool pass() {
        const auto value = JsonScanner(rest_).value();
        if (value) rest_.remove_prefix(value->size());
        return value.has_value();
    }

    std::string_view rest_;
    T& out_;
};

}  // namespace millrace::runtime
