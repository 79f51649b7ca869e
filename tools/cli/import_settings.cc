#include "tools/cli/import_settings.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <string_view>

namespace millrace::tools {
namespace {

enum class As : std::uint8_t {
    kItself,
    kDuration,  // milliseconds
    kNothing,   // it holds here anyway, with this value
};

struct Counterpart {
    std::string_view older;
    std::string_view ours;
    As as = As::kItself;
    std::string_view value = {};    // kNothing: the one that holds; empty: any
    std::string_view problem = {};  // of another one
};

constexpr Counterpart kCounterparts[] = {
    {"processing.maxRetries", "retry.max_retries"},
    {"processing.retryDelayMs", "retry.initial_delay", As::kDuration},
    {"processing.maxConcurrentEvents", "", As::kNothing},  // as many as the lanes' queues hold
    {"scheduling.checkIntervalMs", "", As::kNothing},      // nothing waits for a check
    {"scheduling.timezone", "", As::kNothing, "\"UTC\"", "is said by each schedule (timezone)"},
    {"executors.webhook.enabled", "executors.webhook.enabled"},
    {"executors.webhook.maxConcurrency", "executors.webhook.limit"},
    {"executors.command.enabled", "executors.command.enabled"},
    {"executors.command.maxConcurrency", "executors.command.limit"},
    {"executors.command.defaultTimeoutMs", "", As::kNothing, "30000",
     "is said by each command (timeoutMs); 30000 unless it does"},
    {"executors.workflow.enabled", "executors.workflow.enabled"},
    {"executors.workflow.maxConcurrency", "executors.workflow.limit"},
    {"executors.workflow.checkpointEnabled", "", As::kNothing, "true",
     "can not be switched off: runs are always kept"},
};

ImportedSetting imported(std::string_view name, core::JsonElement value) {
    ImportedSetting out;
    out.name = "events." + std::string(name);
    const auto found = std::find_if(std::begin(kCounterparts), std::end(kCounterparts),
                                    [&](const Counterpart& one) { return one.older == name; });
    if (found == std::end(kCounterparts)) {
        out.problem = "has no counterpart";
        return out;
    }
    if (found->as == As::kNothing) {
        if (!found->value.empty() && value.raw() != found->value) out.problem = found->problem;
        return out;
    }
    out.setting = std::string(found->ours) + " = ";
    if (found->as == As::kDuration)
        out.setting += "\"" + std::string(value.raw()) + "ms\"";
    else
        out.setting += value.raw();
    return out;
}

// NOLINTNEXTLINE(misc-no-recursion): bounded by the document's depth
void walk(const std::string& prefix, core::JsonElement object, std::vector<ImportedSetting>& out) {
    core::JsonMembers members;
    if (!object.get(members)) return out.push_back(imported(prefix, object));
    for (const core::JsonMember member : members)
        walk(prefix.empty() ? std::string(member.key) : prefix + "." + std::string(member.key),
             member.value, out);
}

}  // namespace

std::vector<ImportedSetting> import_settings(core::JsonElement events) {
    std::vector<ImportedSetting> out;
    walk({}, events, out);
    return out;
}

}  // namespace millrace::tools
