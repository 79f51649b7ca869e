#include "runtime/identity/local_policy.h"

#include "core/listed.h"
#include "io/http_head.h"

#include <algorithm>

namespace millrace::runtime::identity {
namespace {

constexpr std::string_view kAlways[] = {"localhost", "127.0.0.1", "[::1]"};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// "[::1]:80" and "name:80" in two.
struct HostPort {
    std::string_view name;
    std::string_view port;  // empty when absent
};
HostPort split(std::string_view host) {
    const std::size_t bracket = host.starts_with('[') ? host.find(']') : 0;
    const std::size_t colon = bracket == std::string_view::npos ? bracket : host.find(':', bracket);
    if (colon == std::string_view::npos) return {host, {}};
    return {host.substr(0, colon), host.substr(colon + 1)};
}

// An Origin is scheme://host[:port] and nothing else; "null" is none.
bool is_same_origin(std::string_view origin, std::string_view host) {
    const std::size_t mark = origin.find("://");
    if (mark == std::string_view::npos) return false;
    const std::string_view scheme = origin.substr(0, mark);
    const bool secure = io::equals_ignore_case(scheme, "https");
    if (!secure && !io::equals_ignore_case(scheme, "http")) return false;
    const HostPort theirs = split(origin.substr(mark + 3));
    const HostPort ours = split(host);
    const auto port_or = [secure](std::string_view port) {
        return port.empty() ? std::string_view(secure ? "443" : "80") : port;
    };
    return !theirs.name.empty() && io::equals_ignore_case(theirs.name, ours.name) &&
           port_or(theirs.port) == port_or(ours.port);
}

// What a client sent, for a message: printable and short.
std::string shown(std::string_view value) {
    std::string text(value.substr(0, 128));
    for (char& c : text) {
        if (c < 0x20 || c == 0x7f) c = '?';
    }
    return "'" + text + "'";
}

tl::unexpected<core::Error> forbid(std::string_view header, std::string_view value,
                                   std::string_view why) {
    return core::fail(
        core::Error(core::ErrorCode::kForbidden,
                    std::string(header) + ": " + shown(value) + " " + std::string(why))
            .in(std::string(header)));
}

}  // namespace

core::Result<HostNames> HostNames::make(std::string_view listen, std::string_view hosts) {
    HostNames made;
    for (const std::string_view name : kAlways) made.names_.emplace_back(name);
    const auto add = [&made](std::string_view host) {
        std::string name(split(host).name);
        std::transform(name.begin(), name.end(), name.begin(), lower);
        if (!name.empty()) made.names_.push_back(std::move(name));
    };
    add(listen);
    std::string_view wrong;
    const bool all = core::each_listed(hosts, [&](std::string_view name) {
        wrong = name;
        if (!io::is_host(name)) return false;
        add(name);
        return true;
    });
    if (all) return made;
    return core::fail(
        core::Error(core::ErrorCode::kValidation,
                    "http.hosts: " + shown(wrong) +
                        " is no host name; expected names with commas between them, as in "
                        "\"millrace.local,dev.example\"")
            .in("http.hosts"));
}

bool HostNames::knows(std::string_view host) const {
    const std::string_view name = split(host).name;
    return std::any_of(names_.begin(), names_.end(), [name](const std::string& known) {
        return io::equals_ignore_case(known, name);
    });
}

bool refuses_page(const core::Error& error) {
    return error.code == core::ErrorCode::kForbidden &&
           (error.field == "Origin" || error.field == "Sec-Fetch-Site");
}

core::Status check_local_request(const io::Request& request, const HostNames& names,
                                 const CorsOrigins& cors) {
    // Only HTTP/1.0 may come without a Host, and no browser speaks that.
    if (!request.host.empty() && !names.knows(request.host)) {
        return forbid("Host", request.host,
                      "is no name of this server; for who shows no key these are localhost, "
                      "127.0.0.1, [::1], the name it listens at and those of http.hosts");
    }
    return check_page(request, cors);
}

core::Status check_page(const io::Request& request, const CorsOrigins& cors) {
    const bool named = !cors.empty() && cors.names(request.header("Origin"));
    bool from_page = false;
    for (const io::HeaderField& header : request.headers) {
        if (header.name.size() == 14 && io::equals_ignore_case(header.name, "Sec-Fetch-Site")) {
            if (!named && header.value != "same-origin" && header.value != "none")
                return forbid("Sec-Fetch-Site", header.value,
                              "a page of another site may not call this server");
        } else if (header.name.size() == 6 && io::equals_ignore_case(header.name, "Origin")) {
            if (!cors.names(header.value) && !is_same_origin(header.value, request.host))
                return forbid("Origin", header.value,
                              "is not this server: a page of another site may not call it");
            from_page = true;
        }
    }
    const bool has_body = request.chunked || request.content_length > 0;
    if (from_page && has_body && request.content_type.empty()) {
        return core::fail(
            core::Error(core::ErrorCode::kUnsupportedMediaType,
                        "Content-Type: missing; a page that sends a body must name its type")
                .in("Content-Type"));
    }
    return {};
}

}  // namespace millrace::runtime::identity
