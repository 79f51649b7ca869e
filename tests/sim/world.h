// What: one machine in the simulator: the whole server on one thread, its clock moved by hand, its
//       sockets in memory, its disk the simulated one. Every agent goes through its do_work(), in
//       an order that the seed chooses.
// Threads: one. Lifetime: the folder and the disk are there before and after it.
// Limits: none. Failure: boot() says what refused the start; false without a text: the power went.
#pragma once

#include "core/clock.h"
#include "core/config.h"
#include "core/log.h"
#include "core/random.h"
#include "io/address.h"
#include "io/memory_network.h"
#include "runtime/server/server_parts.h"
#include "tests/sim/keeping.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::sim {

// FNV-1a over everything that happens: two runs of one seed must agree on it.
class Trace {
public:
    void add(std::uint64_t value) {
        for (int i = 0; i < 8; ++i, value >>= 8) {
            hash_ = (hash_ ^ (value & 0xff)) * 0x100000001b3ULL;
        }
    }
    void add(std::string_view text) {
        for (const char c : text) {
            hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
        }
        add(text.size());
    }
    std::uint64_t hash() const { return hash_; }

private:
    std::uint64_t hash_ = 0xcbf29ce484222325ULL;
};

struct WorldOptions {
    std::string folder;
    std::size_t shards = 2;
    std::size_t lanes = 2;
    std::uint64_t seed = 1;
    std::size_t id_table_entries_max = 64;  // runs and merges come early
    std::size_t write_buffer_bytes = 64u << 20;
    std::uint64_t reclaim_bytes_min = 64u << 20;
    bool small_network_pieces = false;
    std::size_t queue_bytes = 0;     // of a shard's blocks that wait in memory; more turn it cold
    std::size_t sync_depth_max = 1;  // syncs of the log at once; above 1 now so many, now one
    Keeping keeping;
    courier::HttpPort* http = nullptr;  // what webhooks go out by; null: there are none
    std::string* log_lines = nullptr;   // what the server logs is kept there
};

class World {
public:
    World(const WorldOptions& options, Trace& trace);
    ~World();

    // Starts the server. False: see failure(); empty when the power went during the start.
    bool boot();
    const std::string& failure() const { return failure_; }
    bool running() const { return parts_ != nullptr; }
    // From the next boot on: executors that answer later, out of order, twice, never.
    void use_late_executors() { late_executors_ = true; }
    // The server is gone without a word; the disk decides what is left.
    void power_cut();
    // The same, but the machine goes on (kill -9).
    void kill();
    // As on SIGTERM. False when the power went meanwhile.
    bool stop_gracefully(const std::function<void()>& clients);

    // RocksDB's memory goes to files, and those become few: where its own threads would do it.
    void flush();
    void compact();

    // One agent's do_work(). Returns how much it did.
    std::size_t step();
    // Time passes that nobody needs: to the next thing that may be due.
    void pass_time(std::int64_t us) { clock_.advance_us(us); }
    // Nothing under way and nothing waiting, but perhaps retries.
    bool quiet() const;
    // What is not quiet, a line each.
    std::string unrest() const;
    // Groups of the log's writer since the boot.
    std::uint64_t commits() const { return parts_->writer->stats().groups; }
    // Rows that do not read wait for nobody.
    bool retries_waiting() const;
    std::uint64_t rows_set_aside() const;

    const Keeping& keeping() const { return options_.keeping; }
    core::ManualClock& clock() { return clock_; }
    core::Random& random() { return random_; }
    io::MemoryNetwork& network() { return *network_; }
    const io::Address& http() const { return http_; }
    const io::Address& lines() const { return lines_; }
    runtime::ServerParts& parts() { return *parts_; }
    store::Database& database() { return *parts_->database; }
    std::uint32_t boots() const { return boots_; }
    // Commits that were written while others were in flight.
    std::uint64_t overlapped() const {
        return overlapped_ + (parts_ ? parts_->writer->stats().overlapped : 0);
    }

private:
    struct Agent {
        std::function<std::size_t()> work;
        std::uint64_t weight = 1;
        bool conductor = false;
        bool disk = false;  // waits for the disk
    };
    void gather_agents();
    std::size_t pick();
    std::size_t work(std::size_t index);
    bool give_up(core::Status status);
    void end();
    std::size_t sync_depth();

    const WorldOptions options_;
    Trace& trace_;
    core::ManualClock clock_;
    core::Random random_;
    core::Log log_;
    std::unique_ptr<io::MemoryNetwork> network_;
    std::unique_ptr<runtime::ServerParts> parts_;
    std::vector<Agent> agents_;
    std::uint64_t weight_total_ = 0;
    std::size_t sync_depth_ = 1;
    std::uint64_t overlapped_ = 0;  // before this boot
    io::Address http_;
    io::Address lines_;
    std::string failure_;
    std::uint32_t boots_ = 0;
    bool late_executors_ = false;
};

}  // namespace millrace::sim
