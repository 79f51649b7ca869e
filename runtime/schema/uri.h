// What: the little of RFC 3986 that $id and $ref need: resolving a reference against a base, and
//       what stands behind the '#'.
// Threads: pure. Lifetime: outputs own their bytes. Limits: none.
// Failure: none; what is no URI stays as it is and names nothing.
#pragma once

#include <string>
#include <string_view>

namespace millrace::runtime::schema {

// `reference` as seen from `base`, both without regard to case and the like.
std::string resolve_uri(std::string_view base, std::string_view reference);

// Cut at '#': the part before, and the fragment with its %-escapes undone.
struct CutUri {
    std::string base;
    std::string fragment;
};
CutUri cut_uri(std::string_view uri);

}  // namespace millrace::runtime::schema
