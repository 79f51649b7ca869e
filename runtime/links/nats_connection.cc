#include "runtime/links/nats_connection.h"

#include "core/crypto/random_bits.h"
#include "core/json_dom.h"
#include "core/json_writer.h"
#include "core/made_id.h"

#include <charconv>
#include <cstring>
#include <utility>

namespace millrace::runtime {
namespace {

using io::NatsFrame;

constexpr PeerWords kNatsWords = {"what the server says is not NATS' protocol",
                                  "the server's greeting has no end"};

std::string make_nats_inbox() {
    const std::string bits = core::crypto::random_bytes(sizeof(std::uint64_t));
    std::uint64_t seed = 0;
    std::memcpy(&seed, bits.data(), sizeof seed);
    core::Random random(seed);
    return core::make_id("_INBOX.", random, 22);
}

}  // namespace

NatsConnection::NatsConnection(const core::Clock& clock, const courier::AddressRules& rules,
                               const NatsPlace& place)
    : PeerConversation(clock, rules, place.host, place.port, kNatsWords),
      place_(place),
      inbox_(make_nats_inbox()) {}

// ---- the greeting: INFO, then CONNECT and PING, then PONG or a word that says why not

void NatsConnection::take_greeting() {
    NatsFrame frame;
    while (!greeted() && error().empty()) {
        if (!next_frame(frame)) break;
        switch (frame.kind) {
            case NatsFrame::Kind::kInfo: greet(frame.text); break;
            case NatsFrame::Kind::kError: take_error(frame.text); break;
            case NatsFrame::Kind::kPing: out().append("PONG\r\n"); break;
            case NatsFrame::Kind::kPong:
                ++pongs_;
                if (said_hello_) let_in();
                break;
            default: break;
        }
    }
    push();
}

void NatsConnection::take_info(std::string_view info) {
    core::JsonDom dom;
    auto root = dom.parse(info);
    if (!root || !root->is_object()) return fail("the server's INFO does not read");
    core::JsonElement member;
    std::string_view text;
    std::uint64_t bytes = 0;
    bool flag = false;
    if (root->find("version", member) && member.get(text)) server_.version = text;
    if (root->find("max_payload", member) && member.get(bytes)) server_.message_bytes_max = bytes;
    if (root->find("headers", member) && member.get(flag)) server_.headers = flag;
    for (const auto& [name, told] : {std::pair("tls_required", &server_.wants_tls),
                                     std::pair("tls_available", &server_.offers_tls)}) {
        if (root->find(name, member) && member.get(flag)) *told = flag;
    }
}

void NatsConnection::greet(std::string_view info) {
    take_info(info);
    if (said_hello_ || !error().empty()) return;
    // Never less than what was asked for: an INFO of somebody in between says what it likes.
    const bool has_tls = server_.wants_tls || server_.offers_tls;
    if (place_.tls.on && !has_tls) return fail("the server does not speak TLS");
    if (!place_.tls.on && server_.wants_tls) return fail("the server wants TLS: \"tls\": true");
    begin_tls(place_.tls);
    said_hello_ = true;
    std::string& hello = out();
    hello.append("CONNECT ");
    core::JsonWriter json(hello);
    json.begin_object().field("verbose", false).field("pedantic", false);
    json.field("tls_required", place_.tls.on).field("name", "millrace").field("lang", "c++");
    json.field("version", "1").field("protocol", 1);
    json.field("headers", true).field("no_responders", true);
    if (!place_.user.empty()) json.field("user", place_.user).field("pass", place_.password);
    if (!place_.token.empty()) json.field("auth_token", place_.token);
    json.end_object();
    hello.append("\r\n");
    io::append_nats_subscribe(hello, inbox_ + ".r.*", 0);
    ping();
}

// ---- what comes

bool NatsConnection::next(NatsMessage& out) {
    if (!open()) return false;
    NatsFrame frame;
    while (error().empty()) {
        if (!next_frame(frame)) return false;
        switch (frame.kind) {
            case NatsFrame::Kind::kMessage:
                out = {frame.sid, 0, frame.subject, frame.reply, frame.headers, frame.text};
                if (frame.sid != 0 || take_answer(out)) return true;
                break;
            case NatsFrame::Kind::kPing: this->out().append("PONG\r\n"); break;
            case NatsFrame::Kind::kPong:
                if (++pongs_ > pings_) fail("the server has answered what nobody asked");
                pinged_ns_ = now_ns();
                break;
            case NatsFrame::Kind::kInfo: take_info(frame.text); break;
            case NatsFrame::Kind::kError: take_error(frame.text); break;
            case NatsFrame::Kind::kOk: break;
        }
    }
    return false;
}

// The last part of the subject is the number of what was asked.
bool NatsConnection::take_answer(NatsMessage& out) {
    const std::string_view digits = out.subject.substr(out.subject.rfind('.') + 1);
    std::uint64_t number = 0;
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (digits.empty() || read.ptr != digits.data() + digits.size() || number < first_asked_ ||
        number - first_asked_ >= asked_.size())
        return false;
    Asked& asked = asked_[number - first_asked_];
    if (asked.answered) return false;
    asked.answered = true;
    --unanswered_;
    out.tag = asked.tag;
    while (!asked_.empty() && asked_.front().answered) {
        asked_.pop_front();
        ++first_asked_;
    }
    return true;
}

void NatsConnection::look_at_time(std::int64_t now_ns) {
    const auto late = [&](std::int64_t since_ns) { return now_ns - since_ns > kAnswerNs; };
    if ((!greeted() && late(heard_ns())) || (!asked_.empty() && late(asked_.front().at_ns)) ||
        (pings_ > pongs_ && late(pinged_ns_)))
        return fail_late();
    if (greeted() && pings_ == pongs_ && now_ns - heard_ns() > kQuietNs) ping();
}

// ---- what goes out

void NatsConnection::ping() {
    if (pings_ == pongs_) pinged_ns_ = now_ns();
    ++pings_;
    out().append("PING\r\n");
}

void NatsConnection::subscribe(std::uint64_t sid, std::string_view subject) {
    io::append_nats_subscribe(out(), subject, sid);
}

void NatsConnection::unsubscribe(std::uint64_t sid) { io::append_nats_unsubscribe(out(), sid); }

void NatsConnection::publish(const io::NatsPublish& what) { io::append_nats_publish(out(), what); }

void NatsConnection::request(std::uint64_t tag, io::NatsPublish what) {
    const std::string reply = inbox_ + ".r." + std::to_string(first_asked_ + asked_.size());
    what.reply = reply;
    asked_.push_back({tag, now_ns(), false});
    ++unanswered_;
    publish(what);
}

std::uint64_t NatsConnection::flush() {
    ping();
    return pings_;
}

}  // namespace millrace::runtime
