#include "runtime/delivery/attempt_record.h"

#include "core/json_writer.h"
#include "core/timestamp.h"

#include <xxhash.h>

#include <cctype>

namespace millrace::runtime {

std::string append_attempt(std::string_view history, const AttemptText& attempt) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object();
    json.field("attempt", attempt.attempt);
    json.field("at", core::format_timestamp(attempt.at_us));
    json.field("durationUs", attempt.duration_us);
    json.field("status", attempt.status);
    if (!attempt.error.empty()) json.field("error", attempt.error.substr(0, kErrorTextBytesMax));
    json.end_object();
    if (history.size() < 2 || history.size() + out.size() > kHistoryBytesMax)
        return "[" + out + "]";
    std::string joined(history.substr(0, history.size() - 1));
    if (joined.size() > 1) joined += ',';
    return joined + out + "]";
}

void append_logs_json(std::string& out, const InvocationResult& result) {
    if (result.logs.empty()) return;
    core::JsonWriter json(out);
    json.begin_array();
    for (const LuaLogLine& line : result.logs) {
        json.begin_object();
        json.field("level", lua_log_level_text(line.level));
        json.field("text", line.text);
        if (!line.fields_json.empty()) json.key("fields").raw(line.fields_json);
        json.field("at", core::format_timestamp(line.at_us));
        if (line.cut) json.field("cut", true);
        if (result.logs_cut != 0 && &line == &result.logs.back())
            json.field("linesLeftOut", result.logs_cut);
        json.end_object();
    }
    json.end_array();
}

std::string error_fingerprint(std::string_view script_id, std::string_view error) {
    // The first line says what happened; digits and quoted texts say to whom.
    std::string shape(script_id);
    shape += '\n';
    char quote = 0;
    for (const char c : error.substr(0, error.find('\n'))) {
        if (quote != 0) {
            if (c == quote) quote = 0;
            continue;
        }
        if (c == '\'' || c == '"') {
            quote = c;
        } else if (std::isdigit(static_cast<unsigned char>(c)) == 0) {
            shape += c;
        }
    }
    static constexpr char kHex[] = "0123456789abcdef";
    std::uint64_t hash = XXH3_64bits(shape.data(), shape.size());
    std::string text(16, '0');
    for (std::size_t i = 16; i-- > 0; hash >>= 4) text[i] = kHex[hash & 15];
    return text;
}

}  // namespace millrace::runtime
