// What: the little JSON the command line needs: building request bodies, reading replies, and
//       turning any value into text that is safe to show on a terminal.
// Threads: any; no shared state. Lifetime: views are borrowed, strings are owned.
// Limits: none of its own. Failure: a missing member reads as empty text.
#pragma once

#include "core/json_dom.h"
#include "core/result.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::tools {

// A JSON object under construction; members appear in the order they were added.
class JsonObject {
public:
    JsonObject& text(std::string_view name, std::string_view value);
    JsonObject& text_if(std::string_view name, std::string_view value);  // left out when empty
    JsonObject& number(std::string_view name, std::int64_t value);
    JsonObject& real(std::string_view name, double value);
    JsonObject& flag(std::string_view name, bool value);
    JsonObject& raw(std::string_view name, std::string_view json);
    JsonObject& raw_if(std::string_view name, std::string_view json);
    bool empty() const { return body_.empty(); }
    std::string str() const;

private:
    void name(std::string_view name);
    std::string body_;
};

std::string json_quoted(std::string_view text);

// The member at a path of names joined by dots ("source.id"), as text for people: strings without
// quotes, everything else as compact JSON, null and absent as "".
std::string text_at(core::JsonElement value, std::string_view path);
std::int64_t number_at(core::JsonElement value, std::string_view path, std::int64_t otherwise = 0);
bool flag_at(core::JsonElement value, std::string_view path);
core::JsonArray array_at(core::JsonElement value, std::string_view path, bool& found);

// On one line, numbers as they stand.
std::string json_compact(core::JsonElement value);
// Indented form for `info` and `show`.
std::string json_pretty(core::JsonElement value, unsigned indent = 0);

// Control characters become \xNN: what an event carries must not steer the terminal.
std::string printable(std::string_view text);
// Line by line, tabs as blanks, without the empty lines around: what an error says, readable.
std::vector<std::string> printable_lines(std::string_view text);
// The same as one text, the further lines under the first.
std::string printable_block(std::string_view text, std::size_t indent);

// An argument that is a value, `@file`, or `-` for standard input.
core::Result<std::string> read_argument(std::string_view value);
// As read_argument, and the text must be JSON; `name` is the option, for the message.
core::Result<std::string> read_json_argument(std::string_view value, std::string_view name);

}  // namespace millrace::tools
