#include "runtime/delivery/attempt_record.h"

#include "core/hex.h"
#include "core/json_writer.h"
#include "core/timestamp.h"
#include "runtime/event/json_scan.h"

#include <xxhash.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <utility>
#include <vector>

namespace millrace::runtime {

namespace {

std::uint64_t number_of(std::string_view text) {
    std::uint64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

// The same attempt without its error's text.
std::string without_error(std::string_view attempt) {
    std::string out = "{";
    bool cut = false;
    scan_members(attempt, [&](std::string_view key, std::string_view value) {
        if (key == "\"error\"") {
            cut = true;
            return true;
        }
        if (out.size() > 1) out += ',';
        out.append(key).append(":").append(value);
        return true;
    });
    if (cut) out += ",\"errorCut\":true";
    return out + "}";
}

std::uint64_t member_number(std::string_view attempt, std::string_view quoted_name) {
    return number_of(member_of(attempt, quoted_name));
}

std::string shortened(std::string_view history) {
    std::vector<std::string> attempts;
    std::size_t bytes = 2;
    scan_items(history, [&](std::string_view attempt) {
        attempts.emplace_back(attempt);
        bytes += attempt.size() + 1;
        return true;
    });
    // A good deal less than the limit, so that not every attempt has this to do.
    constexpr std::size_t kEnough = kHistoryBytesMax - kHistoryBytesMax / 8;
    for (std::size_t i = 0; i + 1 < attempts.size() && bytes > kEnough; ++i) {
        std::string shorter = without_error(attempts[i]);
        bytes -= attempts[i].size() - std::min(attempts[i].size(), shorter.size());
        if (shorter.size() < attempts[i].size()) attempts[i] = std::move(shorter);
    }
    std::size_t first = 0;
    for (; first + 1 < attempts.size() && bytes > kEnough; ++first)
        bytes -= attempts[first].size() + 1;
    if (first != 0) {
        const std::uint64_t cut = first + member_number(attempts[0], "\"earlierCut\"");
        attempts[first].insert(1, "\"earlierCut\":" + std::to_string(cut) + ",");
    }
    std::string out = "[";
    for (std::size_t i = first; i < attempts.size(); ++i) {
        if (i != first) out += ',';
        out += attempts[i];
    }
    return out + "]";
}

}  // namespace

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
    if (history.size() < 2) return "[" + out + "]";
    std::string joined(history.substr(0, history.size() - 1));
    if (joined.size() > 1) joined += ',';
    joined += out + "]";
    return joined.size() > kHistoryBytesMax ? shortened(joined) : joined;
}

std::uint32_t attempts_made_in(std::string_view history) {
    std::uint64_t made = 0;
    scan_items(history, [&](std::string_view attempt) {
        made = std::max(made, member_number(attempt, "\"attempt\""));
        return true;
    });
    return static_cast<std::uint32_t>(made);
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
    std::string text;
    core::append_hex(text, XXH3_64bits(shape.data(), shape.size()));
    return text;
}

}  // namespace millrace::runtime
