#include "runtime/server/reload.h"

#include <algorithm>
#include <string>

namespace millrace::runtime {

namespace {

void carry_over(core::Config& to, const core::Config& from, std::string_view prefix) {
    for (const core::ConfigKey& key : core::config_keys()) {
        if (key.name.starts_with(prefix))
            (void)core::set_config_value(to, key.name, core::config_value_text(from, key),
                                         "reload");
    }
}

// "http.body_bytes_max: 16777216 -> 1048576, ..." of what no part takes.
std::string at_the_next_start(const core::Config& running, const core::Config& fresh,
                              std::span<const ReloadPart> parts) {
    std::string text;
    for (const core::ConfigKey& key : core::config_keys()) {
        const std::string before = core::config_value_text(running, key);
        const std::string now = core::config_value_text(fresh, key);
        const bool taken = std::any_of(parts.begin(), parts.end(), [&](const ReloadPart& part) {
            return key.name.starts_with(part.prefix);
        });
        if (taken || before == now) continue;
        if (!text.empty()) text += ", ";
        text.append(key.name).append(": ").append(core::config_shown_text(running, key));
        text.append(" -> ").append(core::config_shown_text(fresh, key));
    }
    return text;
}

}  // namespace

core::Config reload_config(core::Log& log, const core::Config& running,
                           const std::function<core::Result<core::Config>()>& read_again,
                           std::span<const ReloadPart> parts) {
    core::Config next = running;
    if (!read_again) return next;
    const auto fresh = read_again();
    if (!fresh) {
        log.error("reload: nothing is changed: " + fresh.error().message);
        return next;
    }
    std::string taken;
    for (const ReloadPart& part : parts) {
        if (auto status = part.take(*fresh); !status) {
            log.error("reload: " + std::string(part.prefix) +
                      "* stays as it was: " + status.error().message);
            continue;
        }
        carry_over(next, *fresh, part.prefix);
        taken.append(taken.empty() ? "" : ", ").append(part.prefix).append("*");
    }
    const std::string later = at_the_next_start(running, *fresh, parts);
    if (later.empty())
        log.info("reload: the configuration was read again", {{"taken", taken}});
    else
        log.warn(
            "reload: the configuration was read again; some of it takes effect at the next "
            "start",
            {{"taken", taken}, {"atTheNextStart", later}});
    return next;
}

}  // namespace millrace::runtime
