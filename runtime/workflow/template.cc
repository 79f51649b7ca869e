#include "runtime/workflow/template.h"

#include "core/json_validate.h"
#include "core/json_writer.h"
#include "core/listed.h"

#include <charconv>
#include <utility>

namespace millrace::runtime::workflow {
namespace {

tl::unexpected<core::Error> refuse(std::string text) {
    return core::fail(core::ErrorCode::kValidation, std::move(text));
}

bool is_name_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == ':' || c == '@' || static_cast<unsigned char>(c) >= 0x80;
}

bool is_root(std::string_view name) {
    return name == "steps" || name == "event" || name == "input" || name == "data" || name == "run";
}

// ["a.b"], ['a.b'] or [0]; `at` stands behind the bracket that opens.
core::Result<std::string> read_bracket(std::string_view text, std::size_t& at) {
    std::string part;
    if (at < text.size() && (text[at] == '"' || text[at] == '\'')) {
        const std::size_t end = text.find(text[at], at + 1);
        if (end == std::string_view::npos || end + 1 >= text.size() || text[end + 1] != ']')
            return refuse("expected ] behind a quoted name");
        part = text.substr(at + 1, end - at - 1);
        at = end + 2;
        return part;
    }
    const std::size_t end = text.find(']', at);
    if (end == std::string_view::npos || end == at) return refuse("expected a number and ]");
    part = text.substr(at, end - at);
    if (part.find_first_not_of("0123456789") != std::string::npos)
        return refuse("expected a number or a quoted name between [ and ]");
    at = end + 1;
    return part;
}

core::Result<TemplatePath> parse_path(std::string_view text) {
    TemplatePath path;
    path.text = text;
    std::size_t at = 0;
    while (at < text.size()) {
        if (path.parts.size() >= kTemplatePartsMax)
            return refuse("has more than " + std::to_string(kTemplatePartsMax) + " parts");
        if (text[at] == '[' && !path.parts.empty()) {
            auto part = read_bracket(text, ++at);
            if (!part) return core::fail(std::move(part.error()));
            path.parts.push_back(std::move(*part));
        } else {
            if (!path.parts.empty() && text[at++] != '.') return refuse("expected . or [");
            const std::size_t begin = at;
            while (at < text.size() && is_name_byte(text[at])) ++at;
            if (at == begin) return refuse("expected a name");
            path.parts.emplace_back(text.substr(begin, at - begin));
        }
    }
    if (path.parts.empty()) return refuse("names nothing");
    if (path.parts[0] == "secrets")
        return refuse("secrets may stand in the fields of an executor only");
    if (!is_root(path.parts[0])) path.parts.insert(path.parts.begin(), "data");
    return path;
}

core::Result<std::string> parse_default(std::string_view text) {
    if (!text.starts_with("default")) {
        return refuse("\"" + std::string(text.substr(0, 32)) +
                      "\" is no filter; the one there is: default VALUE");
    }
    text.remove_prefix(7);
    text = core::trimmed(text);
    if (text.starts_with(':')) text = core::trimmed(text.substr(1));
    if (text.size() >= 2 && text.front() == '(' && text.back() == ')')
        text = core::trimmed(text.substr(1, text.size() - 2));
    std::string json;
    if (text.size() >= 2 && text.front() == '\'' && text.back() == '\'') {
        core::append_json_string(json, text.substr(1, text.size() - 2));
        return json;
    }
    if (text.empty() || !core::json_validate(text))
        return refuse("default: expected a JSON value or 'a text'");
    return std::string(text);
}

// Where the braces close: quotes may hold braces.
std::size_t find_end(std::string_view text, std::size_t at) {
    char quote = 0;
    for (; at < text.size(); ++at) {
        if (quote != 0) {
            if (text[at] == quote) quote = 0;
        } else if (text[at] == '"' || text[at] == '\'') {
            quote = text[at];
        } else if (text.substr(at, 2) == "}}") {
            return at;
        }
    }
    return std::string_view::npos;
}

// Calls text(piece) and filled(template) in turn.
template <typename Text, typename Filled>
core::Status split(std::string_view text, Text&& plain, Filled&& filled) {
    std::size_t at = 0;
    for (;;) {
        const std::size_t begin = text.find("{{", at);
        plain(text.substr(at, begin == std::string_view::npos ? begin : begin - at));
        if (begin == std::string_view::npos) return {};
        const std::size_t end = find_end(text, begin + 2);
        if (end == std::string_view::npos) {
            return core::fail(
                core::Error(core::ErrorCode::kValidation, "a template is not closed with }}")
                    .at(static_cast<std::int64_t>(begin)));
        }
        const std::string_view inner = core::trimmed(text.substr(begin + 2, end - begin - 2));
        auto parsed = parse_template(inner);
        if (!parsed) {
            parsed.error().message =
                "{{" + std::string(inner.substr(0, 128)) + "}} " + parsed.error().message;
            parsed.error().position = static_cast<std::int64_t>(begin);
            return core::fail(std::move(parsed.error()));
        }
        if (auto done = filled(*parsed); !done) return done;
        at = end + 2;
    }
}

core::Result<std::string> value_of(const Template& one, Scope& scope) {
    auto value = scope.look_up(one.path);
    if (!value && one.otherwise) return *one.otherwise;
    if (!value) {
        value.error().message = "{{" + one.path.text + "}} names nothing: " + value.error().message;
    }
    return value;
}

void append_as_text(std::string& out, const std::string& json) {
    core::JsonDom dom;
    core::JsonElement root;
    std::string_view text;
    if (json.starts_with('"') && dom.read(json, root) && root.get(text))
        out += text;
    else
        out += json;
}

core::Status fill_string(std::string_view text, Scope& scope, std::string& out) {
    const std::string_view whole = core::trimmed(text);
    if (whole.starts_with("{{") && find_end(whole, 2) == whole.size() - 2) {
        auto parsed = parse_template(core::trimmed(whole.substr(2, whole.size() - 4)));
        if (!parsed) return core::fail(std::move(parsed.error()));
        auto value = value_of(*parsed, scope);
        if (!value) return core::fail(std::move(value.error()));
        out += *value;
        return {};
    }
    std::string made;
    auto done = split(
        text, [&](std::string_view piece) { made += piece; },
        [&](const Template& one) -> core::Status {
            auto value = value_of(one, scope);
            if (!value) return core::fail(std::move(value.error()));
            append_as_text(made, *value);
            return {};
        });
    if (done) core::append_json_string(out, made);
    return done;
}

// NOLINTNEXTLINE(misc-no-recursion): as deep as JsonDom takes
core::Status fill(core::JsonElement value, Scope& scope, std::string& out) {
    core::JsonMembers members;
    core::JsonArray array;
    std::string_view text;
    bool first = true;
    if (value.get(members)) {
        out += '{';
        for (const core::JsonMember member : members) {
            if (!std::exchange(first, false)) out += ',';
            out.append(member.raw_key).append(":");
            if (auto done = fill(member.value, scope, out); !done) return done;
        }
        out += '}';
    } else if (value.get(array)) {
        out += '[';
        for (const core::JsonElement item : array) {
            if (!std::exchange(first, false)) out += ',';
            if (auto done = fill(item, scope, out); !done) return done;
        }
        out += ']';
    } else if (value.get(text) && has_template(text)) {
        return fill_string(text, scope, out);
    } else {
        out += value.raw();
    }
    return {};
}

}  // namespace

