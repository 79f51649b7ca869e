#include "runtime/executors/command_template.h"

#include "core/json_writer.h"
#include "core/listed.h"
#include "core/percent_encode.h"
#include "runtime/registry/executor_specs.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace millrace::runtime {
namespace {

tl::unexpected<core::Error> refuse(std::string_view expression, std::string_view why) {
    return core::fail(core::ErrorCode::kValidation,
                      "{{" + std::string(expression.substr(0, 128)) + "}}: " + std::string(why));
}

tl::unexpected<core::Error> too_long() {
    return core::fail(core::ErrorCode::kValidation, "a filled text is over 32768 bytes");
}

// The next name of a path: "a", or "0" of "[0]".
std::string_view next_name(std::string_view& path) {
    if (path.starts_with('.')) path.remove_prefix(1);
    if (path.starts_with('[')) {
        const std::size_t end = std::min(path.find(']'), path.size());
        const std::string_view name = path.substr(1, end - 1);
        path.remove_prefix(std::min(end + 1, path.size()));
        return name;
    }
    const std::size_t end = std::min(path.find_first_of(".["), path.size());
    const std::string_view name = path.substr(0, end);
    path.remove_prefix(end);
    return name;
}

bool step(std::string_view name, core::JsonElement& at) {
    core::JsonArray array;
    if (!at.get(array)) return at.find(name, at);
    std::size_t index = 0;
    const auto end = std::from_chars(name.data(), name.data() + name.size(), index);
    if (name.empty() || end.ptr != name.data() + name.size() || end.ec != std::errc()) return false;
    std::size_t i = 0;
    for (const core::JsonElement item : array) {
        if (i++ != index) continue;
        at = item;
        return true;
    }
    return false;
}

std::string text_of(core::JsonElement value) {
    std::string out;
    std::string_view text;
    if (value.get(text)) return std::string(text);
    core::append_json(out, value);
    return out;
}

std::string json_text(std::string_view text) {
    std::string out;
    core::append_json_string(out, text);
    return out;
}

bool is_one_template(std::string_view text) {
    return text.starts_with("{{") && text.find("}}") == text.size() - 2;
}

}  // namespace

std::optional<core::JsonElement> CommandFiller::find(std::string_view path) {
    if (!root_) {
        auto parsed = document_.parse(envelope_, "event");
        if (!parsed) return std::nullopt;
        root_ = *parsed;
    }
    core::JsonElement at = *root_;
    if (path.starts_with("event.")) path.remove_prefix(6);
    while (!path.empty()) {
        if (!step(next_name(path), at)) return std::nullopt;
    }
    if (at.is_null()) return std::nullopt;
    return at;
}

core::Result<std::string> CommandFiller::value_of(std::string_view whole, As as) {
    const std::string_view expression = core::trimmed(whole);
    const std::size_t bar = expression.find('|');
    const std::string_view path = core::trimmed(expression.substr(0, bar));
    std::optional<std::string> fallback;
    if (bar != std::string_view::npos) {
        std::string_view rest = core::trimmed(expression.substr(bar + 1));
        if (!rest.starts_with("default")) return refuse(expression, "expected | default TEXT");
        rest = core::trimmed(rest.substr(7));
        if (rest.size() >= 2 && (rest[0] == '"' || rest[0] == '\'') && rest.back() == rest[0])
            rest = rest.substr(1, rest.size() - 2);
        fallback = std::string(rest);
    }
    std::string out;
    if (path.empty()) return refuse(expression, "it names nothing");
    if (path.starts_with("secrets.")) {
        if (!find_secret_(path.substr(8), out))
            return refuse(expression, "no secret has that name");
        if (as == As::kJson) out = json_text(out);
    } else if (const auto value = find(path)) {
        if (as == As::kJson)
            core::append_json(out, *value);
        else
            out = text_of(*value);
        if (as == As::kUrl) out = core::percent_encoded(out);
    } else if (fallback) {
        out = as == As::kJson ? json_text(*fallback) : std::move(*fallback);
    } else {
        return refuse(expression, "the event has no such member");
    }
    if (out.find('\0') != std::string::npos) return refuse(expression, "its value has a zero byte");
    return out;
}

core::Result<std::string> CommandFiller::fill(std::string_view text) {
    return fill(text, As::kText);
}

core::Result<std::string> CommandFiller::fill_url(std::string_view text) {
    return fill(text, As::kUrl);
}

core::Result<std::string> CommandFiller::fill(std::string_view text, As as) {
    std::string out;
    for (;;) {
        const std::size_t begin = text.find("{{");
        out += text.substr(0, begin);
        if (begin == std::string_view::npos) break;
        const std::size_t end = text.find("}}", begin);
        if (end == std::string_view::npos) return refuse(text.substr(begin + 2), "it has no end");
        auto value = value_of(text.substr(begin + 2, end - begin - 2), as);
        if (!value) return core::fail(std::move(value.error()));
        // Each may be as large as an event, and a text holds thousands.
        if (out.size() + value->size() > kCommandArgBytesMax) return too_long();
        out += *value;
        text.remove_prefix(end + 2);
    }
    if (out.size() > kCommandArgBytesMax) return too_long();
    return out;
}

core::Result<std::string> CommandFiller::fill_json(std::string_view json) {
    core::JsonDocument document;
    auto root = document.parse(json, "template");
    if (!root) return core::fail(std::move(root.error()));
    std::string out;
    if (auto filled = fill_tree(*root, out); !filled) return core::fail(std::move(filled.error()));
    return out;
}

// NOLINTNEXTLINE(misc-no-recursion): as deep as documents may be
core::Status CommandFiller::fill_tree(core::JsonElement element, std::string& out) {
    core::JsonArray array;
    core::JsonMembers members;
    std::string_view text;
    if (element.get(array)) {
        out += '[';
        bool first = true;
        for (const core::JsonElement item : array) {
            if (!std::exchange(first, false)) out += ',';
            if (auto filled = fill_tree(item, out); !filled) return filled;
        }
        out += ']';
    } else if (element.get(members)) {
        out += '{';
        bool first = true;
        for (const core::JsonMember member : members) {
            if (!std::exchange(first, false)) out += ',';
            out.append(member.raw_key) += ':';
            if (auto filled = fill_tree(member.value, out); !filled) return filled;
        }
        out += '}';
    } else if (!element.get(text)) {
        out += element.raw();
    } else if (is_one_template(text)) {
        auto value = value_of(text.substr(2, text.size() - 4), As::kJson);
        if (!value) return core::fail(std::move(value.error()));
        out += *value;
    } else {
        auto filled = fill(text, As::kText);
        if (!filled) return core::fail(std::move(filled.error()));
        core::append_json_string(out, *filled);
    }
    if (out.size() <= kFilledJsonBytesMax) return {};
    return core::fail(core::ErrorCode::kValidation,
                      "a filled body is over " + std::to_string(kFilledJsonBytesMax) + " bytes");
}

core::Result<std::string> CommandFiller::fill_argument(std::string_view text, bool allow_dash) {
    auto out = fill(text);
    if (out && !allow_dash && text.starts_with("{{") && out->starts_with('-'))
        return refuse(
            text.substr(2, text.find("}}") - 2),
            "its value begins with '-' and would be an option; allowDash lets it through");
    return out;
}

}  // namespace millrace::runtime
