#include "runtime/stream/event_tail.h"

#include "core/json_writer.h"
#include "core/moment.h"
#include "io/web_socket.h"
#include "runtime/identity/holder.h"
#include "runtime/identity/limits.h"
#include "store/log/log_reader.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace millrace::runtime {

std::string encode_stream_position(const std::vector<core::LogOffset>& next) {
    std::string out;
    for (std::size_t i = 0; i < next.size(); ++i) {
        if (i != 0) out += '.';
        out += std::to_string(i) + "-" + std::to_string(next[i].value);
    }
    return out;
}

core::Result<std::vector<core::LogOffset>> decode_stream_position(std::string_view text,
                                                                  std::size_t shards) {
    std::vector<core::LogOffset> next(shards);
    const char* at = text.data();
    const char* const end = text.data() + text.size();
    const auto bad = [&] {
        return core::fail(
            core::Error(
                core::ErrorCode::kValidation,
                "position '" + std::string(text.substr(0, 64)) +
                    "' is none that a stream gave out (as 0-12.1-7), no RFC 3339 time and not "
                    "'beginning'")
                .at(at - text.data()));
    };
    while (at != end) {
        std::size_t shard = 0;
        auto read = std::from_chars(at, end, shard);
        if (read.ec != std::errc() || read.ptr == end || *read.ptr != '-' || shard >= shards)
            return bad();
        at = read.ptr + 1;
        read = std::from_chars(at, end, next[shard].value);
        if (read.ec != std::errc()) return bad();
        at = read.ptr;
        if (at != end && *at++ != '.') return bad();
    }
    if (text.empty()) return bad();
    return next;
}

core::Result<std::vector<core::LogOffset>> stream_position_at(store::Database& database,
                                                              std::int64_t time_us) {
    std::vector<core::LogOffset> next;
    for (std::size_t i = 0; i < database.shards(); ++i) {
        const core::ShardId shard(static_cast<std::uint16_t>(i));
        auto offset = database.log_reader().offset_at_time(shard, time_us);
        if (!offset) return core::fail(std::move(offset.error()));
        next.push_back(*offset);
    }
    return next;
}

// A stream takes the shard whose next event came in first, of several the first one.
core::Result<std::string> stream_position_behind(store::Database& database, core::LogPosition event,
                                                 std::int64_t received_us) {
    std::vector<core::LogOffset> next(database.shards());
    for (std::size_t i = 0; i < next.size(); ++i) {
        const core::ShardId shard(static_cast<std::uint16_t>(i));
        if (shard == event.shard) {
            next[i] = core::LogOffset{event.offset.value + 1};
            continue;
        }
        const std::int64_t from_us = shard < event.shard ? received_us + 1 : received_us;
        auto offset = database.log_reader().offset_at_time(shard, from_us);
        if (!offset) return core::fail(std::move(offset.error()));
        next[i] = *offset;
    }
    return encode_stream_position(next);
}

core::Result<std::vector<core::LogOffset>> EventTail::start_of(const StreamRequest& request) {
    const std::size_t shards = deps_.database->shards();
    if (!request.last_event_id.empty())
        return decode_stream_position(request.last_event_id, shards);
    const auto behind_end = [&](core::Result<std::vector<core::LogOffset>>&& given)
        -> core::Result<std::vector<core::LogOffset>> {
        auto kept = given;
        if (!kept || !clamp_to_end(*kept)) return std::move(given);
        return core::fail(core::ErrorCode::kValidation,
                          "position '" + request.from.substr(0, 64) +
                              "' is beyond the end of the log, which is at '" +
                              encode_stream_position(*kept) + "'");
    };
    std::vector<core::LogOffset> next(shards);
    if (request.from.empty() || request.from == "now" || request.from == "beginning") {
        for (std::size_t i = 0; i < shards; ++i) {
            const core::ShardId shard(static_cast<std::uint16_t>(i));
            next[i] = request.from == "beginning" ? deps_.database->first_kept(shard)
                                                  : deps_.database->durable_end(shard);
        }
        return next;
    }
    std::int64_t time_us = 0;
    if (core::parse_moment(request.from, deps_.clock->wall_us(), time_us))
        return stream_position_at(*deps_.database, time_us);
    return behind_end(decode_stream_position(request.from, shards));
}

// True: something was beyond the end of its shard's log, and stands there now.
bool EventTail::clamp_to_end(std::vector<core::LogOffset>& next) const {
    bool clamped = false;
    for (std::size_t i = 0; i < next.size(); ++i) {
        const auto end = deps_.database->durable_end(core::ShardId(static_cast<std::uint16_t>(i)));
        if (next[i] <= end) continue;
        next[i] = end;
        clamped = true;
    }
    return clamped;
}

