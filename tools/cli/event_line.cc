#include "tools/cli/event_line.h"

#include "tools/cli/json.h"

namespace millrace::tools {

namespace {

bool is_stamped(std::string_view member) {
    return member == "receivedAt" || member == "shard" || member == "offset" ||
           member == "tenantId" || member == "otherSources" || member == "traceparent" ||
           member == "tracestate";
}

}  // namespace

std::string loadable_line(core::JsonElement event) {
    core::JsonMembers members;
    std::string line;
    if (!event.get(members)) return line;
    line = "{";
    for (const core::JsonMember member : members) {
        if (is_stamped(member.key)) continue;
        if (line.size() > 1) line += ',';
        line.append(member.raw_key).append(":").append(json_compact(member.value));
    }
    return line + "}";
}

bool EventLines::as_it_stands(std::string_view line, std::string& changed) {
    // Most lines are not looked into: the server reads them, and faster.
    if (line.find("\"receivedAt\"") == std::string_view::npos) return true;
    core::JsonElement root;
    core::JsonElement found;
    if (!parser_.read(line, root) || !root.find("receivedAt", found)) return true;
    core::JsonElement inner;
    if (!root.find("pattern", found) && root.find("event", inner) && inner.is_object())
        root = inner;
    changed = loadable_line(root);
    return false;
}

}  // namespace millrace::tools
