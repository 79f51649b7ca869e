#include "core/event_parser.h"

#include "core/envelope_reader.h"
#include "core/json_dom.h"
#include "core/json_tokens.h"
#include "core/json_walker.h"
#include "core/lazy_extractor.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace millrace::core {

namespace {

std::size_t find_newline(std::string_view text, std::size_t from) {
    const std::size_t at = text.find('\n', from);
    return at == std::string_view::npos ? text.size() : at;
}

}  // namespace

// Offsets named *_at are into the whole text; the walker's are into the window that was tokenised
// last.
struct EventParser::State {
    explicit State(const Options& o) : options(o) {}

    Options options;
    JsonTokens tokens;
    TextArena arena;
    JsonWalker walker;
    EnvelopeReader reader{walker, arena};
    LazyExtractor lazy;
    std::unique_ptr<char[]> copy;  // for texts that do not end in a place the walker can stop at
    std::size_t copy_bytes = 0;

    std::string_view text;
    BatchFormat format = BatchFormat::kJson;
    bool in_array = false;
    bool ended = true;
    bool broken = false;
    std::size_t window_at = 0;  // start of the window
    std::size_t window_end_at = 0;
    std::size_t by_line_until = 0;  // up to here each line is a window of its own
    std::size_t line_at = 0;        // where counting of lines has come to
    std::size_t line_end_at = 0;    // where that line ends
    std::size_t lines = 1;
    std::size_t entries = 0;

    JsonFault tokenise(std::size_t from, std::size_t to);
    Status begin_json();
    ParseOutcome next_json(const FieldPlan* plan, Envelope& envelope, FieldTable* fields,
                           Error& error);
    ParseOutcome next_line(const FieldPlan* plan, Envelope& envelope, FieldTable* fields,
                           Error& error);
    ParseOutcome read_line(const FieldPlan* plan, Envelope& envelope, FieldTable* fields,
                           Error& error);
    bool next_window(bool& rejected, Error& error);
    ParseOutcome after_member(Error& error);
    void count_lines(std::size_t to);
    Error syntax_error(std::size_t limit_at);
    Error too_large(std::size_t bytes, std::size_t at) const;
    ParseOutcome stop(Error& error, Error&& why) {
        broken = ended = true;
        error = std::move(why);
        return ParseOutcome::kRejected;
    }
};

JsonFault EventParser::State::tokenise(std::size_t from, std::size_t to) {
    window_at = from;
    window_end_at = to;
    const char* base = text.data() + from;
    std::size_t bytes = to - from;
    JsonFault fault = tokens.run(base, bytes);
    if (fault != JsonFault::kNone) return fault;
    if (!tokens.has_sentinel()) [[unlikely]] {
        // A text without any ':' holds no event; a copy with a blank behind it can be walked.
        if (copy_bytes < bytes + 1 + kWalkerPaddingBytes) {
            copy_bytes = bytes + 1 + kWalkerPaddingBytes;
            copy = std::make_unique<char[]>(copy_bytes);
        }
        std::memcpy(copy.get(), base, bytes);
        std::memset(copy.get() + bytes, ' ', 1 + kWalkerPaddingBytes);
        base = copy.get();
        fault = tokens.run(base, ++bytes);
        if (fault != JsonFault::kNone) return fault;
    }
    walker.start(base, bytes, tokens.begin(), DuplicateKeys::kRefuse);
    return JsonFault::kNone;
}

Error EventParser::State::syntax_error(std::size_t limit_at) {
    const std::size_t at = window_at + walker.fault_at();
    const bool past_end = walker.token() >= tokens.end() && walker.fault_at() == *tokens.end();
    // A string that is the last token was closed, as the first stage knows, and nothing stands
    // behind it: it is what should follow that is missing.
    const bool last = walker.fault() == JsonFault::kBadString && walker.token() == tokens.end();
    const bool truncated = at >= limit_at || walker.token() > tokens.end() || past_end || last;
    if (truncated)
        return json_error(JsonFault::kTruncated, static_cast<std::int64_t>(limit_at), {});
    return json_error(walker.fault(), static_cast<std::int64_t>(at),
                      text.substr(at, limit_at - at));
}

