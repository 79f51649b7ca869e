#include "runtime/links/nats_source.h"

#include "core/json_writer.h"
#include "core/timestamp.h"
#include "runtime/event/misfit.h"
#include "runtime/event/trace_context.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace millrace::runtime {
namespace {

constexpr std::string_view kJetStreamApi = "$JS.API.";

}  // namespace

void add_nats_message(SourceBatch& batch, std::string_view id, const NatsMessage& message,
                      std::int64_t at_us) {
    // A file's line may have two bytes more than its text.
    const std::size_t whole = message.payload.size();
    const std::size_t kept = whole > kPoisonBytesKept + 2 ? kPoisonBytesKept : whole;
    std::string trace;
    if (!message.headers.empty()) {
        TraceHeaders headers;
        for (const std::string_view name : {"traceparent", "tracestate"}) {
            const std::string_view value = io::nats_header(message.headers, name);
            if (!value.empty()) (void)headers.take(name, value);
        }
        trace = headers.text();
    }
    batch.add(id, message.payload.substr(0, kept), whole, at_us, message.subject, trace);
}

NatsPlace nats_place_of(const LinkConfig& config) {
    return {config.host,     config.port,  config.user,
            config.password, config.token, {config.tls, config.ca}};
}

NatsStreamSource::NatsStreamSource(const PeerDeps& deps, const LinkConfig& config,
                                   std::string_view position)
    : clock_(*deps.clock),
      config_(config),
      probes_(deps.probes),
      connection_(*deps.clock, *deps.rules, nats_place_of(config)) {
    if (position.empty()) {
        const std::string& from = config.from;
        (void)std::from_chars(from.data(), from.data() + from.size(), place_.seq);
        return;
    }
    auto place = NatsPosition::read(position);
    if (!place) {
        stop("its position does not read: " + place.error().message);
        return;
    }
    place_ = *place;
    begun_ = true;
}

std::string_view NatsStreamSource::waits_because() const {
    return absent_ && !trouble() ? "there is no stream of that name yet" : std::string_view();
}

std::size_t NatsStreamSource::turn(SourceBatch& batch) {
    if (trouble()) return 0;
    std::size_t done = 0;
    connection_.turn();
    NatsMessage message;
    while (!trouble() && !batch.full() && connection_.next(message)) {
        take(message, batch);
        ++done;
    }
    if (std::exchange(moved_, false)) batch.position = place_.json();
    if (connection_.open() && !trouble()) steer();
    connection_.push();
    if (!connection_.error().empty()) fail(connection_.error());
    return done;
}

// ---- what is asked

void NatsStreamSource::ask(Tag tag, const std::string& what, std::string_view body) {
    const std::string subject = std::string(kJetStreamApi) + what;
    connection_.request(tag, {subject, body, {}, {}});
    asked_ = asked_ || tag != kNothingTag;
    asked_ns_ = clock_.monotonic_ns();
}

void NatsStreamSource::steer() {
    const std::int64_t now_ns = clock_.monotonic_ns();
    const bool begins = state_ == State::kBegin && !absent_;
    const std::int64_t look_ns = jumps_.empty() ? kLookNs : kLookNs / 10;
    if (!asked_ && state_ == State::kLooked) {
        if (!probes_) make_consumer();
    } else if (!asked_ && (begins || now_ns - asked_ns_ > look_ns)) {
        asked_seq_ = place_.seq;
        ask(kStreamTag, "STREAM.INFO." + config_.stream, "");
    }
    if (state_ != State::kReading) return;
    pull();
    // Whatever is under way ends by then.
    if (now_ns - pulled_ns_ > kPullNs + NatsConnection::kAnswerNs)
        begin_again("no answer to a pull");
}

void NatsStreamSource::make_consumer() {
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().field("stream_name", config_.stream).key("config").begin_object();
    json.field("description", "millrace").field("ack_policy", "none");
    json.field("deliver_policy", "by_start_sequence")
        .field("opt_start_seq", place_.seq + (looks_back_ ? 0 : 1));
    json.field("replay_policy", "instant").field("max_deliver", 1);
    if (!config_.subject.empty()) json.field("filter_subject", config_.subject);
    json.field("inactive_threshold", kConsumerRestsNs).field("num_replicas", 1);
    json.field("mem_storage", true).end_object().end_object();
    ask(kConsumerMadeTag, "CONSUMER.CREATE." + config_.stream, body);
}

