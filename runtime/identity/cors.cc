#include "runtime/identity/cors.h"

#include "core/listed.h"
#include "io/http_head.h"

#include <algorithm>

namespace millrace::runtime::identity {
namespace {

// What a page may read beside the body.
constexpr std::string_view kExposed =
    "ETag, Location, Retry-After, RateLimit, RateLimit-Policy, Idempotency-Replayed, "
    "WWW-Authenticate";

bool is_lower(std::string_view text) {
    return std::none_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

// Names of headers with commas between them: what goes into an answer holds nothing else.
bool is_name_list(std::string_view text) {
    return text.size() <= kCorsListBytesMax && std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      std::string_view("!#$%&'*+-.^_`|~, ").find(c) != std::string_view::npos;
           });
}

}  // namespace

bool is_cors_origin(std::string_view text) {
    if (text == "*") return true;
    for (const std::string_view scheme : {"https://", "http://"}) {
        if (text.starts_with(scheme))
            return io::is_host(text.substr(scheme.size())) && text.back() != ':' && is_lower(text);
    }
    return false;
}

CorsOrigins::CorsOrigins(std::span<const std::string> origins) {
    for (const std::string& origin : origins) {
        if (origin == "*")
            any_ = true;
        else
            named_.push_back(origin);
    }
}

core::Result<CorsOrigins> CorsOrigins::make(std::string_view list) {
    std::vector<std::string> origins;
    std::string_view wrong;
    const bool all = core::each_listed(list, [&](std::string_view origin) {
        wrong = origin;
        if (!is_cors_origin(origin) || origins.size() == kCorsOriginsMax) return false;
        origins.emplace_back(origin);
        return true;
    });
    if (all) return CorsOrigins(origins);
    return core::fail(core::Error(core::ErrorCode::kValidation,
                                  "http.cors_origins: \"" + std::string(wrong.substr(0, 128)) +
                                      "\" is no origin, or there are more than " +
                                      std::to_string(kCorsOriginsMax) +
                                      "; expected https://app.example or http://localhost:5173, in "
                                      "lower case and without a path, or *")
                          .in("http.cors_origins"));
}

bool CorsOrigins::names(std::string_view origin) const {
    return std::find(named_.begin(), named_.end(), origin) != named_.end();
}

CorsOrigins::Headers CorsOrigins::answer_headers(std::string_view origin) const {
    if (origin.empty() || empty()) return {};
    if (names(origin)) {
        return {{"Access-Control-Allow-Origin", std::string(origin)},
                {"Access-Control-Allow-Credentials", "true"},
                {"Access-Control-Expose-Headers", std::string(kExposed)},
                {"Vary", "Origin"}};
    }
    if (!any_) return {{"Vary", "Origin"}};
    return {{"Access-Control-Allow-Origin", "*"},
            {"Access-Control-Expose-Headers", std::string(kExposed)},
            {"Vary", "Origin"}};
}

void add_preflight_headers(CorsOrigins::Headers& headers, std::string_view methods,
                           std::string_view asked) {
    headers.emplace_back("Access-Control-Allow-Methods", methods);
    if (!asked.empty() && is_name_list(asked))
        headers.emplace_back("Access-Control-Allow-Headers", asked);
    headers.emplace_back("Access-Control-Max-Age", "600");
}

}  // namespace millrace::runtime::identity
