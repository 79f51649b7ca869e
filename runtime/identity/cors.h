// What: which pages of other origins may call, and the headers that tell their browsers so: of the
//       whole server (http.cors_origins) and of an endpoint (`cors`) alike. An origin that is named
//       may send credentials; `*` stands for every other one, which may not.
// Threads: pure; CorsOrigins is a value that does not change. Lifetime: values.
// Limits: kCorsOriginsMax origins, kCorsListBytesMax of header names that are given back.
// Failure: kValidation that names the origin and the form.
#pragma once

#include "core/result.h"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::runtime::identity {

inline constexpr std::size_t kCorsOriginsMax = 64;
inline constexpr std::size_t kCorsListBytesMax = 1024;

// scheme://host[:port] in lower case, as browsers write it, or "*".
bool is_cors_origin(std::string_view text);

class CorsOrigins {
public:
    CorsOrigins() = default;
    explicit CorsOrigins(std::span<const std::string> origins);
    // Texts with commas between them.
    static core::Result<CorsOrigins> make(std::string_view list);

    bool empty() const { return named_.empty() && !any_; }
    bool names(std::string_view origin) const;  // by itself, not by "*"
    bool allows(std::string_view origin) const { return any_ || names(origin); }

    using Headers = std::vector<std::pair<std::string, std::string>>;
    // Of every answer to a request with this Origin; none for one without.
    Headers answer_headers(std::string_view origin) const;

private:
    std::vector<std::string> named_;
    bool any_ = false;
};

// What a browser asks before it sends the request itself: `methods` as in Allow, `asked` the
// headers that it would send.
void add_preflight_headers(CorsOrigins::Headers& headers, std::string_view methods,
                           std::string_view asked);

}  // namespace millrace::runtime::identity
