// What: structured log lines (one JSON object a line; or text for people), a rate limit per call
//       site and a table of distinct errors, so that a fault that repeats a million times costs a
//       few lines and a count.
//           log.warn("store: sync failed", {{"errno", errno}, {"path", path}});
// Threads: any; a line takes a mutex, so hot paths count in core/metrics instead.
// Lifetime: outlives every part that holds a reference.
// Limits: kLinesPerSitePerSecond lines a second and site (errors too: they stay countable in the
//       table); kDistinctErrorsMax rows in the table, later ones share a last row; a line of at
//       most kLineBytesMax; the last kLastLines are kept to be looked at.
// Failure: a failing write to the sink is ignored: there is nowhere left to say so.
#pragma once

#include "core/clock.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <mutex>
#include <source_location>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>
#include <version>

namespace millrace::core {

#ifdef __cpp_lib_source_location
using LogSite = std::source_location;
#else
// clang 14, which builds the fuzzers, lacks what std::source_location needs.
struct LogSite {
    const char* file = "";
    unsigned at_line = 0;
    static constexpr LogSite current(const char* file = __builtin_FILE(),
                                     unsigned line = __builtin_LINE()) {
        return LogSite{file, line};
    }
    constexpr const char* file_name() const { return file; }
    constexpr unsigned line() const { return at_line; }
};
#endif

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarn, kError, kOff };

enum class LogFormat : std::uint8_t { kJson, kText };

bool parse_log_level(std::string_view text, LogLevel& level);
std::string_view log_level_text(LogLevel level);

struct LogField {
    enum class Kind : std::uint8_t { kText, kInteger, kUnsigned, kReal, kBoolean };
    std::string_view name;
    Kind kind;
    std::string_view text = {};
    std::int64_t integer = 0;
    double real = 0;

    LogField(std::string_view n, std::string_view t) : name(n), kind(Kind::kText), text(t) {}
    LogField(std::string_view n, const char* t) : name(n), kind(Kind::kText), text(t) {}
    LogField(std::string_view n, const std::string& t) : name(n), kind(Kind::kText), text(t) {}
    LogField(std::string_view n, bool b) : name(n), kind(Kind::kBoolean), integer(b) {}
    LogField(std::string_view n, double r) : name(n), kind(Kind::kReal), real(r) {}
    template <typename Int>
    requires(std::is_integral_v<Int> && !std::is_same_v<Int, bool>)
        LogField(std::string_view n, Int i)
        : name(n),
          kind(std::is_signed_v<Int> ? Kind::kInteger : Kind::kUnsigned),
          integer(static_cast<std::int64_t>(i)) {}
};

using LogFields = std::initializer_list<LogField>;

class Log {
public:
    static constexpr unsigned kLinesPerSitePerSecond = 20;
    static constexpr std::size_t kDistinctErrorsMax = 256;
    static constexpr std::size_t kLineBytesMax = 16u << 10;
    static constexpr std::size_t kLastLines = 200;
    static constexpr std::size_t kLastLineBytesMax = 2u << 10;

    using Sink = std::function<void(std::string_view line)>;  // the line ends with '\n'
    using Site = LogSite;

    struct DistinctError {
        LogLevel level;
        std::string message;
        std::string site;  // file:line
        std::uint64_t count;
        std::int64_t first_us;
        std::int64_t last_us;
    };

    // Without a sink: standard error.
    explicit Log(const Clock& clock, LogLevel level = LogLevel::kInfo, Sink sink = {},
                 LogFormat format = LogFormat::kJson);
    Log(const Log&) = delete;
    Log& operator=(const Log&) = delete;

    void debug(std::string_view message, LogFields fields = {}, Site site = Site::current()) {
        write(LogLevel::kDebug, message, fields, site);
    }
    void info(std::string_view message, LogFields fields = {}, Site site = Site::current()) {
        write(LogLevel::kInfo, message, fields, site);
    }
    void warn(std::string_view message, LogFields fields = {}, Site site = Site::current()) {
        write(LogLevel::kWarn, message, fields, site);
    }
    void error(std::string_view message, LogFields fields = {}, Site site = Site::current()) {
        write(LogLevel::kError, message, fields, site);
    }
    void write(LogLevel level, std::string_view message, LogFields fields, Site site);

    bool enabled(LogLevel level) const {
        return level >= level_.load(std::memory_order_relaxed);
    }  // a hint only
    void set_level(LogLevel level) { level_.store(level, std::memory_order_relaxed); }

    std::vector<DistinctError> distinct_errors() const;
    // The last kLastLines, the newest first, each a JSON object; one that was longer than
    // kLastLineBytesMax without its fields.
    struct LastLine {
        LogLevel level = LogLevel::kInfo;
        std::string json{};
    };
    std::vector<LastLine> last_lines() const;

private:
    struct SiteState {
        std::int64_t second = 0;
        unsigned lines = 0;
        std::uint64_t suppressed = 0;
    };
    void note_error(LogLevel level, std::string_view message, Site site, std::int64_t now_us);
    void keep_line(LogLevel level, std::string_view json);

    const Clock& clock_;
    std::atomic<LogLevel> level_;
    const Sink sink_;
    const LogFormat format_;
    mutable std::mutex mutex_;
    std::map<std::pair<const char*, std::uint_least32_t>, SiteState> sites_;
    std::map<std::pair<std::string, std::string>, DistinctError> errors_;  // site, message
    std::vector<LastLine> last_;  // a ring: their room is used again
    std::size_t next_last_ = 0;
};

}  // namespace millrace::core
