// Fuzzes what comes with an event as its trace: a traceparent, a line's end, a tracestate. What is
// kept is one that reads again as it is, within its bounds, and stands in a header as it is.
#include "core/assert.h"
#include "runtime/event/event_defaults.h"
#include "runtime/event/trace_context.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
    using namespace millrace::runtime;
    const std::string_view all(reinterpret_cast<const char*>(data), bytes);
    const std::size_t end = std::min(all.find('\n'), all.size());
    TraceHeaders headers;
    MR_ASSERT(headers.take("traceparent", all.substr(0, end)));
    if (end < all.size()) MR_ASSERT(headers.take("tracestate", all.substr(end + 1)));
    const std::string kept = headers.text();
    MR_ASSERT(kept.empty() != read_traceparent(all.substr(0, end)).has_value());
    if (kept.empty()) return 0;
    MR_ASSERT(std::all_of(kept.begin(), kept.end(), [](char c) { return c >= 0x20 && c < 0x7f; }));
    const TraceTexts texts = split_trace(kept);
    MR_ASSERT(texts.state.size() <= kTraceStateBytesMax);
    MR_ASSERT(clean_tracestate(texts.state) == texts.state);
    const auto context = read_traceparent(texts.parent);
    MR_ASSERT(context && traceparent_text(*context) == texts.parent);
    const std::string fills = trace_fill("7", kept);
    MR_ASSERT(causation_depth_of(fills) == 7 && has_trace(fills));
    MR_ASSERT(trace_texts_of(fills).parent == texts.parent);
    MR_ASSERT(trace_texts_of(fills).state == texts.state);
    return 0;
}
