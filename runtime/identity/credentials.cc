#include "runtime/identity/credentials.h"

#include "io/http_head.h"
#include "io/query_string.h"

namespace millrace::runtime::identity {
namespace {

constexpr std::string_view kBearer = "Bearer ";

void take(Credential& into, std::string_view text) {
    if (into.shown != Shown::kNothing || text.empty()) {
        into.shown = Shown::kBad;
        return;
    }
    into = {Shown::kKey, text};
}

// Nearly no query can hold one: then it is not decoded.
bool may_hold_key(std::string_view query) {
    return query.find("api") != std::string_view::npos || query.find('%') != std::string_view::npos;
}

}  // namespace

std::string_view bearer_of(std::string_view authorization) {
    if (authorization.size() <= kBearer.size() ||
        !io::equals_ignore_case(authorization.substr(0, kBearer.size()), kBearer))
        return {};
    authorization.remove_prefix(kBearer.size());
    while (authorization.starts_with(' ')) authorization.remove_prefix(1);
    return authorization;
}

Credential find_credential(const io::Request& request, bool query_counts, std::string& scratch) {
    Credential found;
    for (const io::HeaderField& header : request.headers) {
        if (header.name.size() == 13 && io::equals_ignore_case(header.name, "Authorization"))
            take(found, bearer_of(header.value));
        else if (header.name.size() == 9 && io::equals_ignore_case(header.name, "X-API-Key"))
            take(found, header.value);
    }
    if (!may_hold_key(request.query)) return found;
    for (io::QueryString pairs(request.query); pairs.next();) {
        if (pairs.bad_escape() || (pairs.name() != "apiKey" && pairs.name() != "api_key")) continue;
        if (!query_counts || found.shown != Shown::kNothing) {
            found.shown = Shown::kBad;
            continue;
        }
        scratch = pairs.value();
        take(found, scratch);
    }
    return found;
}

}  // namespace millrace::runtime::identity
