#include "runtime/courier/address_rules.h"

#include "core/listed.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>

namespace millrace::courier {
namespace {

struct Range {
    std::array<std::uint8_t, 16> address;
    unsigned bits;
    std::string_view what;
};

constexpr AddressBytes mapped(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) {
    return {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d};
}
constexpr AddressBytes six(std::uint16_t a, std::uint16_t b = 0, std::uint16_t c = 0,
                           std::uint16_t last = 0) {
    return {static_cast<std::uint8_t>(a >> 8),
            static_cast<std::uint8_t>(a & 255),
            static_cast<std::uint8_t>(b >> 8),
            static_cast<std::uint8_t>(b & 255),
            static_cast<std::uint8_t>(c >> 8),
            static_cast<std::uint8_t>(c & 255),
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            static_cast<std::uint8_t>(last >> 8),
            static_cast<std::uint8_t>(last & 255)};
}

// The special-purpose registries of IANA; what is nowhere to be reached is here too.
constexpr Range kNotPublic[] = {
    {mapped(0, 0, 0, 0), 96 + 8, "this network"},
    {mapped(10, 0, 0, 0), 96 + 8, "private"},
    {mapped(100, 64, 0, 0), 96 + 10, "shared (CGNAT)"},
    {mapped(127, 0, 0, 0), 96 + 8, "loopback"},
    {mapped(169, 254, 0, 0), 96 + 16, "link-local"},
    {mapped(172, 16, 0, 0), 96 + 12, "private"},
    {mapped(192, 0, 0, 0), 96 + 24, "reserved"},
    {mapped(192, 0, 2, 0), 96 + 24, "documentation"},
    {mapped(192, 88, 99, 0), 96 + 24, "reserved"},
    {mapped(192, 168, 0, 0), 96 + 16, "private"},
    {mapped(198, 18, 0, 0), 96 + 15, "benchmarking"},
    {mapped(198, 51, 100, 0), 96 + 24, "documentation"},
    {mapped(203, 0, 113, 0), 96 + 24, "documentation"},
    {mapped(224, 0, 0, 0), 96 + 4, "multicast"},
    {mapped(240, 0, 0, 0), 96 + 4, "reserved"},
    {six(0, 0, 0, 1), 128, "loopback"},
    {six(0), 96, "unspecified"},
    {{0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0}, 96, "translated"},
    {six(0x64, 0xff9b, 1), 48, "local NAT64"},
    {six(0x100), 64, "discard"},
    {six(0x2001), 23, "reserved"},
    {six(0x2001, 0xdb8), 32, "documentation"},
    {six(0x3fff), 20, "documentation"},
    {six(0x5f00), 16, "reserved"},
    {six(0xfc00), 7, "private"},
    {six(0xfe80), 10, "link-local"},
    {six(0xfec0), 10, "site-local"},
    {six(0xff00), 8, "multicast"},
};

bool is_in(const AddressBytes& address, const AddressBytes& network, unsigned bits) {
    const unsigned whole = bits / 8;
    if (std::memcmp(address.data(), network.data(), whole) != 0) return false;
    const unsigned rest = bits % 8;
    if (rest == 0) return true;
    const auto mask = static_cast<std::uint8_t>(0xff00u >> rest);
    return (address[whole] & mask) == (network[whole] & mask);
}

bool is_mapped(const AddressBytes& address) { return is_in(address, mapped(0, 0, 0, 0), 96); }

// Another address that packets to this one may end at; itself where there is none: the IPv4 one
// inside (RFC 4291, 2765, 6052, 8215, 3056, 5214), and this machine for the one that stands for
// any address of it.
AddressBytes leads_to(const AddressBytes& address) {
    const std::uint8_t* const at = address.data();
    if (address == mapped(0, 0, 0, 0)) return mapped(127, 0, 0, 1);
    if (address == six(0)) return six(0, 0, 0, 1);
    if (is_mapped(address) || address == six(0, 0, 0, 1)) return address;
    constexpr AddressBytes kTranslated = {0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0};
    for (const AddressBytes& form : {six(0x64, 0xff9b), six(0), kTranslated}) {
        if (is_in(address, form, 96)) return address_of_v4(at + 12);
    }
    if (is_in(address, six(0x2002), 16)) return address_of_v4(at + 2);
    // With a prefix of 48 bits the four bytes go around the ninth, which is zero.
    if (is_in(address, six(0x64, 0xff9b, 1), 48)) {
        const std::uint8_t around[4] = {at[6], at[7], at[9], at[10]};
        const bool at_the_end = at[6] == 0 && at[7] == 0 && at[9] == 0 && at[10] == 0;
        return at_the_end ? address_of_v4(at + 12) : address_of_v4(around);
    }
    const bool isatap = (at[8] & 0xfd) == 0 && at[9] == 0 && at[10] == 0x5e && at[11] == 0xfe;
    return isatap ? address_of_v4(at + 12) : address;
}

bool is_host_name(std::string_view text) {
    if (text.starts_with("*.")) text.remove_prefix(2);
    return !text.empty() && text.size() <= 253 && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
    });
}

}  // namespace

