#include "runtime/links/link_stream.h"

#include "core/json_reader.h"
#include "core/json_writer.h"
#include "runtime/event/own_events.h"
#include "runtime/event/trace_context.h"
#include "runtime/links/link_text.h"
#include "store/database.h"
#include "store/log/event_id.h"
#include "store/log/log_walk.h"

#include <algorithm>

namespace millrace::runtime {
namespace {

// What streams tell of themselves: sent on, it would bring about more of it.
constexpr std::string_view kLinksPrefix = "system.link.";

core::Status read_position(std::string_view text, std::vector<std::uint64_t>& out) {
    core::JsonDocument document;
    auto in = document.parse_object(text, "position of a stream");
    if (!in) return core::fail(std::move(in.error()));
    core::JsonArray next;
    const auto found = in->any("next", core::Presence::kRequired);
    if (found && found->get(next)) {
        for (const core::JsonElement item : next) {
            std::int64_t offset = 0;
            if (!item.get(offset) || offset < 0) in->refuse("next", "is no list of offsets");
            out.push_back(static_cast<std::uint64_t>(offset));
        }
    }
    return in->finish();
}

}  // namespace

struct LinkStream::Walker {
    LinkStream& stream;
    Part& part;

    bool goes_on() const {
        return part.flights.size() < kTextsMax && part.bytes < kBytesMax &&
               part.lost.size() < kTextsMax;
    }
    void event(const store::StoredEvent& event) {
        if (stream.wants(event)) stream.take(part, event);
    }
    void lost(std::uint64_t from, std::uint64_t to) {
        if (part.lost.empty() || part.lost.back().first != from || from <= part.done)
            part.lost.emplace_back(from, 0);
        part.lost.back().first = to;
        part.lost.back().second += to - from;
    }
};

LinkStream::LinkStream(store::Database& database, LinkRef link, std::size_t shards)
    : database_(database),
      link_(std::move(link)),
      shapes_(!link_->transform_script_id.empty()),
      parts_(shards) {}

core::Result<std::unique_ptr<LinkStream>> LinkStream::make(store::Database& database, LinkRef link,
                                                           std::size_t shards,
                                                           std::string_view position) {
    std::unique_ptr<LinkStream> out(new LinkStream(database, std::move(link), shards));
    const auto choice = link_choice(out->link_->config);
    if (!choice) return core::fail(choice.error());
    if (auto added = out->choice_.add(*choice); !added) return core::fail(added.error());
    out->choice_.publish();
    std::vector<std::uint64_t> next;
    if (!position.empty()) {
        if (auto read = read_position(position, next); !read) return core::fail(read.error());
    } else {
        for (const core::LogOffset offset : out->link_->begin) next.push_back(offset.value);
    }
    for (std::size_t i = 0; i < shards; ++i) {
        Part& part = out->parts_[i];
        const core::ShardId shard(static_cast<std::uint16_t>(i));
        part.done = i < next.size() ? next[i] : database.first_kept(shard).value;
        part.kept = part.read = part.done;
    }
    return out;
}

std::uint64_t LinkStream::end_of(std::size_t shard) const {
    return database_.durable_end(core::ShardId(static_cast<std::uint16_t>(shard))).value;
}

// ---- out of the log

bool LinkStream::wants(const store::StoredEvent& event) {
    if (event.tenant != link_->tenant || event.pattern.starts_with(kLinksPrefix)) return false;
    if (is_own_event(event.pattern) && !is_own_event(link_->config.pattern)) return false;
    return choice_.wants(event);
}

void LinkStream::take(Part& part, const store::StoredEvent& event) {
    OutgoingEvent outgoing;
    parser_.extract(event.raw, no_fields_, &outgoing.envelope, fields_);
    const std::string made = event.has(store::EventFlag::kFilledEventId)
                                 ? store::encode_event_id(database_.hasher(), event.position)
                                 : std::string();
    outgoing.event_id = made.empty() ? outgoing.envelope.event_id : std::string_view(made);
    outgoing.received_at_us = event.received_at_us;
    outgoing.fills = event.fills;
    Flight flight{event.position.offset.value, shapes_ ? At::kRead : At::kReady};
    flight.received_at_us = event.received_at_us;
    flight.text.id = outgoing.event_id;
    flight.text.pattern = event.pattern;
    flight.text.text = full_envelope(outgoing);
    flight.text.key = outgoing.envelope.partition_key;
    flight.text.identity = identity_of(outgoing);
    flight.text.delivery = std::to_string(event.position.shard.value) + "-" +
                           std::to_string(event.position.offset.value);
    const TraceTexts trace = trace_texts_of(event.fills);
    flight.text.traceparent = trace.parent;
    flight.text.tracestate = trace.state;
    flight.bytes = flight.text.text.size();
    part.bytes += flight.bytes;
    part.flights.push_back(std::move(flight));
}

core::Result<std::uint64_t> LinkStream::read() {
    std::uint64_t moved = 0;
    for (std::size_t i = 0; i < parts_.size(); ++i) {
        Part& part = parts_[i];
        const core::ShardId shard(static_cast<std::uint16_t>(i));
        Walker walker{*this, part};
        const auto way = store::walk_log(
            database_.log_reader(),
            {{shard, core::LogOffset(part.read)}, end_of(i), kBlocksPerTurn}, walker);
        if (!way) return core::fail(way.error());
        moved += way->to - part.read;
        part.read = way->to;
        settle(part);
        if (way->missing)
            return core::fail(core::ErrorCode::kInternal,
                              "the log should have offset " + std::to_string(part.read) +
                                  " of shard " + std::to_string(i) + " and has nothing there");
    }
    return moved;
}

// ---- transforms

std::vector<LinkShaper::Text> LinkStream::drafts() {
    std::vector<LinkShaper::Text> out;
    if (!shapes_) return out;
    for (Part& part : parts_) {
        for (Flight& flight : part.flights) {
            if (flight.at != At::kRead) continue;
            flight.at = At::kShaping;
            LinkShaper::Text& text = out.emplace_back();
            flight.event = text.event = std::move(flight.text.text);
            text.id = flight.text.identity;
            text.pattern = flight.text.pattern;
            text.at_us = flight.received_at_us;
        }
    }
    return out;
}

// Those of drafts(), some of which may have gone back meanwhile.
void LinkStream::shaped(const std::vector<LinkShaper::Text>& texts) {
    std::size_t at = 0;
    for (Part& part : parts_) {
        for (Flight& flight : part.flights) {
            if (flight.at != At::kShaping) continue;
            while (at < texts.size() && texts[at].id != flight.text.identity) ++at;
            if (at == texts.size()) break;
            const LinkShaper::Text& text = texts[at++];
            flight.at = text.error.empty() && !text.shaped.empty() ? At::kReady : At::kDone;
            flight.text.text = text.shaped;
            if (!text.error.empty())
                unsent_.push_back({flight.text.id, std::move(flight.event), text.error});
        }
        settle(part);
    }
}

// ---- to the peer and back

void LinkStream::settle(Part& part) {
    while (!part.flights.empty() && part.flights.front().at == At::kDone) {
        part.bytes -= part.flights.front().bytes;
        part.flights.pop_front();
        ++part.first;
        if (part.unsent > 0) --part.unsent;
    }
    part.done = part.flights.empty() ? part.read : part.flights.front().offset;
    if (part.done > part.failing) part.tries = 0;
}

std::optional<SinkText> LinkStream::next(std::int64_t now_ns) {
    for (std::size_t i = 0; i < parts_.size(); ++i) {
        const std::size_t shard = (turn_ + i) % parts_.size();
        Part& part = parts_[shard];
        while (part.unsent < part.flights.size() && part.flights[part.unsent].at == At::kDone)
            ++part.unsent;
        if (part.unsent >= part.flights.size()) continue;
        Flight& flight = part.flights[part.unsent];
        if (flight.at != At::kReady) continue;
        // Behind one that its peer has refused nothing goes, so that little is sent twice.
        if (part.tries > 0 && (now_ns < part.again_ns || part.unsent > 0)) continue;
        flight.at = At::kSent;
        flight.text.ticket = (part.first + part.unsent) << kTicketShardBits | shard;
        ++part.unsent;
        turn_ = shard + 1;
        // Of one that may be given up the text is needed.
        if (part.tries > 0) return flight.text;
        return std::move(flight.text);
    }
    return std::nullopt;
}

void LinkStream::go_back(Part& part) {
    part.first += part.flights.size();
    part.flights.clear();
    part.bytes = 0;
    part.unsent = 0;
    part.read = part.done;
    while (!part.lost.empty() && part.lost.back().first > part.done) part.lost.pop_back();
}

void LinkStream::begin_anew() {
    for (Part& part : parts_) go_back(part);
}

std::optional<LinkUnsent> LinkStream::fail(Part& part, Flight& flight, const std::string& error,
                                           std::int64_t now_ns) {
    if (part.failing != flight.offset) part.tries = 0;
    part.failing = flight.offset;
    if (++part.tries >= kTriesMax) {
        std::string& event = flight.event.empty() ? flight.text.text : flight.event;
        LinkUnsent out{flight.text.id, std::move(event), error};
        flight.at = At::kDone;
        settle(part);
        return out;
    }
    part.again_ns = now_ns + std::min(kAgainNsMin << (part.tries - 1), kAgainNsMax);
    go_back(part);
    return std::nullopt;
}

LinkStream::Flight* LinkStream::sent_flight(std::uint64_t ticket) {
    Part& part = part_of(ticket);
    const std::uint64_t number = ticket >> kTicketShardBits;
    if (number < part.first || number - part.first >= part.flights.size()) return nullptr;
    Flight& flight = part.flights[number - part.first];
    return flight.at == At::kSent ? &flight : nullptr;
}

std::optional<LinkUnsent> LinkStream::answered(std::uint64_t ticket, const std::string& error,
                                               std::int64_t now_ns) {
    Flight* const flight = sent_flight(ticket);
    if (!flight) return std::nullopt;
    if (!error.empty()) return fail(part_of(ticket), *flight, error, now_ns);
    flight->at = At::kDone;
    settle(part_of(ticket));
    return std::nullopt;
}

std::optional<LinkUnsent> LinkStream::returned(std::uint64_t ticket, SinkText&& text,
                                               const std::string& why) {
    Flight* const flight = sent_flight(ticket);
    if (!flight) return std::nullopt;
    std::string& event = flight->event.empty() ? text.text : flight->event;
    LinkUnsent out{std::move(text.id), std::move(event), why};
    flight->at = At::kDone;
    settle(part_of(ticket));
    return out;
}

// ---- how far it is

std::string LinkStream::position() const {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().key("next").begin_array();
    for (const Part& part : parts_) json.value(part.done);
    json.end_array().end_object();
    return out;
}

void LinkStream::note_kept() {
    for (Part& part : parts_) part.kept = part.done;
}

bool LinkStream::has_moved() const {
    return std::any_of(parts_.begin(), parts_.end(),
                       [](const Part& part) { return part.kept != part.done; });
}

std::uint64_t LinkStream::lag() const {
    std::uint64_t out = 0;
    for (std::size_t i = 0; i < parts_.size(); ++i)
        out += end_of(i) - std::min(end_of(i), parts_[i].done);
    return out;
}

LinkStream::Lost LinkStream::take_lost() {
    Lost out;
    for (Part& part : parts_) {
        for (; !part.lost.empty() && part.lost.front().first <= part.done; part.lost.pop_front()) {
            out.events += part.lost.front().second;
            ++out.gaps;
        }
    }
    return out;
}

std::size_t LinkStream::pending() const {
    std::size_t out = 0;
    for (const Part& part : parts_) out += part.unsent;
    return out;
}

}  // namespace millrace::runtime
