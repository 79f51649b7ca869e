#include "tools/cli/pattern_hint.h"

namespace millrace::tools {

namespace {

// "#" and ">" as a part between dots or slashes, as AMQP, MQTT and NATS write them.
bool has_part(std::string_view pattern, std::string_view part) {
    while (true) {
        const std::size_t end = pattern.find_first_of("./");
        if (pattern.substr(0, end) == part) return true;
        if (end == std::string_view::npos) return false;
        pattern.remove_prefix(end + 1);
    }
}

}  // namespace

std::string pattern_hint(std::string_view pattern) {
    std::string sign;
    for (const std::string_view part : {">", "#", "+", "**"}) {
        if (has_part(pattern, part)) sign = part;
    }
    if (sign.empty()) return {};
    const std::string quoted = "'" + sign + "'";
    if (sign == "**") return quoted + " is read as one star: a star is any text, dots too";
    return quoted + " is an ordinary letter in a pattern: a star is any text, dots too ('order.*')";
}

void note_pattern(CliContext& context, std::string_view pattern) {
    const std::string hint = pattern_hint(pattern);
    if (!hint.empty()) context.note("warning: " + hint);
}

}  // namespace millrace::tools
