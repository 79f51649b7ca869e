// What: lists in one text, as settings, headers and query parameters have them: cut at a separator,
//       blanks around each piece taken off.
// Threads: pure. Lifetime: the pieces are parts of the text.
// Limits: listed_paths takes kListedPathsMax paths.
// Failure: listed_paths names the piece that is no absolute path.
#pragma once

#include "core/result.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace millrace::core {

constexpr std::size_t kListedPathsMax = 1'000;

inline std::string_view trimmed(std::string_view text, std::string_view blanks = " \t\r\n") {
    const auto is_blank = [blanks](char c) {
        for (const char blank : blanks) {
            if (c == blank) return true;
        }
        return false;
    };
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
    return text;
}

// Calls visit(piece) for each, empty ones too; what ends in a separator has no piece behind it. A
// visit that answers false is the last. True: all were visited.
template <typename Visit>
bool each_listed(std::string_view list, Visit&& visit, char separator = ',') {
    while (!list.empty()) {
        const std::string_view piece = list.substr(0, list.find(separator));
        list.remove_prefix(piece.size() < list.size() ? piece.size() + 1 : list.size());
        if constexpr (std::is_void_v<std::invoke_result_t<Visit&, std::string_view>>) {
            visit(trimmed(piece, " \t"));
        } else {
            if (!visit(trimmed(piece, " \t"))) return false;
        }
    }
    return true;
}

// The absolute paths that the setting lists; empty pieces are passed over.
Result<std::vector<std::string>> listed_paths(std::string_view list, std::string_view setting);

}  // namespace millrace::core
