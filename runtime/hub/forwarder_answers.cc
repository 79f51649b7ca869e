// The part of Forwarder that makes something of what the hub answers.
#include "core/json_reader.h"
#include "runtime/hub/forwarder.h"
#include "store/database.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <utility>

namespace millrace::runtime::hub {
namespace {

constexpr std::int64_t kShowNs = 1'000'000'000;
constexpr std::int64_t kMsNs = 1'000'000;

struct Answered {
    std::uint64_t to = 0;
    std::uint64_t hash = 0;
    std::size_t window = kBatchBytesMax;
    std::uint64_t filter_version = 0;
};

core::Result<Answered> read_answer(std::string_view body) {
    core::JsonDocument document;
    auto in = document.parse_object(body, "the hub's answer");
    if (!in) return core::fail(std::move(in.error()));
    Answered out;
    std::string hash;
    in->integer_as("to", out.to, 0, static_cast<std::int64_t>(kOffsetMax),
                   core::Presence::kRequired);
    if (in->text("hash", hash, {.presence = core::Presence::kRequired}) &&
        !read_hash_text(hash, out.hash))
        in->refuse("hash", "is no hash");
    in->integer_as("window", out.window, 0, INT64_MAX);
    std::string version;
    if (in->text("filterVersion", version) && !read_hash_text(version, out.filter_version))
        in->refuse("filterVersion", "is no hash");
    // A newer hub may say more.
    if (!in->ok()) return core::fail(in->finish().error());
    return out;
}

// Of an error, as the API tells it; else what came.
std::string said_in(const courier::HttpAnswer& answer) {
    core::JsonDocument document;
    std::string message;
    if (auto in = document.parse_object(answer.body)) {
        if (auto error = in->object("error")) error->text("message", message);
    }
    return "hub: " + std::to_string(answer.status) +
           (message.empty() ? std::string() : ": " + message);
}

std::int64_t retry_after_ms(const courier::HttpAnswer& answer) {
    const std::string_view text = answer.header("retry-after");
    std::int64_t seconds = 0;
    std::from_chars(text.data(), text.data() + text.size(), seconds);
    return 1000 * std::clamp<std::int64_t>(seconds, 0, SendPace::kWaitMsMax / 1000);
}

}  // namespace

void Forwarder::receive(std::uint64_t ticket, courier::HttpAnswer&& answer) {
    if (ticket != kHeartbeatTicket) {
        const std::uint64_t mask = (std::uint64_t{1} << kTicketLaneBits) - 1;
        // A backfill may have been taken back meanwhile.
        if (Lane* const lane = lane_of(static_cast<std::uint32_t>((ticket & mask) - 1)))
            take_answer(*lane, ticket, std::move(answer));
        return;
    }
    heartbeat_under_way_ = false;
    const bool came = answer.fault == courier::HttpFault::kNone;
    if (came && answer.status == 200) return take_filters(answer);
    tell(false, came ? said_in(answer) : "hub: " + answer.message);
    // Nothing crosses before it has said what it wants.
    if (!run_.wanted())
        heartbeat_at_ns_ = std::min(heartbeat_at_ns_, deps_.clock->monotonic_ns() +
                                                          heartbeat_pace_.wait_ms(random_) * kMsNs);
}

// What was looked at under another filter is looked at again.
void Forwarder::take_filters(const courier::HttpAnswer& answer) {
    auto wanted = WantedEvents::read(answer.body);
    if (!wanted) return tell(false, wanted.error().message);
    auto asks = read_backfills(answer.body);
    if (!asks) return tell(false, asks.error().message);
    heard();
    take_backfills(std::move(*asks));
    const bool same = run_.wanted() && run_.wanted()->version() == (*wanted)->version();
    run_.use(std::move(*wanted));
    if (same) return;
    for (const auto* lanes : {&lanes_, &backfills_})
        for (const auto& lane : *lanes) look_again(*lane);
}

// Those that go on, go on where they are; the hub has said where the others begin.
void Forwarder::take_backfills(std::vector<BackfillAsk>&& asks) {
    std::vector<std::unique_ptr<Lane>> lanes;
    for (BackfillAsk& ask : asks) {
        const std::uint32_t shard = shard_of(ask.at.lane);
        if (ask.incarnation != incarnation_ || shard >= deps_.shards) continue;
        const auto there = std::find_if(backfills_.begin(), backfills_.end(), [&](const auto& one) {
            return one && one->mark.lane == ask.at.lane && one->part.end == ask.to;
        });
        if (there != backfills_.end()) {
            lanes.push_back(std::move(*there));
            continue;
        }
        using Of = LogRun::Part::Of;
        const bool urgent = (part_of(ask.at.lane) - kFirstBackfill) % 2 == kUrgentPart;
        Lane& lane = *lanes.emplace_back(std::make_unique<Lane>());
        lane.had = std::move(ask.had);
        lane.part = {.of = urgent          ? Of::kUrgent
                           : urgent_.any() ? Of::kRest
                                           : Of::kAll,
                     .urgent = &urgent_,
                     .had = lane.had.get(),
                     .end = ask.to};
        confirm(lane, ask.at);
        look_again(lane);
    }
    backfills_ = std::move(lanes);
}

// The hub answers in the log's order, but over several connections.
void Forwarder::take_answer(Lane& lane, std::uint64_t ticket, courier::HttpAnswer&& answer) {
    const SendQueue::Sent* const sent = lane.queue.find(ticket);
    if (!sent) return;
    // The hub would keep what follows until this one comes: that is sent again, too.
    if (answer.fault != courier::HttpFault::kNone) {
        for (const std::uint64_t behind : lane.queue.give_up_behind(ticket))
            port_.cancel(*this, behind);
    }
    if (is_taken(lane, sent->batch, answer))
        lane.queue.take(ticket);
    else
        lane.queue.refuse(ticket, std::move(answer));
    while (auto batch = lane.queue.pop_taken(deps_.clock->monotonic_ns())) note_taken(lane, *batch);
    if (const auto first = lane.queue.break_off()) take_refusal(lane, *first);
}

bool Forwarder::is_taken(Lane& lane, const LogRun::Next& batch, const courier::HttpAnswer& answer) {
    if (answer.fault != courier::HttpFault::kNone || answer.status != 200) return false;
    const auto read = read_answer(answer.body);
    if (!read) return false;
    lane.pace.set_window(read->window);
    lane.stands = false;
    tell(true, "");
    // Another filter than the one that we go by: asked for at once.
    if (read->filter_version != run_.wanted()->version()) heartbeat_at_ns_ = 0;
    return read->to == batch.to && read->hash == batch.hash;
}

void Forwarder::note_taken(Lane& lane, const LogRun::Next& batch) {
    lane.pace.took(batch.full);
    figures_.sent.add(batch.events);
    // Of each offset once: the other lanes are of the same ones.
    if (part_of(lane.mark.lane) == 0) figures_.skipped.add(batch.skipped);
    if (batch.lost > 0 && part_of(lane.mark.lane) == 0) {
        figures_.lost.add(batch.lost);
        deps_.log->warn(
            "hub: retention took events before they were sent",
            {{"shard", std::to_string(lane.shard())}, {"events", std::to_string(batch.lost)}});
    }
    confirm(lane, {lane.mark.lane, batch.to, batch.hash});
}

// Nothing is on its way. What was looked at behind the mark is looked at again.
void Forwarder::take_refusal(Lane& lane, const SendQueue::Sent& sent) {
    const courier::HttpAnswer& answer = sent.answer;
    look_again(lane);
    if (answer.fault != courier::HttpFault::kNone) {
        // Whatever it was: the next one may be too large again, and grows quickly where it is not.
        lane.pace.timed_out();
        return wait_after(lane, "hub: " + answer.message, 0);
    }
    // Too large, or more than the tenant may send in a second.
    if (answer.status == 413 || answer.status == 429) lane.pace.timed_out();
    // It says when to come again, and what was paid by then counts.
    if (answer.status == 429) lane.pace.took(false);
    if (answer.status == 409) return stand(lane, said_in(answer));
    if (answer.status != 200) return wait_after(lane, said_in(answer), retry_after_ms(answer));
    const auto read = read_answer(answer.body);
    if (!read) return wait_after(lane, read.error().message, 0);
    take_place(lane, read->to, read->hash);
}

// The hub is somewhere else than this batch would have brought it.
void Forwarder::take_place(Lane& lane, std::uint64_t to, std::uint64_t hash) {
    if (to > lane.mark.next) {
        lane.walk = LogRun::Walk{.at = lane.mark, .to = to, .hash = hash};
        return;
    }
    // It has gone back, or begins in the middle: what it has is its word against ours.
    if (to < lane.mark.next)
        deps_.log->warn("hub: it has gone back; events are sent again",
                        {{"shard", std::to_string(lane.shard())},
                         {"from", std::to_string(to)},
                         {"to", std::to_string(lane.mark.next)}});
    else if (hash != lane.mark.hash)
        return wait_after(lane, "hub: has another chain hash than this log", 0);
    confirm(lane, {lane.mark.lane, to, hash});
    look_again(lane);
}

void Forwarder::confirm(Lane& lane, const ForwardMark& to) {
    lane.unkept = lane.unkept || lane.mark.next != to.next || lane.mark.hash != to.hash;
    lane.mark = to;
    lane.stands = false;
    lane.moved_ns = deps_.clock->monotonic_ns();
    lane.floor.store(to.next, std::memory_order_relaxed);  // alone: nothing goes with it
    if (urgent_keep_ && lane.part.of == LogRun::Part::Of::kUrgent)
        urgent_keep_->sent_to(lane.shard(), to.next);
}

// At what is behind what was sent.
void Forwarder::look_again(Lane& lane) {
    lane.quiet = lane.queue.end(lane.mark);
    lane.seen_end = 0;
}

void Forwarder::wait_after(Lane& lane, const std::string& why, std::int64_t at_least_ms) {
    lane.try_at_ns = deps_.clock->monotonic_ns() + lane.pace.wait_ms(random_, at_least_ms) * kMsNs;
    tell(false, why);
}

// Nothing but somebody's word changes that.
void Forwarder::stand(Lane& lane, const std::string& why) {
    lane.stands = true;
    wait_after(lane, why, SendPace::kWaitMsMax);
}

// It is there again: what waited for that does not wait on.
void Forwarder::heard() {
    if (!reached_) {
        for (auto& lane : lanes_)
            if (!lane->stands) lane->try_at_ns = 0;
    }
    tell(true, "");
}

// Once for all tries that fail alike.
void Forwarder::tell(bool reached, const std::string& why) {
    // Of one shard that is refused for good the answers to the others say nothing.
    const bool stands =
        std::any_of(lanes_.begin(), lanes_.end(), [](const auto& lane) { return lane->stands; });
    figures_.up.set(reached && !stands);
    if (reached) {
        if (!std::exchange(reached_, true))
            deps_.log->info("hub: reached", {{"url", options_.url}});
        told_.clear();
        return;
    }
    reached_ = false;
    if (std::exchange(told_, why) != why)
        deps_.log->warn("hub: events wait here", {{"reason", why}});
}

void Forwarder::show_lag() {
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    if (now_ns - shown_ns_ < kShowNs) return;
    shown_ns_ = now_ns;
    std::vector<std::uint64_t> of_shards(deps_.shards);
    for (const auto& lane : lanes_) {
        const core::ShardId shard(static_cast<std::uint16_t>(lane->shard()));
        const std::uint64_t end = deps_.database->durable_end(shard).value;
        const std::uint64_t at =
            lane->queue.empty() ? std::max(lane->mark.next, lane->quiet.next) : lane->mark.next;
        std::uint64_t& of_shard = of_shards[shard.value];
        of_shard = std::max(of_shard, end - std::min(end, at));
    }
    const std::uint64_t lag = std::accumulate(of_shards.begin(), of_shards.end(), std::uint64_t{0});
    figures_.lag.set(static_cast<std::int64_t>(lag));
}

}  // namespace millrace::runtime::hub