// A client that was sent further than this log reaches (it was restored, say) goes on live; what it
// saw may not be here, and that it is told.
void EventTail::append_reset(Stream& stream) {
    std::string data;
    core::JsonWriter json(data);
    json.begin_object().field("reason", "Last-Event-ID is beyond the end of the log");
    json.field("lastEventId", stream.request.last_event_id);
    json.field("position", encode_stream_position(stream.next)).end_object();
    append_message(stream, "reset", data);
}

void EventTail::append_message(Stream& stream, std::string_view name, std::string_view data) {
    const std::string position =
        name == "error" ? std::string() : encode_stream_position(stream.next);
    append_stream_message(out_, stream.request, name, position, data);
}

template <typename Is>
std::int64_t EventTail::streams_that(const Is& is) const {
    return std::count_if(streams_.begin(), streams_.end(),
                         [&is](const auto& entry) { return is(entry.second->request.principal); });
}

std::size_t EventTail::streams_of(core::TenantId tenant) const {
    return static_cast<std::size_t>(streams_that(
        [tenant](const identity::Principal& other) { return other.tenant == tenant; }));
}

core::Status EventTail::may_open(const StreamRequest& request) const {
    if (streams_.size() >= kStreamsMax) {
        return core::fail(
            core::Error(core::ErrorCode::kRateLimited, "too many event streams are open")
                .bound(kStreamsMax)
                .retry_after(10));
    }
    const identity::KeyIdentity* key = request.principal.key.get();
    if (!key || !key->holder) return {};
    const auto within = [&](const auto& holder, std::string_view whose, const auto& is) {
        const std::int64_t most = holder->streams_max.load(std::memory_order_relaxed);
        return identity::within_quota(identity::Quota::kStreams, most == 0 ? 0 : streams_that(is),
                                      most, whose);
    };
    if (auto of_key = within(key->holder, "key",
                             [key](const identity::Principal& other) {
                                 return other.key && other.key->holder == key->holder;
                             });
        !of_key)
        return of_key;
    return within(key->tenant, "tenant", [&](const identity::Principal& other) {
        return other.tenant == request.principal.tenant;
    });
}

// Whoever has lost the right to see more is told, and sees no more.
void EventTail::check_right(Stream& stream) {
    if (!stream.broken.empty()) return;
    const auto holds = stream.request.principal.still_holds(deps_.clock->wall_us());
    if (holds) return;
    stream.broken = holds.error().message;
    stream.broken_code = core::error_code_text(holds.error().code);
    stream.broken_error = holds.error().code;
    append_end(stream);
}

std::uint64_t EventTail::open(StreamRequest&& request) {
    const auto refuse = [&](core::Error&& error) -> std::uint64_t {
        if (request.voice)
            request.voice->refused(std::move(error));
        else
            deps_.edge.refuse(request.edge, request.token, std::move(error));
        return 0;
    };
    if (auto may = may_open(request); !may) return refuse(std::move(may.error()));
    auto next = start_of(request);
    if (!next)
        return refuse(std::move(
            std::move(next.error()).in(request.last_event_id.empty() ? "from" : "Last-Event-ID")));
    auto filter = EventFilter::make({.pattern = request.pattern,
                                     .pattern_prefix = request.pattern_prefix,
                                     .source_type = {},
                                     .source_id = {},
                                     .correlation_id = {},
                                     .causation_id = {},
                                     .context_id = {},
                                     .filter = request.filter});
    if (!filter) return refuse(std::move(filter.error()));
    auto stream = std::make_unique<Stream>();
    stream->reset = clamp_to_end(*next);
    stream->number = next_number_++;
    stream->filter = std::move(*filter);
    stream->next = std::move(*next);
    stream->writing = true;
    stream->last_write_us = deps_.clock->wall_us();
    stream->request = std::move(request);
    const std::uint64_t number = stream->number;
    const StreamRequest& asked = stream->request;
    if (asked.joined) {
        stream->writing = false;
        streams_.emplace(number, std::move(stream));
        return number;
    }
    deps_.edge.begin(asked.edge, asked.token, asked.accept, [this, number](bool begun) {
        const auto it = streams_.find(number);
        if (it == streams_.end()) return;
        it->second->writing = false;
        if (!begun) streams_.erase(it);
    });
    streams_.emplace(number, std::move(stream));
    return number;
}

void EventTail::closed(core::ShardId edge, io::RequestToken token) {
    std::erase_if(streams_, [&](const auto& entry) {
        return entry.second->request.edge == edge && entry.second->request.token == token;
    });
}

