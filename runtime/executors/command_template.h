// What: {{payload.id}} in the fields of a command: filled from the event, inside one element, so
//       that no value becomes another argument. Text goes in as it is, everything else as its JSON;
//       {{secrets.name}} is a secret, {{path | default TEXT}} stands in for what is missing.
// Threads: one owner. Lifetime: a filler keeps the event's text for its templates.
// Limits: kCommandArgBytesMax of a text that is filled, kFilledJsonBytesMax of a JSON text.
// Failure: errors that name the template: no such member, no such secret, a zero byte.
#pragma once

#include "core/json_reader.h"
#include "core/result.h"
#include "runtime/executors/webhook_call.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::runtime {

// An event fits in, and what stands around it.
inline constexpr std::size_t kFilledJsonBytesMax = 4u << 20;

class CommandFiller {
public:
    // `envelope`: the whole event, as JSON text.
    CommandFiller(std::string envelope, FindSecret find_secret)
        : envelope_(std::move(envelope)), find_secret_(std::move(find_secret)) {}

    core::Result<std::string> fill(std::string_view text);
    // The same for an argument: what begins with a value must not begin with '-', which a program
    // would take for an option.
    core::Result<std::string> fill_argument(std::string_view text, bool allow_dash);

    // The same for a URL: what is filled in can not become another part of it.
    core::Result<std::string> fill_url(std::string_view text);
    // The same for a JSON text, on its tree: a text that is one template becomes the value as it
    // is, whatever its kind; in any other the values are part of the text. Keys stay.
    core::Result<std::string> fill_json(std::string_view json);

private:
    // How a value goes into what stands around it.
    enum class As : std::uint8_t { kText, kUrl, kJson };
    core::Result<std::string> value_of(std::string_view expression, As as);
    core::Result<std::string> fill(std::string_view text, As as);
    core::Status fill_tree(core::JsonElement element, std::string& out);
    std::optional<core::JsonElement> find(std::string_view path);

    const std::string envelope_;
    const FindSecret find_secret_;
    core::JsonDocument document_;
    std::optional<core::JsonElement> root_;
};

}  // namespace millrace::runtime
