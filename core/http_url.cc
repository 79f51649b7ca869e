#include "core/http_url.h"

#include <algorithm>
#include <charconv>

namespace millrace::core {
namespace {

constexpr std::size_t kHostBytesMax = 253;
constexpr std::size_t kLabelBytesMax = 63;

tl::unexpected<Error> refuse(const std::string& what, std::size_t at) {
    return fail(Error(ErrorCode::kValidation,
                      "is no URL that can be called: " + what + " at byte " + std::to_string(at)));
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_host_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

bool is_bracketed_byte(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == ':' || c == '.';
}

// What stands in a name: labels of 1 to 63 bytes.
bool are_labels(std::string_view host) {
    while (!host.empty()) {
        const std::size_t bytes = std::min(host.find('.'), host.size());
        if (bytes == 0 || bytes > kLabelBytesMax) return false;
        host.remove_prefix(std::min(bytes + 1, host.size()));
    }
    return true;
}

}  // namespace

Result<HttpUrl> HttpUrl::parse(std::string_view text) {
    if (text.size() > kUrlBytesMax) return refuse("it is longer than 8192 bytes", kUrlBytesMax);
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        if (c <= 0x20 || c >= 0x7f || c == '\\' || c == '"' || c == '<' || c == '>')
            return refuse("a byte that has to be percent-encoded", i);
    }
    std::string scheme(text.substr(0, std::min<std::size_t>(8, text.size())));
    std::transform(scheme.begin(), scheme.end(), scheme.begin(), lower);
    HttpUrl url;
    std::size_t at = 7;
    if (scheme.starts_with("https://")) {
        url.tls = true;
        at = 8;
    } else if (!scheme.starts_with("http://")) {
        return refuse("neither http:// nor https://", 0);
    }
    url.port = url.tls ? 443 : 80;
    const std::size_t end = std::min(text.find_first_of("/?#", at), text.size());
    std::string_view authority = text.substr(at, end - at);
    if (const std::size_t user = authority.find('@'); user != std::string_view::npos)
        return refuse("a user before the host", at + user);
    std::string_view host = authority;
    std::string_view port;
    bool bracketed = false;
    if (authority.starts_with('[')) {
        const std::size_t close = authority.find(']');
        if (close == std::string_view::npos) return refuse("a bracket without its end", at);
        host = authority.substr(1, close - 1);
        port = authority.substr(close + 1);
        bracketed = true;
    } else if (const std::size_t colon = authority.find(':'); colon != std::string_view::npos) {
        host = authority.substr(0, colon);
        port = authority.substr(colon);
    }
    if (!port.empty()) {
        std::uint32_t number = 0;
        const auto read = std::from_chars(port.data() + 1, port.data() + port.size(), number);
        if (port[0] != ':' || read.ptr != port.data() + port.size() || read.ec != std::errc() ||
            number == 0 || number > 65'535)
            return refuse("no port from 1 to 65535", at + authority.size() - port.size());
        url.port = static_cast<std::uint16_t>(number);
    }
    url.host.assign(host);
    std::transform(url.host.begin(), url.host.end(), url.host.begin(), lower);
    if (!bracketed && url.host.ends_with('.')) url.host.pop_back();
    if (url.host.empty()) return refuse("no host", at);
    const bool good = bracketed ? std::all_of(url.host.begin(), url.host.end(), is_bracketed_byte)
                                : std::all_of(url.host.begin(), url.host.end(), is_host_byte) &&
                                      url.host.size() <= kHostBytesMax && are_labels(url.host);
    if (!good) return refuse("a host that is no name and no address", at);
    return url;
}

}  // namespace millrace::core
