#include "io/http_types.h"

#include "core/hex.h"
#include "io/http_head.h"
#include "io/query_string.h"

namespace millrace::io {

std::string_view method_text(Method method) {
    constexpr std::string_view kTexts[kMethodCount] = {"GET",   "HEAD",   "POST",   "PUT",
                                                       "PATCH", "DELETE", "OPTIONS"};
    return kTexts[static_cast<std::size_t>(method)];
}

bool percent_decode(std::string_view text, PlusIsSpace plus, std::string& out) {
    out.clear();
    for (std::size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (c == '+' && plus == PlusIsSpace::kYes) c = ' ';
        if (c == '%') {
            const int high = i + 2 < text.size() ? core::hex_digit(text[i + 1]) : -1;
            const int low = high >= 0 ? core::hex_digit(text[i + 2]) : -1;
            if (low < 0 || (high == 0 && low == 0)) return false;
            c = static_cast<char>(high * 16 + low);
            i += 2;
        }
        out.push_back(c);
    }
    return true;
}

std::string_view Request::header(std::string_view name) const {
    for (const HeaderField& field : headers) {
        if (equals_ignore_case(field.name, name)) return field.value;
    }
    return {};
}

std::optional<std::string> Request::query_value(std::string_view name) const {
    for (QueryString pairs(query); pairs.next();) {
        if (pairs.name() == name && !pairs.bad_escape()) return pairs.value();
    }
    return std::nullopt;
}

bool Request::content_type_is(std::string_view media_type) const {
    std::string_view type = content_type.substr(0, content_type.find(';'));
    while (!type.empty() && (type.back() == ' ' || type.back() == '\t')) type.remove_suffix(1);
    return equals_ignore_case(type, media_type);
}

}  // namespace millrace::io
