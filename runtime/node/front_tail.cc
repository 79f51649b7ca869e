#include "runtime/node/front_tail.h"

#include "core/json_writer.h"
#include "io/web_socket.h"
#include "runtime/api/list_places.h"
#include "runtime/node/told_error.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace millrace::runtime::node {
namespace {

std::string_view kind_text(StreamKind kind) {
    switch (kind) {
        case StreamKind::kEvents: break;
        case StreamKind::kDeadLetters: return api::kLettersStream;
        case StreamKind::kExecutions: return api::kExecutionsStream;
    }
    return {};
}

core::Error lost() {
    return core::Error(core::ErrorCode::kUnavailable,
                       "a partition of the stream has no owner; come again with the last position")
        .retry_after(1);
}

}  // namespace

// What the front says to one stream, by its number: either may be gone.
class FrontTail::Answer final : public OwnAnswer {
public:
    Answer(FrontTail& tail, std::uint64_t number) : tail_(tail), number_(number) {}
    void whole(int status, std::string_view body) override { tail_.refused(number_, status, body); }
    bool begins() override { return tail_.begins(number_); }
    io::WriteOutcome bytes(std::string_view bytes) override { return tail_.take(number_, bytes); }
    void ended() override { tail_.cut(number_); }

private:
    FrontTail& tail_;
    const std::uint64_t number_;
};

FrontTail::Stream* FrontTail::find(std::uint64_t number) {
    const auto found = streams_.find(number);
    return found == streams_.end() ? nullptr : found->second.get();
}

std::uint64_t FrontTail::open(StreamRequest&& request) {
    const auto refuse = [&](core::Error&& error) -> std::uint64_t {
        if (request.voice)
            request.voice->refused(std::move(error));
        else
            deps_.refuse(request, std::move(error));
        return 0;
    };
    CallerRef caller = deps_.caller(request.token);
    if (!caller) return refuse(lost());
    if (streams_.size() >= kStreamsMax) {
        return refuse(core::Error(core::ErrorCode::kRateLimited, "too many event streams are open")
                          .bound(kStreamsMax)
                          .retry_after(10));
    }
    auto made = std::make_unique<Stream>();
    made->number = next_number_++;
    made->request = std::move(request);
    made->caller = std::move(caller);
    made->written_ns = deps_.calls->clock().monotonic_ns();
    Stream& stream = *made;
    streams_.emplace(stream.number, std::move(made));
    ask(stream);
    return stream.number;
}

void FrontTail::ask(Stream& stream) {
    const StreamRequest& request = stream.request;
    OwnRequest own;
    own.caller = stream.caller;
    own.target = "/v2/events/stream";
    append_parameter(own.target, "pattern", request.pattern);
    append_parameter(own.target, "patternPrefix", request.pattern_prefix);
    append_parameter(own.target, "filter", request.filter);
    const std::string& first = request.last_event_id.empty() ? request.from : request.last_event_id;
    append_parameter(own.target, "from", stream.place.empty() ? first : stream.place);
    own.headers.emplace_back(api::kPlacesHeader, "1");
    if (const std::string_view kind = kind_text(request.kind); !kind.empty())
        own.headers.emplace_back(api::kStreamKindHeader, kind);
    stream.reader = {};
    stream.asked = deps_.calls->ask(std::move(own), std::make_unique<Answer>(*this, stream.number));
}

void FrontTail::stop(std::uint64_t number) {
    const auto found = streams_.find(number);
    if (found == streams_.end()) return;
    const std::unique_ptr<Stream> stream = std::move(found->second);
    streams_.erase(found);
    if (stream->asked != 0) deps_.calls->drop(stream->asked);
}

void FrontTail::closed(io::RequestToken token) {
    std::vector<std::uint64_t> numbers;
    for (const auto& [number, stream] : streams_) {
        if (stream->request.token == token) numbers.push_back(number);
    }
    for (const std::uint64_t number : numbers) stop(number);
}

void FrontTail::drained(io::RequestToken token) {
    std::vector<std::uint64_t> numbers;
    for (const auto& [number, stream] : streams_) {
        if (stream->request.token == token && stream->full) numbers.push_back(number);
    }
    for (const std::uint64_t number : numbers) {
        Stream* stream = find(number);
        if (!stream) continue;
        stream->full = false;
        flush(*stream);
        stream = find(number);
        if (stream && !stream->full && stream->asked != 0) deps_.calls->drained(stream->asked);
    }
}

bool FrontTail::waits() const {
    return std::any_of(streams_.begin(), streams_.end(),
                       [](const auto& one) { return one.second->asked == 0; });
}

void FrontTail::look(std::int64_t now_ns) {
    std::vector<std::uint64_t> due;
    for (const auto& [number, stream] : streams_) {
        if (stream->asked == 0 && !stream->over && now_ns >= stream->again_ns)
            due.push_back(number);
    }
    for (const std::uint64_t number : due) {
        if (Stream* const stream = find(number)) ask(*stream);
    }
}

// ---- what the front says