Error EventParser::State::too_large(std::size_t bytes, std::size_t at) const {
    const auto limit = options.event_bytes_max;
    Error error(ErrorCode::kPayloadTooLarge,
                "event of " + std::to_string(bytes) + " bytes exceeds " + std::to_string(limit));
    error.position = static_cast<std::int64_t>(at);
    error.limit = static_cast<std::int64_t>(limit);
    return error;
}

Status EventParser::State::begin_json() {
    const JsonFault fault = tokenise(0, text.size());
    if (fault != JsonFault::kNone)
        return fail(json_error(fault, find_stage_fault(fault, text), {}));
    const char first = walker.peek();
    if (first == '[') {
        in_array = true;
        walker.advance();
        if (walker.peek() != ']') return {};
        walker.advance();
        if (walker.token() == tokens.end())
            return fail(ErrorCode::kValidation, "the array holds no event");
        return fail(
            json_error(JsonFault::kTrailing, walker.position(), text.substr(walker.position())));
    }
    if (first == '{') return {};
    if (!walker.skip_value()) return fail(syntax_error(text.size()));
    return fail(ErrorCode::kValidation, "the body must be an event object or an array of them");
}

// Behind a member of the array, or behind the only object: what follows?
ParseOutcome EventParser::State::after_member(Error& error) {
    const std::size_t at = walker.position();
    if (!in_array) {
        if (walker.token() != tokens.end()) {
            return stop(error, json_error(JsonFault::kTrailing, static_cast<std::int64_t>(at),
                                          text.substr(at)));
        }
        ended = true;
        return ParseOutcome::kEvent;
    }
    const char c = walker.peek();
    walker.advance();
    if (c == ',') return ParseOutcome::kEvent;
    if (c == ']' && walker.token() == tokens.end()) {
        ended = true;
        return ParseOutcome::kEvent;
    }
    if (c == ']') {
        return stop(error, json_error(JsonFault::kTrailing, walker.position(),
                                      text.substr(walker.position())));
    }
    walker.fail(JsonFault::kExpectedCommaOrEnd, static_cast<std::uint32_t>(at));
    return stop(error, syntax_error(text.size()));
}

ParseOutcome EventParser::State::next_json(const FieldPlan* plan, Envelope& envelope,
                                           FieldTable* fields, Error& error) {
    const std::uint32_t* start = walker.token();
    const EnvelopeReader::Outcome outcome = reader.read(plan, fields, envelope);
    if (outcome == EnvelopeReader::Outcome::kBadSyntax)
        return stop(error, syntax_error(text.size()));
    if (outcome == EnvelopeReader::Outcome::kBadMember) {
        // The rest of it must still be JSON for the next one to be found.
        error = reader.take_member_error();
        walker.restart(start);
        if (!walker.skip_value()) return stop(error, syntax_error(text.size()));
        const ParseOutcome rest = after_member(error);
        return rest == ParseOutcome::kEvent ? ParseOutcome::kRejected : rest;
    }
    if (envelope.raw.size() > options.event_bytes_max) {
        const std::size_t bytes = envelope.raw.size();
        const ParseOutcome rest = after_member(error);
        if (rest == ParseOutcome::kEvent) error = too_large(bytes, *start);
        return ParseOutcome::kRejected;
    }
    return after_member(error);
}

// Counts the lines before `to` and leaves the end of the line it is in.
void EventParser::State::count_lines(std::size_t to) {
    while (line_end_at < to) {
        ++lines;
        line_at = line_end_at + 1;
        line_end_at = find_newline(text, line_at);
    }
}

