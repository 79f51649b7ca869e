#include "runtime/cluster/nats_stream.h"

#include "core/base64.h"
#include "core/json_writer.h"
#include "runtime/cluster/unit_message.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace millrace::runtime::cluster {
namespace {

constexpr std::string_view kApi = "$JS.API.";
// Consumers count from 1 on.
constexpr std::uint64_t kSyncedSid = std::uint64_t{1} << 40;
// What older ones lose and let in twice: nats-server #4320, #4365, #4196.
constexpr std::array<unsigned, 3> kVersionMin = {2, 9, 22};

bool found_text(const core::JsonElement& of, std::string_view name, std::string_view& out) {
    core::JsonElement member;
    return of.find(name, member) && member.get(out);
}

constexpr std::string_view kHolds = " holds";

// "EPOCH UNIT SEQUENCE NODE", or with " holds" behind it.
bool read_synced_word(std::string_view text, SyncedWord& out) {
    for (std::uint64_t* number : {&out.epoch, &out.unit, &out.sequence}) {
        const auto read = std::from_chars(text.data(), text.data() + text.size(), *number);
        const auto digits = static_cast<std::size_t>(read.ptr - text.data());
        if (read.ec != std::errc() || digits == text.size() || *read.ptr != ' ') return false;
        text.remove_prefix(digits + 1);
    }
    out.holds = text.ends_with(kHolds);
    if (out.holds) text.remove_suffix(kHolds.size());
    out.node = text;
    return !text.empty();
}

}  // namespace

bool nats_is_new_enough(std::string_view version) {
    for (const unsigned wanted : kVersionMin) {
        unsigned found = 0;
        const auto read = std::from_chars(version.data(), version.data() + version.size(), found);
        if (read.ec != std::errc()) return false;
        if (found != wanted) return found > wanted;
        version.remove_prefix(static_cast<std::size_t>(read.ptr - version.data()));
        if (!version.empty() && version.front() == '.') version.remove_prefix(1);
    }
    return true;
}

NatsStream::NatsStream(Options options, const core::Clock& clock,
                       const courier::AddressRules& rules)
    : options_(std::move(options)), clock_(clock), rules_(rules) {}

// ---- the connection

void NatsStream::connect() {
    const std::int64_t now_ns = clock_.monotonic_ns();
    if (now_ns < next_connect_ns_ || options_.servers.empty()) return;
    next_connect_ns_ = now_ns + kRestNs;
    server_ = (server_ + 1) % options_.servers.size();
    connection_ = std::make_unique<NatsConnection>(clock_, rules_, options_.servers[server_]);
}

void NatsStream::tell(StreamEvent::Kind kind, std::uint64_t tag, std::string words) {
    StreamEvent event;
    event.kind = kind;
    event.tag = tag;
    event.words = std::move(words);
    events_.push_back(std::move(event));
}

void NatsStream::lose(const std::string& why) {
    connection_.reset();
    asked_.clear();
    reading_ = Reading::kNo;
    consumer_.clear();
    next_connect_ns_ = clock_.monotonic_ns() + kRestNs;
    // Of one that never answered too: somebody wants to know why.
    up_ = false;
    const NatsPlace& place = options_.servers[server_];
    tell(StreamEvent::Kind::kDown, 0,
         "NATS at " + place.host + ":" + std::to_string(place.port) + ": " + why);
}

void NatsStream::greet() {
    const NatsServer& server = connection_->server();
    if (!server.headers) return lose("the server has no headers");
    if (!options_.allow_old && !nats_is_new_enough(server.version)) {
        tell(StreamEvent::Kind::kUnfit, 0,
             "nats-server " + server.version +
                 " is older than 2.9.22, and loses what it has acknowledged; "
                 "cluster.allow_old_nats = true takes it all the same");
        return lose("the server is too old (" + server.version + ")");
    }
    constexpr std::size_t kRoomForHeads = 1024;
    if (server.message_bytes_max < kPartBytesMax + kRoomForHeads) {
        tell(StreamEvent::Kind::kUnfit, 0,
             "nats-server takes messages of " + std::to_string(server.message_bytes_max) +
                 " bytes at most, a part of a unit has " + std::to_string(kPartBytesMax) +
                 ": max_payload must be larger (1 MiB is its default)");
        return lose("its max_payload is too small");
    }
    up_ = true;
    if (!options_.synced_subject.empty())
        connection_->subscribe(kSyncedSid, options_.synced_subject);
    tell(StreamEvent::Kind::kUp);
}

void NatsStream::turn() {
    if (!connection_) connect();
    if (!connection_) return;
    connection_->turn();
    if (!up_ && connection_->open()) greet();
    NatsMessage message;
    while (connection_ && connection_->next(message)) take(message);
    if (!connection_) return;
    if (!connection_->error().empty()) return lose(connection_->error());
    if (!up_) return;
    if (reading_ == Reading::kAsked && consumer_.empty()) make_consumer();
    if (reading_ == Reading::kYes) pull();
    look_at_time();
    push();
}

