// What: W3C Trace Context (traceparent, tracestate): what came with an event, how it is kept beside
//       it, and the ids of what is done because of it.
//       Kept are the fills of an event: the digits of its depth (event_defaults.h), and where it
//       came with a trace, or its cause has one, a blank, the traceparent, and where there is one a
//       blank and the tracestate.
// Threads: pure functions; TraceHeaders one owner.
// Lifetime: `state` is a view of the text that a context was read from.
// Limits: kTraceStateMembersMax members; kTraceStateBytesMax bytes are kept, longer ones are cut as
//         the recommendation says (section 3.3.1.1): what has more than 128 bytes goes first, then
//         what stands last.
// Failure: a traceparent that is none is as good as none; a tracestate that is none is dropped, and
//          the traceparent stays.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::runtime {

inline constexpr std::size_t kTraceparentBytes = 55;
inline constexpr std::size_t kTraceStateBytesMax = 512;
inline constexpr std::size_t kTraceStateMembersMax = 32;
inline constexpr std::uint8_t kTraceSampled = 1;

using TraceId = std::array<std::uint8_t, 16>;
using SpanId = std::array<std::uint8_t, 8>;

struct TraceContext {
    TraceId trace{};
    SpanId span{};
    std::uint8_t flags = 0;
    std::string_view state{};

    bool sampled() const { return (flags & kTraceSampled) != 0; }
};

// Of a later version what this one knows of it.
std::optional<TraceContext> read_traceparent(std::string_view text);
void append_traceparent(std::string& out, const TraceContext& context);
std::string traceparent_text(const TraceContext& context);
// As it is handed on; empty: it is none, or there is nothing in it.
std::string clean_tracestate(std::string_view text);

// Gathers what came in headers, or in fields of that name.
class TraceHeaders {
public:
    // True: it is one of the two, any case of its name.
    bool take(std::string_view name, std::string_view value);
    // The traceparent and, behind a blank, the tracestate; empty: nothing that is one.
    std::string text() const;

private:
    std::string parent_;
    std::string state_;
    std::size_t parents_ = 0;
};

// ---- beside the event

// `text`: of TraceHeaders.
inline std::string trace_fill(std::string_view depth, std::string_view text) {
    std::string out(depth);
    if (!text.empty()) out.append(" ").append(text);
    return out;
}
struct TraceTexts {
    std::string_view parent;  // empty: it has none
    std::string_view state;
};
// Of a text of TraceHeaders.
inline TraceTexts split_trace(std::string_view text) {
    if (text.size() < kTraceparentBytes) return {};
    const std::string_view rest = text.substr(kTraceparentBytes);
    return {text.substr(0, kTraceparentBytes), rest.substr(rest.empty() ? 0 : 1)};
}
TraceTexts trace_texts_of(std::string_view fills);
// As trace_fill() was given it; empty: it has none.
std::string_view trace_of_fills(std::string_view fills);
// One that came from elsewhere in one piece, as far as it is one.
std::string checked_trace(std::string_view text);
inline bool has_trace(std::string_view fills) { return fills.size() > kTraceparentBytes; }

// ---- what is done because of an event

// Whether what begins here is sampled; and whether it is exported at all, so that what has no trace
// from outside is worth one.
struct TraceRule {
    bool exports = false;
    double sample = 1.0;  // the part of traces that begin here
};

// An attempt to deliver. What it is called by says everything that its ids depend on: it is the
// same span when it is made again after a crash.
struct TracedAttempt {
    std::string_view fills;
    std::string_view chain;  // the event's correlation id, or its own
    std::string_view delivery_id;
    std::uint32_t attempt = 1;
    std::string_view replay{};  // names the replay that it is of; empty: none
};

struct AttemptTrace {
    TraceContext own;              // what goes on with what the attempt sends
    std::optional<SpanId> parent;  // none: the trace begins here
};
AttemptTrace trace_of_attempt(const TracedAttempt& attempt, double sample);

}  // namespace millrace::runtime