void FrontTail::refused(std::uint64_t number, int status, std::string_view body) {
    Stream* const stream = find(number);
    if (!stream) return;
    stream->asked = 0;
    core::Error error = read_error_body(body);
    const bool later = status == 503 || status == 429;
    if (!stream->place.empty() && later) return come_again(*stream, error);
    if (stream->begun || !stream->place.empty()) return fail(*stream, error);
    const std::unique_ptr<Stream> own = std::move(streams_.find(number)->second);
    streams_.erase(number);
    if (own->request.voice)
        own->request.voice->refused(std::move(error));
    else
        deps_.refuse(own->request, std::move(error));
}

bool FrontTail::begins(std::uint64_t number) {
    Stream* const stream = find(number);
    if (!stream) return false;
    if (stream->begun || stream->request.joined) return true;
    stream->begun = true;
    if (deps_.begin(stream->request)) return true;
    streams_.erase(number);
    return false;
}

io::WriteOutcome FrontTail::take(std::uint64_t number, std::string_view bytes) {
    Stream* stream = find(number);
    if (!stream || stream->over) return io::WriteOutcome::kClosed;
    if (stream->full) return io::WriteOutcome::kFull;
    const bool reads = stream->reader.feed(
        bytes,
        [this, stream](const SseReader::Message& message) { take_message(*stream, message); });
    if (!reads && !stream->over)
        fail(*stream, {core::ErrorCode::kInternal, "what a partition tells does not read"});
    else
        flush(*stream);
    return find(number) ? io::WriteOutcome::kOk : io::WriteOutcome::kClosed;
}

void FrontTail::take_message(Stream& stream, const SseReader::Message& message) {
    if (stream.over) return;
    if (!message.id.empty()) stream.place = message.id;
    stream.give_up_ns = 0;
    std::string& out = stream.unsent;
    if (message.event == "error") {
        core::JsonDom dom;
        auto root = dom.parse(message.data);
        const core::Error error = root ? read_told_error(*root) : core::Error();
        return append_failure(stream, error, message.data);
    }
    if (message.data.empty() || message.event == "place") {
        if (deps_.calls->clock().monotonic_ns() - stream.written_ns < kKeepAliveNs) return;
        if (stream.request.voice)
            stream.request.voice->keep_alive(out);
        else
            io::append_ws_frame(out, io::WsOpcode::kPing, {});
        return;
    }
    const std::string_view name = message.event.empty() ? "event" : message.event;
    append_stream_message(out, stream.request, name, stream.place, message.data);
}

// It ended without having said why: its owner is another one now, or will be.
void FrontTail::cut(std::uint64_t number) {
    Stream* const stream = find(number);
    if (!stream) return;
    stream->asked = 0;
    if (stream->over) return flush(*stream);
    come_again(*stream, lost());
}

void FrontTail::come_again(Stream& stream, const core::Error& why) {
    const std::int64_t now_ns = deps_.calls->clock().monotonic_ns();
    if (stream.give_up_ns == 0) stream.give_up_ns = now_ns + kGiveUpNs;
    // From "now" it would go on behind what has come in meanwhile.
    const bool knows_where = !stream.place.empty() || !stream.request.from.empty() ||
                             !stream.request.last_event_id.empty();
    if (deps_.calls->ends() || !knows_where || now_ns >= stream.give_up_ns)
        return fail(stream, why);
    stream.again_ns = now_ns + kAgainNs;
}

// A WebSocket ends as a server ends it: with why, and a Close frame.
void FrontTail::append_failure(Stream& stream, const core::Error& error, std::string_view data) {
    stream.over = true;
    if (stream.request.voice) return stream.request.voice->fail(stream.unsent, error, stream.place);
    append_stream_message(stream.unsent, stream.request, "error", {}, data);
    if (stream.request.accept.empty()) return;
    const bool right =
        error.code == core::ErrorCode::kUnauthorized || error.code == core::ErrorCode::kForbidden;
    stream.unsent +=
        io::ws_close_frame(right ? io::WsClose::kPolicy : io::WsClose::kInternal, error.message);
}

void FrontTail::fail(Stream& stream, const core::Error& error) {
    std::string data;
    core::JsonWriter json(data);
    json.begin_object().field("code", core::error_code_text(error.code));
    json.field("message", error.message).field("position", stream.place).end_object();
    append_failure(stream, error, data);
    flush(stream);
}

// ---- what its client is told

void FrontTail::flush(Stream& stream) {
    if (stream.full) return;
    const std::uint64_t number = stream.number;
    if (!stream.unsent.empty()) {
        const io::WriteOutcome outcome = deps_.write(stream.request.token, stream.unsent);
        // Its connection may have been cut off for the room that it takes.
        if (!find(number)) return;
        if (outcome == io::WriteOutcome::kClosed) return stop(number);
        stream.full = outcome == io::WriteOutcome::kFull;
        if (stream.full) return;
        stream.written_ns = deps_.calls->clock().monotonic_ns();
        constexpr std::size_t kKeptBytes = 256u << 10;
        stream.unsent.clear();
        if (stream.unsent.capacity() > kKeptBytes) stream.unsent = {};
    }
    if (!stream.over) return;
    const auto found = streams_.find(number);
    if (found == streams_.end()) return;
    const std::unique_ptr<Stream> own = std::move(found->second);
    streams_.erase(found);
    if (own->asked != 0) deps_.calls->drop(own->asked);
    if (!own->request.joined) deps_.end(own->request.token);
    if (own->request.voice) own->request.voice->ended();
}

}  // namespace millrace::runtime::node
