#include "io/line_connection.h"

#include "io/error_body.h"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>

namespace millrace::io {

namespace {

constexpr std::size_t kColdBytes = 4096;  // an idle connection's buffer
constexpr std::size_t kHelloBytesMax = 4096;
constexpr std::int64_t kLingerNs = 2'000'000'000;
constexpr std::int64_t kNsPerMs = 1'000'000;

// memchr() goes over the long way between two line ends faster than counting byte by byte.
std::uint64_t count_lines(std::string_view text) {
    std::uint64_t count = 0;
    const char* at = text.data();
    const char* const end = at + text.size();
    while ((
        at = static_cast<const char*>(std::memchr(at, '\n', static_cast<std::size_t>(end - at))))) {
        ++count;
        if (++at == end) break;
    }
    return count;
}

bool blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// Whether the reader of events may have a look at it: whole numbers of any length and depth are its
// business, as is what the object holds.
bool is_json_object(std::string_view line) {
    simdjson::dom::parser parser;
    simdjson::dom::element root;
    switch (parser.parse(line.data(), line.size()).get(root)) {
        case simdjson::SUCCESS: return root.is_object();
        case simdjson::NUMBER_ERROR:
        case simdjson::DEPTH_ERROR: return true;
        default: return false;
    }
}

// `{"hello"` with any white space: no envelope has such a member.
bool looks_like_hello(std::string_view line) {
    std::size_t at = 0;
    const auto skip = [&] {
        while (at < line.size() && blank(line[at])) ++at;
    };
    skip();
    if (at == line.size() || line[at++] != '{') return false;
    skip();
    return line.substr(at, 7) == "\"hello\"";
}

}  // namespace

LineConnection::LineConnection(LineServerImpl& server, std::uint32_t index)
    : ClientRoom::Holder(server.reactor.room),
      server_(server),
      index_(index),
      stream_(server.reactor, *this, server.out_bytes) {}

bool LineConnection::start(int socket, const Peer& peer, bool spare,
                           std::unique_ptr<StreamTransform> transform) {
    if (!stream_.open(socket, std::move(transform))) return false;
    in_use_ = true;
    peer_ = peer;
    acks_ = AckMode::kBatch;
    greeted_ = accepted_ = skipping_ = eof_ = discarding_ = lingering_ = closing_ = false;
    searched_ = 0;
    next_capacity_ = kColdBytes;
    lines_ = acked_ = duplicates_ = ack_sent_ = 0;
    unacked_bytes_ = 0;
    last_active_ns_ = server_.reactor.now_ns();
    spare_ = spare;
    giving_way_ = false;
    if (spare) {
        const std::size_t limit = server_.limits.connections_max;
        refuse(core::Error(core::ErrorCode::kUnavailable, "socket: socket.connections_max " +
                                                              std::to_string(limit) +
                                                              " connections are at work")
                   .bound(static_cast<std::int64_t>(limit))
                   .retry_after(server_.handler.busy_seconds()));
    }
    update();
    return true;
}

std::int64_t LineConnection::idle_since() const {
    if (!in_use_ || closing_) return kNotIdle;
    if (lingering_) return std::numeric_limits<std::int64_t>::min();
    const bool idle = acked_ == lines_ && out().empty() && (!buffer_ || buffer_.size() == 0) &&
                      !eof_ && !discarding_;
    return idle ? last_active_ns_ : kNotIdle;
}

void LineConnection::give_way() {
    giving_way_ = true;
    ++server_.counters.made_room;
    close_now();
}

void LineConnection::on_bytes(char*, std::size_t) {}  // every receive goes straight into our buffer

void LineConnection::on_filled(std::size_t bytes) {
    server_.counters.bytes_in += bytes;
    last_active_ns_ = server_.reactor.now_ns();
    if (discarding_) return;
    // Grow while the client fills what it is given, shrink when it does not.
    const std::size_t room = usable_bytes() - buffer_.size();
    if (bytes == room) {
        next_capacity_ =
            std::min(usable_bytes() * 4, std::max(server_.limits.batch_bytes, kColdBytes));
    } else if (bytes < usable_bytes() / 8) {
        next_capacity_ = std::max(next_capacity_ / 4, kColdBytes);
    }
    buffer_.set_size(buffer_.size() + bytes);
    cut_lines();
}

void LineConnection::on_receive_idle() { update(); }

void LineConnection::on_receive_end(int error) {
    if (error != 0) return close_now(StreamEnd::kAtOnce);
    eof_ = true;
    if (!discarding_) finish_input();
    update();
}

// ---- from bytes to lines

void LineConnection::cut_lines() {
    if (skipping_) skip_rest_of_line();
    if (skipping_ || !buffer_ || buffer_.size() == 0) return;
    if (!greeted_ && !greet()) return;
    const std::size_t used = buffer_.size();
    const void* last = ::memrchr(buffer_.data() + searched_, '\n', used - searched_);
    if (!last) {
        searched_ = used;
        if (too_long(buffer_.view())) drop_partial_line();
        return;
    }
    const std::size_t complete =
        static_cast<std::size_t>(static_cast<const char*>(last) - buffer_.data()) + 1;
    const std::size_t tail = used - complete;
    core::BufferRef lines = std::move(buffer_);
    searched_ = 0;
    reserved_ = false;
    if (tail > 0) {
        // It is there already: where there is no room for more, it has just its own.
        const std::size_t wanted = std::max(next_capacity_, tail * 2);
        buffer_ = take_buffer(fits_in_room(wanted) ? wanted : tail + kColdBytes);
        std::memcpy(buffer_.data(), lines.data() + complete, tail);
        buffer_.set_size(tail);
        searched_ = tail;
    }
    lines.set_size(complete);
    if (complete > server_.limits.line_bytes_max) {
        split_long_lines(std::move(lines));
    } else {
        hand_over(std::move(lines));
    }
    if (buffer_ && too_long(buffer_.view())) drop_partial_line();
}

// Its line end does not count, LF or CRLF; a CR may still be the first half of one.
bool LineConnection::too_long(std::string_view line) const {
    if (line.ends_with('\n')) line.remove_suffix(1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line.size() > server_.limits.line_bytes_max;
}

core::BufferRef LineConnection::take_buffer(std::size_t bytes) {
    const LineLimits& limits = server_.limits;
    asked_bytes_ =
        std::min(bytes, std::max(limits.batch_bytes, limits.line_bytes_max + kColdBytes));
    return server_.pools.acquire(asked_bytes_);
}

// What of the buffer is received into.
std::size_t LineConnection::usable_bytes() const { return asked_bytes_; }

void LineConnection::count_buffer() {
    std::size_t bytes = buffer_ ? usable_bytes() : 0;
    if (bytes == 0) reserved_ = false;
    if (reserved_) bytes = std::max(bytes, server_.limits.line_bytes_max + kColdBytes);
    hold_in_room(bytes - std::min(bytes, kColdBytes));
}

// Large for a client that has filled the last one, where there is room.
core::BufferRef LineConnection::next_buffer() {
    if (next_capacity_ < kColdBytes || !fits_in_room(next_capacity_)) next_capacity_ = kColdBytes;
    return take_buffer(next_capacity_);
}

// A line that is longer than its buffer may become as long as lines may: it has room for all of
// that, or waits. Many that each had some and wanted more would wait for each other. False: there
// is none; asked again in on_room().
bool LineConnection::make_room() {
    const std::size_t used = buffer_.size();
    if (used < usable_bytes()) return true;
    const std::size_t wanted = std::max(next_capacity_, used * 2);
    const std::size_t longest = server_.limits.line_bytes_max + kColdBytes;
    if (!reserved_ && !may_hold(longest - std::min(longest, held_in_room()))) return false;
    reserved_ = true;
    core::BufferRef larger = take_buffer(wanted);
    std::memcpy(larger.data(), buffer_.data(), used);
    larger.set_size(used);
    buffer_ = std::move(larger);
    return true;
}

std::int64_t LineConnection::stalled_since_ns() const {
    if (closing_ || discarding_ || !may_read()) return kNeverStalled;
    return last_active_ns_;
}

void LineConnection::cut_off() {
    if (buffer_ && buffer_.size() == 0) {
        next_capacity_ = 0;  // it keeps the connection, and loses the large buffer
    } else {
        refuse(core::Error(core::ErrorCode::kUnavailable,
                           "socket: the line did not go on, and what clients keep waiting takes "
                           "all its room of " +
                               std::to_string(server_.reactor.room.bytes_max()) +
                               " bytes; send it again")
                   .bound(static_cast<std::int64_t>(server_.reactor.room.bytes_max()))
                   .retry_after(server_.handler.busy_seconds()));
    }
    stop_waiting();
    stream_.stop_receive();
    stream_.mark_dirty();
}

// Lines longer than the limit are taken out; what stands between them goes on as it is.
void LineConnection::split_long_lines(core::BufferRef lines) {
    const std::string_view text = lines.view();
    std::size_t begin = 0;  // of what is not yet handed over
    std::size_t at = 0;
    const auto flush = [&](std::size_t end) {
        if (end == begin || closing_ || discarding_) return;
        core::BufferRef part = server_.pools.acquire(end - begin);
        std::memcpy(part.data(), text.data() + begin, end - begin);
        part.set_size(end - begin);
        hand_over(std::move(part));
    };
    while (at < text.size()) {
        const std::size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
        if (too_long(text.substr(at, end - at))) {
            flush(at);
            begin = end;
            reject_long_line();
        }
        at = end;
    }
    if (begin == 0) return hand_over(std::move(lines));
    flush(text.size());
}

void LineConnection::reject_long_line() {
    const std::size_t limit = server_.limits.line_bytes_max;
    ++lines_;
    ++server_.counters.lines;
    spans_.push_back(Span{lines_, 0, true});
    reject(lines_, core::Error(core::ErrorCode::kPayloadTooLarge,
                               "line exceeds events.event_bytes_max " + std::to_string(limit))
                       .bound(static_cast<std::int64_t>(limit)));
    settle();
}

// The line is still coming: what is there of it goes, and the rest when it comes.
void LineConnection::drop_partial_line() {
    reject_long_line();
    buffer_ = {};
    next_capacity_ = kColdBytes;
    searched_ = 0;
    skipping_ = true;
}

void LineConnection::skip_rest_of_line() {
    const void* end = std::memchr(buffer_.data(), '\n', buffer_.size());
    if (!end) {
        buffer_.set_size(0);
        return;
    }
    const std::size_t gone =
        static_cast<std::size_t>(static_cast<const char*>(end) - buffer_.data()) + 1;
    const std::size_t rest = buffer_.size() - gone;
    std::memmove(buffer_.data(), buffer_.data() + gone, rest);
    buffer_.set_size(rest);
    skipping_ = false;
    searched_ = 0;
}

void LineConnection::hand_over(core::BufferRef lines) {
    LineBatch batch;
    batch.connection = token();
    batch.first_line = lines_ + 1;
    batch.line_count = count_lines(lines.view());
    if (lines.view().back() != '\n') ++batch.line_count;
    lines_ += batch.line_count;
    server_.counters.lines += batch.line_count;
    spans_.push_back(Span{lines_, lines.size(), false});
    unacked_bytes_ += lines.size();
    // simdjson may look behind the end: whatever an earlier use left there is no secret of another
    // client's, but zeros make runs repeatable.
    std::memset(lines.data() + lines.size(), 0, core::kPaddingBytes);
    batch.lines = std::move(lines);
    server_.handler.on_lines(std::move(batch));
}

void LineConnection::finish_input() {
    const bool rest = !skipping_ && buffer_ && buffer_.size() > 0 && (greeted_ || greet());
    core::BufferRef last = std::move(buffer_);
    searched_ = 0;
    if (!rest || last.size() == 0) return;
    // A first line may have waited for its end, unmeasured, as a possible hello.
    if (too_long(last.view())) return reject_long_line();
    hand_over(std::move(last));
}

// ---- hello

// False while the first line is not complete, or when the client was refused.
bool LineConnection::greet() {
    const std::string_view text = buffer_.view();
    const std::size_t first = text.find_first_not_of(" \t\r");
    const bool blank = first == std::string_view::npos;
    if (!blank && text[first] != '{') {
        refuse_first_line("it begins with something else");
        return false;
    }
    const std::size_t end = text.find('\n', searched_);
    if (end == std::string_view::npos && !eof_) {
        searched_ = text.size();
        if (text.size() < kHelloBytesMax || (!blank && !too_long(text))) return false;
    }
    const std::string_view line = text.substr(0, end);
    if (blank) {
        refuse_first_line(end == std::string_view::npos ? "it has no end" : "it is empty");
        return false;
    }
    LineHello hello;
    std::string key;
    if (looks_like_hello(line.substr(0, kHelloBytesMax))) {
        if (!read_hello(line, hello, key)) return false;
    } else if (!too_long(line) && !is_json_object(line)) {
        refuse_first_line("its JSON is broken");
        return false;
    }
    hello.api_key = key;
    hello.peer_names = stream_.peer_names();
    acks_ = hello.acks;
    greeted_ = true;
    if (auto ok = server_.handler.on_hello(token(), hello, peer_); !ok) {
        refuse(ok.error());
        return false;
    }
    accepted_ = true;
    if (hello.sent) {
        const std::size_t gone = std::min(line.size() + 1, text.size());
        const std::size_t rest = text.size() - gone;
        std::memmove(buffer_.data(), buffer_.data() + gone, rest);
        buffer_.set_size(rest);
    }
    searched_ = 0;
    return buffer_.size() > 0;
}

void LineConnection::refuse_first_line(std::string_view why) {
    greeted_ = true;
    refuse(core::Error(core::ErrorCode::kValidation,
                       "the first line is no JSON object: " + std::string(why) +
                           "; this is the socket for lines of events, one JSON object each, and "
                           "speaks no HTTP"));
}

bool LineConnection::read_hello(std::string_view line, LineHello& hello, std::string& key) {
    const auto bad = [&](std::string text) {
        greeted_ = true;
        refuse(core::Error(core::ErrorCode::kValidation, "hello: " + std::move(text)).in("hello"));
        return false;
    };
    if (line.size() > kHelloBytesMax) return bad("the line exceeds 4096 bytes");
    simdjson::dom::parser parser;
    simdjson::dom::object outer, inner;
    if (parser.parse(line.data(), line.size()).get(outer)) return bad("the line is not JSON");
    if (outer["hello"].get(inner) || outer.size() != 1)
        return bad("write {\"hello\":{\"apiKey\":\"K\",\"acks\":\"batch|none\"}}");
    hello.sent = true;
    for (const auto [name, value] : inner) {
        std::string_view text;
        if (value.get(text))
            return bad("the member " + std::string(name.substr(0, 64)) + " is not a string");
        if (name == "apiKey") {
            key = text;
        } else if (name == "acks" && (text == "batch" || text == "none")) {
            hello.acks = text == "none" ? AckMode::kNone : AckMode::kBatch;
        } else {
            return bad(name == "acks" ? "acks is neither batch nor none"
                                      : "knows only apiKey and acks");
        }
    }
    return true;
}

void LineConnection::refuse(const core::Error& error) {
    ++server_.counters.refused;
    end_with(error);
}

void LineConnection::end_with(const core::Error& error) {
    out().append(R"({"error":)");
    out().append(error_object(error));
    out().append("}\n");
    discarding_ = true;
    acked_ = lines_;
    stream_.mark_dirty();
}

// ---- answers

void LineConnection::ack(std::uint64_t lines, std::string_view durability,
                         std::uint64_t duplicates) {
    duplicates_ += duplicates;
    for (std::size_t i = 0; i < spans_.size() && spans_[i].last_line <= lines; ++i)
        spans_[i].done = true;
    acked_ = std::max(acked_, std::min(lines, lines_));
    if (durability_ != durability) durability_ = durability;
    settle();
}

// Moves the ack over what is done at the front.
void LineConnection::settle() {
    while (!spans_.empty() && spans_.front().done) {
        acked_ = std::max(acked_, spans_.front().last_line);
        unacked_bytes_ -= spans_.front().bytes;
        spans_.pop_front();
    }
    stream_.mark_dirty();
}

void LineConnection::reject(std::uint64_t line, const core::Error& error, std::string_view found) {
    ++server_.counters.rejected_lines;
    char digits[24];
    out().append(R"({"reject":{"line":)");
    out().append({digits, static_cast<std::size_t>(
                              std::to_chars(digits, digits + sizeof digits, line).ptr - digits)});
    out().append(R"(,"error":)");
    out().append(error_object(error, found));
    out().append("}}\n");
    stream_.mark_dirty();
}

void LineConnection::append_ack() {
    ack_sent_ = acked_;
    const auto number = [this](std::string_view name, std::uint64_t value) {
        char digits[24];
        out().append(name);
        out().append(
            {digits, static_cast<std::size_t>(
                         std::to_chars(digits, digits + sizeof digits, value).ptr - digits)});
    };
    number(R"({"ack":)", acked_);
    out().append(R"(,"durability":")");
    out().append(durability_.empty() ? std::string_view("none") : std::string_view(durability_));
    out().append("\"");
    if (duplicates_ > 0) number(R"(,"duplicates":)", duplicates_);
    out().append("}\n");
}

void LineConnection::on_flush() {
    // All acks of a duty cycle are one line: the last says it all.
    if (acks_ == AckMode::kBatch && acked_ > ack_sent_ && !discarding_) append_ack();
    stream_.flush();
    update();
}

void LineConnection::on_sent(std::size_t bytes) {
    stream_.sent(bytes);
    server_.counters.bytes_out += bytes;
    if (!out().empty()) stream_.mark_dirty();
    update();
}

void LineConnection::on_send_failed(int) { close_now(StreamEnd::kAtOnce); }

// ---- what to wait for, and the end

bool LineConnection::may_read() const {
    const LineLimits& limits = server_.limits;
    return !server_.paused && !server_.draining && lines_ - acked_ < limits.unacked_lines_max &&
           unacked_bytes_ < limits.unacked_bytes_max && out().bytes() < limits.out_bytes_max;
}

void LineConnection::update() {
    if (closing_) return;
    finish_output();
    if (closing_) return;
    const bool wants = !eof_ && (lingering_ || discarding_ || may_read());
    if (!wants) {
        stream_.stop_receive();
    } else if (!stream_.receiving()) {
        if (discarding_ && buffer_) buffer_.set_size(0);
        if (buffer_ && buffer_.size() == 0 && (discarding_ || next_capacity_ == 0)) buffer_ = {};
        if (!buffer_) {
            reserved_ = false;
            if (discarding_) next_capacity_ = kColdBytes;
            buffer_ = next_buffer();
        }
        if (make_room())
            stream_.receive_into(buffer_.data() + buffer_.size(), usable_bytes() - buffer_.size());
    }
    count_buffer();
    std::int64_t at = kNoDeadline;
    if (lingering_) {
        at = linger_until_ns_;
    } else {
        at = stream_.send_deadline_ns(server_.write_ms_max());
        if (server_.limits.idle_ms_max > 0 && wants && !discarding_)
            at = std::min(at, last_active_ns_ + server_.limits.idle_ms_max * kNsPerMs);
    }
    stream_.set_deadline(at);
}

void LineConnection::on_deadline() {
    const std::int64_t now = server_.reactor.now_ns();
    if (lingering_ || now >= stream_.send_deadline_ns(server_.write_ms_max())) return close_now();
    if (server_.limits.idle_ms_max > 0 &&
        now >= last_active_ns_ + server_.limits.idle_ms_max * kNsPerMs && acked_ == lines_) {
        end_with(core::Error(core::ErrorCode::kTimeout,
                             "socket: nothing came for socket.idle_timeout " +
                                 std::to_string(server_.limits.idle_ms_max) + " ms"));
        return update();
    }
    last_active_ns_ = now;
    update();
}

void LineConnection::finish_output() {
    if (!out().empty() || (acks_ == AckMode::kBatch && ack_sent_ < acked_ && !discarding_)) return;
    const bool all_done = acked_ == lines_;
    if (eof_ && all_done) return close_now();
    if (lingering_ || !all_done || !(discarding_ || server_.draining)) return;
    lingering_ = discarding_ = true;
    linger_until_ns_ = server_.reactor.now_ns() + kLingerNs;
    stream_.shutdown_send();
}

void LineConnection::touch() {
    if (!closing_) stream_.mark_dirty();
}

void LineConnection::abort() {
    if (closing_) return stream_.close(StreamEnd::kAtOnce);
    close_now(StreamEnd::kAtOnce);
}

void LineConnection::close_now(StreamEnd end) {
    if (closing_) return;
    closing_ = true;
    stream_.close(end);
    const LineToken gone = token();
    ++generation_;
    if (accepted_) server_.handler.on_line_close(gone);
}

void LineConnection::on_closed() {
    in_use_ = false;
    buffer_ = {};
    leave_room();
    stream_.clear();
    spans_.clear();
    ++server_.counters.closed;
    server_.give_back(*this);
}

}  // namespace millrace::io
