#include "io/http2_session.h"

#include "core/assert.h"

#include <algorithm>
#include <limits>

#include <nghttp2/nghttp2.h>

namespace millrace::io {

namespace {

// Headers that go on beyond the limit are counted and dropped; beyond so many times of it they are
// an attack.
constexpr std::size_t kHeaderFloodTimes = 8;
constexpr std::size_t kFieldOverhead = 32;  // RFC 9113 10.5.1
constexpr std::size_t kCompactBytes = 64u << 10;
constexpr std::int64_t kThousand = 1000;

std::string_view view_of(const std::uint8_t* at, std::size_t bytes) {
    return {reinterpret_cast<const char*>(at), bytes};
}

nghttp2_nv field_of(std::string_view name, std::string_view value) {
    // It only reads them, and keeps copies.
    const auto bytes = [](std::string_view text) {
        return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
    };
    return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

std::vector<nghttp2_nv> fields_of(Http2Session::Fields fields) {
    std::vector<nghttp2_nv> out;
    out.reserve(fields.size());
    for (const HeaderField& field : fields) out.push_back(field_of(field.name, field.value));
    return out;
}

void append_u32(std::string& out, std::uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8)
        out.push_back(static_cast<char>((value >> shift) & 0xff));
}

// A GOAWAY of our own, where libnghttp2 speaks no more.
std::string goaway_frame(std::uint32_t last_stream, Http2Error why, std::string_view words) {
    std::string out;
    append_u32(out, static_cast<std::uint32_t>((8 + words.size()) << 8) | NGHTTP2_GOAWAY);
    out.push_back(0);  // flags
    append_u32(out, 0);
    append_u32(out, last_stream);
    append_u32(out, static_cast<std::uint32_t>(why));
    return out.append(words);
}

std::uint32_t id_of(std::int32_t stream) { return static_cast<std::uint32_t>(stream); }
std::int32_t of_id(std::uint32_t stream) { return static_cast<std::int32_t>(stream); }

bool ends_stream(const nghttp2_frame_hd& head) {
    return (head.type == NGHTTP2_DATA || head.type == NGHTTP2_HEADERS) &&
           (head.flags & NGHTTP2_FLAG_END_STREAM) != 0;
}

// It asks for work, or at least for a look, and brings nothing.
bool is_idle_frame(const nghttp2_frame_hd& head) {
    switch (head.type) {
        case NGHTTP2_DATA: return head.length == 0 && !ends_stream(head);
        case NGHTTP2_HEADERS:
        case NGHTTP2_CONTINUATION:
        case NGHTTP2_WINDOW_UPDATE: return false;
        default: return true;
    }
}

}  // namespace

// What libnghttp2 calls, with the session as user data.
struct Http2Session::Calls {
    static Http2Session& of(void* user) { return *static_cast<Http2Session*>(user); }

    static int begin_frame(nghttp2_session*, const nghttp2_frame_hd* head, void* user) {
        Http2Session& self = of(user);
        if (!is_idle_frame(*head) || self.spend_idle_frame(self.now_ns_)) return 0;
        self.flooded_ = true;
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }

    static int begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user) {
        if (frame->headers.cat == NGHTTP2_HCAT_REQUEST)
            of(user).streams_.try_emplace(id_of(frame->hd.stream_id));
        return 0;
    }

