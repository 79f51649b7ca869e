// What: JetStream in memory, one stream, as much of it as StreamPort shows, with what nats-server
//       was measured to do to its clients: answers that never come, publishes that land long after
//       they were given up, seconds without a leader in which nobody answers or a 503 comes, a last
//       message and a state as they were a while ago, connections that break, an end that is lost
//       although it was acknowledged, a ring that goes over its beginning. A publish that expects
//       the stream's last sequence lands once at most: so it was measured, and on it all stands.
// Threads: one. Lifetime: outlives its ports' users. Limits: of memory.
// Failure: none; a seed decides.
#pragma once

#include "core/random.h"
#include "runtime/cluster/stream_port.h"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::test {

// In place of an expected sequence: none. What product code never says; mutants do.
inline constexpr std::uint64_t kExpectsNothing = ~std::uint64_t{0};

class StreamModel {
public:
    // Each in a thousand of what is asked.
    struct Weather {
        std::uint64_t lost_requests = 0;
        std::uint64_t lost_acks = 0;
        std::uint64_t late_publishes = 0;
        std::uint64_t stale_answers = 0;
    };

    StreamModel(std::uint64_t seed, std::size_t ports);
    ~StreamModel();

    runtime::cluster::StreamPort& port(std::size_t index);
    bool next(std::size_t index, runtime::cluster::StreamEvent& out);
    // Lets everything happen that is due by then.
    void advance_to(std::int64_t now_ns);
    std::int64_t now_ns() const { return now_ns_; }

    Weather weather;
    std::uint64_t ring_bytes = 0;  // what is oldest leaves when there is more; 0: nothing does
    void lose_leader(std::int64_t for_ns) { leaderless_until_ns_ = now_ns_ + for_ns; }
    bool has_leader() const { return now_ns_ >= leaderless_until_ns_; }
    // The port's connection breaks, and comes back.
    void cut(std::size_t index, std::int64_t for_ns);
    // Its process is gone: nothing more is heard of what it asked; it comes back by up().
    void down(std::size_t index);
    void up(std::size_t index);
    void lose_tail(std::size_t messages);
    void recreate();
    void remove() { there_ = false; }
    void bring_back() { there_ = true; }  // it was there all along
    void drop_first(std::size_t messages);

    // 1 is the first there ever was.
    std::uint64_t last() const { return first_ + log_.size() - 1; }
    std::uint64_t first() const { return first_; }
    const std::string& at(std::uint64_t sequence) const { return log_[sequence - first_]; }

private:
    static constexpr std::size_t kAroundAMessage = 120;
    class Port;
    void put(const std::string& message);
    void later(std::int64_t after_ns, std::function<void()> what);
    void arrive(Port& port, std::uint64_t connection, std::uint64_t tag, const std::string& message,
                std::uint64_t expects);
    std::int64_t hop_ns() { return 50'000 + static_cast<std::int64_t>(random_.below(1'500'000)); }
    bool chance(std::uint64_t in_a_thousand) { return random_.below(1000) < in_a_thousand; }
    // How far the stream is for whoever asks an old leader.
    std::uint64_t last_as_told();
    void deliver(Port& port);

    core::Random random_;
    std::int64_t now_ns_ = 1;
    std::int64_t leaderless_until_ns_ = 0;
    bool there_ = true;
    std::int64_t created_us_ = 1'000;
    std::uint64_t first_ = 1;
    std::deque<std::string> log_;
    std::uint64_t bytes_ = 0;
    std::multimap<std::int64_t, std::function<void()>> due_;
    std::vector<std::unique_ptr<Port>> ports_;
};

}  // namespace millrace::test
