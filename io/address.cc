#include "io/address.h"

#include <charconv>
#include <cstring>

#include <arpa/inet.h>
#include <sys/un.h>

namespace millrace::io {

namespace {

core::Result<Address> bad(std::string_view text, std::string_view why) {
    return core::fail(core::Error(
        core::ErrorCode::kValidation,
        "address: parse \"" + std::string(text.substr(0, 120)) + "\" failed: " + std::string(why) +
            "; write 127.0.0.1:7070, [::1]:7070, :7070 for every address, or unix:/path"));
}

std::string ip_text(Address::Family family, const std::uint8_t* ip) {
    char text[INET6_ADDRSTRLEN] = {};
    inet_ntop(family == Address::Family::kIpv4 ? AF_INET : AF_INET6, ip, text, sizeof text);
    return text;
}

bool ip_is_loopback(Address::Family family, const std::array<std::uint8_t, 16>& ip) {
    if (family == Address::Family::kUnix) return true;
    if (family == Address::Family::kIpv4) return ip[0] == 127;
    constexpr std::uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (std::memcmp(ip.data(), kMapped, 12) == 0) return ip[12] == 127;
    constexpr std::uint8_t kOne[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    return std::memcmp(ip.data(), kOne, 16) == 0;
}

std::string host_port(Address::Family family, const std::uint8_t* ip, std::uint16_t port) {
    std::string text = family == Address::Family::kIpv6 ? "[" : "";
    text += ip_text(family, ip);
    text += family == Address::Family::kIpv6 ? "]:" : ":";
    text += std::to_string(port);
    return text;
}

core::Result<Address> parse_unix(std::string_view text) {
    Address address;
    address.family = Address::Family::kUnix;
    address.path = std::string(text.substr(5));
    if (address.path.empty()) return bad(text, "the path of the Unix socket is empty");
    if (address.path.size() >= sizeof(sockaddr_un{}.sun_path)) {
        return bad(text, "the path of a Unix socket has at most 107 bytes");
    }
    return address;
}

}  // namespace

core::Result<Address> Address::parse(std::string_view text) {
    if (text.substr(0, 5) == "unix:") return parse_unix(text);
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return bad(text, "the port is missing");
    std::string_view host = text.substr(0, colon);
    const std::string_view port = text.substr(colon + 1);
    Address address;
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
    if (error != std::errc{} || end != port.data() + port.size()) {
        return bad(text, "the port is not a number from 0 to 65535");
    }
    if (host.empty() || host == "*") host = "0.0.0.0";
    if (host == "localhost") host = "127.0.0.1";
    if (host.front() == '[') {
        if (host.back() != ']') return bad(text, "the bracket of the IPv6 address is not closed");
        address.family = Family::kIpv6;
        host = host.substr(1, host.size() - 2);
    } else if (host.find(':') != std::string_view::npos) {
        return bad(text, "an IPv6 address stands in brackets");
    }
    const int family = address.family == Family::kIpv6 ? AF_INET6 : AF_INET;
    if (inet_pton(family, std::string(host).c_str(), address.ip.data()) != 1) {
        return bad(text, "the host is not an IP address");
    }
    return address;
}

std::string Address::to_string() const {
    return family == Family::kUnix ? "unix:" + path : host_port(family, ip.data(), port);
}

bool Address::is_loopback() const { return ip_is_loopback(family, ip); }

bool Peer::is_loopback() const { return ip_is_loopback(family, ip); }

std::string Peer::to_string() const {
    return family == Address::Family::kUnix ? "unix" : host_port(family, ip.data(), port);
}

}  // namespace millrace::io
