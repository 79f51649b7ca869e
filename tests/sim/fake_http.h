// What: the outside world of a simulated server: calls go out into a network that loses them, holds
//       them up, breaks off their answers and gives answers twice, to receivers of webhooks with
//       good and bad times. It notices what no receiver may ever see: an event under two ids, one
//       id for two events, a wrong signature, calls while it is to be left alone.
// Threads: one. Lifetime: outlives the servers that call; forget() before one of them is gone.
// Limits: none. Failure: wrong() in words.
#pragma once

#include "core/clock.h"
#include "core/random.h"
#include "runtime/courier/http_port.h"

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::sim {

// What everybody is signed for with, and what no text that people see may hold.
inline constexpr std::string_view kHookSecret =
    "whsec_c2ltdWxhdGlvbi1vZi1hLXNlY3JldC0zMi1ieXRlcyE=";

class FakeHttp final : public courier::HttpPort {
public:
    explicit FakeHttp(std::uint64_t seed) : random_(seed) {}
    void use_clock(const core::Clock& clock) { clock_ = &clock; }

    bool send(courier::HttpReceiver& receiver, std::uint64_t ticket,
              courier::HttpCall&& call) override;
    void cancel(courier::HttpReceiver& receiver, std::uint64_t ticket) override;

    // Lets an answer arrive whose time has come. Returns how many.
    std::size_t step();
    // The server is gone. What it sent may still arrive.
    void forget();
    // From now on everything arrives and is answered well.
    void be_good() { good_ = true; }
    bool idle() const { return under_way_.empty(); }

    const std::string& wrong() const { return wrong_; }
    std::uint64_t calls() const { return calls_; }
    // Whether this receiver has said of this event that it is well.
    bool said_well(std::string_view path, std::uint64_t n) const;
    std::uint64_t answered_badly(std::string_view path, std::uint64_t n) const;
    bool has_seen(std::string_view path, std::uint64_t n) const;

private:
    enum class Fate : std::uint8_t { kWell, kRefused, kBusy, kLost, kLostAnswer, kTwice };
    struct Call {
        courier::HttpReceiver* receiver = nullptr;
        std::uint64_t ticket = 0;
        std::string path;
        std::uint64_t n = 0;
        Fate fate = Fate::kWell;
        std::int64_t sent_ns = 0;
        std::int64_t answer_ns = 0;
    };
    struct Seen {
        std::string id;
        std::uint64_t well = 0, badly = 0;
    };
    struct Receiver {
        std::int64_t mood_until_ns = 0;
        bool bad = false;
        std::uint32_t bad_in_a_row = 0;
        std::int64_t alone_until_ns = 0;  // about: see calls_alone
        std::uint32_t calls_alone = 0;
    };
    void say(std::string what);
    void check(const courier::HttpCall& call, Call& made);
    Fate fate_of(Receiver& receiver);
    void arrive(const Call& call);
    void judge(const Call& call, bool well);
    static courier::HttpAnswer answer_of(const Call& call);

    const core::Clock* clock_ = nullptr;
    core::Random random_;
    std::deque<Call> under_way_;
    std::map<std::pair<std::string, std::uint64_t>, Seen> seen_;
    std::map<std::string, std::pair<std::string, std::uint64_t>> by_id_;
    std::map<std::string, Receiver, std::less<>> receivers_;
    std::string wrong_;
    std::uint64_t calls_ = 0;
    bool good_ = false;
};

}  // namespace millrace::sim
