#include "runtime/node/forward_head.h"

#include "core/percent_encode.h"
#include "io/http_head.h"
#include "runtime/identity/trusted_front.h"

#include <algorithm>
#include <array>

namespace millrace::runtime::node {
namespace {

constexpr std::array<std::string_view, 10> kOfTheConnection = {
    "Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "TE",
    "Trailer",    "Upgrade",    "Content-Length",   "Content-Encoding",  "Expect"};
constexpr std::array<std::string_view, 9> kOfFronts = {identity::kFrontTokenHeader,
                                                       identity::kFrontPrincipalHeader,
                                                       identity::kFrontPeerHeader,
                                                       identity::kFrontAnswerHeader,
                                                       identity::kFrontOrderHeader,
                                                       "Millrace-Partition",
                                                       "Millrace-Relay",
                                                       "Millrace-Places",
                                                       "Millrace-Stream"};

template <std::size_t N>
bool is_any_of(std::string_view name, const std::array<std::string_view, N>& names) {
    return std::any_of(names.begin(), names.end(),
                       [name](std::string_view one) { return io::equals_ignore_case(name, one); });
}

// Headers that Connection names are the connection's too.
bool is_named_by_connection(std::span<const io::HeaderField> headers, std::string_view name) {
    for (const io::HeaderField& field : headers) {
        if (!io::equals_ignore_case(field.name, "Connection")) continue;
        std::string_view list = field.value;
        while (!list.empty()) {
            const std::size_t comma = list.find(',');
            std::string_view one = list.substr(0, comma);
            while (!one.empty() && one.front() == ' ') one.remove_prefix(1);
            while (!one.empty() && one.back() == ' ') one.remove_suffix(1);
            if (io::equals_ignore_case(one, name)) return true;
            list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
        }
    }
    return false;
}

}  // namespace

HeaderList kept_headers(std::span<const io::HeaderField> headers, bool keeps_upgrade) {
    HeaderList kept;
    for (const io::HeaderField& field : headers) {
        if (is_any_of(field.name, kOfTheConnection) || is_any_of(field.name, kOfFronts)) continue;
        if (!keeps_upgrade && is_named_by_connection(headers, field.name)) continue;
        kept.emplace_back(field.name, field.value);
    }
    return kept;
}

HeaderList credentials_of(const HeaderList& headers) {
    constexpr std::array<std::string_view, 7> kLookedAt = {
        "Authorization", "X-API-Key", "Cookie", "Host", "Origin", "Sec-Fetch-Site", "Referer"};
    HeaderList out;
    for (const auto& one : headers) {
        const bool looked_at = std::any_of(
            kLookedAt.begin(), kLookedAt.end(),
            [&one](std::string_view name) { return io::equals_ignore_case(name, one.first); });
        if (looked_at) out.push_back(one);
    }
    return out;
}

bool is_for_client(std::string_view name) {
    return !is_any_of(name, kOfTheConnection) && !is_any_of(name, kOfFronts) &&
           !io::equals_ignore_case(name, "Content-Type");
}

std::string forward_head(const ForwardHead& head) {
    std::string out;
    out.append(io::method_text(head.method)).append(" ").append(head.target);
    out.append(" HTTP/1.1\r\n");
    for (const auto& [name, value] : *head.headers)
        out.append(name).append(": ").append(value).append("\r\n");
    for (const auto& [name, value] : head.own)
        out.append(name).append(": ").append(value).append("\r\n");
    if (head.upgrade) out.append("Connection: Upgrade\r\nUpgrade: websocket\r\n");
    // Whoever sends a body says how long it is, if it is nothing.
    if (head.body_bytes != 0 || head.method == io::Method::kPost ||
        head.method == io::Method::kPut || head.method == io::Method::kPatch)
        out.append("Content-Length: ").append(std::to_string(head.body_bytes)).append("\r\n");
    out.append("\r\n");
    return out;
}

std::optional<std::string> parameter_of(std::string_view target, std::string_view name) {
    const std::size_t mark = target.find('?');
    if (mark == std::string_view::npos) return {};
    std::string_view query = target.substr(mark + 1);
    while (!query.empty()) {
        const std::size_t end = query.find('&');
        const std::string_view pair = query.substr(0, end);
        query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
        const std::size_t equals = std::min(pair.find('='), pair.size());
        if (pair.substr(0, equals) != name) continue;
        std::string value;
        const std::string_view raw = pair.substr(std::min(equals + 1, pair.size()));
        if (!io::percent_decode(raw, io::PlusIsSpace::kYes, value)) return {};
        return value;
    }
    return {};
}

void append_parameter(std::string& target, std::string_view name, std::string_view value) {
    if (value.empty()) return;
    target += target.find('?') == std::string::npos ? '?' : '&';
    target.append(name) += '=';
    core::append_percent_encoded(target, value);
}

std::string with_parameter(std::string_view target, std::string_view name, std::string_view value) {
    std::string out(target);
    append_parameter(out, name, value);
    return out;
}

std::string without_parameter(std::string_view target, std::string_view name) {
    const std::size_t mark = target.find('?');
    if (mark == std::string_view::npos) return std::string(target);
    std::string out(target.substr(0, mark));
    std::string_view query = target.substr(mark + 1);
    char before = '?';
    while (!query.empty()) {
        const std::size_t end = query.find('&');
        const std::string_view pair = query.substr(0, end);
        query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
        if (pair.substr(0, pair.find('=')) == name) continue;
        out += before;
        out.append(pair);
        before = '&';
    }
    return out;
}

}  // namespace millrace::runtime::node
