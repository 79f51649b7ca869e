// The writing half of HttpConnection: answers in the order of the requests, streams, and the end.
#include "io/http_connection.h"
#include "io/http_server_impl.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

namespace millrace::io {

namespace {

constexpr std::int64_t kLingerNs = 2'000'000'000;
constexpr std::size_t kSmallBodyBytes = 2048;
constexpr std::size_t kSmallAnswerBytes = 16 << 10;
constexpr std::size_t kChunkFrameBytes = 20;  // 16 hex digits and two line ends

// Bytes that wait for their turn; grows by doubling.
void append_to(SizedPools& pools, core::BufferRef& buffer, std::string_view bytes,
               std::size_t room) {
    const std::size_t used = buffer ? buffer.size() : 0;
    if (!buffer || buffer.capacity() - used < bytes.size()) {
        core::BufferRef larger = pools.acquire(std::max(used * 2, used + bytes.size() + room));
        if (used > 0) std::memcpy(larger.data(), buffer.data(), used);
        larger.set_size(used);
        buffer = std::move(larger);
    }
    std::memcpy(buffer.data() + used, bytes.data(), bytes.size());
    buffer.set_size(used + bytes.size());
}

bool has_body(int status) { return status >= 200 && status != 204 && status != 304; }

}  // namespace

HttpConnection::Answer* HttpConnection::answer_of(std::uint32_t sequence) {
    const std::uint32_t place = sequence - first_sequence_;
    return place < answers_.size() ? &answers_[place] : nullptr;
}

HttpConnection::Answer& HttpConnection::push_answer() {
    answers_.push_back(Answer{});
    answers_.back().lines = std::exchange(answer_lines_, {});
    return answers_.back();
}

bool HttpConnection::waiting(std::uint32_t sequence) const {
    const std::uint32_t place = sequence - first_sequence_;
    return place < answers_.size() && answers_[place].state != AnswerState::kReady &&
           answers_[place].state != AnswerState::kStreamEnded;
}

void HttpConnection::emit(Answer& answer, std::string_view bytes) {
    if (&answer == &answers_.front()) {
        out().append(bytes);
    } else {
        hold(answer, bytes.size());
        append_to(server_.pools, answer.first, bytes, 0);
    }
}

void HttpConnection::hold(Answer& answer, std::size_t bytes) {
    answer.held += bytes;
    server_.answer_bytes += bytes;
}

void HttpConnection::unhold(Answer& answer) {
    server_.answer_bytes -= answer.held;
    answer.held = 0;
}

// All clients together have too much to read. A small answer still goes; a large one becomes a word
// of why it does not come; and a client that leaves its answers where they are is cut off before
// small ones come to as much again. False: `answered` or not, there is nothing more to do.
bool HttpConnection::make_answer_room(std::uint32_t sequence, const ResponseHead& head,
                                      std::size_t bytes, bool& answered) {
    const std::size_t limit = server_.limits.answers_bytes_max;
    if (bytes <= kSmallAnswerBytes) {
        if (server_.waiting_answer_bytes() <= 2 * limit || out().empty()) return true;
        abort();
        return false;
    }
    // Alone, whatever its size, it may go.
    if (head.status >= 400 || server_.waiting_answer_bytes() == 0) return true;
    ++server_.counters.turned_away;
    answer_error(sequence, core::Error(core::ErrorCode::kUnavailable,
                                       "http: " + std::to_string(server_.waiting_answer_bytes()) +
                                           " bytes of answers wait for clients to read them; "
                                           "http.answers_bytes_max is " +
                                           std::to_string(limit))
                               .bound(static_cast<std::int64_t>(limit))
                               .retry_after(server_.handler.busy_seconds()));
    answered = true;
    return false;
}

void HttpConnection::begin_answer(Answer& answer, const ResponseHead& head, std::size_t body_bytes,
                                  std::size_t room) {
    // In a drain the last answer says that the connection ends.
    if (head.close || (server_.draining && answers_.size() == 1 && in_ == InState::kHead))
        answer.keep_alive = false;
    answer.last = !answer.keep_alive;
    std::string_view connection;
    if (!answer.keep_alive) {
        connection = "Connection: close\r\n";
    } else if (answer.version_10) {
        connection = "Connection: keep-alive\r\n";
    }
    const std::string_view framing = answer.chunked ? "Transfer-Encoding: chunked\r\n" : "";
    const std::string_view text =
        server_.format_head(head, body_bytes, framing, connection, answer.lines);
    if (&answer == &answers_.front()) {
        out().append(text);
    } else {
        hold(answer, text.size());
        append_to(server_.pools, answer.first, text, room);
    }
    ++server_.counters.responses;
    ++server_.counters.responses_by_class[std::clamp(head.status / 100, 0, 5)];
    if (head.status >= 400 && head.status < 500) ++server_.counters.errors_4xx;
}

bool HttpConnection::respond(std::uint32_t sequence, const ResponseHead& head,
                             std::span<const std::string_view> pieces) {
    Answer* answer = answer_of(sequence);
    if (!answer || answer->state != AnswerState::kWaiting) return false;
    std::size_t bytes = 0;
    for (const std::string_view piece : pieces) bytes += piece.size();
    if (!has_body(head.status)) bytes = kUnknownLength;
    if (bytes != kUnknownLength &&
        server_.waiting_answer_bytes() + bytes > server_.limits.answers_bytes_max) {
        bool answered = false;
        if (!make_answer_room(sequence, head, bytes, answered)) return answered;
    }
    begin_answer(*answer, head, bytes, bytes == kUnknownLength ? 0 : bytes);
    if (!answer->head_only && bytes != kUnknownLength) {
        for (const std::string_view piece : pieces) emit(*answer, piece);
    }
    finish_answer(*answer);
    return true;
}

bool HttpConnection::respond(std::uint32_t sequence, const ResponseHead& head,
                             core::BufferRef body) {
    Answer* answer = answer_of(sequence);
    if (!answer || answer->state != AnswerState::kWaiting) return false;
    const std::size_t bytes = body ? body.size() : 0;
    if (bytes <= kSmallBodyBytes || !has_body(head.status)) {
        const std::string_view piece = body ? body.view() : std::string_view{};
        return respond(sequence, head, std::span(&piece, 1));
    }
    if (server_.waiting_answer_bytes() + bytes > server_.limits.answers_bytes_max) {
        bool answered = false;
        if (!make_answer_room(sequence, head, bytes, answered)) return answered;
    }
    begin_answer(*answer, head, bytes, 0);
    if (!answer->head_only) {
        if (answer == &answers_.front()) {
            out().append(std::move(body));
        } else {
            hold(*answer, bytes);
            answer->second = std::move(body);
        }
    }
    finish_answer(*answer);
    return true;
}

void HttpConnection::finish_answer(Answer& answer) {
    answer.state = AnswerState::kReady;
    release_answers();
}

// Sends on what is complete at the front of the line.
void HttpConnection::release_answers() {
    stream_.mark_dirty();
    while (!answers_.empty()) {
        Answer& answer = answers_.front();
        unhold(answer);
        if (answer.first) out().append(std::move(answer.first));
        if (answer.second) out().append(std::move(answer.second));
        if (answer.state == AnswerState::kWaiting || answer.state == AnswerState::kStreaming) break;
        if (answer.last) {
            close_after_out_ = true;
            in_ = InState::kDiscard;
        }
        pop_answer();
        if (close_after_out_) return drop_answers();
    }
    if (answers_.empty()) {
        idle_since_ns_ = server_.reactor.now_ns();
        if (owes_continue_) {
            owes_continue_ = false;
            out().append("HTTP/1.1 100 Continue\r\n\r\n");
        }
    }
}

void HttpConnection::pop_answer() {
    answers_.pop_front();
    ++first_sequence_;
}

// ---- streams

bool HttpConnection::start_stream(std::uint32_t sequence, const ResponseHead& head) {
    Answer* answer = answer_of(sequence);
    if (!answer || answer->state != AnswerState::kWaiting) return false;
    answer->chunked = !answer->version_10 && has_body(head.status);
    if (answer->version_10) answer->keep_alive = false;  // only the close can end the body
    begin_answer(*answer, head, kUnknownLength, 0);
    if (answer->head_only) {  // the head is all of it: what comes behind has its turn
        finish_answer(*answer);
        return false;
    }
    answer->state = AnswerState::kStreaming;
    stream_.mark_dirty();
    return true;
}

bool HttpConnection::start_upgrade(std::uint32_t sequence, const ResponseHead& head,
                                   std::string&& last_words) {
    Answer* answer = answer_of(sequence);
    // What was sent behind it would be taken for something else.
    const bool alone = answers_.size() == 1 && in_ == InState::kHead && !carry_;
    if (!answer || answer->state != AnswerState::kWaiting || !alone || server_.draining)
        return false;
    begin_answer(*answer, head, kUnknownLength, 0);
    answer->keep_alive = false;
    answer->last = true;  // the end of the stream is the connection's
    answer->state = AnswerState::kStreaming;
    in_ = InState::kUpgraded;
    last_words_ = std::move(last_words);
    stream_.mark_dirty();
    return true;
}

WriteOutcome HttpConnection::stream_write(std::uint32_t sequence, std::string_view bytes) {
    Answer* answer = answer_of(sequence);
    if (!answer || answer->state != AnswerState::kStreaming) return WriteOutcome::kClosed;
    if (bytes.empty() || answer->head_only) return WriteOutcome::kOk;
    const bool front = answer == &answers_.front();
    const std::size_t waiting_bytes = front           ? out().bytes()
                                      : answer->first ? answer->first.size()
                                                      : 0;
    // One write larger than the bound may pass when nothing waits, or it could never pass.
    if (waiting_bytes > 0 && waiting_bytes + bytes.size() > server_.limits.stream_out_bytes_max) {
        answer->wants_drain = true;
        return WriteOutcome::kFull;
    }
    if (!may_hold(bytes.size())) {
        answer->wants_drain = true;
        return WriteOutcome::kFull;
    }
    emit_chunk(*answer, bytes);
    count_stream(bytes.size());
    stream_.mark_dirty();
    return WriteOutcome::kOk;
}

// Written to a stream and still here: what is sent is taken off, whatever else waits beside it.
void HttpConnection::count_stream(std::size_t added) {
    std::size_t here = out().bytes();
    if (stream_bytes_ + added > 0) {
        for (std::size_t i = 0; i < answers_.size(); ++i) here += answers_[i].held;
    }
    const std::size_t now = std::min(stream_bytes_ + added, here);
    server_.stream_bytes += now - stream_bytes_;
    stream_bytes_ = now;
    count_held();
}

void HttpConnection::emit_chunk(Answer& answer, std::string_view bytes) {
    if (!answer.chunked) return emit(answer, bytes);
    char frame[kChunkFrameBytes];
    char* end = std::to_chars(frame, frame + sizeof frame - 2, bytes.size(), 16).ptr;
    *end++ = '\r';
    *end++ = '\n';
    emit(answer, {frame, static_cast<std::size_t>(end - frame)});
    emit(answer, bytes);
    emit(answer, "\r\n");
}

void HttpConnection::end_stream(std::uint32_t sequence) {
    Answer* answer = answer_of(sequence);
    if (!answer || answer->state != AnswerState::kStreaming) return;
    if (answer->chunked && !answer->head_only) emit(*answer, "0\r\n\r\n");
    answer->state = AnswerState::kStreamEnded;
    release_answers();
}

void HttpConnection::end_streams() {
    if (http2_ && in_ == InState::kUpgraded && !answers_.empty()) {
        server_.handler.on_going_away(
            StreamToken{RequestToken{index_, generation_, first_sequence_}});
        return;
    }
    if (in_ == InState::kUpgraded && !answers_.empty()) emit(answers_.front(), last_words_);
    for (std::size_t i = 0; i < answers_.size();) {
        const std::size_t before = answers_.size();
        end_stream(first_sequence_ + static_cast<std::uint32_t>(i));
        if (answers_.size() == before) ++i;  // else the ones behind it moved up
    }
}

void HttpConnection::offer_drain() {
    if (answers_.empty() || !answers_.front().wants_drain || waits_for_room()) return;
    if (out().bytes() > server_.limits.stream_out_bytes_max / 2) return;
    answers_.front().wants_drain = false;
    server_.handler.on_stream_drain(
        StreamToken{RequestToken{index_, generation_, first_sequence_}});
}

// ---- sending and the end

void HttpConnection::on_flush() {
    if (carry_ && may_process() && in_ != InState::kDiscard) process_carry();
    if (closing_) return;
    offer_drain();
    stream_.flush();
    update();
}

void HttpConnection::on_sent(std::size_t bytes) {
    stream_.sent(bytes);
    server_.counters.bytes_out += bytes;
    count_stream(0);
    if (answers_.empty()) idle_since_ns_ = server_.reactor.now_ns();
    offer_drain();
    if (closing_) return;
    // The rest is sent, and what was read meanwhile is processed, in the flush.
    if (!out().empty() || carry_) stream_.mark_dirty();
    update();
}

void HttpConnection::on_send_failed(int) {
    // The client is gone; what it was to get is void.
    abort();
}

void HttpConnection::finish_output() {
    if (!out().empty()) return;
    const bool at_rest = answers_.empty() && in_ == InState::kHead && !carry_;
    if (server_.draining && at_rest && !late_) close_after_out_ = true;
    // Requests that came whole before the client ended its side are still served.
    const bool unserved = carry_ && in_ == InState::kHead && header_started_ns_ == 0;
    if (eof_ && answers_.empty() && !unserved) return close_now();
    if (!close_after_out_ || lingering_) return;
    // Closing at once could reset the connection under the answer when bytes of the client are
    // still unread: our side ends, and the client gets a moment to end its own.
    lingering_ = true;
    in_ = InState::kDiscard;
    carry_ = {};
    linger_until_ns_ = server_.reactor.now_ns() + kLingerNs;
    stream_.shutdown_send();
}

void HttpConnection::touch() {
    if (!closing_) stream_.mark_dirty();
}

void HttpConnection::drop_answers() {
    const std::uint32_t generation = generation_++;
    Fifo<Answer> dropped = std::move(answers_);
    answers_ = Fifo<Answer>{};
    for (std::size_t i = 0; i < dropped.size(); ++i) {
        unhold(dropped[i]);
        if (dropped[i].state != AnswerState::kStreaming) continue;
        const std::uint32_t sequence = first_sequence_ + static_cast<std::uint32_t>(i);
        server_.handler.on_stream_close(StreamToken{RequestToken{index_, generation, sequence}});
    }
    count_stream(0);
}

void HttpConnection::abort() {
    if (closing_) return stream_.close(StreamEnd::kAtOnce);
    close_now(StreamEnd::kAtOnce);
}

void HttpConnection::close_now(StreamEnd end) {
    closing_ = true;
    stream_.close(end);
    drop_answers();
}

void HttpConnection::on_closed() {
    in_use_ = false;
    carry_ = {};
    head_copy_ = {};
    body_ = {};
    count_body(0);
    server_.stream_bytes -= std::exchange(stream_bytes_, 0);
    user_bytes_ = 0;
    leave_room();
    stream_.clear();
    answer_lines_.clear();
    server_.handler.on_connection_closed(index_);
    ++server_.counters.closed;
    server_.give_back(*this);
}

}  // namespace millrace::io
