#include "runtime/inbound/body_text.h"

#include "core/json_string.h"
#include "runtime/event/json_scan.h"

namespace millrace::runtime::inbound {

namespace {

// The value of a member; empty when there is none.
std::string_view member(std::string_view object, std::string_view name) {
    std::string_view found;
    (void)scan_members(object, [&](std::string_view key, std::string_view value) {
        if (key.substr(1, key.size() - 2) != name) return true;
        found = value;
        return false;
    });
    return found;
}

std::string text_of(std::string_view value) {
    if (value.empty() || value.size() > kBodyTextBytesMax) return {};
    const char first = value.front();
    if (first == '-' || (first >= '0' && first <= '9')) return std::string(value);
    if (first != '"' || value.size() < 2) return {};
    const char* begin = value.data() + 1;
    const char* end = value.data() + value.size() - 1;
    if (core::check_escapes(begin, end) != nullptr) return {};
    std::string out(static_cast<std::size_t>(end - begin), '\0');
    out.resize(core::unescape(begin, end, out.data()));
    return out;
}

template <typename Names>
std::string find(std::string_view json, const Names& path) {
    for (const auto& name : path) json = member(json, name);
    return text_of(json);
}

}  // namespace

std::string body_text(std::string_view json, std::span<const std::string_view> path) {
    return find(json, path);
}

std::string body_text(std::string_view json, std::span<const std::string> path) {
    return find(json, path);
}

}  // namespace millrace::runtime::inbound