void EventTail::drained(core::ShardId edge, io::RequestToken token) {
    for (auto& [number, stream] : streams_) {
        // Of several on one connection another may still be on its way.
        if (stream->request.edge != edge || stream->request.token != token || !stream->full)
            continue;
        stream->full = stream->writing = false;
    }
}

std::size_t EventTail::do_work() {
    std::size_t busy = 0;
    if (streams_.empty()) {
        if (shelf_.bytes() != 0) shelf_.clear();
        return busy;
    }
    std::size_t seen = 0;
    auto at = streams_.upper_bound(turn_);
    for (std::size_t left = streams_.size(); left > 0; --left) {
        if (writing_bytes_ >= deps_.room.writing_bytes || seen >= kEventsPerTurn) break;
        if (at == streams_.end()) at = streams_.begin();
        Stream& stream = *at->second;
        turn_ = at->first;
        ++at;
        if (!stream.writing) busy += advance(stream, seen);
    }
    return busy;
}

core::LogOffset EventTail::end_of(const Stream& stream, core::ShardId shard) const {
    const core::LogOffset end = deps_.database->durable_end(shard);
    if (stream.request.kind != StreamKind::kExecutions) return end;
    return std::min(end, deps_.handled_to(shard));
}

// Each shard's block that holds what comes next of it, if that may be told.
bool EventTail::load_blocks(Stream& stream) {
    bool any = false;
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
        store::EventBlock& block = blocks_[i];
        const core::ShardId shard(static_cast<std::uint16_t>(i));
        const bool may_lag = stream.request.kind == StreamKind::kExecutions;
        if (block && block.contains(stream.next[i]) &&
            (!may_lag || stream.next[i] < end_of(stream, shard))) {
            any = true;
            continue;
        }
        block = {};
        if (stream.next[i] >= end_of(stream, shard)) continue;
        auto read = shelf_.read(shard, stream.next[i]);
        if (!read) {
            // What stands behind it may be readable: a person decides to go on there.
            stream.broken = read.error().message;
            return false;
        }
        if (!*read) continue;
        block = std::move(*read);
        stream.next[i] = std::max(stream.next[i], block.first_offset());
        any = true;
    }
    return any;
}

bool EventTail::advance(Stream& stream, std::size_t& seen_of_all) {
    out_.clear();
    stream.before = stream.next;
    if (stream.request.places && !stream.placed) append_message(stream, "place", "{}");
    if (stream.reset) append_reset(stream);
    check_right(stream);
    std::size_t seen = 0;
    if (stream.broken.empty()) {
        seen = read_on(stream);
        if (!stream.broken.empty()) append_end(stream);
    }
    seen_of_all += seen;
    if (out_.empty() && seen == 0) append_keep_alive(stream);
    // A voice may have no words for its end: then whoever listens is told by that alone.
    const bool tells = !out_.empty() || !stream.broken.empty();
    if (tells) write(stream);
    // Nothing of the log stays with a stream that waits.
    std::fill(blocks_.begin(), blocks_.end(), store::EventBlock{});
    if (out_.capacity() > 4 * kChunkBytes) out_ = {};
    if (data_.capacity() > 4 * kChunkBytes) data_ = {};
    return seen != 0 || tells;
}

// Up to a chunk of what it wants; how many events were looked at.
std::size_t EventTail::read_on(Stream& stream) {
    std::size_t seen = 0;
    while (out_.size() < kChunkBytes && seen < kEventsPerLook && load_blocks(stream)) {
        // The shard whose next event came in first goes first.
        std::size_t first = blocks_.size();
        const auto time = [&](std::size_t shard) {
            const store::EventBlock& block = blocks_[shard];
            return block.record(block.index_of(stream.next[shard])).received_at_us;
        };
        for (std::size_t i = 0; i < blocks_.size(); ++i) {
            if (blocks_[i] && (first == blocks_.size() || time(i) < time(first))) first = i;
        }
        const store::EventBlock& block = blocks_[first];
        const store::StoredEvent event = block.event(block.index_of(stream.next[first]));
        ++stream.next[first].value;
        ++seen;
        if (!is_wanted(stream, event)) continue;
        if (stream.request.kind == StreamKind::kExecutions)
            append_executions(stream, block, event.position);
        else
            append_event(stream, event);
    }
    stream.outcomes.clear();
    stream.outcomes_block = {};
    stream.outcomes_end = {};
    return seen;
}

void EventTail::append_keep_alive(Stream& stream) {
    if (deps_.clock->wall_us() - stream.last_write_us < kKeepAliveUs) return;
    if (stream.request.places) return append_message(stream, "place", "{}");
    if (stream.request.voice)
        stream.request.voice->keep_alive(out_);
    else if (stream.request.accept.empty())
        out_ = ": keep-alive\n\n";
    else
        io::append_ws_frame(out_, io::WsOpcode::kPing, {});
}