core::Result<Template> parse_template(std::string_view text) {
    Template out;
    const std::size_t bar = text.find('|');
    auto path = parse_path(core::trimmed(text.substr(0, bar)));
    if (!path) return core::fail(std::move(path.error()));
    out.path = std::move(*path);
    if (bar == std::string_view::npos) return out;
    auto otherwise = parse_default(core::trimmed(text.substr(bar + 1)));
    if (!otherwise) return core::fail(std::move(otherwise.error()));
    out.otherwise = std::move(*otherwise);
    return out;
}

bool has_template(std::string_view text) { return text.find("{{") != std::string_view::npos; }

core::Result<std::string> fill_templates(std::string_view json, Scope& scope) {
    if (!has_template(json)) return std::string(json);
    core::JsonDom dom;
    auto root = dom.parse(json);
    if (!root) return core::fail(std::move(root.error()));
    std::string out;
    if (auto done = fill(*root, scope, out); !done) return core::fail(std::move(done.error()));
    return out;
}

// NOLINTNEXTLINE(misc-no-recursion): as deep as JsonDom takes
core::Status visit_templates(core::JsonElement value, const VisitTemplate& visit) {
    core::JsonMembers members;
    core::JsonArray array;
    std::string_view text;
    if (value.get(members)) {
        for (const core::JsonMember member : members) {
            if (auto done = visit_templates(member.value, visit); !done) return done;
        }
    } else if (value.get(array)) {
        for (const core::JsonElement item : array) {
            if (auto done = visit_templates(item, visit); !done) return done;
        }
    } else if (value.get(text)) {
        return split(
            text, [](std::string_view) {}, visit);
    }
    return {};
}

core::Status visit_templates(std::string_view json, const VisitTemplate& visit) {
    if (!has_template(json)) return {};
    core::JsonDom dom;
    auto root = dom.parse(json);
    if (!root) return core::fail(std::move(root.error()));
    return visit_templates(*root, visit);
}

core::Result<std::string> follow(core::JsonElement value, const TemplatePath& path,
                                 std::size_t from) {
    std::string so_far = path.parts[0];
    for (std::size_t i = 1; i < from && i < path.parts.size(); ++i) so_far += "." + path.parts[i];
    for (std::size_t i = from; i < path.parts.size(); ++i) {
        const std::string& part = path.parts[i];
        core::JsonElement inner;
        core::JsonArray array;
        std::size_t index = 0;
        bool found = value.find(part, inner);
        if (!found && value.get(array)) {
            const auto [end, error] =
                std::from_chars(part.data(), part.data() + part.size(), index);
            if (error == std::errc() && end == part.data() + part.size() && index < array.size()) {
                for (const core::JsonElement item : array) {
                    inner = item;
                    if (index-- == 0) break;
                }
                found = true;
            }
        }
        if (!found) {
            return refuse(so_far + " is " + std::string(core::json_type_text(value)) +
                          " and has no \"" + part.substr(0, 64) + "\"");
        }
        value = inner;
        so_far += "." + part;
    }
    std::string out;
    core::append_json(out, value);
    return out;
}

}  // namespace millrace::runtime::workflow
