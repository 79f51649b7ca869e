#include "tools/cli/json.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>

namespace millrace::tools {

namespace {

void append_hex(std::string& out, const char* prefix, unsigned value, int digits) {
    char text[16];
    std::snprintf(text, sizeof text, "%s%0*x", prefix, digits, value);
    out += text;
}

bool find(core::JsonElement value, std::string_view path, core::JsonElement& found) {
    found = value;
    while (!path.empty()) {
        const std::size_t dot = path.find('.');
        const std::string_view step = path.substr(0, dot);
        core::JsonMembers object;
        if (!found.get(object)) return false;
        if (!object.find(step, found)) return false;
        path = dot == std::string_view::npos ? std::string_view{} : path.substr(dot + 1);
    }
    return true;
}

}  // namespace

std::string json_compact(core::JsonElement value) {
    std::string out;
    core::append_json(out, value);
    return out;
}

std::string json_quoted(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (byte < 0x20) {
            append_hex(out, "\\u", byte, 4);
        } else {
            out += c;
        }
    }
    return out + "\"";
}

void JsonObject::name(std::string_view name) {
    if (!body_.empty()) body_ += ',';
    body_ += json_quoted(name);
    body_ += ':';
}

std::string JsonObject::str() const {
    std::string out;
    out.reserve(body_.size() + 2);
    out += '{';
    out += body_;
    out += '}';
    return out;
}

JsonObject& JsonObject::text(std::string_view key, std::string_view value) {
    return raw(key, json_quoted(value));
}

JsonObject& JsonObject::text_if(std::string_view key, std::string_view value) {
    return value.empty() ? *this : text(key, value);
}

JsonObject& JsonObject::number(std::string_view key, std::int64_t value) {
    return raw(key, std::to_string(value));
}

JsonObject& JsonObject::real(std::string_view key, double value) {
    std::ostringstream text;
    text.precision(17);
    text << value;
    return raw(key, text.str());
}

JsonObject& JsonObject::flag(std::string_view key, bool value) {
    return raw(key, value ? "true" : "false");
}

JsonObject& JsonObject::raw(std::string_view key, std::string_view json) {
    name(key);
    body_ += json;
    return *this;
}

JsonObject& JsonObject::raw_if(std::string_view key, std::string_view json) {
    return json.empty() ? *this : raw(key, json);
}

std::string text_at(core::JsonElement value, std::string_view path) {
    core::JsonElement found;
    if (!find(value, path, found) || found.is_null()) return {};
    std::string_view text;
    if (found.get(text)) return std::string(text);
    return json_compact(found);
}

std::int64_t number_at(core::JsonElement value, std::string_view path, std::int64_t otherwise) {
    core::JsonElement found;
    std::int64_t number = 0;
    if (!find(value, path, found) || !found.get(number)) return otherwise;
    return number;
}

bool flag_at(core::JsonElement value, std::string_view path) {
    core::JsonElement found;
    bool flag = false;
    return find(value, path, found) && found.get(flag) && flag;
}

core::JsonArray array_at(core::JsonElement value, std::string_view path, bool& found) {
    core::JsonElement member;
    core::JsonArray array;
    found = find(value, path, member) && member.get(array);
    return array;
}

// Depth is bounded by JsonDom's own limit on documents.
std::string json_pretty(core::JsonElement value, unsigned indent) {
    const std::string inner(indent + 2, ' ');
    std::string out;
    core::JsonMembers object;
    core::JsonArray array;
    if (value.get(object) && object.size() > 0) {
        for (const auto field : object) {
            out += (out.empty() ? "{\n" : ",\n") + inner + json_quoted(field.key) + ": ";
            out += json_pretty(field.value, indent + 2);
        }
        return out + "\n" + std::string(indent, ' ') + "}";
    }
    if (value.get(array) && array.size() > 0) {
        for (const core::JsonElement item : array) {
            out += (out.empty() ? "[\n" : ",\n") + inner + json_pretty(item, indent + 2);
        }
        return out + "\n" + std::string(indent, ' ') + "]";
    }
    return json_compact(value);
}

std::string printable(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        // C1 controls arrive as 0xC2 0x80..0x9F in UTF-8; some terminals obey them.
        const bool c1 =
            byte == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
        if (byte < 0x20 || byte == 0x7F || c1) {
            append_hex(out, "\\x", c1 ? static_cast<unsigned char>(text[++i]) : byte, 2);
        } else {
            out += text[i];
        }
    }
    return out;
}

std::vector<std::string> printable_lines(std::string_view text) {
    constexpr std::string_view kTab = "  ";
    std::vector<std::string> lines;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        std::string line;
        for (const char c : text.substr(0, end)) {
            if (c == '\t')
                line += kTab;
            else
                line += c;
        }
        if (!line.empty() && line.back() == '\r') line.pop_back();
        lines.push_back(printable(line));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    while (!lines.empty() && lines.back().empty()) lines.pop_back();
    while (!lines.empty() && lines.front().empty()) lines.erase(lines.begin());
    return lines;
}

std::string printable_block(std::string_view text, std::size_t indent) {
    std::string out;
    for (const std::string& line : printable_lines(text))
        out += (out.empty() ? "" : "\n" + std::string(indent, ' ')) + line;
    return out;
}

core::Result<std::string> read_argument(std::string_view value) {
    if (value == "-") {
        return std::string(std::istreambuf_iterator<char>(std::cin), {});
    }
    if (value.empty() || value.front() != '@') return std::string(value);
    const std::string path(value.substr(1));
    std::error_code ignored;
    if (std::filesystem::is_directory(path, ignored)) {
        return core::fail(core::ErrorCode::kValidation, "cannot read " + path + ": it is a folder");
    }
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        return core::fail(core::ErrorCode::kValidation,
                          "cannot read file " + path + ": " + std::strerror(errno));
    }
    return std::string(std::istreambuf_iterator<char>(file), {});
}

core::Result<std::string> read_json_argument(std::string_view value, std::string_view name) {
    core::Result<std::string> text = read_argument(value);
    if (!text) return text;
    core::JsonDom parser;
    if (const auto root = parser.parse(*text); !root) {
        return core::fail(core::ErrorCode::kValidation,
                          std::string(name) + " is not JSON: " + root.error().message);
    }
    return text;
}

}  // namespace millrace::tools