bool EventTail::is_wanted(const Stream& stream, const store::StoredEvent& event) const {
    const identity::Principal& who = stream.request.principal;
    // What announces a letter is the server's own; whose event it was, render_letter sees to.
    const bool seen = stream.request.kind == StreamKind::kDeadLetters || who.may_see(event.pattern);
    return !event.has(store::EventFlag::kGone) && event.tenant == who.tenant && seen &&
           stream.filter->accepts(event);
}

void EventTail::append_event(Stream& stream, const store::StoredEvent& event) {
    data_.clear();
    if (stream.request.kind == StreamKind::kDeadLetters) {
        if (!deps_.render_letter(data_, event, stream.request.principal)) return;
    } else {
        deps_.render(data_, event);
    }
    append_message(stream, "event", data_);
}

// The position of each but the last is before the event: whoever comes back there is told all of
// its executions again, and misses none.
void EventTail::append_executions(Stream& stream, const store::EventBlock& block,
                                  core::LogPosition position) {
    const core::LogPosition first{block.shard(), block.first_offset()};
    if (stream.outcomes_block != first || position.offset >= stream.outcomes_end) {
        stream.outcomes.clear();
        stream.outcomes_block = first;
        stream.outcomes_end = deps_.handled_to(block.shard());
        const auto read =
            deps_.executions(first, stream.request.principal.tenant,
                             [&stream, position](core::LogOffset offset, std::string&& text) {
                                 if (offset >= position.offset && offset < stream.outcomes_end)
                                     stream.outcomes.emplace(offset.value, std::move(text));
                             });
        if (!read) {
            stream.broken = read.error().message;
            return;
        }
    }
    core::LogOffset& next = stream.next[block.shard().value];
    const core::LogOffset behind = next;
    const auto [begin, end] = stream.outcomes.equal_range(position.offset.value);
    for (auto at = begin; at != end; ++at) {
        next = std::next(at) == end ? behind : position.offset;
        append_message(stream, "event", at->second);
    }
    next = behind;
}

// With the position that does not read: a client comes back there, or behind it.
void EventTail::append_end(Stream& stream) {
    if (StreamVoice* const voice = stream.request.voice.get()) {
        core::Error error(stream.broken_error, stream.broken);
        return voice->fail(out_, error, encode_stream_position(stream.next));
    }
    std::string data;
    core::JsonWriter json(data);
    json.begin_object().field("code", stream.broken_code).field("message", stream.broken);
    json.field("position", encode_stream_position(stream.next)).end_object();
    append_message(stream, "error", data);
    if (stream.request.accept.empty()) return;
    const bool right = stream.broken_error == core::ErrorCode::kUnauthorized ||
                       stream.broken_error == core::ErrorCode::kForbidden;
    out_ +=
        io::ws_close_frame(right ? io::WsClose::kPolicy : io::WsClose::kInternal, stream.broken);
}

void EventTail::write(Stream& stream) {
    stream.writing = true;
    stream.last_write_us = deps_.clock->wall_us();
    const std::size_t bytes = out_.size();
    writing_bytes_ += bytes;
    deps_.edge.write(stream.request.edge, stream.request.token, std::exchange(out_, {}),
                     [this, number = stream.number, bytes](io::WriteOutcome outcome) {
                         writing_bytes_ -= bytes;
                         written(number, outcome);
                     });
}

void EventTail::written(std::uint64_t number, io::WriteOutcome outcome) {
    const auto it = streams_.find(number);
    if (it == streams_.end()) return;
    Stream& stream = *it->second;
    if (outcome == io::WriteOutcome::kClosed) {
        streams_.erase(it);
    } else if (outcome == io::WriteOutcome::kFull) {
        go_back(stream);  // drained() follows
    } else if (!stream.broken.empty()) {
        const std::unique_ptr<Stream> ended = std::move(it->second);
        streams_.erase(it);
        if (!ended->request.joined) deps_.edge.end(ended->request.edge, ended->request.token);
        if (ended->request.voice) ended->request.voice->ended();
    } else {
        stream.writing = stream.reset = false;
        stream.placed = true;
    }
}

// None of it was taken: it is read again, with whatever ended it.
void EventTail::go_back(Stream& stream) {
    stream.full = true;
    stream.next = stream.before;
    stream.broken.clear();
    stream.broken_code = "INTERNAL";
    stream.broken_error = core::ErrorCode::kInternal;
}

}  // namespace millrace::runtime
