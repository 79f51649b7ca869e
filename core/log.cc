#include "core/log.h"

#include "core/json_writer.h"
#include "core/timestamp.h"

#include <algorithm>
#include <array>
#include <utility>

#include <unistd.h>

namespace millrace::core {
namespace {

constexpr std::array<std::string_view, 5> kLevelTexts = {"debug", "info", "warn", "error", "off"};
constexpr std::size_t kShortMessage = 256;  // escaped, it still fits a kept line

void write_to_stderr(std::string_view line) {
    while (!line.empty()) {
        const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
        if (written <= 0) return;
        line.remove_prefix(static_cast<std::size_t>(written));
    }
}

std::string site_text(const LogSite& site) {
    std::string_view file = site.file_name();
    // Paths below the repository, not those of the machine that built it.
    for (std::size_t slash = file.size(), levels = 0; slash-- > 0;) {
        if (file[slash] == '/' && ++levels == 2) {
            file.remove_prefix(slash + 1);
            break;
        }
    }
    return std::string(file) + ":" + std::to_string(site.line());
}

void append_field(JsonWriter& json, const LogField& field) {
    switch (field.kind) {
        case LogField::Kind::kText: json.field(field.name, field.text); return;
        case LogField::Kind::kInteger: json.field(field.name, field.integer); return;
        case LogField::Kind::kUnsigned:
            json.field(field.name, static_cast<std::uint64_t>(field.integer));
            return;
        case LogField::Kind::kReal: json.field(field.name, field.real); return;
        case LogField::Kind::kBoolean: json.field(field.name, field.integer != 0); return;
    }
}

// For people: control characters must not steer the terminal, lines of a text stay lines.
void append_shown(std::string& out, std::string_view text) {
    constexpr std::string_view kHex = "0123456789abcdef";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '\n') {
            out += "\n    ";
        } else if (c == '\t') {
            out += "    ";
        } else if (byte < 0x20 || byte == 0x7f) {
            out += "\\x";
            out += kHex[byte >> 4];
            out += kHex[byte & 15];
        } else {
            out += c;
        }
    }
}

void append_text_value(std::string& out, const LogField& field) {
    switch (field.kind) {
        case LogField::Kind::kText: append_shown(out, field.text); return;
        case LogField::Kind::kInteger: append_number(out, field.integer); return;
        case LogField::Kind::kUnsigned:
            append_number(out, static_cast<std::uint64_t>(field.integer));
            return;
        case LogField::Kind::kReal: append_number(out, field.real); return;
        case LogField::Kind::kBoolean: out += field.integer != 0 ? "true" : "false"; return;
    }
}

std::string json_line(std::int64_t now_us, LogLevel level, std::string_view message,
                      LogFields fields, std::uint64_t suppressed) {
    std::string line;
    line.reserve(256);
    JsonWriter json(line);
    json.begin_object()
        .field("time", format_timestamp(now_us))
        .field("level", log_level_text(level));
    json.field("message", message);
    for (const LogField& field : fields) {
        if (line.size() + field.text.size() > Log::kLineBytesMax) break;
        append_field(json, field);
    }
    if (suppressed != 0) json.field("suppressed", suppressed);
    json.end_object();
    return line;
}

// 2026-11-28 22:01:55.931 warn  the message (name: value, name: value)
std::string text_line(std::int64_t now_us, LogLevel level, std::string_view message,
                      LogFields fields, std::uint64_t suppressed) {
    constexpr std::size_t kMillisecondColumns = 23;
    constexpr std::size_t kLevelColumns = 6;
    std::string line = format_timestamp(now_us);
    line[10] = ' ';
    line.resize(std::min(line.size(), kMillisecondColumns));
    line.resize(kMillisecondColumns + 1, ' ');
    line += log_level_text(level);
    line.resize(kMillisecondColumns + 1 + kLevelColumns, ' ');
    append_shown(line, message);
    const char* before = " (";
    for (const LogField& field : fields) {
        if (line.size() + field.text.size() > Log::kLineBytesMax) break;
        line.append(before).append(field.name).append(": ");
        append_text_value(line, field);
        before = ", ";
    }
    if (suppressed != 0) {
        line.append(before).append("like lines left out: ");
        append_number(line, suppressed);
        before = ", ";
    }
    if (before[0] == ',') line += ')';
    return line;
}

}  // namespace

bool parse_log_level(std::string_view text, LogLevel& level) {
    for (std::size_t i = 0; i < kLevelTexts.size(); ++i) {
        if (text == kLevelTexts[i]) {
            level = static_cast<LogLevel>(i);
            return true;
        }
    }
    return false;
}

std::string_view log_level_text(LogLevel level) {
    return kLevelTexts[static_cast<std::size_t>(level)];
}

Log::Log(const Clock& clock, LogLevel level, Sink sink, LogFormat format)
    : clock_(clock),
      level_(level),
      sink_(sink ? std::move(sink) : Sink(write_to_stderr)),
      format_(format) {}

void Log::write(LogLevel level, std::string_view message, LogFields fields, Site site) {
    if (!enabled(level)) return;
    const std::int64_t now_us = clock_.wall_us();
    std::lock_guard lock(mutex_);
    if (level >= LogLevel::kWarn) note_error(level, message, site, now_us);

    SiteState& state = sites_[{site.file_name(), site.line()}];
    const std::int64_t second = now_us / 1'000'000;
    if (state.second != second) {
        state.second = second;
        state.lines = 0;
    }
    if (state.lines >= kLinesPerSitePerSecond) {
        ++state.suppressed;
        return;
    }
    ++state.lines;

    const std::uint64_t left_out = std::exchange(state.suppressed, 0);
    message = message.substr(0, kLineBytesMax / 2);
    std::string line = json_line(now_us, level, message, fields, left_out);
    if (line.size() <= kLastLineBytesMax)
        keep_line(level, line);
    else
        keep_line(level, json_line(now_us, level, message.substr(0, kShortMessage), {}, left_out));
    if (format_ == LogFormat::kText) line = text_line(now_us, level, message, fields, left_out);
    line += '\n';
    sink_(line);
}

void Log::keep_line(LogLevel level, std::string_view json) {
    if (last_.size() < kLastLines) {
        last_.push_back({level, std::string(json)});
        return;
    }
    last_[next_last_].level = level;
    last_[next_last_].json.assign(json);
    next_last_ = (next_last_ + 1) % kLastLines;
}

std::vector<Log::LastLine> Log::last_lines() const {
    std::lock_guard lock(mutex_);
    std::vector<LastLine> out;
    out.reserve(last_.size());
    for (std::size_t i = 0; i < last_.size(); ++i)
        out.push_back(last_[(next_last_ + last_.size() - 1 - i) % last_.size()]);
    return out;
}

void Log::note_error(LogLevel level, std::string_view message, Site site, std::int64_t now_us) {
    std::pair<std::string, std::string> key(site_text(site), std::string(message.substr(0, 512)));
    auto row = errors_.find(key);
    if (row == errors_.end()) {
        if (errors_.size() >= kDistinctErrorsMax) key = {"", "further distinct errors"};
        row =
            errors_.try_emplace(key, DistinctError{level, key.second, key.first, 0, now_us, now_us})
                .first;
    }
    ++row->second.count;
    row->second.last_us = now_us;
}

std::vector<Log::DistinctError> Log::distinct_errors() const {
    std::lock_guard lock(mutex_);
    std::vector<DistinctError> out;
    out.reserve(errors_.size());
    for (const auto& [key, row] : errors_) out.push_back(row);
    return out;
}

}  // namespace millrace::core
