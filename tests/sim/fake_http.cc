#include "tests/sim/fake_http.h"

#include "runtime/executors/webhook_signature.h"

#include <algorithm>
#include <cstdlib>

namespace millrace::sim {

namespace {

using courier::HttpAnswer;
using courier::HttpCall;
using courier::HttpFault;

constexpr std::int64_t kSecondNs = 1'000'000'000;
// After ten bad answers in a row it is left alone for half a minute, but for a probe; one that the
// product has begun to leave alone earlier (by the share that fails) may be probed meanwhile.
constexpr std::uint32_t kBadInARow = 10;
constexpr std::int64_t kAloneNs = 25 * kSecondNs;
constexpr std::uint32_t kProbesMax = 3;

std::string header_of(const HttpCall& call, std::string_view name) {
    for (const auto& [key, value] : call.headers) {
        if (key == name) return value;
    }
    return {};
}

}  // namespace

void FakeHttp::say(std::string what) {
    if (wrong_.empty()) wrong_ = std::move(what);
}

void FakeHttp::check(const HttpCall& call, Call& made) {
    const std::size_t host = call.url.find("//");
    made.path = call.url.substr(call.url.find('/', host + 2));
    const std::size_t at = call.body.find("\"n\":");
    if (at == std::string::npos) return say("a webhook without its payload: " + call.body);
    made.n = std::strtoull(call.body.c_str() + at + 4, nullptr, 10);
    const std::string who = made.path + " of event " + std::to_string(made.n);
    const std::string id = header_of(call, "webhook-id");
    Seen& seen = seen_[{made.path, made.n}];
    if (seen.id.empty()) {
        seen.id = id;
        if (!by_id_.emplace(id, std::pair(made.path, made.n)).second)
            say("the id of " + who + " was another one's");
        if (header_of(call, "millrace-attempt") != "1")
            say("the first attempt at " + who + " says it is " +
                header_of(call, "millrace-attempt"));
    }
    if (seen.id != id) say(who + " goes out as " + id + " after " + seen.id);
    const runtime::SignedText text{
        id, std::strtoll(header_of(call, "webhook-timestamp").c_str(), nullptr, 10), call.body};
    if (header_of(call, "webhook-signature") !=
        runtime::webhook_signature(text, kHookSecret, runtime::WebhookSigning::kHmac))
        say(who + " is not signed right");
}

// Receivers have good and bad times, of seconds and of minutes.
FakeHttp::Fate FakeHttp::fate_of(Receiver& receiver) {
    if (good_) return Fate::kWell;
    const std::int64_t now_ns = clock_->monotonic_ns();
    if (now_ns >= receiver.mood_until_ns) {
        receiver.bad = !receiver.bad && random_.below(3) != 0;
        receiver.mood_until_ns =
            now_ns + static_cast<std::int64_t>(1 + random_.below(60)) * kSecondNs;
    }
    if (receiver.bad && random_.below(20) != 0)
        return random_.below(4) == 0 ? Fate::kBusy : Fate::kRefused;
    switch (random_.below(12)) {
        case 0: return Fate::kRefused;
        case 1: return Fate::kLost;
        case 2: return Fate::kLostAnswer;
        case 3:
        case 4: return Fate::kTwice;
        default: return Fate::kWell;
    }
}

bool FakeHttp::send(courier::HttpReceiver& receiver, std::uint64_t ticket, HttpCall&& call) {
    if (!good_ && random_.below(40) == 0) return false;
    ++calls_;
    Call made;
    check(call, made);
    Receiver& to = receivers_[made.path];
    const std::int64_t now_ns = clock_->monotonic_ns();
    if (now_ns < to.alone_until_ns && ++to.calls_alone > kProbesMax)
        say(made.path + " is called again and again after ten bad answers in a row");
    made.receiver = &receiver;
    made.ticket = ticket;
    made.fate = fate_of(to);
    made.sent_ns = now_ns;
    // Mostly soon; now and then so late that the lane may give up before.
    const std::uint64_t ms = random_.below(30) == 0 ? random_.below(20'000) : random_.below(200);
    made.answer_ns = now_ns + (good_ ? 0 : static_cast<std::int64_t>(ms) * 1'000'000);
    under_way_.push_back(std::move(made));
    return true;
}

void FakeHttp::cancel(courier::HttpReceiver& receiver, std::uint64_t ticket) {
    std::erase_if(under_way_, [&](Call& call) {
        if (call.receiver != &receiver || call.ticket != ticket) return false;
        if (random_.below(2) == 0) arrive(call);
        return true;
    });
}

void FakeHttp::arrive(const Call& call) {
    Seen& seen = seen_[{call.path, call.n}];
    switch (call.fate) {
        case Fate::kWell:
        case Fate::kTwice:
        case Fate::kLostAnswer: ++seen.well; break;
        case Fate::kRefused:
        case Fate::kBusy:
        case Fate::kLost: ++seen.badly; break;
    }
}

HttpAnswer FakeHttp::answer_of(const Call& call) {
    HttpAnswer answer;
    answer.url = "http://receiver.example" + call.path;
    switch (call.fate) {
        case Fate::kWell:
        case Fate::kTwice: answer.status = 204; break;
        case Fate::kRefused:
            // One that tells what it was configured with.
            answer.status = 500;
            answer.body = "expected " + std::string(kHookSecret);
            break;
        case Fate::kBusy:
            answer.status = 503;
            answer.headers = {{"retry-after", "1"}};
            break;
        case Fate::kLost:
            answer.fault = HttpFault::kTimeout;
            answer.message = "no answer in time";
            break;
        case Fate::kLostAnswer:
            answer.fault = HttpFault::kConnect;
            answer.message = "the connection broke";
            break;
    }
    return answer;
}

void FakeHttp::judge(const Call& call, bool well) {
    Receiver& of = receivers_[call.path];
    if (well) {
        of.bad_in_a_row = 0;
        of.alone_until_ns = 0;
        return;
    }
    if (of.alone_until_ns > clock_->monotonic_ns()) return;
    if (++of.bad_in_a_row < kBadInARow) return;
    of.bad_in_a_row = 0;
    of.alone_until_ns = clock_->monotonic_ns() + kAloneNs;
    // What is under way does not count.
    of.calls_alone = 0;
}

std::size_t FakeHttp::step() {
    const std::int64_t now_ns = clock_->monotonic_ns();
    const auto due = std::find_if(under_way_.begin(), under_way_.end(),
                                  [&](const Call& call) { return call.answer_ns <= now_ns; });
    if (due == under_way_.end()) return 0;
    const Call call = std::move(*due);
    under_way_.erase(due);
    arrive(call);
    const HttpAnswer answer = answer_of(call);
    judge(call, answer.fault == HttpFault::kNone && answer.status == 204);
    if (call.fate == Fate::kTwice) call.receiver->receive(call.ticket, HttpAnswer(answer));
    call.receiver->receive(call.ticket, HttpAnswer(answer));
    return 1;
}

void FakeHttp::forget() {
    for (const Call& call : under_way_) {
        if (random_.below(2) == 0) arrive(call);
    }
    under_way_.clear();
    // The count of failures of one that is still called is in no commit.
    for (auto& [path, receiver] : receivers_) {
        receiver.bad_in_a_row = 0;
        receiver.alone_until_ns = 0;
    }
}

bool FakeHttp::said_well(std::string_view path, std::uint64_t n) const {
    const auto at = seen_.find({std::string(path), n});
    return at != seen_.end() && at->second.well != 0;
}

std::uint64_t FakeHttp::answered_badly(std::string_view path, std::uint64_t n) const {
    const auto at = seen_.find({std::string(path), n});
    return at == seen_.end() ? 0 : at->second.badly;
}

bool FakeHttp::has_seen(std::string_view path, std::uint64_t n) const {
    return seen_.contains({std::string(path), n});
}

}  // namespace millrace::sim