    static int header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                      std::size_t name_bytes, const std::uint8_t* value, std::size_t value_bytes,
                      std::uint8_t, void* user) {
        Http2Session& self = of(user);
        Stream* const stream = self.find(id_of(frame->hd.stream_id));
        if (!stream) return 0;
        stream->header_bytes += name_bytes + value_bytes + kFieldOverhead;
        if (stream->header_bytes > self.limits_.header_bytes_max * kHeaderFloodTimes) {
            self.headers_flooded_ = true;
            return NGHTTP2_ERR_CALLBACK_FAILURE;
        }
        if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;  // trailers say nothing to us
        stream->take_field(view_of(name, name_bytes), view_of(value, value_bytes), self.limits_);
        return 0;
    }

    static int frame_received(nghttp2_session*, const nghttp2_frame* frame, void* user) {
        Http2Session& self = of(user);
        const std::uint32_t id = id_of(frame->hd.stream_id);
        if (frame->hd.type == NGHTTP2_GOAWAY) self.leaving_ = true;
        if (frame->hd.type == NGHTTP2_RST_STREAM) ++self.counters_.resets;
        if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0)
            self.pings_ = 0;
        Stream* stream = self.find(id);
        if (!stream) return 0;
        if (ends_stream(frame->hd)) stream->peer_ended = true;
        if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
            stream->whole_head = true;
            ++self.counters_.requests;
            if (stream->request.too_large) ++self.counters_.headers_too_large;
            self.handler_.on_request(id, std::move(stream->request));
            stream = self.find(id);
        }
        if (stream && stream->whole_head && ends_stream(frame->hd)) self.handler_.on_end(id);
        return 0;
    }

    static int data(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* at,
                    std::size_t bytes, void* user) {
        Http2Session& self = of(user);
        Stream* const stream = self.find(id_of(id));
        if (!stream) {
            (void)nghttp2_session_consume_connection(self.session_, bytes);
            return 0;
        }
        stream->held_bytes += bytes;
        self.handler_.on_data(id_of(id), view_of(at, bytes));
        return 0;
    }

    static int closed(nghttp2_session*, std::int32_t id, std::uint32_t, void* user) {
        Http2Session& self = of(user);
        const auto found = self.streams_.find(id_of(id));
        if (found == self.streams_.end()) return 0;
        const bool known = found->second.whole_head;
        (void)nghttp2_session_consume_connection(self.session_, found->second.held_bytes);
        self.unsent_ -= found->second.unsent();
        self.streams_.erase(found);
        if (known) self.handler_.on_closed(id_of(id));
        return 0;
    }

    // An answer may be over before the request is: then its rest is not wanted.
    static int frame_sent(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
        if (!ends_stream(frame->hd)) return 0;
        const Stream* const stream = of(user).find(id_of(frame->hd.stream_id));
        if (stream && !stream->peer_ended) {
            (void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                            NGHTTP2_NO_ERROR);
        }
        return 0;
    }

    static ssize_t read(nghttp2_session* session, std::int32_t id, std::uint8_t* at,
                        std::size_t bytes, std::uint32_t* flags, nghttp2_data_source*, void* user) {
        Http2Session& self = of(user);
        Stream* const stream = self.find(id_of(id));
        if (!stream) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        const std::size_t part =
            stream->out.copy(reinterpret_cast<char*>(at), bytes, stream->out_at);
        if (part == 0 && !stream->ended) {
            stream->waits = true;
            return NGHTTP2_ERR_DEFERRED;
        }
        stream->out_at += part;
        self.unsent_ -= part;
        stream->compact();
        if (stream->wants_room && stream->unsent() <= stream->room_wanted) {
            stream->wants_room = false;
            self.rooms_.push_back(id_of(id));
        }
        if (stream->ended && stream->unsent() == 0) {
            *flags |= NGHTTP2_DATA_FLAG_EOF;
            if (!stream->trailers.empty()) {
                *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
                std::vector<nghttp2_nv> trailers;
                for (const auto& [name, value] : stream->trailers)
                    trailers.push_back(field_of(name, value));
                (void)nghttp2_submit_trailer(session, id, trailers.data(), trailers.size());
            }
        }
        return static_cast<ssize_t>(part);
    }
};

void Http2Session::Stream::compact() {
    if (out_at == out.size()) {
        out.clear();
        out_at = 0;
        if (out.capacity() > kCompactBytes) std::string().swap(out);
    } else if (out_at >= kCompactBytes) {
        out.erase(0, std::exchange(out_at, 0));
    }
}

void Http2Session::Stream::take_field(std::string_view name, std::string_view value,
                                      const Http2Limits& limits) {
    if (header_bytes > limits.header_bytes_max ||
        request.headers.size() >= limits.header_count_max) {
        request.too_large = true;
    } else if (!name.starts_with(':')) {
        request.headers.emplace_back(name, value);
    } else if (name == ":method") {
        request.method = value;
    } else if (name == ":path") {
        request.path = value;
    } else if (name == ":authority") {
        request.authority = value;
    }
}