bool NatsStream::next(StreamEvent& out) {
    if (events_.empty()) return false;
    out = std::move(events_.front());
    events_.pop_front();
    return true;
}

bool NatsStream::waits_for(pollfd& fd) const {
    if (!connection_) return false;
    connection_->waits_for(fd);
    return true;
}

// ---- what is asked

void NatsStream::ask(Asked what, std::uint64_t tag, const std::string& subject,
                     std::string_view body) {
    if (!up_) return;
    const std::uint64_t number = ++asked_ever_;
    asked_.emplace(number, Question{what, tag, clock_.monotonic_ns()});
    connection_->request(number, {subject, body, {}, {}});
}

void NatsStream::publish(std::uint64_t tag, std::string_view message, std::uint64_t expects) {
    if (!up_) return;  // who has lost the server knows it
    const std::string place = std::to_string(expects);
    const std::array<io::NatsHeader, 1> headers = {{{"Nats-Expected-Last-Sequence", place}}};
    const std::uint64_t number = ++asked_ever_;
    asked_.emplace(number, Question{Asked::kPublish, tag, clock_.monotonic_ns()});
    connection_->request(number, {options_.subject, message, headers, {}});
}

void NatsStream::ask_last() {
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().field("last_by_subj", options_.subject).end_object();
    ask(Asked::kLast, 0, std::string(kApi) + "STREAM.MSG.GET." + options_.stream, body);
}

void NatsStream::ask_info() {
    ask(Asked::kInfo, 0, std::string(kApi) + "STREAM.INFO." + options_.stream, "");
}

void NatsStream::read_from(std::uint64_t sequence) {
    stop_reading();
    if (!up_) return;
    reading_ = Reading::kAsked;
    read_from_ = sequence;
    make_consumer();
}

void NatsStream::tell_synced(const SyncedWord& word) {
    if (!up_ || options_.synced_subject.empty()) return;
    const std::string text = std::to_string(word.epoch) + " " + std::to_string(word.unit) + " " +
                             std::to_string(word.sequence) + " " + word.node +
                             (word.holds ? std::string(kHolds) : std::string());
    connection_->publish({options_.synced_subject, text, {}, {}});
}

void NatsStream::stop_reading() {
    if (reading_ == Reading::kNo) return;
    drop_consumer();
    reading_ = Reading::kNo;
}

void NatsStream::drop_consumer() {
    if (!up_ || consumer_.empty()) return;
    connection_->unsubscribe(sid_);
    ask(Asked::kNothing, 0,
        std::string(kApi) + "CONSUMER.DELETE." + options_.stream + "." + consumer_, "");
    consumer_.clear();
}

void NatsStream::make_consumer() {
    const std::int64_t now_ns = clock_.monotonic_ns();
    if (now_ns < make_ns_) return;
    make_ns_ = now_ns + kRestNs;
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().field("stream_name", options_.stream).key("config").begin_object();
    json.field("description", "millrace").field("ack_policy", "none");
    json.field("deliver_policy", "by_start_sequence").field("opt_start_seq", read_from_);
    json.field("replay_policy", "instant").field("max_deliver", 1);
    json.field("inactive_threshold", kConsumerRestsNs).field("num_replicas", 1);
    json.field("mem_storage", true).end_object().end_object();
    // Its number says whether it is still the one that is wanted.
    ask(Asked::kMakeConsumer, ++sid_, std::string(kApi) + "CONSUMER.CREATE." + options_.stream,
        body);
}

void NatsStream::pull() {
    const std::int64_t now_ns = clock_.monotonic_ns();
    if (now_ns - pulled_ns_ > kPullNs + kAnswerNs) {
        // Its server is gone, or it is.
        drop_consumer();
        reading_ = Reading::kAsked;
        return;
    }
    if (pulled_ > kReadAhead / 2) return;
    const std::size_t bytes =
        std::max(kReadBytes, connection_->server().message_bytes_max + (64u << 10));
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().field("batch", kReadAhead).field("max_bytes", bytes);
    json.field("expires", kPullNs).end_object();
    if (pulled_ == 0) pulled_ns_ = now_ns;
    pulled_ += kReadAhead;
    connection_->publish(
        {std::string(kApi) + "CONSUMER.MSG.NEXT." + options_.stream + "." + consumer_,
         body,
         {},
         inbox_});
}

// A server that is asked and says nothing may be stopped, or on the wrong side of a cut.
void NatsStream::look_at_time() {
    const std::int64_t now_ns = clock_.monotonic_ns();
    for (const auto& [number, question] : asked_) {
        if (now_ns - question.at_ns > kAnswerNs && question.what != Asked::kNothing)
            return lose("no answer in 2 s");
    }
}

// ---- what comes

