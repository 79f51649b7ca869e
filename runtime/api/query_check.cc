#include "runtime/api/query_check.h"

#include <string>

namespace millrace::runtime::api {
namespace {

constexpr std::size_t kNameBytesShown = 64;

// Takes the next part of a text that has `mark` between its parts.
std::string_view take_part(std::string_view& rest, char mark) {
    const std::string_view part = rest.substr(0, rest.find(mark));
    rest.remove_prefix(std::min(rest.size(), part.size() + 1));
    return part;
}

bool has_name(std::string_view names, std::string_view name) {
    while (!names.empty()) {
        if (take_part(names, ',') == name) return true;
    }
    return false;
}

bool is_list(const Route& route) {
    return route.owner == RouteOwner::kStream ||
           (route.method == io::Method::kGet && has_name(route.query, "limit"));
}

core::Error unknown(const Route& route, std::string_view name) {
    std::string text = "query parameter \"" + std::string(name.substr(0, kNameBytesShown)) +
                       "\" is not known; GET " + std::string(route.path) + " takes ";
    std::string_view names = route.query;
    for (bool first = true; !names.empty(); first = false) {
        if (!first) text += names.find(',') == std::string_view::npos ? " and " : ", ";
        text += take_part(names, ',');
    }
    return core::Error(core::ErrorCode::kValidation, std::move(text))
        .in(std::string(name.substr(0, kNameBytesShown)));
}

}  // namespace

core::Status check_query(const Route& route, std::string_view query) {
    if (query.empty() || !is_list(route)) return {};
    std::string name;
    while (!query.empty()) {
        std::string_view pair = take_part(query, '&');
        if (pair.empty()) continue;  // "a=1&&b=2"
        const std::string_view sent = take_part(pair, '=');
        if (!io::percent_decode(sent, io::PlusIsSpace::kYes, name)) name = sent;
        if (!has_name(route.query, name) && name != "apiKey")
            return core::fail(unknown(route, name));
    }
    return {};
}

}  // namespace millrace::runtime::api