Http2Session::Http2Session(Http2Handler& handler, const Http2Limits& limits,
                           Http2Counters& counters)
    : handler_(handler),
      limits_(limits),
      counters_(counters),
      idle_frames_(limits.idle_frames_burst * kThousand) {
    nghttp2_session_callbacks* calls = nullptr;
    nghttp2_option* option = nullptr;
    MR_ASSERT(nghttp2_session_callbacks_new(&calls) == 0 && nghttp2_option_new(&option) == 0);
    nghttp2_session_callbacks_set_on_begin_frame_callback(calls, &Calls::begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(calls, &Calls::begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(calls, &Calls::header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(calls, &Calls::frame_received);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls, &Calls::data);
    nghttp2_session_callbacks_set_on_stream_close_callback(calls, &Calls::closed);
    nghttp2_session_callbacks_set_on_frame_send_callback(calls, &Calls::frame_sent);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_continuations(option, limits.continuations_max);
    // Resets are counted here, by a clock that is told: of its own limit, which reads one, nothing
    // is to be left.
    constexpr std::uint64_t kNever = std::numeric_limits<std::uint32_t>::max();
    nghttp2_option_set_stream_reset_rate_limit(option, kNever, kNever);
    MR_ASSERT(nghttp2_session_server_new2(&session_, calls, this, option) == 0);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(calls);
    const std::array<nghttp2_settings_entry, 4> settings = {{
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits.streams_max},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits.stream_window_bytes},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,
         static_cast<std::uint32_t>(limits.header_bytes_max)},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    }};
    MR_ASSERT(nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(),
                                      settings.size()) == 0);
    MR_ASSERT(nghttp2_session_set_local_window_size(
                  session_, NGHTTP2_FLAG_NONE, 0, static_cast<std::int32_t>(limits.window_bytes)) ==
              0);
}

Http2Session::~Http2Session() {
    streams_.clear();  // whoever is told of the end has ended before
    nghttp2_session_del(session_);
}

bool Http2Session::spend_idle_frame(std::int64_t now_ns) {
    constexpr std::int64_t kNsPerThousandth = 1'000'000;
    const std::int64_t most = limits_.idle_frames_burst * kThousand;
    if (idle_frames_ns_ == 0) idle_frames_ns_ = now_ns;
    const std::int64_t ms = (now_ns - idle_frames_ns_) / kNsPerThousandth;
    if (ms > 0) {
        idle_frames_ = std::min(most, idle_frames_ + ms * limits_.idle_frames_per_second);
        idle_frames_ns_ += ms * kNsPerThousandth;
    }
    if (idle_frames_ < kThousand) return false;
    idle_frames_ -= kThousand;
    return true;
}

