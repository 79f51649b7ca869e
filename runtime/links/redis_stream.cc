#include "runtime/links/redis_stream.h"

#include "core/json_reader.h"
#include "core/json_writer.h"
#include "core/utf8.h"
#include "runtime/event/trace_context.h"

#include <charconv>

namespace millrace::runtime {
namespace {

bool read_unsigned(std::string_view text, std::uint64_t& out) {
    const auto read = std::from_chars(text.data(), text.data() + text.size(), out);
    return !text.empty() && read.ec == std::errc() && read.ptr == text.data() + text.size();
}

// The id of the entry that comes next.
bool read_first_entry(RedisReading& reply, std::optional<StreamId>& out) {
    if (reply.peek().kind != RedisValue::Kind::kArray) {
        reply.skip();
        return true;
    }
    if (reply.array() != 2) return false;
    std::string_view id;
    if (!reply.text(id)) return false;
    out = StreamId::read(id);
    reply.skip();
    return out.has_value();
}

// What the link wants of an entry: one field's value, or all of them as a JSON object. What is said
// of its trace is taken in any case.
bool read_fields(RedisReading& reply, const LinkConfig& config, std::string& all,
                 std::string_view& text, TraceHeaders& trace) {
    std::int64_t left = reply.array();
    if (left < 0) {  // a deleted entry, which nobody reads again
        text = {};
        return true;
    }
    const bool whole = config.format == LinkFormat::kFields;
    RedisReading again = reply;
    bool good = whole;
    all.clear();
    core::JsonWriter json(all);
    if (whole) json.begin_object();
    for (std::int64_t fields = left; fields >= 2; fields -= 2) {
        std::string_view name, value;
        if (!reply.text(name) || !reply.text(value)) return false;
        (void)trace.take(name, value);
        if (whole) {
            good &= core::is_utf8(name) && core::is_utf8(value);
            json.field(name, value);
        } else if (name == config.field) {
            text = value;
            good = true;
        }
    }
    if (whole) {
        json.end_object();
        text = all;
    }
    if (good || left % 2 != 0) return left % 2 == 0;
    // It is not what the link reads: all of its bytes, in a form that is no JSON.
    all.clear();
    for (; left >= 2; left -= 2) {
        std::string_view name, value;
        (void)(again.text(name) && again.text(value));
        all.append(name).append(": ").append(value).append("\n");
    }
    text = all;
    return true;
}

}  // namespace

std::string StreamId::text() const { return std::to_string(ms) + "-" + std::to_string(serial); }

std::optional<StreamId> StreamId::read(std::string_view text) {
    StreamId out;
    const std::size_t dash = text.find('-');
    if (dash == std::string_view::npos || !read_unsigned(text.substr(0, dash), out.ms) ||
        !read_unsigned(text.substr(dash + 1), out.serial))
        return std::nullopt;
    return out;
}

std::string StreamPlace::json() const {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("id", id.text());
    if (count) json.field("count", *count);
    json.end_object();
    return out;
}

core::Result<StreamPlace> StreamPlace::read(std::string_view text) {
    core::JsonDocument document;
    auto in = document.parse_object(text, "position");
    if (!in) return core::fail(std::move(in.error()));
    StreamPlace out;
    std::string id;
    in->text("id", id, {.presence = core::Presence::kRequired});
    std::int64_t count = 0;
    if (in->integer("count", count, 0, INT64_MAX)) out.count = static_cast<std::uint64_t>(count);
    const auto read = StreamId::read(id);
    if (in->ok() && !read) in->refuse("id", "is no id of an entry");
    if (auto status = in->finish(); !status) return core::fail(std::move(status.error()));
    out.id = *read;
    return out;
}

bool read_stream_info(RedisReading reply, StreamInfo& out) {
    std::int64_t left = reply.array();
    if (left < 0) return false;
    out.there = true;
    bool has_last = false;
    for (; left >= 2; left -= 2) {
        std::string_view name;
        if (!reply.text(name)) return false;
        const bool number = reply.peek().kind == RedisValue::Kind::kInteger;
        if (name == "length" && number) {
            out.length = static_cast<std::uint64_t>(reply.next().number);
        } else if (name == "entries-added" && number) {
            out.added = static_cast<std::uint64_t>(reply.next().number);
        } else if (name == "last-generated-id") {
            std::string_view id;
            const auto read = reply.text(id) ? StreamId::read(id) : std::nullopt;
            if (!read) return false;
            out.last = *read;
            has_last = true;
        } else if (name == "first-entry") {
            if (!read_first_entry(reply, out.first)) return false;
        } else {
            reply.skip();
        }
    }
    return has_last && left == 0;
}

StreamCheck check_stream(const StreamInfo& info, StreamPlace& place, bool begun) {
    StreamCheck out;
    const bool read_some = begun && place.id != StreamId{};
    if (!info.there) {
        if (read_some)
            out.stops = "the stream is gone; it was read to entry " + place.id.text();
        else
            out.lag = 0;
        // Whatever comes is the first.
        if (place.id == StreamId{}) place.count = 0;
        return out;
    }
    if (info.last < place.id) {
        out.stops = "the stream has gone back: its last entry is " + info.last.text() +
                    ", and what is read next lies behind " + place.id.text();
        return out;
    }
    if (place.id == info.last) {
        place.count = info.added;
        out.lag = 0;
        return out;
    }
    if (!info.added || info.length > *info.added) return out;
    // What is no longer there, in front of what is.
    const std::uint64_t before_first = *info.added - info.length;
    if (!read_some && !place.count) place.count = before_first;
    if (!place.count || *place.count > *info.added) {
        place.count.reset();
        return out;
    }
    const bool passed = !info.first || *info.first > place.id;
    if (passed && *place.count < before_first) {
        out.missed = before_first - *place.count;
        place.count = before_first;
    }
    out.lag = *info.added - *place.count;
    return out;
}

bool read_entries(RedisReading reply, const LinkConfig& config, StreamPlace& place,
                  SourceBatch& batch) {
    if (reply.array() != 1 || reply.array() != 2) return false;
    reply.skip();  // its name
    std::string all;
    for (std::int64_t left = reply.array(); left != 0; --left) {
        std::string_view id, text;
        if (left < 0 || reply.array() != 2 || !reply.text(id)) return false;
        const auto read = StreamId::read(id);
        TraceHeaders trace;
        if (!read || !read_fields(reply, config, all, text, trace)) return false;
        // Ids that a sender has made need be no times.
        constexpr std::uint64_t kMsOf2001 = 1'000'000'000'000, kMsOf2100 = 4'102'444'800'000;
        const bool is_time = read->ms >= kMsOf2001 && read->ms < kMsOf2100;
        batch.add(id, text, text.size(), is_time ? static_cast<std::int64_t>(read->ms) * 1000 : 0,
                  {}, trace.text());
        place.id = *read;
        if (place.count) ++*place.count;
    }
    return true;
}

}  // namespace millrace::runtime
