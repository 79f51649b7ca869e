#include "runtime/api/query_check.h"

#include "core/listed.h"
#include "io/query_string.h"

#include <array>
#include <utility>

namespace millrace::runtime::api {
namespace {

constexpr std::size_t kNameBytesShown = 64;
constexpr std::string_view kKeyParameter = "apiKey";  // who asks: of every call

core::Error refused(std::string_view name, std::string text) {
    return core::Error(core::ErrorCode::kValidation, std::move(text))
        .in(std::string(name.substr(0, kNameBytesShown)));
}

std::string parameter_text(std::string_view name) {
    return "query parameter \"" + std::string(name.substr(0, kNameBytesShown)) + "\"";
}

core::Error unknown(const Route& route, std::string_view name) {
    std::string taken;
    std::size_t left = route.query.empty() ? 0 : 1;
    for (const char c : route.query) left += c == ',';
    core::each_listed(route.query, [&](std::string_view known) {
        --left;
        if (!taken.empty()) taken += left == 0 ? " and " : ", ";
        taken += known;
    });
    if (taken.empty()) taken = "none";
    return refused(name, parameter_text(name) + " is not known; " +
                             std::string(io::method_text(route.method)) + " " +
                             std::string(route.path) + " takes " + taken);
}

}  // namespace

std::string camel_case_name(std::string_view name) {
    if (name == "event_type") return "pattern";
    std::string out;
    for (std::size_t i = 0; i < name.size(); ++i) {
        const bool joins = name[i] == '_' && i > 0 && i + 1 < name.size() && name[i + 1] >= 'a' &&
                           name[i + 1] <= 'z';
        out += joins ? static_cast<char>(name[++i] - 'a' + 'A') : name[i];
    }
    return out;
}

core::Status check_query(const Route& route, std::string_view query) {
    if (route.query == "*") return {};  // whatever its script takes
    std::uint64_t seen = 0;             // a bit each name of the route, the highest for the key
    for (io::QueryString pairs(query); pairs.next();) {
        const std::string name = camel_case_name(pairs.name());
        int place = name == kKeyParameter ? 63 : -1, at = 0;
        core::each_listed(route.query, [&](std::string_view known) {
            if (known == name) place = at;
            ++at;
        });
        if (pairs.bad_escape()) {
            return core::fail(refused(name, parameter_text(name) +
                                                " is not well formed: after % two hexadecimal "
                                                "digits are expected, and not 00"));
        }
        if (place < 0) return core::fail(unknown(route, pairs.name()));
        if ((seen >> place & 1u) != 0)
            return core::fail(refused(name, parameter_text(name) + " stands there twice"));
        seen |= std::uint64_t{1} << place;
    }
    return {};
}

std::optional<std::string> query_value(std::string_view query, std::string_view name) {
    for (io::QueryString pairs(query); pairs.next();) {
        if (pairs.bad_escape()) continue;
        if (pairs.name() == name || camel_case_name(pairs.name()) == name) return pairs.value();
    }
    return std::nullopt;
}

}  // namespace millrace::runtime::api
