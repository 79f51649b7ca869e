// What: whom the server may call by itself: decided on the bytes of the very address that is about
//       to be connected to, after names were resolved. Public addresses are let through; private,
//       loopback, link-local, shared, multicast and reserved ones are not, unless they (or the name
//       that was asked for) are listed as allowed. What is listed as denied is never called.
//       An IPv4 address inside an IPv6 one (mapped, translated, NAT64, 6to4, ISATAP) is judged as
//       what it leads to as well, and the address of no machine as this machine.
// Threads: immutable after make(). Lifetime: value.
// Limits: kAddressRulesMax entries a list.
// Failure: make() names the entry that is no address, network or name.
#pragma once

#include "core/result.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::courier {

inline constexpr std::size_t kAddressRulesMax = 1000;

// An IPv4 address stands as ::ffff:a.b.c.d.
using AddressBytes = std::array<std::uint8_t, 16>;
AddressBytes address_of_v4(const std::uint8_t* four);
// "10.0.0.1", "fe80::1".
core::Result<AddressBytes> parse_address(std::string_view text);
std::string address_text(const AddressBytes& address);

class AddressRules {
public:
    // Each list: addresses, networks (10.0.0.0/8) and names (host.test, *.host.test), with commas
    // between them. `allow_name` and `deny_name` are what the lists are called in errors.
    static core::Result<AddressRules> make(std::string_view allow, std::string_view deny);

    // The name as it was asked for, lower-case: whether it is denied before anything is looked up.
    bool denies_name(std::string_view host) const { return names(deny_names_, host); }
    // Empty: it may be connected to; else why not.
    std::string_view blocked_because(std::string_view host, const AddressBytes& address) const;

private:
    struct Network {
        AddressBytes address{};
        unsigned bits = 128;
    };
    static core::Status read(std::string_view list, std::string_view what,
                             std::vector<Network>& networks, std::vector<std::string>& host_names);
    static std::string_view read_entry(std::string& entry, std::vector<Network>& networks,
                                       std::vector<std::string>& host_names);
    static bool holds(const std::vector<Network>& networks, const AddressBytes& address);
    static bool names(const std::vector<std::string>& host_names, std::string_view host);

    std::vector<Network> allow_, deny_;
    std::vector<std::string> allow_names_, deny_names_;
};

}  // namespace millrace::courier
