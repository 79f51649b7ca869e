// What: the one parse of the engine. Reads a body with one event, a JSON array of events or NDJSON
//       lines; per call of next() one event: its whole text is validated in one pass (RFC 8259,
//       UTF-8, depth <= kJsonDepthMax, no key twice in one object), the Envelope is filled and its
//       members are checked, and the values at a FieldPlan's paths go into a FieldTable. Nothing
//       else is decoded.
// Threads: one owner (one per shard).
// Lifetime: the text outlives every view; strings with escapes are unescaped into the parser and
//       live until the next begin().
// Limits: core/limits.h; an event above event_bytes_max is refused, an NDJSON line of any length
//       skipped.
// Failure: a bad NDJSON line or a bad member of an array is kRejected with an Error (field, byte
//       position in the text) and its neighbours are read on. A broken array text ends the batch:
//       broken() is true.
// The text needs kPaddingBytes readable bytes behind its end (core/buffer.h has them).
#pragma once

#include "core/event.h"
#include "core/field_table.h"
#include "core/json_place.h"
#include "core/limits.h"
#include "core/pattern_listener.h"
#include "core/result.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace millrace::core {

class JsonDom;
class JsonElement;

enum class BatchFormat : std::uint8_t {
    kJson,    // one object, or an array of objects: what application/json holds
    kNdjson,  // one object a line; empty lines are skipped
};

enum class ParseOutcome : std::uint8_t { kEvent, kRejected, kEnd };

class EventParser {
public:
    struct Options {
        std::size_t event_bytes_max = kEventBytesMax;
        // NDJSON is tokenised in windows that stay in the cache
        std::size_t window_bytes = 256u << 10;
    };
    EventParser();
    explicit EventParser(const Options& options);
    EventParser(const EventParser&) = delete;
    EventParser& operator=(const EventParser&) = delete;
    ~EventParser();

    // From the next begin() on: what stands for an event may be longer than one that comes.
    void bound(std::size_t event_bytes_max);

    // Starts on a text. Fails when it cannot hold any event (empty, no object or array, not JSON at
    // all).
    Status begin(std::string_view padded_text, BatchFormat format);

    // Told the pattern of each event that next() reads; until it is set anew.
    void listen(PatternListener listener);

    // The next event. `plan` and `fields` may be null: then only the envelope is read.
    ParseOutcome next(const FieldPlan* plan, Envelope& envelope, FieldTable* fields, Error& error);

    // The payload of the event that was read last, as a tree: it is not tokenised and checked once
    // more. Views are into the text. False: this one has no payload, or was read elsewhere.
    bool payload(const Envelope& envelope, JsonDom& dom, JsonElement& root) const;
    // The same among the tokens, until the next begin() or next().
    bool payload(const Envelope& envelope, JsonPlace& place) const;

    // Number of the entry that next() returned last, from 0: array member, or line (empty ones
    // count not).
    std::size_t index() const;
    // NDJSON: number of the line of the last entry, from 1, empty lines included.
    std::size_t line() const;
    // The text was not JSON as a whole (a syntax error in an array): nothing behind the error was
    // read.
    bool broken() const;

    // One event whose text is complete: begin() + next() + the check that nothing follows.
    Status parse_one(std::string_view padded_text, const FieldPlan* plan, Envelope& envelope,
                     FieldTable* fields);

    // Fields of a text that is known to be valid (accepted before, or checked elsewhere), any JSON
    // object. With an envelope it is read like parse_one() does; without, no further than the
    // plan's last field (see LazyExtractor).
    bool extract(std::string_view padded_text, const FieldPlan& plan, Envelope* envelope,
                 FieldTable& fields);
    // Where the payload begins in the text of the last extract() without an envelope, if that came
    // by it; else 0.
    std::uint32_t payload_at() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace millrace::core
