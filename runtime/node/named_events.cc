#include "runtime/node/named_events.h"

#include "io/http_head.h"
#include "runtime/event/cloudevents.h"
#include "runtime/event/json_scan.h"

#include <vector>

namespace millrace::runtime::node {
namespace {

// A text that is not empty, under either of its names.
bool is_named(std::string_view event) {
    bool named = false;
    const bool reads = scan_members(event, [&](std::string_view key, std::string_view value) {
        if (key == "\"eventId\"" || key == "\"event_id\"")
            named = value.size() > 2 && value.front() == '"';
        return true;
    });
    return reads && named;
}

// One event, an array of them, or a line for each.
bool all_named(std::string_view body) {
    JsonScanner in(body);
    bool any = false;
    while (!in.at_end()) {
        if (!in.next_is('[')) {
            const auto event = in.value();
            if (!event || !is_named(*event)) return false;
            any = true;
            continue;
        }
        if (!in.take('[')) return false;
        do {
            const auto event = in.value();
            if (!event || !is_named(*event)) return false;
            any = true;
        } while (in.take(','));
        if (!in.take(']')) return false;
    }
    return any;
}

}  // namespace

bool events_are_named(const HeaderList& headers, std::string_view body) {
    std::string_view content_type;
    std::vector<io::HeaderField> fields;
    for (const auto& [name, value] : headers) {
        fields.push_back({name, value});
        if (io::equals_ignore_case(name, "Content-Type")) content_type = value;
    }
    // None of those is an event without an id.
    if (cloud_event_mode(content_type, fields) != CloudEventMode::kNone) return true;
    return all_named(body);
}

}  // namespace millrace::runtime::node
