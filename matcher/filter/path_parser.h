// What: paths of filters. Three notations give the same Path:
//       - JSONPath (RFC 9535): `$.payload.items[*].sku`, `$['a.b']`, `$.a[0]`, `$.a[-1]`; names,
//         single indexes and wildcards. Descendants, slices, unions and filters are refused by
//         name.
//       - dotted keys: `customer.tier`, `items[0].sku`, looked up in payload;
//       - JSON Pointer (RFC 6901): `/customer/a.b`, looked up in payload; every token is a name.
//       `$` is the envelope; a first step that is no envelope member is looked up in payload.
// Threads: pure. Lifetime: none.
// Limits: kPathBytesMax, kPathStepsMax.
// Failure: Error{kValidation} with the byte position in the text and what was expected.
#pragma once

#include "core/result.h"
#include "matcher/filter/predicate.h"

#include <string_view>
#include <vector>

namespace millrace::matcher {

// A whole text as one JSONPath, as written, nothing looked up in payload. `$` alone gives no steps.
core::Result<std::vector<PathStep>> parse_jsonpath(std::string_view text);

// Reads a JSONPath at text[at] (a `$`) as far as it goes and moves `at` behind it: for expressions.
core::Result<Path> scan_jsonpath(std::string_view text, std::size_t& at);

// The field of a list condition: JSONPath or pointer by its first byte, else `$.`-less
// JSONPath-like dotted text with the same look-up rule (`tenantId` is the envelope's, `amount`
// payload's).
core::Result<Path> parse_field(std::string_view text);

// The key of a map: JSONPath or pointer by its first byte, else a dotted key in payload.
core::Result<Path> parse_map_key(std::string_view text);

// True for the members of the envelope and for names that begin with "x-".
bool is_envelope_member(std::string_view name);

// Steps as written to a Path from the envelope's root.
core::Result<Path> root_path(std::vector<PathStep> steps);

}  // namespace millrace::matcher
