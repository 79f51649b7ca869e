// What: a body of the type multipart/form-data (RFC 7578) cut at its parts, as the forms of
//       browsers and curl send it.
// Threads: pure. Lifetime: contents are views of the body.
// Limits: kFormPartsMax parts, kFormPartHeadBytesMax bytes of a part's head.
// Failure: kValidation in "body" that says what is not as it should be.
#pragma once

#include "core/result.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::api {

inline constexpr std::size_t kFormPartsMax = 1'000;
inline constexpr std::size_t kFormPartHeadBytesMax = 8u << 10;

struct FormPart {
    std::string name;
    std::optional<std::string> file_name;  // none: a field
    std::string content_type;              // as the part says it; "": it says none
    std::string_view content;
};

// `content_type`: the request's, as it was sent: it names the boundary.
core::Result<std::vector<FormPart>> read_form_parts(std::string_view content_type,
                                                    std::string_view body);

}  // namespace millrace::runtime::api
