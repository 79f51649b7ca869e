#include "runtime/courier/redirect.h"

#include <algorithm>
#include <array>

namespace millrace::courier {
namespace {

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
    return std::any_of(names.begin(), names.end(), [name](std::string_view one) {
        return name.size() == one.size() &&
               std::equal(name.begin(), name.end(), one.begin(), [](char a, char b) {
                   return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b;
               });
    });
}

}  // namespace

bool follow_redirect(HttpCall& call, int status, std::string next_url) {
    const auto from = core::HttpUrl::parse(call.url);
    const auto to = core::HttpUrl::parse(next_url);
    const bool abroad = !from || !to || !from->same_origin(*to);
    const bool keeps_body = status == 307 || status == 308;
    if (keeps_body && abroad && !call.body.empty()) return false;
    if (!keeps_body && call.method != "GET" && call.method != "HEAD") {
        call.method = "GET";
        call.body.clear();
        std::erase_if(call.headers, [](const auto& header) {
            return is_one_of(header.first, {"content-type", "content-encoding"});
        });
    }
    if (abroad) {
        std::erase_if(call.headers, [](const auto& header) {
            return !is_one_of(header.first, {"accept", "accept-language", "user-agent"});
        });
    }
    call.url = std::move(next_url);
    return true;
}

}  // namespace millrace::courier
