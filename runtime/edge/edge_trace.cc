#include "runtime/edge/edge_trace.h"

#include "runtime/event/cloudevent_attributes.h"
#include "runtime/event/json_scan.h"
#include "runtime/event/trace_context.h"

#include <string>
#include <string_view>
#include <utility>

namespace millrace::runtime {
namespace {

constexpr std::string_view kTraceparentMember = R"("traceparent")";

// Of the attributes that the envelope keeps: "x-ce".
std::string trace_of_extensions(std::string_view kept) {
    TraceHeaders headers;
    scan_members(kept, [&](std::string_view key, std::string_view value) {
        if (value.starts_with('"')) (void)headers.take(string_of(key), string_of(value));
        return true;
    });
    return headers.text();
}

}  // namespace

std::string trace_in(std::span<const io::HeaderField> headers) {
    TraceHeaders found;
    bool any = false;
    for (const io::HeaderField& header : headers) any |= found.take(header.name, header.value);
    return any ? found.text() : std::string();
}

void keep_trace(std::string_view trace, IngestRequest& request) {
    if (trace.empty()) [[likely]]
        return;
    const std::string& fill = request.texts.emplace_back(trace_fill({}, trace));
    for (IngestItem& item : request.items) {
        if (item.input.fills.empty()) item.input.fills = fill;
    }
}

void keep_cloud_event_traces(IngestRequest& request) {
    for (IngestItem& item : request.items) {
        if (item.input.raw.find(kTraceparentMember) == std::string_view::npos) continue;
        const std::string trace = trace_of_extensions(member_of(item.input.raw, R"("x-ce")"));
        if (trace.empty()) continue;
        item.input.fills = request.texts.emplace_back(trace_fill({}, trace));
    }
}

}  // namespace millrace::runtime