void NatsStream::take(const NatsMessage& message) {
    if (message.sid == 0) return take_answer(message);
    if (message.sid == kSyncedSid) return take_synced(message);
    if (message.sid != sid_ || reading_ != Reading::kYes) return;
    NatsDelivery at;
    const std::int64_t now_ns = clock_.monotonic_ns();
    if (read_nats_delivery(message.reply, at)) {
        if (at.consumer_seq != consumer_seq_ + 1 || at.stream_seq < read_from_) {
            drop_consumer();
            reading_ = Reading::kAsked;
            return;
        }
        consumer_seq_ = at.consumer_seq;
        pulled_ns_ = now_ns;
        if (pulled_ > 0) --pulled_;
        read_from_ = at.stream_seq + 1;
        StreamEvent event;
        event.kind = StreamEvent::Kind::kMessage;
        event.sequence = at.stream_seq;
        event.bytes = message.payload;
        events_.push_back(std::move(event));
        return;
    }
    const io::NatsStatus status = message.status();
    if (status.code == 100) {
        pulled_ns_ = now_ns;
        return;
    }
    const bool ends_a_pull =
        status.code == 404 || status.code == 408 ||
        (status.code == 409 && status.text.starts_with("Message Size Exceeds"));
    if (!ends_a_pull) {
        drop_consumer();
        reading_ = Reading::kAsked;
        return;
    }
    pulled_ns_ = now_ns;
    std::size_t left = kReadAhead;
    const std::string_view digits = io::nats_header(message.headers, "Nats-Pending-Messages");
    (void)std::from_chars(digits.data(), digits.data() + digits.size(), left);
    pulled_ -= std::min(pulled_, left);
}

void NatsStream::take_synced(const NatsMessage& message) {
    StreamEvent event;
    event.kind = StreamEvent::Kind::kSynced;
    if (read_synced_word(message.payload, event.synced)) events_.push_back(std::move(event));
}

void NatsStream::take_answer(const NatsMessage& message) {
    const auto found = asked_.find(message.tag);
    if (found == asked_.end()) return;
    const Question question = found->second;
    asked_.erase(found);
    // No leader now. Who asked asks again; of what was published nobody knows.
    if (message.nobody_there()) {
        if (question.what == Asked::kPublish)
            tell(StreamEvent::Kind::kUnsure, question.tag, "the stream has no leader");
        return;
    }
    switch (question.what) {
        case Asked::kPublish: return take_published(question.tag, message);
        case Asked::kLast: return take_last(message);
        case Asked::kInfo: return take_info(message);
        case Asked::kMakeConsumer:
            if (question.tag == sid_ && reading_ == Reading::kAsked) take_consumer(message);
            return;
        case Asked::kNothing: return;
    }
}

void NatsStream::take_published(std::uint64_t tag, const NatsMessage& message) {
    NatsPubAck ack;
    const auto kind = answers_.published(message.payload, ack);
    if (kind == NatsAnswers::Kind::kGood) {
        tell(StreamEvent::Kind::kTaken, tag);
        events_.back().sequence = ack.seq;
        return;
    }
    if (kind == NatsAnswers::Kind::kUnreadable)
        return tell(StreamEvent::Kind::kUnsure, tag, "the server's answer does not read");
    tell(StreamEvent::Kind::kRefused, tag, "NATS refuses a message: " + answers_.refusal().words);
    events_.back().wrong_place = answers_.refusal().number == NatsRefusal::kWrongLastSequence;
}

void NatsStream::take_last(const NatsMessage& message) {
    auto root = dom_.parse(message.payload);
    core::JsonElement error, stored, number;
    std::int64_t code = 0;
    StreamEvent event;
    event.kind = StreamEvent::Kind::kLast;
    if (!root || !root->is_object()) return;
    if (root->find("error", error)) {
        if (!error.is_object() || !error.find("err_code", number) || !number.get(code) ||
            code != NatsRefusal::kNoMessage)
            return;
        events_.push_back(std::move(event));
        return;
    }
    std::string_view data;
    if (!root->find("message", stored) || !stored.is_object() || !stored.find("seq", number) ||
        !number.get(event.sequence))
        return;
    if (found_text(stored, "data", data)) {
        auto bytes = core::decode_base64(data, core::Base64Form::kStrict);
        if (!bytes) return;
        event.bytes = std::move(*bytes);
    }
    events_.push_back(std::move(event));
}

void NatsStream::take_info(const NatsMessage& message) {
    NatsStreamInfo info;
    if (answers_.stream(message.payload, info) != NatsAnswers::Kind::kGood) return;
    StreamEvent event;
    event.kind = StreamEvent::Kind::kInfo;
    event.there = info.there;
    event.created_us = info.created_us;
    event.first = info.first;
    event.last = info.last;
    event.bytes_there = info.bytes;
    event.ring_bytes = info.bytes_max;
    events_.push_back(std::move(event));
}

void NatsStream::take_consumer(const NatsMessage& message) {
    NatsConsumerInfo made;
    if (answers_.consumer(message.payload, made) != NatsAnswers::Kind::kGood) return;
    consumer_ = made.name;
    consumer_seq_ = 0;
    pulled_ = 0;
    pulled_ns_ = clock_.monotonic_ns();
    inbox_ = connection_->inbox("p" + std::to_string(sid_));
    connection_->subscribe(sid_, inbox_);
    reading_ = Reading::kYes;
}

}  // namespace millrace::runtime::cluster