// Tokenises the next lines that fit into a window. False at the end of the text. A line that is too
// long, or that the first stage refuses by itself, is `rejected` and passed.
bool EventParser::State::next_window(bool& rejected, Error& error) {
    const std::size_t from = window_end_at;
    if (from >= text.size()) return false;
    const std::size_t line_end = find_newline(text, from);
    std::size_t to = std::min(line_end + 1, text.size());
    // A CR before the line's end is framing, as the LF is.
    const bool cr = line_end > from && text[line_end - 1] == '\r';
    if (line_end - from - cr > options.event_bytes_max) {
        window_at = from;
        window_end_at = to;
        count_lines(from);
        walker.restart_nowhere();
        error = too_large(line_end - from - cr, from);
        rejected = true;
        return true;
    }
    if (from >= by_line_until && from + options.window_bytes > to) {
        const std::size_t reach = std::min(from + options.window_bytes, text.size());
        if (reach == text.size()) {
            to = reach;
        } else {
            const std::size_t last = text.substr(from, reach - from).rfind('\n');
            if (last != std::string_view::npos) to = std::max(to, from + last + 1);
        }
    }
    const JsonFault fault = tokenise(from, to);
    if (fault == JsonFault::kNone) return true;
    walker.restart_nowhere();
    if (fault == JsonFault::kEmpty) return true;
    if (line_end + 1 < to) {  // several lines: find the bad one
        by_line_until = to;
        window_end_at = from;
        return next_window(rejected, error);  // NOLINT(misc-no-recursion): once, now by line
    }
    count_lines(from);
    const std::int64_t inside = find_stage_fault(fault, text.substr(from, to - from));
    error =
        json_error(fault, static_cast<std::int64_t>(from) + std::max<std::int64_t>(inside, 0), {});
    rejected = true;
    return true;
}

ParseOutcome EventParser::State::read_line(const FieldPlan* plan, Envelope& envelope,
                                           FieldTable* fields, Error& error) {
    const std::uint32_t* const end = tokens.end();
    const std::size_t start_at = window_at + walker.position();
    count_lines(start_at);
    const EnvelopeReader::Outcome outcome = reader.read(plan, fields, envelope);
    if (outcome == EnvelopeReader::Outcome::kGood) [[likely]] {
        const char* behind = envelope.raw.data() + envelope.raw.size();
        const bool one_line = line_end_at >= start_at + envelope.raw.size();
        if (one_line && (*behind == '\n' || walker.token() == end) &&
            envelope.raw.size() <= options.event_bytes_max) [[likely]] {
            return ParseOutcome::kEvent;
        }
    }
    // Bad, or with blanks behind it: find the line's end and go on with the first token of the
    // next.
    const std::size_t line_end = find_newline(text, start_at);
    const std::uint32_t* token = tokens.begin();
    const auto limit = static_cast<std::uint32_t>(std::min(line_end, window_end_at) - window_at);
    token = std::lower_bound(token, end, limit);
    const bool exact = outcome == EnvelopeReader::Outcome::kGood && walker.token() == token;
    const bool beyond = walker.token() > token;
    if (exact) {
        if (envelope.raw.size() <= options.event_bytes_max) return ParseOutcome::kEvent;
        error = too_large(envelope.raw.size(), start_at);
        return ParseOutcome::kRejected;
    }
    if (outcome == EnvelopeReader::Outcome::kBadMember && !beyond) {
        error = reader.take_member_error();
        error.position += static_cast<std::int64_t>(window_at);
    } else if (outcome == EnvelopeReader::Outcome::kGood && !beyond) {
        const std::size_t at = window_at + walker.position();
        error = json_error(JsonFault::kTrailing, static_cast<std::int64_t>(at),
                           text.substr(at, line_end - at));
    } else if (outcome == EnvelopeReader::Outcome::kBadSyntax) {
        error = syntax_error(line_end);
    } else {
        error = json_error(JsonFault::kTruncated, static_cast<std::int64_t>(line_end), {});
    }
    walker.restart(token);
    return ParseOutcome::kRejected;
}

ParseOutcome EventParser::State::next_line(const FieldPlan* plan, Envelope& envelope,
                                           FieldTable* fields, Error& error) {
    while (walker.token() == nullptr || walker.token() == tokens.end()) {
        bool rejected = false;
        if (!next_window(rejected, error)) {
            ended = true;
            return ParseOutcome::kEnd;
        }
        if (rejected) return ParseOutcome::kRejected;
    }
    return read_line(plan, envelope, fields, error);
}