// A consumer that is gone, or has left something out: from our place on by another one.
void NatsStreamSource::begin_again(std::string_view why) {
    if (++in_vain_ > kConsumersInVain) return fail("no consumer stays: " + std::string(why));
    connection_.unsubscribe(sid_);
    ask(kNothingTag, "CONSUMER.DELETE." + config_.stream + "." + consumer_, "");
    state_ = State::kBegin;
    consumer_.clear();
    pulled_ = 0;
}

void NatsStreamSource::pull() {
    if (pulled_ > kPullMessages / 2) return;
    const std::size_t bytes =
        std::max(kPullBytes, connection_.server().message_bytes_max + (64u << 10));
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().field("batch", kPullMessages).field("max_bytes", bytes);
    json.field("expires", kPullNs).end_object();
    if (pulled_ == 0) pulled_ns_ = clock_.monotonic_ns();
    pulled_ += kPullMessages;
    connection_.publish({pull_subject_, body, {}, inbox_});
}

// ---- what comes

void NatsStreamSource::take(const NatsMessage& message, SourceBatch& batch) {
    if (message.sid == 0) return take_answer(message, batch);
    if (message.sid != sid_ || state_ != State::kReading) return;
    NatsDelivery at;
    if (read_nats_delivery(message.reply, at))
        take_delivered(message, at, batch);
    else
        take_status(message);
}

void NatsStreamSource::refuse(NatsAnswers::Kind kind, std::string_view call) {
    if (kind == NatsAnswers::Kind::kUnreadable)
        return fail("the server's answer to " + std::string(call) + " does not read");
    fail("the server refuses: " + answers_.refusal().words);
}

void NatsStreamSource::take_answer(const NatsMessage& message, SourceBatch& batch) {
    if (message.tag == kNothingTag) return;
    asked_ = false;
    if (message.nobody_there())
        return fail("the server has no JetStream, or it is not ready to answer");
    if (message.tag == kStreamTag) {
        const auto kind = answers_.stream(message.payload, info_);
        if (kind != NatsAnswers::Kind::kGood) return refuse(kind, "STREAM.INFO");
        return take_stream(batch);
    }
    // Of one that was left meanwhile.
    if (message.tag == kConsumerTag && state_ != State::kReading) return;
    NatsConsumerInfo made;
    const auto kind = answers_.consumer(message.payload, made);
    if (kind == NatsAnswers::Kind::kRefused && message.tag == kConsumerTag &&
        answers_.refusal().number == NatsRefusal::kNoConsumer)
        return begin_again("the consumer is gone");
    if (kind != NatsAnswers::Kind::kGood) return refuse(kind, "CONSUMER");
    const std::uint64_t on_their_way =
        made.delivered > consumer_seq_ ? made.delivered - consumer_seq_ : 0;
    lag_ = made.pending + on_their_way;
    if (message.tag == kConsumerTag) {
        // All of ours that was there at the look before has been read: that the rest goes is no
        // gap. It is not where we read on: servers have counted wrongly what is pending.
        if (*lag_ > 0 || info_.last <= std::max(place_.seq, place_.seen)) return;
        place_.seen = info_.last;
        batch.position = place_.json();
        return;
    }
    consumer_ = made.name;
    consumer_seq_ = 0;
    pull_subject_ =
        std::string(kJetStreamApi) + "CONSUMER.MSG.NEXT." + config_.stream + "." + consumer_;
    inbox_ = connection_.inbox("p" + std::to_string(++sid_));
    connection_.subscribe(sid_, inbox_);
    state_ = State::kReading;
}

void NatsStreamSource::take_stream(SourceBatch& batch) {
    absent_ = !info_.there && !begun_;
    if (absent_) {
        lag_ = 0;
        return;
    }
    if (state_ == State::kReading) {
        // More may have come since it was asked.
        NatsPosition place = place_;
        place.seq = asked_seq_;
        const NatsCheck check = check_nats_stream(info_, place, true);
        if (!check.stops.empty()) return stop(check.stops);
        tell_jumps(batch);
        return ask(kConsumerTag, "CONSUMER.INFO." + config_.stream + "." + consumer_, "");
    }
    // One that has gone back and was filled again has the number that was read last too: it is
    // another message then. Read again, not asked for by STREAM.MSG.GET: that is a right of its
    // own, which not every reader has.
    looks_back_ = begun_ && place_.at_us != 0 && info_.there && info_.first <= place_.seq &&
                  place_.seq <= info_.last;
    begin_at_place(batch);
}

