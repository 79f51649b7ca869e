#include "runtime/links/nats_connection.h"

#include "core/crypto/random_bits.h"
#include "core/json_dom.h"
#include "core/json_writer.h"
#include "core/made_id.h"

#include <charconv>
#include <cstring>

namespace millrace::runtime {
namespace {

using io::NatsFrame;
using io::NatsReader;

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
    : clock_(clock),
      place_(place),
      socket_(clock, rules, place.host, place.port),
      inbox_(make_nats_inbox()),
      begun_ns_(clock.monotonic_ns()),
      heard_ns_(begun_ns_) {}

void NatsConnection::turn() {
    if (!error_.empty()) return;
    if (waits_) return socket_.push();
    const std::string_view bytes = socket_.turn();
    if (!bytes.empty()) {
        heard_ns_ = clock_.monotonic_ns();
        reader_.feed(bytes);
        waits_ = true;
    }
    if (!greeted_) take_greeting();
    if (!socket_.error().empty() && !waits_) fail(socket_.error());
    look_at_time();
}

// ---- the greeting: INFO, then CONNECT and PING, then PONG or a word that says why not

void NatsConnection::take_greeting() {
    NatsFrame frame;
    while (!greeted_ && error_.empty()) {
        const auto found = reader_.next(frame);
        if (found == NatsReader::Found::kBroken)
            return fail("what the server says is not NATS' protocol: " + reader_.why_broken());
        if (found == NatsReader::Found::kNone) {
            waits_ = false;
            return;
        }
        switch (frame.kind) {
            case NatsFrame::Kind::kInfo: greet(frame.text); break;
            case NatsFrame::Kind::kError: take_error(frame.text); break;
            case NatsFrame::Kind::kPing: socket_.out().append("PONG\r\n"); break;
            case NatsFrame::Kind::kPong:
                ++pongs_;
                greeted_ = said_hello_;
                break;
            default: break;
        }
    }
    socket_.push();
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
    flag = false;
    if (root->find("tls_required", member) && member.get(flag) && flag)
        fail("the server wants TLS, which links do not speak");
}

void NatsConnection::greet(std::string_view info) {
    take_info(info);
    if (said_hello_ || !error_.empty()) return;
    said_hello_ = true;
    std::string& out = socket_.out();
    out.append("CONNECT ");
    core::JsonWriter json(out);
    json.begin_object().field("verbose", false).field("pedantic", false);
    json.field("tls_required", false).field("name", "millrace").field("lang", "c++");
    json.field("version", "1").field("protocol", 1);
    json.field("headers", true).field("no_responders", true);
    if (!place_.user.empty()) json.field("user", place_.user).field("pass", place_.password);
    if (!place_.token.empty()) json.field("auth_token", place_.token);
    json.end_object();
    out.append("\r\n");
    io::append_nats_subscribe(out, inbox_ + ".r.*", 0);
    ping();
}

// ---- what comes

bool NatsConnection::next(NatsMessage& out) {
    if (!open()) return false;
    NatsFrame frame;
    while (error_.empty()) {
        const auto found = reader_.next(frame);
        if (found == NatsReader::Found::kBroken)
            fail("what the server says is not NATS' protocol: " + reader_.why_broken());
        if (found != NatsReader::Found::kFrame) {
            waits_ = false;
            return false;
        }
        switch (frame.kind) {
            case NatsFrame::Kind::kMessage:
                out = {frame.sid, 0, frame.subject, frame.reply, frame.headers, frame.text};
                if (frame.sid != 0 || take_answer(out)) return true;
                break;
            case NatsFrame::Kind::kPing: socket_.out().append("PONG\r\n"); break;
            case NatsFrame::Kind::kPong:
                if (++pongs_ > pings_) fail("the server has answered what nobody asked");
                pinged_ns_ = clock_.monotonic_ns();
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

void NatsConnection::look_at_time() {
    // What has been read is looked at first.
    if (!error_.empty() || waits_) return;
    const std::int64_t now_ns = clock_.monotonic_ns();
    const auto late = [&](std::int64_t since_ns) { return now_ns - since_ns > kAnswerNs; };
    if (!greeted_ && now_ns - begun_ns_ > kGreetNs) return fail("the server's greeting has no end");
    if ((!greeted_ && late(heard_ns_)) || (!asked_.empty() && late(asked_.front().at_ns)) ||
        (pings_ > pongs_ && late(pinged_ns_)))
        return fail("no answer in " + std::to_string(kAnswerNs / 1'000'000'000) + " s");
    if (greeted_ && pings_ == pongs_ && now_ns - heard_ns_ > kQuietNs) ping();
}

// ---- what goes out

void NatsConnection::ping() {
    if (pings_ == pongs_) pinged_ns_ = clock_.monotonic_ns();
    ++pings_;
    socket_.out().append("PING\r\n");
}

void NatsConnection::subscribe(std::uint64_t sid, std::string_view subject) {
    io::append_nats_subscribe(socket_.out(), subject, sid);
}

void NatsConnection::unsubscribe(std::uint64_t sid) {
    io::append_nats_unsubscribe(socket_.out(), sid);
}

void NatsConnection::publish(const io::NatsPublish& what) {
    io::append_nats_publish(socket_.out(), what);
}

void NatsConnection::request(std::uint64_t tag, io::NatsPublish what) {
    const std::string reply = inbox_ + ".r." + std::to_string(first_asked_ + asked_.size());
    what.reply = reply;
    asked_.push_back({tag, clock_.monotonic_ns(), false});
    ++unanswered_;
    publish(what);
}

std::uint64_t NatsConnection::flush() {
    ping();
    return pings_;
}

}  // namespace millrace::runtime
