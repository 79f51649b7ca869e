#include "core/log.h"

#include "core/json_writer.h"
#include "core/timestamp.h"

#include <array>
#include <utility>

#include <unistd.h>

namespace millrace::core {
namespace {

constexpr std::array<std::string_view, 5> kLevelTexts = {"debug", "info", "warn", "error", "off"};

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

Log::Log(const Clock& clock, LogLevel level, Sink sink)
    : clock_(clock), level_(level), sink_(sink ? std::move(sink) : Sink(write_to_stderr)) {}

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

    std::string line;
    line.reserve(256);
    JsonWriter json(line);
    json.begin_object()
        .field("time", format_timestamp(now_us))
        .field("level", log_level_text(level));
    json.field("message", message.substr(0, kLineBytesMax / 2));
    for (const LogField& field : fields) {
        if (line.size() + field.text.size() > kLineBytesMax) break;
        append_field(json, field);
    }
    if (state.suppressed != 0) json.field("suppressed", std::exchange(state.suppressed, 0));
    json.end_object();
    line += '\n';
    sink_(line);
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
