// What: three hosts of one partition over a model of its stream, from a seed: clients that append,
//       a supervisor that tells who owns by what it hears, hosts that crash with what they had not
//       synced or stand still, connections that break, seconds without a leader, lost and late
//       answers, an end that is lost, a small ring that goes over its beginning, snapshots that
//       take their time, hand-overs.
//       The ledger: what was acknowledged stands in every copy in the end, once; the copies' chains
//       are prefixes of each other at any time; epochs rise; no two hosts deliver at the same time;
//       the ring goes over no copy that META calls in sync.
// Threads: one. Lifetime: value. Limits: of memory. Failure: wrong() says what was seen.
#pragma once

#include "core/random.h"
#include "runtime/cluster/partition_machine.h"
#include "tests/runtime/cluster/stream_model.h"

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace millrace::test {

class PartitionSim {
public:
    explicit PartitionSim(std::uint64_t seed);
    ~PartitionSim();
    void play();
    // Empty: all was as it must be.
    const std::string& wrong() const { return wrong_; }
    std::size_t acknowledged() const { return ledger_.size(); }
    std::size_t takeovers() const { return takeovers_; }
    std::size_t filled() const { return filled_; }

private:
    static constexpr std::size_t kHosts = 3;
    class Copy;
    struct Host;

    void step();
    void step_host(std::size_t i);
    void serve(Host& host);
    void check_second_copy(const Host& owner);
    void supervise();
    void weather();
    void crash(std::size_t i, std::int64_t for_ns);
    void begin(std::size_t i);
    void decide_in_sync();
    void begin_snapshot(Host& host);
    void take_snapshot(std::size_t i);
    void check_leases();
    void check_chains();
    void check_ledger();
    void calm();
    bool settled() const;
    void fail(std::string what);
    bool chance(std::uint64_t one_in) { return random_.below(one_in) == 0; }
    std::int64_t between(std::int64_t low_ms, std::int64_t high_ms) {
        return (low_ms + static_cast<std::int64_t>(
                             random_.below(static_cast<std::uint64_t>(high_ms - low_ms + 1)))) *
               1'000'000;
    }
    std::int64_t now() const { return model_.now_ns(); }

    core::Random random_;
    StreamModel model_;
    std::array<std::unique_ptr<Host>, kHosts> hosts_;
    std::set<std::string> ledger_;
    std::uint64_t events_ = 0;
    std::size_t takeovers_ = 0;
    std::size_t filled_ = 0;
    std::array<bool, kHosts> in_sync_{};  // as META has it
    std::int64_t next_weather_ns_ = 0;
    std::int64_t next_look_ns_ = 0;
    std::int64_t calm_until_ns_ =
        0;  // no host falls: the stream has lost something it must get back
    bool calm_ = false;
    bool waits_for_copy_ = false;
    std::int64_t ring_wait_ns_ = 0;
    std::int64_t idle_from_ns_ = std::numeric_limits<std::int64_t>::max();
    std::uint64_t tokens_ = 0;
    std::uint64_t append_one_in_ = 20;
    std::uint64_t weather_kinds_ = 0;
    std::string wrong_;
};

}  // namespace millrace::test
