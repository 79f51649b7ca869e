// The reading half of HttpConnection: from bytes to requests, and the deadlines.
#include "io/error_body.h"
#include "io/error_headers.h"
#include "io/http_connection.h"
#include "io/http_server_impl.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>
#include <utility>

namespace millrace::io {

namespace {

// From this on a body is received straight into its buffer. Below, one copy is cheaper than the
// extra operations of taking the receive back and starting another.
constexpr std::size_t kDirectBytesMin = 32 << 10;
constexpr std::size_t kDirectBytesPerReceive = 1 << 20;
constexpr std::size_t kFirstChunkedBytes = 4096;
// What a client may still send after its last answer before the close gets hard.
constexpr std::size_t kDiscardBytesMax = 1 << 20;
constexpr std::int64_t kNsPerMs = 1'000'000;

core::Error too_large(std::uint64_t bytes, std::size_t limit) {
    return core::Error(core::ErrorCode::kPayloadTooLarge,
                       "http: body of " + std::to_string(bytes) +
                           " bytes exceeds http.body_bytes_max " + std::to_string(limit))
        .bound(static_cast<std::int64_t>(limit));
}

}  // namespace

HttpConnection::HttpConnection(HttpServerImpl& server, std::uint32_t index)
    : ClientRoom::Holder(server.reactor.room),
      server_(server),
      index_(index),
      stream_(server.reactor, *this, server.answer_bytes) {}

bool HttpConnection::start(int socket, const Peer& peer, bool spare,
                           std::unique_ptr<StreamTransform> transform) {
    if (!stream_.open(socket, std::move(transform))) return false;
    in_use_ = true;
    peer_ = peer;
    in_ = InState::kHead;
    eof_ = closing_ = close_after_out_ = lingering_ = large_bodies_ = processing_ = owes_continue_ =
        false;
    late_ = server_.draining;
    spare_ = spare;
    giving_way_ = http2_ = false;
    scanner_.reset();
    header_started_ns_ = 0;
    discarded_bytes_ = 0;
    first_sequence_ = 1;
    idle_since_ns_ = server_.reactor.now_ns();
    update();
    return true;
}

void HttpConnection::on_bytes(char* data, std::size_t bytes) {
    server_.counters.bytes_in += bytes;
    if (in_ == InState::kDiscard) return discard(bytes);
    if (!carry_) {
        process({}, {data, bytes});
        return update();
    }
    if (carry_.capacity() - carry_.size() < bytes) {
        core::BufferRef larger = server_.pools.acquire((carry_.size() + bytes) * 2);
        std::memcpy(larger.data(), carry_.data(), carry_.size());
        larger.set_size(carry_.size());
        carry_ = std::move(larger);
    }
    std::memcpy(carry_.data() + carry_.size(), data, bytes);
    carry_.set_size(carry_.size() + bytes);
    process_carry();
    update();
}

void HttpConnection::on_filled(std::size_t bytes) {
    server_.counters.bytes_in += bytes;
    if (in_ != InState::kBody) return discard(bytes);
    body_.set_size(body_.size() + bytes);
    body_left_ -= bytes;
    if (body_left_ == 0) deliver_kept();
    update();
}

void HttpConnection::on_receive_idle() { update(); }

void HttpConnection::on_receive_end(int error) {
    eof_ = true;
    const bool streaming = !answers_.empty() && answers_.front().state == AnswerState::kStreaming;
    if (error != 0 || streaming) return abort();
    update();
}

void HttpConnection::process_carry() {
    core::BufferRef owner = std::move(carry_);
    const std::string_view input = owner.view();
    process(std::move(owner), input);
}

void HttpConnection::process(core::BufferRef owner, std::string_view input) {
    processing_ = true;
    bool goes_on = true;
    while (goes_on && !input.empty() && !closing_) {
        switch (in_) {
            case InState::kHead:
                goes_on = may_process() && server_.may_begin_request() && process_head(input);
                break;
            case InState::kBody: goes_on = process_body(input); break;
            case InState::kChunks: goes_on = process_chunks(input); break;
            case InState::kDiscard: input = {}; break;
            case InState::kUpgraded: goes_on = pass_on(input); break;
        }
    }
    processing_ = false;
    if (!input.empty() && !closing_) {
        keep(owner, input);
    }
    // The clock of a head runs while it is incomplete and we are willing to read the rest.
    if (in_ != InState::kHead || !carry_ || !may_process() || !server_.may_begin_request()) {
        header_started_ns_ = 0;
    } else if (header_started_ns_ == 0) {
        header_started_ns_ = server_.reactor.now_ns();
    }
}

// To whoever upgraded the connection, unless it is written more than the client reads.
bool HttpConnection::pass_on(std::string_view& input) {
    if (!may_process()) return false;
    server_.handler.on_stream_bytes(StreamToken{RequestToken{index_, generation_, first_sequence_}},
                                    std::exchange(input, {}));
    return true;
}

void HttpConnection::keep(core::BufferRef& owner, std::string_view rest) {
    if (owner && rest.data() == owner.data()) {
        carry_ = std::move(owner);
        return;
    }
    carry_ = server_.pools.acquire(rest.size() * 2);
    std::memcpy(carry_.data(), rest.data(), rest.size());
    carry_.set_size(rest.size());
}

bool HttpConnection::may_process() const {
    return !server_.paused && !close_after_out_ && answers_.size() < server_.limits.pipeline_max &&
           out().bytes() < server_.limits.out_bytes_max;
}

void HttpConnection::count_body(std::size_t bytes) {
    server_.count_receiving(std::exchange(body_counted_, bytes), bytes);
}

bool HttpConnection::process_head(std::string_view& input) {
    // RFC 9112 2.2: an empty line before a request is overlooked.
    while (scanner_.head_bytes() == 0 && input.substr(0, 2) == "\r\n") input.remove_prefix(2);
    if (input.empty()) return false;
    const HeadScanner::Outcome outcome = scanner_.scan(input, server_.head_limits());
    if (outcome == HeadScanner::Outcome::kIncomplete) return false;
    if (outcome != HeadScanner::Outcome::kComplete) {
        refuse(head_scan_error(outcome, server_.head_limits()));
        return true;
    }
    const std::string_view head = input.substr(0, scanner_.head_bytes());
    scanner_.reset();
    if (take_preface(head)) return true;
    input.remove_prefix(head.size());
    begin_request(head, input);
    return true;
}

// What looks like a head is how HTTP/2 begins; the rest of its preface is the session's to check.
bool HttpConnection::take_preface(std::string_view head) {
    constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\n";
    if (head.size() != kPreface.size() || head != kPreface) return false;
    if (first_sequence_ != 1 || !answers_.empty() || late_ || spare_) return false;
    const StreamToken token{RequestToken{index_, generation_, first_sequence_}};
    if (!server_.handler.on_preface(token, peer_, stream_.peer_names())) return false;
    Answer& answer = push_answer();
    answer.state = AnswerState::kStreaming;
    answer.keep_alive = false;
    answer.last = true;
    in_ = InState::kUpgraded;
    http2_ = true;
    return true;
}

void HttpConnection::begin_request(std::string_view head, std::string_view& rest) {
    ParsedHead& parsed = server_.parsed;
    answer_lines_.clear();
    if (auto ok = parse_head(head, parsed); !ok) return refuse(ok.error());
    if (!admit()) return;
    if (parsed.chunked || parsed.content_length > 0) return begin_body(head, rest);
    deliver();
}

// Limits and the handler's own checks, before a body is read.
bool HttpConnection::admit() {
    const ParsedHead& parsed = server_.parsed;
    HeadDecision decision{.body_bytes_max = server_.limits.body_bytes_max, .reject = std::nullopt};
    Request request;
    fill_request(request);
    server_.handler.on_head(request, decision);
    body_bytes_max_ = decision.body_bytes_max;
    answer_lines_ = std::move(decision.answer_lines);
    if (decision.reject) {
        refuse(*decision.reject);
    } else if (spare_ && !decision.when_full) {
        ++server_.counters.turned_away;
        refuse(core::Error(core::ErrorCode::kUnavailable,
                           "http: http.connections_max " +
                               std::to_string(server_.limits.connections_max) +
                               " connections are at work")
                   .bound(static_cast<std::int64_t>(server_.limits.connections_max))
                   .retry_after(server_.handler.busy_seconds()));
    } else if (parsed.content_length > body_bytes_max_) {
        refuse(too_large(parsed.content_length, body_bytes_max_));
    } else if ((parsed.chunked || parsed.content_length > 0) &&
               server_.pools.lent_bytes() > server_.limits.buffered_bytes_max) {
        ++server_.counters.turned_away;
        refuse(core::Error(core::ErrorCode::kUnavailable,
                           "http: requests and answers that are under way take " +
                               std::to_string(server_.pools.lent_bytes()) +
                               " bytes, and their share of memory is " +
                               std::to_string(server_.limits.buffered_bytes_max))
                   .bound(static_cast<std::int64_t>(server_.limits.buffered_bytes_max))
                   .retry_after(server_.handler.busy_seconds()));
    } else if (parsed.coding == ContentCoding::kUnknown &&
               (parsed.chunked || parsed.content_length > 0)) {
        refuse(core::Error(core::ErrorCode::kUnsupportedMediaType,
                           "http: of Content-Encoding only gzip, zstd and identity are "
                           "understood")
                   .in("Content-Encoding"));
    } else {
        return true;
    }
    return false;
}

void HttpConnection::begin_body(std::string_view head, std::string_view& rest) {
    const ParsedHead& parsed = server_.parsed;
    if (!parsed.chunked && rest.size() >= parsed.content_length) {
        const auto bytes = static_cast<std::size_t>(parsed.content_length);
        body_ = server_.pools.acquire(bytes);
        append_body(rest.substr(0, bytes));
        rest.remove_prefix(bytes);
        return deliver();
    }
    head_copy_ = server_.pools.acquire(head.size());
    std::memcpy(head_copy_.data(), head.data(), head.size());
    head_copy_.set_size(head.size());
    body_started_ns_ = server_.reactor.now_ns();
    if (parsed.chunked) {
        in_ = InState::kChunks;
        chunks_.reset(body_bytes_max_, server_.limits.chunk_overhead_bytes_max);
        body_ = server_.pools.acquire(kFirstChunkedBytes);
        count_body(kFirstChunkedBytes);
    } else {
        in_ = InState::kBody;
        body_left_ = parsed.content_length;
        body_ = server_.pools.acquire(static_cast<std::size_t>(parsed.content_length));
        count_body(static_cast<std::size_t>(parsed.content_length));
    }
    if (parsed.expects_continue && rest.empty()) {
        owes_continue_ = true;
        release_answers();
    }
}

bool HttpConnection::process_body(std::string_view& input) {
    const std::size_t bytes =
        static_cast<std::size_t>(std::min<std::uint64_t>(body_left_, input.size()));
    append_body(input.substr(0, bytes));
    input.remove_prefix(bytes);
    body_left_ -= bytes;
    if (body_left_ == 0) deliver_kept();
    return true;
}

bool HttpConnection::process_chunks(std::string_view& input) {
    std::string_view data;
    switch (chunks_.take(input, data)) {
        case ChunkedDecoder::Outcome::kNeedMore: return true;
        case ChunkedDecoder::Outcome::kData: append_body(data); return true;
        case ChunkedDecoder::Outcome::kDone: deliver_kept(); return true;
        case ChunkedDecoder::Outcome::kTooLarge:
            refuse(core::Error(core::ErrorCode::kPayloadTooLarge,
                               "http: the chunked body exceeds http.body_bytes_max " +
                                   std::to_string(body_bytes_max_))
                       .bound(static_cast<std::int64_t>(body_bytes_max_)));
            return true;
        case ChunkedDecoder::Outcome::kMalformed:
            refuse(core::Error(core::ErrorCode::kValidation, "http: the chunked body is malformed")
                       .at(static_cast<std::int64_t>(body_.size())));
            return true;
    }
    return true;
}

void HttpConnection::append_body(std::string_view data) {
    const std::size_t used = body_.size();
    if (body_.capacity() - used < data.size()) {
        core::BufferRef larger = server_.pools.acquire(std::max(used * 2, used + data.size()));
        std::memcpy(larger.data(), body_.data(), used);
        body_ = std::move(larger);
        if (body_counted_ != 0) count_body(body_.capacity());
    }
    std::memcpy(body_.data() + used, data.data(), data.size());
    body_.set_size(used + data.size());
}

// The head is parsed once more instead of being kept parsed: it is needed for few requests, and an
// idle connection stays small.
void HttpConnection::deliver_kept() {
    const core::BufferRef head = std::move(head_copy_);
    owes_continue_ = false;
    if (auto ok = parse_head(head.view(), server_.parsed); !ok) return refuse(ok.error());
    deliver();
}

void HttpConnection::deliver() {
    const ParsedHead& parsed = server_.parsed;
    count_body(0);
    Request request;
    fill_request(request);
    request.keep_alive = parsed.keep_alive && !server_.draining && !spare_;
    request.body = std::move(body_);
    in_ = request.keep_alive ? InState::kHead : InState::kDiscard;
    Answer& answer = push_answer();
    answer.head_only = parsed.method == Method::kHead;
    answer.keep_alive = request.keep_alive;
    answer.version_10 = parsed.version_minor == 0;
    request.token = RequestToken{index_, generation_,
                                 first_sequence_ + static_cast<std::uint32_t>(answers_.size()) - 1};
    ++server_.counters.requests;
    if (parsed.coding != ContentCoding::kIdentity && request.body) {
        auto plain = inflate(parsed.coding, request.body.view(), body_bytes_max_, server_.pools);
        if (!plain) return answer_error(request.token.sequence, plain.error());
        request.body = std::move(*plain);
    }
    server_.handler.on_request(request);
}

void HttpConnection::fill_request(Request& request) {
    const ParsedHead& parsed = server_.parsed;
    request.token = RequestToken{index_, generation_, 0};
    request.method = parsed.method;
    request.keep_alive = parsed.keep_alive;
    request.target = parsed.target;
    request.path = parsed.path;
    request.query = parsed.query;
    request.host = parsed.host;
    request.content_type = parsed.content_type;
    request.headers = std::span(parsed.headers.data(), parsed.header_count);
    request.content_length = parsed.content_length;
    request.chunked = parsed.chunked;
    request.peer = peer_;
    request.peer_names = stream_.peer_names();
}

// Answers in its turn and reads nothing more: after a broken request nobody knows where the next
// begins.
void HttpConnection::refuse(const core::Error& error) {
    in_ = InState::kDiscard;
    count_body(0);
    // The kernel may be writing into the body at this moment: then it stays until the close.
    if (!stream_.receiving_into()) body_ = {};
    head_copy_ = {};
    owes_continue_ = false;
    push_answer().keep_alive = false;
    answer_error(first_sequence_ + static_cast<std::uint32_t>(answers_.size()) - 1, error);
}

void HttpConnection::answer_error(std::uint32_t sequence, const core::Error& error) {
    const std::string body = error_body(error);
    const std::string_view piece = body;
    const ErrorHeaders headers(error);
    ResponseHead head;
    head.status = core::error_code_status(error.code);
    head.headers = headers.fields();
    respond(sequence, head, std::span(&piece, 1));
}

void HttpConnection::discard(std::size_t bytes) { discarded_bytes_ += bytes; }

// ---- what waits for the client

void HttpConnection::count_held() {
    const std::size_t head =
        (carry_ ? carry_.capacity() : 0) + (head_copy_ ? head_copy_.capacity() : 0);
    hold_in_room(head + stream_bytes_ + user_bytes_);
}

bool HttpConnection::keep_for_user(std::size_t bytes) {
    const bool more = bytes > user_bytes_;
    user_bytes_ = bytes;
    received_ns_ = server_.reactor.now_ns();
    count_held();
    if (!more || !server_.reactor.room.over()) return true;
    asks_for_user_ = true;
    server_.reactor.room.cut_stalled(received_ns_);
    asks_for_user_ = false;
    return !server_.reactor.room.over();
}

// It came before anybody could say no; the next one may find the room of those who stalled.
void HttpConnection::refuse_half_head() {
    server_.reactor.room.cut_stalled(server_.reactor.now_ns());
    if (closing_ || !half_head() || !server_.reactor.room.over()) return;
    ++server_.counters.turned_away;
    const std::size_t limit = server_.reactor.room.bytes_max();
    header_started_ns_ = 0;
    carry_ = {};
    refuse(core::Error(core::ErrorCode::kUnavailable,
                       "http: the head came in pieces, and what clients keep waiting takes all its "
                       "room of " +
                           std::to_string(limit) + " bytes")
               .bound(static_cast<std::int64_t>(limit))
               .retry_after(server_.handler.busy_seconds()));
    count_held();
}

std::int64_t HttpConnection::stalled_since_ns() const {
    // Whoever asks for it is in the midst of something with it.
    if (closing_ || asks_for_user_) return kNeverStalled;
    if (stream_bytes_ > 0) return stream_.taking_nothing_since_ns();
    if (user_bytes_ > 0) return received_ns_;
    return half_head() ? header_started_ns_ : kNeverStalled;
}

void HttpConnection::cut_off() {
    ++server_.counters.cut_off;
    if (stream_bytes_ + user_bytes_ > 0) return abort();
    header_started_ns_ = 0;
    carry_ = {};
    refuse(core::Error(core::ErrorCode::kTimeout,
                       "http: the head did not go on, and others wait for its room"));
    stream_.mark_dirty();
}

// ---- what to wait for

void HttpConnection::update() {
    if (closing_) return;
    finish_output();
    if (closing_) return;
    const std::size_t before = held_in_room();
    count_held();
    if (held_in_room() > before && half_head() && server_.reactor.room.over()) refuse_half_head();
    if (closing_) return;
    update_receive();
    update_deadline();
}

void HttpConnection::update_receive() {
    const bool wants =
        !eof_ && (in_ == InState::kDiscard
                      ? discarded_bytes_ < kDiscardBytesMax
                      : may_process() && (in_ != InState::kHead || server_.may_begin_request()));
    const bool direct = in_ == InState::kBody && body_left_ >= kDirectBytesMin;
    if (direct) large_bodies_ = true;
    if (stream_.receiving()) {
        if (!wants || (direct && !stream_.receiving_into())) stream_.stop_receive();
        return;
    }
    if (!wants) {
        if (lingering_ && !eof_) close_now();
        return;
    }
    if (direct) {
        const auto bytes =
            static_cast<std::size_t>(std::min<std::uint64_t>(body_left_, kDirectBytesPerReceive));
        stream_.receive_into(body_.data() + body_.size(), bytes);
    } else {
        stream_.receive(large_bodies_ ? ReceiveMode::kOnce : ReceiveMode::kMany);
    }
}

std::int64_t HttpConnection::idle_ms_max() const {
    const HttpLimits& limits = server_.limits;
    return spare_ ? std::min(limits.idle_ms_max, limits.spare_ms_max) : limits.idle_ms_max;
}

std::int64_t HttpConnection::idle_since() const {
    if (!in_use_ || closing_) return kNotIdle;
    if (lingering_) return std::numeric_limits<std::int64_t>::min();
    const bool idle =
        in_ == InState::kHead && !carry_ && answers_.empty() && out().empty() && !close_after_out_;
    return idle ? idle_since_ns_ : kNotIdle;
}

void HttpConnection::give_way() {
    giving_way_ = true;
    ++server_.counters.made_room;
    close_now();
}

std::int64_t HttpConnection::body_deadline() const {
    const auto got = static_cast<std::int64_t>(body_ ? body_.size() : 0);
    return body_started_ns_ + server_.limits.body_grace_ms * kNsPerMs +
           got * 1000 / std::max<std::int64_t>(server_.limits.body_bytes_per_second_min, 1) *
               kNsPerMs;
}

void HttpConnection::update_deadline() {
    const HttpLimits& limits = server_.limits;
    std::int64_t at = kNoDeadline;
    if (lingering_) {
        at = linger_until_ns_;
    } else {
        at = stream_.send_deadline_ns(server_.write_ms_max());
        if (in_ == InState::kHead && header_started_ns_ != 0) {
            at = std::min(at, header_started_ns_ + limits.header_ms_max * kNsPerMs);
        } else if ((in_ == InState::kBody || in_ == InState::kChunks) && may_process()) {
            at = std::min(at, body_deadline());
        } else if (in_ == InState::kBody || in_ == InState::kChunks) {
            body_started_ns_ =
                server_.reactor.now_ns();  // it is us who do not read: the clock stands
        } else if (in_ == InState::kHead && answers_.empty() && out().empty()) {
            at = std::min(at, idle_since_ns_ + idle_ms_max() * kNsPerMs);
        }
    }
    stream_.set_deadline(at);
}

void HttpConnection::on_deadline() {
    const std::int64_t now = server_.reactor.now_ns();
    const HttpLimits& limits = server_.limits;
    if (lingering_) return close_now();
    ++server_.counters.timeouts;
    if (now >= stream_.send_deadline_ns(server_.write_ms_max())) return abort();
    if (in_ == InState::kHead && header_started_ns_ != 0 &&
        now >= header_started_ns_ + limits.header_ms_max * kNsPerMs) {
        header_started_ns_ = 0;
        refuse(core::Error(core::ErrorCode::kTimeout,
                           "http: the headers did not come within http.header_timeout " +
                               std::to_string(limits.header_ms_max) + " ms"));
    } else if ((in_ == InState::kBody || in_ == InState::kChunks) && may_process() &&
               now >= body_deadline()) {
        refuse(core::Error(core::ErrorCode::kTimeout,
                           "http: the body came slower than http.body_bytes_per_second_min " +
                               std::to_string(limits.body_bytes_per_second_min)));
    } else if (in_ == InState::kHead && answers_.empty() && out().empty() &&
               header_started_ns_ == 0 && now >= idle_since_ns_ + idle_ms_max() * kNsPerMs) {
        return close_now();
    } else {
        --server_.counters.timeouts;
    }
    update();
}

}  // namespace millrace::io