AddressBytes address_of_v4(const std::uint8_t* four) {
    return mapped(four[0], four[1], four[2], four[3]);
}

core::Result<AddressBytes> parse_address(std::string_view text) {
    const std::string copy(text);
    AddressBytes out{};
    std::uint8_t four[4];
    if (inet_pton(AF_INET, copy.c_str(), four) == 1) return address_of_v4(four);
    if (inet_pton(AF_INET6, copy.c_str(), out.data()) == 1) return out;
    return core::fail(core::ErrorCode::kValidation, "\"" + copy.substr(0, 64) + "\" is no address");
}

std::string address_text(const AddressBytes& address) {
    char text[INET6_ADDRSTRLEN] = {};
    if (is_mapped(address))
        inet_ntop(AF_INET, address.data() + 12, text, sizeof text);
    else
        inet_ntop(AF_INET6, address.data(), text, sizeof text);
    return text;
}

core::Result<AddressRules> AddressRules::make(std::string_view allow, std::string_view deny) {
    AddressRules rules;
    if (auto read_in = read(allow, "http_client.allow", rules.allow_, rules.allow_names_); !read_in)
        return core::fail(std::move(read_in.error()));
    if (auto read_in = read(deny, "http_client.deny", rules.deny_, rules.deny_names_); !read_in)
        return core::fail(std::move(read_in.error()));
    return rules;
}

core::Status AddressRules::read(std::string_view list, std::string_view what,
                                std::vector<Network>& networks,
                                std::vector<std::string>& host_names) {
    std::string entry;
    std::string_view why;
    const bool all = core::each_listed(list, [&](std::string_view piece) {
        if (piece.empty()) return true;
        entry = piece;
        why = networks.size() + host_names.size() == kAddressRulesMax
                  ? "there may be 1000 entries at most"
                  : read_entry(entry, networks, host_names);
        return why.empty();
    });
    if (all) return {};
    return core::fail(core::Error(core::ErrorCode::kValidation,
                                  "config: " + std::string(what) + " holds \"" +
                                      entry.substr(0, 128) + "\"; " + std::string(why))
                          .in(std::string(what)));
}

// Empty, or why it is none.
std::string_view AddressRules::read_entry(std::string& entry, std::vector<Network>& networks,
                                          std::vector<std::string>& host_names) {
    std::transform(entry.begin(), entry.end(), entry.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    std::string_view text = entry;
    if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
    const std::size_t slash = text.find('/');
    const auto address = parse_address(text.substr(0, slash));
    if (!address) {
        if (!is_host_name(text)) return "expected an address, a network or a name";
        host_names.emplace_back(text);
        return {};
    }
    const bool four = text.find(':') == std::string_view::npos;
    Network network{*address, 128};
    if (slash != std::string_view::npos) {
        unsigned bits = 0;
        const std::string_view digits = text.substr(slash + 1);
        const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
        if (digits.empty() || end.ptr != digits.data() + digits.size() || end.ec != std::errc() ||
            bits > (four ? 32u : 128u))
            return "behind / stands no count of bits";
        network.bits = four ? 96 + bits : bits;
    }
    networks.push_back(network);
    return {};
}

bool AddressRules::holds(const std::vector<Network>& networks, const AddressBytes& address) {
    return std::any_of(networks.begin(), networks.end(), [&](const Network& network) {
        return is_in(address, network.address, network.bits);
    });
}

bool AddressRules::names(const std::vector<std::string>& host_names, std::string_view host) {
    return std::any_of(host_names.begin(), host_names.end(), [&](const std::string& name) {
        if (name.starts_with("*.")) return host.ends_with(std::string_view(name).substr(1));
        return host == name;
    });
}

std::string_view AddressRules::blocked_because(std::string_view host,
                                               const AddressBytes& address) const {
    const AddressBytes target = leads_to(address);
    if (names(deny_names_, host) || holds(deny_, address) || holds(deny_, target))
        return "denied by http_client.deny";
    if (names(allow_names_, host) || holds(allow_, address) || holds(allow_, target)) return {};
    for (const AddressBytes& one : {address, target}) {
        for (const Range& range : kNotPublic) {
            if (is_in(one, range.address, range.bits)) return range.what;
        }
    }
    return {};
}

}  // namespace millrace::courier