EventParser::EventParser() : EventParser(Options{}) {}
EventParser::EventParser(const Options& options) : state_(std::make_unique<State>(options)) {}
EventParser::~EventParser() = default;

Status EventParser::begin(std::string_view padded_text, BatchFormat format) {
    State& s = *state_;
    s.text = padded_text;
    s.format = format;
    s.in_array = s.broken = s.ended = false;
    s.window_at = s.window_end_at = s.by_line_until = s.line_at = s.entries = 0;
    s.lines = 1;
    s.arena.clear();
    s.walker.clear_arena();
    s.walker.restart_nowhere();
    Status status;
    if (padded_text.size() > kBodyBytesMax) {
        status = fail(Error(ErrorCode::kPayloadTooLarge,
                            "body of " + std::to_string(padded_text.size()) + " bytes exceeds " +
                                std::to_string(kBodyBytesMax))
                          .bound(static_cast<std::int64_t>(kBodyBytesMax)));
    } else if (padded_text.empty()) {
        status = fail(json_error(JsonFault::kEmpty, Error::kNoPosition, {}));
    } else if (format == BatchFormat::kJson) {
        status = s.begin_json();
    } else {
        s.line_end_at = find_newline(s.text, 0);
    }
    if (!status) s.ended = true;
    return status;
}

void EventParser::bound(std::size_t event_bytes_max) {
    state_->options.event_bytes_max = event_bytes_max;
}

void EventParser::listen(PatternListener listener) { state_->reader.listen(listener); }

ParseOutcome EventParser::next(const FieldPlan* plan, Envelope& envelope, FieldTable* fields,
                               Error& error) {
    State& s = *state_;
    if (s.ended) return ParseOutcome::kEnd;
    const ParseOutcome outcome = s.format == BatchFormat::kJson
                                     ? s.next_json(plan, envelope, fields, error)
                                     : s.next_line(plan, envelope, fields, error);
    if (outcome != ParseOutcome::kEnd) ++s.entries;
    return outcome;
}

bool EventParser::payload(const Envelope& envelope, JsonDom& dom, JsonElement& root) const {
    JsonPlace place;
    if (!payload(envelope, place)) return false;
    return dom.build(place.base, *place.token + place.bytes, place.token, root);
}

bool EventParser::payload(const Envelope& envelope, JsonPlace& place) const {
    const State& s = *state_;
    const std::uint32_t* token = s.reader.payload_token();
    const char* base = s.walker.base();
    if (!token || envelope.payload.empty() || base + *token != envelope.payload.data())
        return false;
    const std::size_t bytes = envelope.payload.size();
    place = {base, token, bytes, s.walker.is_plain(*token, *token + bytes)};
    return true;
}

std::size_t EventParser::index() const { return state_->entries == 0 ? 0 : state_->entries - 1; }
std::size_t EventParser::line() const { return state_->lines; }
bool EventParser::broken() const { return state_->broken; }

Status EventParser::parse_one(std::string_view padded_text, const FieldPlan* plan,
                              Envelope& envelope, FieldTable* fields) {
    Status status = begin(padded_text, BatchFormat::kJson);
    if (!status) return status;
    if (state_->in_array) return fail(ErrorCode::kValidation, "expected one event, found an array");
    Error error;
    if (next(plan, envelope, fields, error) == ParseOutcome::kEvent) return {};
    return fail(std::move(error));
}

std::uint32_t EventParser::payload_at() const { return state_->lazy.payload_at(); }

bool EventParser::extract(std::string_view padded_text, const FieldPlan& plan, Envelope* envelope,
                          FieldTable& fields) {
    if (envelope) return parse_one(padded_text, &plan, *envelope, &fields).has_value();
    if (plan.plain_names()) return state_->lazy.extract(padded_text, plan, fields);
    State& s = *state_;
    s.lazy.forget();
    s.text = padded_text;
    s.arena.clear();
    s.walker.clear_arena();
    s.ended = true;
    fields.reset(plan);
    if (s.tokenise(0, padded_text.size()) != JsonFault::kNone) return false;
    return FieldExtractor(s.walker, plan, fields, s.arena).value(FieldPlan::root());
}

}  // namespace millrace::core
