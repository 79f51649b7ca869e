#include "runtime/links/nats_jetstream.h"

#include "core/json_reader.h"
#include "core/json_writer.h"
#include "core/timestamp.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace millrace::runtime {
namespace {

template <typename Value>
bool nats_member(const core::JsonElement& of, std::string_view name, Value& out) {
    core::JsonElement member;
    return of.find(name, member) && member.get(out);
}

bool read_nats_digits(std::string_view text, std::uint64_t& out) {
    const auto read = std::from_chars(text.data(), text.data() + text.size(), out);
    return !text.empty() && read.ec == std::errc() && read.ptr == text.data() + text.size();
}

}  // namespace

// ---- the place

std::string NatsPosition::json() const {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("seq", seq);
    if (seen > seq) json.field("seen", seen);
    if (created_us != 0) json.field("created", core::format_timestamp(created_us));
    if (at_us != 0) json.field("at", core::format_timestamp(at_us));
    json.end_object();
    return out;
}

core::Result<NatsPosition> NatsPosition::read(std::string_view text) {
    core::JsonDocument document;
    auto in = document.parse_object(text, "position");
    if (!in) return core::fail(std::move(in.error()));
    NatsPosition out;
    in->integer_as("seq", out.seq, 0, INT64_MAX, core::Presence::kRequired);
    in->integer_as("seen", out.seen, 0, INT64_MAX);
    in->timestamp("created", out.created_us);
    in->timestamp("at", out.at_us);
    if (auto status = in->finish(); !status) return core::fail(std::move(status.error()));
    return out;
}

// ---- answers

NatsAnswers::Kind NatsAnswers::begin(std::string_view json, core::JsonElement& root) {
    refusal_ = {};
    auto read = dom_.parse(json);
    if (!read || !read->is_object()) return Kind::kUnreadable;
    root = *read;
    core::JsonElement error;
    if (!root.find("error", error) || error.is_null()) return Kind::kGood;
    std::string_view words;
    if (!error.is_object()) return Kind::kUnreadable;
    (void)nats_member(error, "code", refusal_.code);
    (void)nats_member(error, "err_code", refusal_.number);
    if (nats_member(error, "description", words)) refusal_.words = words;
    return Kind::kRefused;
}

NatsAnswers::Kind NatsAnswers::stream(std::string_view json, NatsStreamInfo& out) {
    out = {};
    core::JsonElement root, config, state;
    const Kind kind = begin(json, root);
    if (kind == Kind::kRefused && refusal_.number == NatsRefusal::kNoStream) return Kind::kGood;
    if (kind != Kind::kGood) return kind;
    std::string_view created, retention;
    if (!nats_member(root, "created", created) || !root.find("config", config) ||
        !root.find("state", state) || !nats_member(state, "first_seq", out.first) ||
        !nats_member(state, "last_seq", out.last) ||
        !core::parse_timestamp(created, out.created_us))
        return Kind::kUnreadable;
    (void)nats_member(state, "bytes", out.bytes);
    (void)nats_member(config, "max_bytes", out.bytes_max);  // -1: none
    out.keeps = !nats_member(config, "retention", retention) || retention == "limits";
    out.there = true;
    return Kind::kGood;
}

NatsAnswers::Kind NatsAnswers::consumer(std::string_view json, NatsConsumerInfo& out) {
    out = {};
    core::JsonElement root, delivered;
    const Kind kind = begin(json, root);
    if (kind != Kind::kGood) return kind;
    std::string_view name;
    if (!nats_member(root, "name", name) || name.empty() || !root.find("delivered", delivered) ||
        !nats_member(delivered, "consumer_seq", out.delivered))
        return Kind::kUnreadable;
    out.name = name;
    (void)nats_member(root, "num_pending", out.pending);
    return Kind::kGood;
}

NatsAnswers::Kind NatsAnswers::published(std::string_view json, NatsPubAck& out) {
    out = {};
    core::JsonElement root;
    const Kind kind = begin(json, root);
    if (kind != Kind::kGood) return kind;
    std::string_view stream;
    if (!nats_member(root, "stream", stream) || !nats_member(root, "seq", out.seq))
        return Kind::kUnreadable;
    out.stream = stream;
    (void)nats_member(root, "duplicate", out.duplicate);
    return Kind::kGood;
}

// ---- deliveries

// $JS.ACK.stream.consumer.times.stream-seq.consumer-seq.time.pending; newer servers may put domain
// and account in front of the stream, and a part behind it.
bool read_nats_delivery(std::string_view reply, NatsDelivery& out) {
    constexpr std::string_view kAck = "$JS.ACK.";
    if (!reply.starts_with(kAck)) return false;
    reply.remove_prefix(kAck.size());
    std::array<std::string_view, 10> parts;
    std::size_t count = 0;
    while (count < parts.size()) {
        const std::size_t dot = reply.find('.');
        parts[count++] = reply.substr(0, dot);
        if (dot == std::string_view::npos) break;
        reply.remove_prefix(dot + 1);
    }
    if (count < 7 || count == 8) return false;
    const std::size_t times = count == 7 ? 2 : 4;
    std::uint64_t at_ns = 0;
    if (!read_nats_digits(parts[times + 1], out.stream_seq) ||
        !read_nats_digits(parts[times + 2], out.consumer_seq) ||
        !read_nats_digits(parts[times + 3], at_ns) ||
        !read_nats_digits(parts[times + 4], out.pending))
        return false;
    out.at_us = static_cast<std::int64_t>(at_ns / 1000);
    return true;
}

// ---- what it means

NatsCheck check_nats_stream(const NatsStreamInfo& info, NatsPosition& place, bool begun) {
    NatsCheck out;
    const std::string read_to = std::to_string(place.seq);
    if (!info.there) {
        if (begun) out.stops = "the stream is gone; it was read to number " + read_to;
        return out;
    }
    if (!info.keeps) {
        out.stops =
            "the stream's retention is not limits: its messages go when they are delivered, and "
            "then nothing could be read again after a crash";
        return out;
    }
    if (begun && place.created_us != 0 && place.created_us != info.created_us) {
        out.stops = "the stream was made anew at " + core::format_timestamp(info.created_us) +
                    "; it was read to number " + read_to + " of the one of " +
                    core::format_timestamp(place.created_us);
        return out;
    }
    if (info.last < place.seq) {
        out.stops = "the stream has gone back: its last number is " + std::to_string(info.last) +
                    ", and what is read next lies behind " + read_to;
        return out;
    }
    place.created_us = info.created_us;
    const std::uint64_t seen = std::max(place.seq, place.seen);
    if (begun && info.first > seen + 1) {
        out.gap = true;
        out.missed = info.first - seen - 1;
    }
    if (info.first > 0 && info.first - 1 > place.seq) {
        place.seq = info.first - 1;
        place.at_us = 0;
    }
    return out;
}

}  // namespace millrace::runtime
