#include "runtime/courier/host_address.h"

#include <cstring>

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace millrace::courier {

core::Result<std::string> resolve_host(const AddressRules& rules, std::string host) {
    for (char& c : host) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    if (rules.denies_name(host))
        return core::fail(core::ErrorCode::kForbidden, host + " is denied by http_client.deny");
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0)
        return core::fail(core::ErrorCode::kNotFound, "the host's name can't be resolved");
    std::string address, blocked;
    for (const addrinfo* at = found; at && address.empty(); at = at->ai_next) {
        AddressBytes bytes{};
        if (at->ai_family == AF_INET) {
            sockaddr_in four{};
            std::memcpy(&four, at->ai_addr, sizeof four);
            bytes = address_of_v4(reinterpret_cast<const std::uint8_t*>(&four.sin_addr));
        } else if (at->ai_family == AF_INET6) {
            sockaddr_in6 six{};
            std::memcpy(&six, at->ai_addr, sizeof six);
            std::memcpy(bytes.data(), &six.sin6_addr, bytes.size());
        } else {
            continue;
        }
        const std::string_view why = rules.blocked_because(host, bytes);
        if (why.empty())
            address = address_text(bytes);
        else
            blocked = address_text(bytes) + " is " + std::string(why) +
                      "; http_client.allow lets it through";
    }
    ::freeaddrinfo(found);
    if (!address.empty()) return address;
    return core::fail(core::ErrorCode::kForbidden,
                      blocked.empty() ? "the host has no address" : blocked);
}

}  // namespace millrace::courier
