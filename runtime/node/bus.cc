#include "runtime/node/bus.h"

#include "core/base64.h"
#include "core/json_dom.h"
#include "core/json_writer.h"
#include "runtime/links/nats_jetstream.h"
#include "runtime/server/part_options.h"

#include <array>
#include <charconv>
#include <utility>

namespace millrace::runtime::node {
namespace {

constexpr std::size_t kHeardMax = 1'024;

// The operator has named the servers: no rule for what scripts may call stands against them.
courier::AddressRules rules_for_servers() {
    core::HttpClientConfig all;
    all.allow = "0.0.0.0/0,::/0";
    return *address_rules(all);
}

}  // namespace

Bus::Bus(const core::Clock& clock, core::Log& log, const NodeSettings& settings, bool allow_old)
    : clock_(clock),
      log_(log),
      settings_(settings),
      allow_old_(allow_old),
      rules_(rules_for_servers()),
      meta_stream_("MR-" + settings.cluster + "-META"),
      meta_subject_("mr." + settings.cluster + ".meta") {}

void Bus::connect() {
    const std::int64_t now_ns = clock_.monotonic_ns();
    if (now_ns < again_ns_) return;
    again_ns_ = now_ns + kAgainNs;
    connection_ = std::make_unique<NatsConnection>(
        clock_, rules_, settings_.nats[next_place_++ % settings_.nats.size()]);
    subscribed_ = false;
}

void Bus::greet() {
    version_ = connection_->server().version;
    refusal_ = nats_version_refusal(version_, allow_old_);
    if (!refusal_.empty()) return;
    connection_->subscribe(kHeartbeats, subject("hb.*"));
    connection_->subscribe(kAsks, subject("do." + settings_.node));
    subscribed_ = true;
    last_error_.clear();
    log_.info("cluster: NATS is there", {{"version", version_}});
    tell(BusNews::What::kOpened);
}

void Bus::turn() {
    if (!refusal_.empty()) return;
    if (!connection_) return connect();
    connection_->turn();
    NatsMessage message;
    while (connection_->next(message)) take(message);
    if (connection_->open() && !subscribed_) greet();
    connection_->push();
    if (!connection_->error().empty()) lose(connection_->error());
}

void Bus::lose(const std::string& why) {
    if (last_error_ != why) log_.warn("cluster: no line to NATS", {{"error", why}});
    last_error_ = why;
    if (subscribed_) tell(BusNews::What::kClosed);
    if (writing_) tell(BusNews::What::kUnsure);
    for (const auto& [tag, what] : asked_) {
        if (what.first == Tag::kStream)
            news_.push_back({BusNews::What::kStreamRefused, {}, what.second, why});
    }
    asked_.clear();
    writing_.reset();
    reading_ = false;
    connection_.reset();
    subscribed_ = false;
}

void Bus::append_waits(std::vector<pollfd>& fds) const {
    if (connection_) connection_->waits_for(fds.emplace_back());
}

// ---- what is said

void Bus::say(const Heartbeat& heartbeat) {
    if (!open()) return;
    const std::string text = heartbeat.json();
    connection_->publish(
        {.subject = subject("hb." + settings_.node), .payload = text, .headers = {}, .reply = {}});
}

void Bus::ask(std::string_view node, std::string_view words) {
    if (!open()) return;
    connection_->publish({.subject = subject("do." + std::string(node)),
                          .payload = words,
                          .headers = {},
                          .reply = {}});
}

void Bus::ask_meta() {
    if (!open() || reading_) return;
    reading_ = true;
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().field("last_by_subj", meta_subject_).end_object();
    const std::uint64_t tag = next_tag_++;
    asked_[tag] = {Tag::kReadMeta, {}};
    const std::string call = "$JS.API.STREAM.MSG.GET." + meta_stream_;
    connection_->request(tag, {.subject = call, .payload = body, .headers = {}, .reply = {}});
}

bool Bus::write_meta(const Meta& next, std::uint64_t expected) {
    if (!open() || writing_) return false;
    writing_ = next;
    const std::string text = next.json();
    const std::string number = std::to_string(expected);
    // The stream's, not the subject's: that one two writers have passed together.
    const std::array<io::NatsHeader, 1> headers = {{{"Nats-Expected-Last-Sequence", number}}};
    const std::uint64_t tag = next_tag_++;
    asked_[tag] = {Tag::kWriteMeta, {}};
    connection_->request(
        tag, {.subject = meta_subject_, .payload = text, .headers = headers, .reply = {}});
    return true;
}

void Bus::make_stream(const std::string& name, std::string_view config) {
    if (!open()) {
        news_.push_back({BusNews::What::kStreamRefused, {}, name, "no line to NATS"});
        return;
    }
    const std::uint64_t tag = next_tag_++;
    asked_[tag] = {Tag::kStream, name};
    const std::string call = "$JS.API.STREAM.CREATE." + name;
    connection_->request(tag, {.subject = call, .payload = config, .headers = {}, .reply = {}});
}

// ---- what is heard

std::optional<Heartbeat> Bus::next_heartbeat() {
    if (heard_.empty()) return std::nullopt;
    Heartbeat out = std::move(heard_.front());
    heard_.pop_front();
    return out;
}

std::optional<BusNews> Bus::next_news() {
    if (news_.empty()) return std::nullopt;
    BusNews out = std::move(news_.front());
    news_.pop_front();
    return out;
}

void Bus::take(const NatsMessage& message) {
    if (message.sid == kHeartbeats) {
        auto heartbeat = read_heartbeat(message.payload);
        if (heartbeat && heard_.size() < kHeardMax) heard_.push_back(std::move(*heartbeat));
        return;
    }
    if (message.sid == kAsks) {
        news_.push_back({BusNews::What::kAsked, {}, {}, std::string(message.payload)});
        return;
    }
    const auto found = asked_.find(message.tag);
    if (message.tag == 0 || found == asked_.end()) return;
    const auto [tag, name] = std::move(found->second);
    asked_.erase(found);
    switch (tag) {
        case Tag::kReadMeta: return take_meta(message);
        case Tag::kWriteMeta: return take_write(message);
        case Tag::kStream: return take_stream(message, name);
    }
}

void Bus::take_meta(const NatsMessage& message) {
    reading_ = false;
    if (message.nobody_there()) return;  // no leader at the moment
    core::JsonDom dom;
    auto root = dom.parse(message.payload);
    core::JsonElement part, member;
    if (!root || !root->is_object()) return;
    if (root->find("error", part)) {
        std::int64_t number = 0;
        if (part.find("err_code", member) && member.get(number) &&
            (number == NatsRefusal::kNoStream || number == NatsRefusal::kNoMessage))
            tell(BusNews::What::kNoMeta);
        return;
    }
    std::uint64_t seq = 0;
    std::string_view data;
    if (!root->find("message", part) || !part.find("seq", member) || !member.get(seq) ||
        !part.find("data", member) || !member.get(data))
        return;
    const auto text = core::decode_base64(data, core::Base64Form::kStrict);
    auto meta =
        text ? read_meta(*text)
             : core::Result<Meta>(core::fail(core::ErrorCode::kValidation, "META is no base64"));
    if (!meta) {
        log_.error("cluster: META does not read", {{"error", meta.error().message}});
        return;
    }
    meta->revision = seq;
    news_.push_back({BusNews::What::kMeta, std::move(*meta), {}, {}});
}

void Bus::take_write(const NatsMessage& message) {
    Meta written = std::move(*writing_);
    writing_.reset();
    NatsAnswers answers;
    NatsPubAck ack;
    if (!message.nobody_there()) {
        switch (answers.published(message.payload, ack)) {
            case NatsAnswers::Kind::kGood:
                written.revision = ack.seq;
                news_.push_back({BusNews::What::kWritten, std::move(written), {}, {}});
                return;
            case NatsAnswers::Kind::kRefused:
                if (answers.refusal().number == NatsRefusal::kWrongLastSequence)
                    return tell(BusNews::What::kBeaten);
                break;
            case NatsAnswers::Kind::kUnreadable: break;
        }
    }
    tell(BusNews::What::kUnsure);
}

void Bus::take_stream(const NatsMessage& message, const std::string& name) {
    NatsAnswers answers;
    NatsStreamInfo info;
    std::string words = "JetStream does not answer";
    if (!message.nobody_there()) {
        const auto kind = answers.stream(message.payload, info);
        if (kind == NatsAnswers::Kind::kGood && info.there) {
            news_.push_back({BusNews::What::kStream, {}, name, {}});
            return;
        }
        if (kind == NatsAnswers::Kind::kRefused) words = answers.refusal().words;
    }
    news_.push_back({BusNews::What::kStreamRefused, {}, name, std::move(words)});
}

}  // namespace millrace::runtime::node
