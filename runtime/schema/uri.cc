#include "runtime/schema/uri.h"

#include "io/http_types.h"

#include <cctype>
#include <vector>

namespace millrace::runtime::schema {

namespace {

// The length of "scheme:", 0 when there is none.
std::size_t scheme_bytes(std::string_view uri) {
    for (std::size_t i = 0; i < uri.size(); ++i) {
        const auto c = static_cast<unsigned char>(uri[i]);
        if (c == ':') return i == 0 ? 0 : i + 1;
        const bool inner =
            std::isalpha(c) || (i > 0 && (std::isdigit(c) || c == '+' || c == '-' || c == '.'));
        if (!inner) return 0;
    }
    return 0;
}

// Behind scheme and authority.
std::size_t path_begin(std::string_view uri) {
    std::size_t at = scheme_bytes(uri);
    if (uri.substr(at, 2) == "//") {
        at = uri.find('/', at + 2);
        if (at == std::string_view::npos) at = uri.size();
    }
    return at;
}

std::string without_dots(std::string_view path) {
    const bool absolute = !path.empty() && path.front() == '/';
    std::vector<std::string_view> kept;
    bool ends_open = false;
    for (std::size_t at = absolute ? 1 : 0; at <= path.size();) {
        const std::size_t end = std::min(path.find('/', at), path.size());
        const std::string_view segment = path.substr(at, end - at);
        ends_open = segment == "." || segment == "..";
        if (segment == "..") {
            if (!kept.empty()) kept.pop_back();
        } else if (segment != ".") {
            kept.push_back(segment);
        }
        at = end + 1;
    }
    if (ends_open) kept.push_back("");
    std::string out = absolute ? "/" : "";
    for (std::size_t i = 0; i < kept.size(); ++i) {
        if (i > 0) out += '/';
        out += kept[i];
    }
    return out;
}

}  // namespace

std::string resolve_uri(std::string_view base, std::string_view reference) {
    if (scheme_bytes(reference) != 0) return std::string(reference);
    base = base.substr(0, base.find('#'));
    if (reference.empty() || reference.front() == '#')
        return std::string(base) + std::string(reference);
    const std::size_t path = path_begin(base);
    if (reference.starts_with("//"))
        return std::string(base.substr(0, scheme_bytes(base))) + std::string(reference);
    const std::size_t end = reference.find_first_of("?#");
    const std::string_view tail =
        end == std::string_view::npos ? std::string_view{} : reference.substr(end);
    std::string_view own = reference.substr(0, end);
    // "urn:a:b" has no folders: a path as reference means nothing there.
    if (own.starts_with('/'))
        return std::string(base.substr(0, path)) + without_dots(own) + std::string(tail);
    std::string_view folder = base.substr(path);
    folder = folder.substr(0, folder.find('?'));
    const std::size_t slash = folder.rfind('/');
    folder = slash == std::string_view::npos ? std::string_view{} : folder.substr(0, slash + 1);
    const std::string joined =
        (folder.empty() && path > scheme_bytes(base) ? "/" : std::string(folder)) +
        std::string(own);
    return std::string(base.substr(0, path)) + without_dots(joined) + std::string(tail);
}

CutUri cut_uri(std::string_view uri) {
    CutUri out;
    const std::size_t mark = uri.find('#');
    out.base = uri.substr(0, mark);
    if (mark == std::string_view::npos) return out;
    const std::string_view fragment = uri.substr(mark + 1);
    if (!io::percent_decode(fragment, io::PlusIsSpace::kNo, out.fragment)) out.fragment = fragment;
    return out;
}

}  // namespace millrace::runtime::schema
