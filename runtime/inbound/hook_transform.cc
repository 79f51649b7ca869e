#include "runtime/inbound/hook_transform.h"

#include "core/json_writer.h"
#include "runtime/event/json_scan.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace millrace::runtime::inbound {

namespace {

constexpr std::array<std::string_view, 8> kMaySet = {
    "\"pattern\"",     "\"payload\"",  "\"partitionKey\"", "\"priority\"",
    "\"scheduledAt\"", "\"metadata\"", "\"timestamp\"",    "\"version\""};
// A script that changes the event it got and returns it gives these back as they were.
constexpr std::array<std::string_view, 3> kStay = {"\"eventId\"", "\"source\"", "\"x-webhook\""};

template <std::size_t N>
bool is_one_of(const std::array<std::string_view, N>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

core::Result<std::string> transformed_event(std::string_view event, std::string_view result) {
    if (result.empty() || result == "null" || result == "false") return std::string();
    std::vector<std::pair<std::string_view, std::string_view>> set;
    std::string wrong;
    const bool object = scan_members(result, [&](std::string_view name, std::string_view value) {
        if (is_one_of(kStay, name)) return true;
        if (!is_one_of(kMaySet, name) && !name.starts_with("\"x-")) {
            wrong = name.substr(0, 64);
            return false;
        }
        set.emplace_back(name, value);
        return true;
    });
    if (!object && wrong.empty())
        return core::fail(core::ErrorCode::kValidation,
                          "transform: it must return a table with members of an event, or nil");
    if (!wrong.empty())
        return core::fail(core::ErrorCode::kValidation,
                          "transform: it returned the member " + wrong +
                              "; it may set pattern, payload, partitionKey, priority, scheduledAt, "
                              "metadata, timestamp, version and x- members");
    std::string out;
    core::JsonWriter json(out);
    const auto write = [&](std::string_view name, std::string_view value) {
        json.key(name.substr(1, name.size() - 2)).raw(value);
    };
    json.begin_object();
    (void)scan_members(event, [&](std::string_view name, std::string_view value) {
        const bool replaced =
            std::any_of(set.begin(), set.end(), [&](const auto& one) { return one.first == name; });
        if (!replaced) write(name, value);
        return true;
    });
    for (const auto& [name, value] : set) {
        if (value != "null") write(name, value);
    }
    json.end_object();
    return out;
}

}  // namespace millrace::runtime::inbound
