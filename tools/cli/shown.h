// What: how times and ids are shown to people who look: "3 min ago" instead of a time stamp, the
//       beginning of an id where it says which one is meant, the name of a handler. In a pipe, and
//       with --full, whole ids.
// Threads: pure. Lifetime: values. Limits: none.
// Failure: a text that is no time is shown as it is.
#pragma once

#include "tools/cli/context.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::tools {

// "now", "12 s ago", "in 5 min", "3 h ago", "12 d ago"; beyond two months the day.
std::string relative_time(std::string_view rfc3339, std::int64_t now_us);
std::string time_cell(const CliContext& context, std::string_view rfc3339);

// The shortest beginnings that tell all of these ids apart, and that `resolve` takes.
class ShortIds {
public:
    ShortIds(const CliContext& context, std::vector<std::string> ids);
    std::string operator()(const std::string& id) const;

private:
    std::vector<std::string> ids_;  // in order; empty: ids are shown whole
};

// What handlers are called, to people who look; the short id of one without a name of its own, or
// where this key may not see handlers.
class HandlerNames {
public:
    HandlerNames(CliContext& context, core::JsonElement page);  // of its subscriptionId members
    std::string operator()(const std::string& id) const;

private:
    ShortIds short_id_;
    std::map<std::string, std::string> names_;
};

// The ids at a path of every item of a page.
std::vector<std::string> ids_at(core::JsonElement page, std::string_view path = "id");

}  // namespace millrace::tools