bool Http2Session::take(std::string_view bytes, std::int64_t now_ns) {
    if (broken_) return false;
    now_ns_ = now_ns;
    const ssize_t taken = nghttp2_session_mem_recv(
        session_, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    if (flooded_) {
        ++counters_.floods;
        end_for(Http2Error::kEnhanceYourCalm, "too many frames that bring nothing");
    } else if (headers_flooded_ || taken == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS) {
        ++counters_.header_floods;
        end_for(Http2Error::kEnhanceYourCalm, "headers without an end");
    } else if (taken == NGHTTP2_ERR_FLOODED) {
        ++counters_.floods;
        end_for(Http2Error::kEnhanceYourCalm, "answers to PING and SETTINGS are not read");
    } else if (taken < 0) {
        ++counters_.protocol_errors;
        end_for(Http2Error::kProtocol, nghttp2_strerror(static_cast<int>(taken)));
    }
    return !broken_ && !has_ended();
}

// By libnghttp2, which has said why in a GOAWAY.
bool Http2Session::has_ended() {
    if (ended_ || nghttp2_session_want_read(session_) != 0) return ended_;
    ended_ = true;
    if (!leaving_) ++counters_.protocol_errors;
    return true;
}

void Http2Session::end_for(Http2Error why, std::string_view words) {
    broken_ = true;
    const std::int32_t last = nghttp2_session_get_last_proc_stream_id(session_);
    last_words_ = goaway_frame(id_of(last), why, words);
}

void Http2Session::pull(std::string& out, std::size_t most) {
    if (broken_) {
        out.append(std::exchange(last_words_, {}));
        return;
    }
    while (out.size() < most) {
        const std::uint8_t* at = nullptr;
        const ssize_t bytes = nghttp2_session_mem_send(session_, &at);
        if (bytes < 0) {  // no memory
            end_for(Http2Error::kInternal, nghttp2_strerror(static_cast<int>(bytes)));
            break;
        }
        if (bytes == 0) break;
        out.append(view_of(at, static_cast<std::size_t>(bytes)));
    }
    if (!broken_) (void)has_ended();
    tell_rooms();
}

void Http2Session::tell_rooms() {
    const std::vector<std::uint32_t> rooms = std::exchange(rooms_, {});
    for (const std::uint32_t stream : rooms) {
        if (find(stream)) handler_.on_room(stream);
    }
}

bool Http2Session::wants_write() const {
    return broken_ ? !last_words_.empty() : nghttp2_session_want_write(session_) != 0;
}

bool Http2Session::over() const {
    if (broken_) return last_words_.empty();
    return nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0;
}

Http2Session::Stream* Http2Session::find(std::uint32_t stream) {
    const auto found = streams_.find(stream);
    return found == streams_.end() ? nullptr : &found->second;
}

const Http2Session::Stream* Http2Session::find(std::uint32_t stream) const {
    const auto found = streams_.find(stream);
    return found == streams_.end() ? nullptr : &found->second;
}

bool Http2Session::respond(std::uint32_t stream, Fields head) {
    Stream* const answered = find(stream);
    if (!answered || answered->responded || broken_) return false;
    answered->responded = true;
    const std::vector<nghttp2_nv> fields = fields_of(head);
    nghttp2_data_provider data{};
    data.read_callback = &Calls::read;
    return nghttp2_submit_response(session_, of_id(stream), fields.data(), fields.size(), &data) ==
           0;
}

bool Http2Session::write(std::uint32_t stream, std::string_view data) {
    Stream* const written = find(stream);
    if (!written || !written->responded || written->ended || broken_) return false;
    written->out.append(data);
    unsent_ += data.size();
    if (std::exchange(written->waits, false))
        (void)nghttp2_session_resume_data(session_, of_id(stream));
    return true;
}

bool Http2Session::end(std::uint32_t stream, Fields trailers) {
    Stream* const ended = find(stream);
    if (!ended || ended->ended || broken_) return false;
    ended->ended = true;
    if (!std::exchange(ended->responded, true)) {
        const std::vector<nghttp2_nv> fields = fields_of(trailers);
        return nghttp2_submit_response(session_, of_id(stream), fields.data(), fields.size(),
                                       nullptr) == 0;
    }
    for (const HeaderField& field : trailers) ended->trailers.emplace_back(field.name, field.value);
    if (std::exchange(ended->waits, false))
        (void)nghttp2_session_resume_data(session_, of_id(stream));
    return true;
}

bool Http2Session::responded(std::uint32_t stream) const {
    const Stream* const found = find(stream);
    return found && found->responded;
}

std::size_t Http2Session::unsent_bytes(std::uint32_t stream) const {
    const Stream* const found = find(stream);
    return found ? found->unsent() : 0;
}

void Http2Session::want_room(std::uint32_t stream, std::size_t bytes) {
    Stream* const found = find(stream);
    if (!found) return;
    found->wants_room = true;
    found->room_wanted = bytes;
}

void Http2Session::reset(std::uint32_t stream, Http2Error why) {
    if (broken_ || !find(stream)) return;
    (void)nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, of_id(stream),
                                    static_cast<std::uint32_t>(why));
}

void Http2Session::give_room(std::uint32_t stream, std::size_t bytes) {
    Stream* const found = find(stream);
    if (!found || broken_) return;
    bytes = std::min(bytes, found->held_bytes);
    found->held_bytes -= bytes;
    (void)nghttp2_session_consume(session_, of_id(stream), bytes);
}

void Http2Session::ping() {
    if (broken_) return;
    ++pings_;
    (void)nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
}

void Http2Session::go_away(Http2Error why, std::string_view words) {
    if (broken_) return;
    leaving_ = true;
    (void)nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(session_),
                                static_cast<std::uint32_t>(why),
                                reinterpret_cast<const std::uint8_t*>(words.data()), words.size());
}

}  // namespace millrace::io
