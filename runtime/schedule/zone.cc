#include "runtime/schedule/zone.h"

#include <date/ptz.h>
#include <date/tz.h>

#include <algorithm>
#include <exception>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

namespace millrace::runtime {

struct Zone::Loaded {
    const date::time_zone* listed = nullptr;
    std::optional<Posix::time_zone> rule;  // for what comes after the listed changes
};

namespace {

date::sys_seconds seconds_at(std::int64_t second) {
    return date::sys_seconds(std::chrono::seconds(second));
}

// Beyond the years of this world: such an end of a period is none.
constexpr std::int64_t kNoSecond = 253'402'300'800;  // the year 10000

Zone::Period period_of(const date::sys_info& info) {
    Zone::Period period;
    const std::int64_t begin = info.begin.time_since_epoch().count();
    const std::int64_t end = info.end.time_since_epoch().count();
    if (begin > -kNoSecond) period.begin_s = begin;
    if (end < kNoSecond) period.end_s = end;
    period.offset_s = info.offset.count();
    return period;
}

// The last line of a zone's file, as POSIX writes rules: "EST5EDT,M3.2.0,M11.1.0".
std::optional<Posix::time_zone> rule_of(const std::string& name) {
    std::ifstream file("/usr/share/zoneinfo/" + name, std::ios::binary);
    std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    if (bytes.empty() || bytes.back() != '\n') return std::nullopt;
    bytes.pop_back();
    bytes.erase(0, bytes.rfind('\n') + 1);
    if (bytes.find(',') == std::string::npos) return std::nullopt;
    try {
        return Posix::time_zone(bytes);
    } catch (const std::exception&) {
        return std::nullopt;  // a form that the library does not know: no changes any more
    }
}

tl::unexpected<core::Error> unknown(std::string_view name) {
    return core::fail(core::Error(core::ErrorCode::kValidation,
                                  "timezone: \"" + std::string(name.substr(0, kZoneNameBytesMax)) +
                                      "\" is not in the system's tzdata; expected a name such as "
                                      "Europe/Berlin or UTC")
                          .in("timezone"));
}

}  // namespace

core::Result<Zone> Zone::find(std::string_view name) {
    static std::mutex mutex;
    static std::map<std::string, std::unique_ptr<Loaded>, std::less<>> loaded;
    Zone zone;
    if (name == "UTC") return zone;
    if (name.empty() || name.size() > kZoneNameBytesMax) return unknown(name);
    std::lock_guard lock(mutex);
    const auto known = loaded.find(name);
    if (known != loaded.end()) {
        zone.loaded_ = known->second.get();
        return zone;
    }
    try {
        auto fresh = std::make_unique<Loaded>();
        fresh->listed = date::locate_zone(name);
        (void)fresh->listed->get_info(seconds_at(0));  // reads its file
        fresh->rule = rule_of(std::string(name));
        zone.loaded_ = fresh.get();
        loaded.emplace(name, std::move(fresh));
    } catch (const std::exception&) {
        return unknown(name);
    }
    return zone;
}

Zone::Period Zone::at(std::int64_t second) const {
    if (!loaded_) return {};
    Period period = period_of(loaded_->listed->get_info(seconds_at(second)));
    if (!loaded_->rule || period.end_s != std::numeric_limits<std::int64_t>::max()) return period;
    const std::int64_t listed_to = period.begin_s;
    const std::int64_t listed_offset = period.offset_s;
    period = period_of(loaded_->rule->get_info(seconds_at(second)));
    // The last listed change and the rule's own are the same one.
    if (period.begin_s < listed_to) {
        period.begin_s = listed_to;
        period.offset_s = listed_offset;
    }
    return period;
}

}  // namespace millrace::runtime