// True: it is no further one.
bool NatsStreamSource::is_last_read(const NatsDelivery& at) {
    // One that was taken out by itself says nothing.
    if (!std::exchange(looks_back_, false) || at.stream_seq != place_.seq) return false;
    if (at.at_us != place_.at_us)
        stop("the stream has gone back and was filled again: its message " +
             std::to_string(place_.seq) + " is of " + core::format_timestamp(at.at_us) +
             ", the one that was read was of " + core::format_timestamp(place_.at_us));
    return true;
}

void NatsStreamSource::begin_at_place(SourceBatch& batch) {
    const std::uint64_t from = place_.seq;
    const bool begins = !begun_;
    if (begins && config_.from == "end") place_.seq = info_.last;
    const NatsCheck check = check_nats_stream(info_, place_, begun_);
    if (!check.stops.empty()) return stop(check.stops);
    begun_ = true;
    state_ = State::kLooked;
    if (check.gap) {
        batch.gap = true;
        // Among them may be others' than those that are asked for.
        batch.missed = config_.subject.empty() ? check.missed : 0;
        batch.missed_from = std::to_string(from);
        batch.missed_to = std::to_string(place_.seq + 1);
    }
    // Where it begins is kept before anything is read.
    if (begins || check.gap) batch.position = place_.json();
}

void NatsStreamSource::note_jump(std::uint64_t to) {
    const std::uint64_t missing = to - place_.seq - 1;
    if (jumps_.size() < kJumpsMax) return jumps_.push_back({place_.seq, to, missing});
    jumps_.back().to = to;
    jumps_.back().missing += missing;
}

void NatsStreamSource::tell_jumps(SourceBatch& batch) {
    for (const Jump& jump : std::exchange(jumps_, {})) {
        const std::uint64_t begin = std::min(info_.first, jump.to);
        if (begin <= jump.from + 1) continue;  // taken out one by one, from between others
        batch.gap = true;
        batch.missed += std::min(jump.missing, begin - jump.from - 1);
        if (batch.missed_from.empty()) batch.missed_from = std::to_string(jump.from);
        batch.missed_to = std::to_string(begin);
        batch.position = place_.json();
    }
}

void NatsStreamSource::take_delivered(const NatsMessage& message, const NatsDelivery& at,
                                      SourceBatch& batch) {
    const bool known = is_last_read(at);
    if (at.consumer_seq != consumer_seq_ + 1 || (!known && at.stream_seq <= place_.seq))
        return begin_again("its numbers do not follow one another");
    consumer_seq_ = at.consumer_seq;
    in_vain_ = 0;
    pulled_ns_ = clock_.monotonic_ns();
    if (pulled_ > 0) --pulled_;
    lag_ = at.pending;
    if (known) return;
    if (config_.subject.empty() && at.stream_seq != place_.seq + 1) note_jump(at.stream_seq);
    place_.seq = at.stream_seq;
    place_.at_us = at.at_us;
    moved_ = true;
    // Where a stream was made anew, or went back, its numbers are other messages'.
    const std::string id = std::to_string(at.at_us) + "-" + std::to_string(place_.seq);
    add_nats_message(batch, id, message, at.at_us);
}

// What is no message: a pull has ended, or its consumer has.
void NatsStreamSource::take_status(const NatsMessage& message) {
    const io::NatsStatus status = message.status();
    pulled_ns_ = clock_.monotonic_ns();
    if (status.code == 100) return;
    const bool ends_a_pull =
        status.code == 404 || status.code == 408 ||
        (status.code == 409 && status.text.starts_with("Message Size Exceeds"));
    if (!ends_a_pull)
        return begin_again(status.text.empty() ? "the consumer is gone" : status.text);
    in_vain_ = 0;
    std::size_t left = kPullMessages;
    const std::string_view digits = io::nats_header(message.headers, "Nats-Pending-Messages");
    (void)std::from_chars(digits.data(), digits.data() + digits.size(), left);
    pulled_ -= std::min(pulled_, left);
}

}  // namespace millrace::runtime
