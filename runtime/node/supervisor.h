// What: the processes of the partitions that have a copy here: started, told what to do, started
//       again when they end, and what each last said of itself.
// Threads: one owner. Lifetime: borrows clock and log.
// Limits: a process that ends right after its start is left alone for a while, kBackOffNs doubling
//         to kBackOffMaxNs; one that was fenced is back at once.
// Failure: logged; the partition is `down` here meanwhile.
#pragma once

#include "core/clock.h"
#include "core/log.h"
#include "runtime/node/child_process.h"
#include "runtime/node/cluster_state.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::node {

// What a child's line says.
struct ChildReport {
    PartitionStatus status;
    std::string http;     // "unix:/path" or HOST:PORT, of an owner
    std::string audited;  // the order that it has taken into its audit log last
};
core::Result<ChildReport> read_child_report(std::string_view line);

class Supervisor {
public:
    static constexpr int kExitFenced = 75;
    static constexpr std::int64_t kBackOffNs = 200'000'000;
    static constexpr std::int64_t kBackOffMaxNs = 10'000'000'000;
    static constexpr std::int64_t kQuietNs = 30'000'000'000;  // ran so long: it begins anew
    static constexpr std::int64_t kOrderAgainNs = 400'000'000;

    struct Deps {
        const core::Clock* clock = nullptr;
        core::Log* log = nullptr;
        ChildCommand command = {};
        // The first line that a process is told.
        std::function<std::string(std::size_t partition)> settings = {};
    };
    explicit Supervisor(Deps deps) : deps_(std::move(deps)) {}

    // The partitions that belong here; others end.
    void want(const std::set<std::size_t>& partitions);
    // {"do":...}; the same again within kOrderAgainNs is not said twice.
    void order(std::size_t partition, const std::string& line);
    // True: something has changed.
    bool turn();
    void append_waits(std::vector<pollfd>& fds) const;

    std::map<std::size_t, PartitionStatus> statuses() const;
    // Where an owner is to be reached; empty: it owns nothing here.
    std::string address(std::size_t partition) const;
    std::string audited(std::size_t partition) const;

    // All of them are to end; over() when they have. hurry(): at once.
    void stop();
    bool over() const { return slots_.empty(); }
    void hurry();

private:
    struct Slot {
        std::unique_ptr<ChildProcess> child;
        bool wanted = true;
        ChildReport report;
        std::int64_t started_ns = 0;
        std::int64_t again_ns = 0;
        std::int64_t back_off_ns = kBackOffNs;
        std::map<std::string, std::int64_t> ordered;  // when it was said last
    };
    void start(std::size_t partition, Slot& slot);
    bool read(std::size_t partition, Slot& slot);
    static void end(ChildProcess& child);
    bool look_for_end(std::size_t partition, Slot& slot);

    const Deps deps_;
    std::map<std::size_t, Slot> slots_;
    bool stopping_ = false;
};

}  // namespace millrace::runtime::node
