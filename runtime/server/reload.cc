#include "runtime/server/reload.h"

#include <string>

namespace millrace::runtime {

void reload_config(core::Log& log, const core::Config& running,
                   const std::function<core::Result<core::Config>()>& read_again) {
    if (!read_again) return;
    const auto fresh = read_again();
    if (!fresh) {
        log.error("reload: nothing is changed: " + fresh.error().message);
        return;
    }
    core::LogLevel level = core::LogLevel::kInfo;
    if (core::parse_log_level(fresh->log.level, level)) log.set_level(level);
    std::size_t later = 0;
    for (const core::ConfigKey& key : core::config_keys()) {
        const std::string before = core::config_value_text(running, key);
        const std::string now = core::config_value_text(*fresh, key);
        if (before == now || key.name == "log.level") continue;
        ++later;
        log.warn("reload: this setting takes effect at the next start",
                 {{"key", key.name}, {"runs", before}, {"configured", now}});
    }
    log.info("reload: the configuration was read again",
             {{"logLevel", fresh->log.level}, {"atTheNextStart", later}});
}

}  // namespace millrace::runtime
