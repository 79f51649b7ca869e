// What: {{templates}} inside JSON values. They work on the parsed tree: a string that is one
//       template becomes the value it names, of whatever type; one with more around it becomes
//       text. What a template brings in is never read for templates again.
//           {{steps.check.quantity}}  {{event.payload.id}}  {{input.x}}  {{data.a[0]}}  {{amount}}
//           {{data.note | default "none"}}
//       A first name that is none of steps, event, input, data, run is looked up in data.
// Threads: pure. Lifetime: none; a Scope outlives the call.
// Limits: kTemplatePartsMax parts of a path, depth as of any JSON document.
// Failure: kValidation with the byte in the text of the value; a path that names nothing, without a
//       default, says at which part.
#pragma once

#include "core/json_dom.h"
#include "core/result.h"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::workflow {

inline constexpr std::size_t kTemplatePartsMax = 32;

struct TemplatePath {
    std::vector<std::string> parts;  // the first one is the root: "steps", "data", ...
    std::string text;                // as it was written
};

struct Template {
    TemplatePath path;
    std::optional<std::string> otherwise;  // JSON
};

// What is between the braces.
core::Result<Template> parse_template(std::string_view text);

// What paths are looked up in.
class Scope {
public:
    virtual ~Scope() = default;
    // The value's JSON text; an error says what is missing.
    virtual core::Result<std::string> look_up(const TemplatePath& path) = 0;
};

// `json` with every template in its strings filled in.
core::Result<std::string> fill_templates(std::string_view json, Scope& scope);

// Calls `visit` with each template in the strings of a value; stops at the first error.
using VisitTemplate = std::function<core::Status(const Template&)>;
core::Status visit_templates(core::JsonElement value, const VisitTemplate& visit);
core::Status visit_templates(std::string_view json, const VisitTemplate& visit);

bool has_template(std::string_view text);

// Follows parts[from...] into a value.
core::Result<std::string> follow(core::JsonElement value, const TemplatePath& path,
                                 std::size_t from);

}  // namespace millrace::runtime::workflow
