#include "tests/sim/simulation.h"

#include "runtime/delivery/behind_table.h"
#include "store/rows/retry_schedule.h"
#include "store/verify.h"
#include "tests/sim/damage.h"
#include "tests/sim/disk.h"
#include "tests/sim/faces.h"
#include "tests/sim/on_disk.h"
#include "tests/sim/weather.h"
#include "tests/sim/workload.h"
#include "tests/sim/world.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace millrace::sim {

namespace {

constexpr std::uint64_t kScarceBytes = 40u << 20;  // below the reserve, above the floor of a start
// A commit that is in flight takes five turns of two agents, which may be the slow ones. A run that
// still commits is slow, not stuck: it has more, but not for ever.
constexpr int kDrainRounds = 12000;
constexpr int kDrainRoundsMax = 24000;
constexpr int kStillRounds = 3000;

enum class Fault : std::uint8_t {
    kNone,
    kPowerCut,       // at an operation of the disk; or the process alone ends there (end_server)
    kPowerCutStart,  // the same, during the start
    kPowerCutWork,   // the same, while RocksDB writes files and compacts them
    kSync,
    kFlushSync,  // of any file, a flush's own first
    kWrite,
    kSpace,
    kStop,  // graceful
    kCount,
};

class Simulation {
public:
    explicit Simulation(const RunOptions& options)
        : options_(options),
          random_(options.seed),
          ends_(options.seed ^ 0x4b11),
          world_(make_world_options(options, random_), trace_),
          workload_(world_, model_, random_.next()),
          weather_(world_, options.seed ^ 0x5711),
          damage_(model_, options.seed ^ 0xda4a) {
        model_.keeping = world_.keeping();
        flush_one_in_ = random_.below(2) == 0 ? 0 : 100 + random_.below(2000);
        compact_one_in_ = random_.below(2) == 0 ? 0 : 300 + random_.below(4000);
        // Where a key's order is not kept, its scripts would read what the other has not settled.
        core::Random late(options.seed ^ 0x1a7e);  // its own: the other draws stay as they are
        if (model_.ordered && late.below(2) == 0) {
            world_.use_late_executors();
            weather_.spare_late_executors();
        }
        model_.clock_steps = weather_.steps();
        workload_.keep_own_pace(weather_.steps() || weather_.stalls());
    }

    RunResult run();

private:
    static WorldOptions make_world_options(const RunOptions& options, core::Random& random) {
        WorldOptions world;
        world.folder = options.folder + "/data";
        world.seed = options.seed;
        world.shards = 1 + random.below(3);
        world.lanes = 1 + random.below(3);
        world.id_table_entries_max = random.below(2) == 0 ? 64 : 4096;
        world.small_network_pieces = random.below(2) == 0;
        world.keeping = Keeping::draw(random);
        world.reclaim_bytes_min = random.below(2) == 0 ? 1000 : 64u << 20;
        core::Random depth(options.seed ^ 0xde97);  // its own: the other draws stay as they are
        if (depth.below(2) == 0) world.sync_depth_max = 2 + depth.below(3);
        constexpr std::size_t kQueueBytes[] = {0, 4096, 65'536, 16u << 20};
        world.queue_bytes = kQueueBytes[depth.below(4)];
        return world;
    }

    bool wrong(std::string what) {
        if (what.empty()) return false;
        if (result_.wrong.empty()) result_.wrong = std::move(what);
        return true;
    }
    int sync_error() { return ends_.below(2) == 0 ? EIO : ENOSPC; }
    bool start(Fault fault);
    bool serve(Fault fault, std::uint32_t steps);
    bool end_boot(Fault fault);
    void work_of_rocks();
    bool somebody_is_behind();
    bool drain();
    std::string check_end() {
        look_at_clock();
        if (std::string what = model_.check_end(world_.database()); !what.empty()) return what;
        return Faces(world_, model_, random_.next()).check();
    }
    void look_at_clock() { model_.look_at_clock(world_.clock().wall_us()); }
    void server_gone() {
        workload_.server_gone();
        weather_.server_gone();
    }
    void cut_power();
    void end_server();
    std::string verify();

    const RunOptions options_;
    core::Random random_;
    core::Random ends_;  // its own: the other draws stay as they are
    Trace trace_;
    World world_;
    Model model_;
    Workload workload_;
    Weather weather_;
    Damage damage_;
    RunResult result_;
    std::uint64_t flush_one_in_ = 0;  // 0: never
    std::uint64_t compact_one_in_ = 0;
};

bool Simulation::start(Fault fault) {
    Disk& disk = Disk::instance();
    if (fault == Fault::kPowerCutStart) disk.cut_power_after(1 + random_.below(60));
    while (!world_.boot()) {
        if (!world_.failure().empty()) return !wrong("the start was refused: " + world_.failure());
        end_server();
    }
    look_at_clock();
    if (wrong(damage_.check_told(world_.rows_set_aside()))) return false;
    return !wrong(model_.check_start(world_.database()));
}

void Simulation::cut_power() {
    ++result_.power_cuts;
    world_.power_cut();
    server_gone();
}

// The machine with it, or the process alone: then a later cut takes what nobody has synced since.
void Simulation::end_server() {
    if (ends_.below(2) == 0) return cut_power();
    ++result_.kills;
    world_.kill();
    server_gone();
}

bool Simulation::serve(Fault fault, std::uint32_t steps) {
    Disk& disk = Disk::instance();
    const std::uint64_t at = random_.below(steps);
    for (std::uint32_t i = 0; i < steps; ++i) {
        if (i == at) {
            switch (fault) {
                case Fault::kPowerCut: disk.cut_power_after(1 + random_.below(30)); break;
                case Fault::kPowerCutWork:
                    disk.cut_power_after(1 + random_.below(80));
                    world_.flush();
                    if (!disk.frozen()) world_.compact();
                    break;
                case Fault::kFlushSync:
                    disk.fail_sync_after(1 + random_.below(6), "", sync_error());
                    world_.flush();
                    break;
                case Fault::kSync:
                    disk.fail_sync_after(1 + random_.below(4), ".log", sync_error());
                    break;
                case Fault::kWrite: disk.fail_write_after(1 + random_.below(4), ".log"); break;
                case Fault::kSpace: disk.set_free_bytes(kScarceBytes); break;
                default: break;
            }
        }
        if (disk.frozen()) return true;
        look_at_clock();
        weather_.turn();
        world_.step();
        work_of_rocks();
        if (disk.frozen()) return true;
        if (random_.below(300) == 0)
            world_.pass_time(static_cast<std::int64_t>(random_.below(30'000)));
        if (wrong(workload_.turn())) return false;
    }
    return true;
}

void Simulation::work_of_rocks() {
    if (flush_one_in_ != 0 && random_.below(flush_one_in_) == 0) world_.flush();
    if (compact_one_in_ != 0 && random_.below(compact_one_in_) == 0) world_.compact();
}

bool Simulation::end_boot(Fault fault) {
    Disk& disk = Disk::instance();
    if (disk.failed_once()) {
        ++result_.disk_faults;
        // A flush that failed is told by the next commit, if there is one.
        if (fault != Fault::kFlushSync && !disk.frozen() && !world_.database().fatal())
            return !wrong("a write or sync failed, and the store goes on");
    }
    disk.set_free_bytes(kPlentyBytes);
    if (fault == Fault::kStop && !disk.frozen()) {
        weather_.going_down();
        const bool stopped = world_.stop_gracefully([&] { (void)wrong(workload_.turn()); });
        if (stopped) {
            ++result_.graceful_stops;
            server_gone();
            return result_.wrong.empty();
        }
        if (wrong(world_.failure())) return false;
    }
    if (!disk.frozen()) damage_.spoil(world_.database());
    end_server();
    return result_.wrong.empty();
}

// Whoever is behind gets what it is owed a block at a time, and nobody is paused for good.
bool Simulation::somebody_is_behind() {
    bool any = false;
    (void)world_.database().visit_cursors(
        runtime::kBehindCursorPrefix, [&any](std::string_view, core::LogPosition) { any = true; });
    return any;
}

// Everything sent is answered, everything answered is delivered, nothing waits any more.
bool Simulation::drain() {
    workload_.finish();
    weather_.calm();
    // Bytes that trickle would take the rounds away from what is to be seen here.
    world_.network().faults = {};
    int calm = 0;
    int still = 0;  // rounds without a commit
    std::uint64_t commits = 0;
    const auto goes_on = [&](int round) {
        return round < kDrainRounds || (round < kDrainRoundsMax && still < kStillRounds);
    };
    for (int round = 0; goes_on(round); ++round) {
        for (int i = 0; i < 40; ++i) {
            world_.step();
            if (wrong(workload_.turn())) return false;
        }
        result_.drain_rounds =
            std::max(result_.drain_rounds, static_cast<std::uint64_t>(round) + 1);
        calm = workload_.idle() && world_.quiet() ? calm + 1 : 0;
        if (calm > 3 && !world_.retries_waiting() && !somebody_is_behind() &&
            !model_.replays_running(world_.database()))
            return true;
        still = std::exchange(commits, world_.commits()) == world_.commits() ? still + 1 : 0;
        if (calm > 3 || (round >= kDrainRounds && still > kStillRounds / 10))
            world_.pass_time(10'000);
    }
    const char* what = !world_.quiet()                             ? "deliveries"
                       : !workload_.idle()                         ? "requests"
                       : model_.replays_running(world_.database()) ? "replays"
                                                                   : "retries";
    std::string rows;
    (void)world_.database().retries().visit_all([&](const store::RetryRow& row) {
        rows += "\n  waits: due " + std::to_string(row.due_at_us - world_.clock().wall_us()) +
                " us from now, attempts " + std::to_string(row.attempt) + ", subscription " +
                std::to_string(row.delivery.subscription.value) +
                (row.parked() ? ", parked"
                 : row.held() ? ", held"
                              : "") +
                ", state " + std::string(row.state.substr(0, row.state.find('\n')));
        return rows.size() < 1000;
    });
    return !wrong(std::string(what) + " do not come to an end; " + std::to_string(still) +
                  " rounds without a commit" + world_.unrest() + rows);
}

// Every checksum and the chain, as `millrace verify` reads them.
std::string Simulation::verify() {
    const auto report = store::verify(options_.folder + "/data");
    if (!report) return "verify: " + report.error().message;
    for (const std::string& problem : report->problems) {
        if (!damage_.explains(problem)) return "verify: " + problem;
    }
    return report->problem_count <= damage_.rows() ? "" : "verify: more problems than were made";
}

RunResult Simulation::run() {
    Disk& disk = Disk::instance();
    disk.set_free_bytes(kPlentyBytes);
    bool good = start(Fault::kNone) && !wrong(workload_.prepare());
    for (std::uint32_t boot = 0; good && boot < options_.boots; ++boot) {
        const auto fault =
            static_cast<Fault>(random_.below(static_cast<std::uint64_t>(Fault::kCount)));
        if (boot != 0) good = start(fault);
        const auto steps = static_cast<std::uint32_t>(
            1 + random_.below(std::uint64_t{options_.steps_per_boot} * 2));
        good = good && serve(fault, steps) && end_boot(fault);
    }
    good = good && start(Fault::kNone) && drain() && !wrong(check_end());
    // What is in memory must be on the disk too.
    if (good) {
        cut_power();
        good = start(Fault::kNone) && drain() && !wrong(check_end());
    }
    if (good) {
        cut_power();
        good = !wrong(verify());
    }
    result_.sent = model_.events().size();
    for (const SentEvent& event : model_.events()) result_.acknowledged += event.acknowledged != 0;
    result_.lost_writes = disk.lost_writes();
    result_.overlapped = world_.overlapped();
    result_.virtual_ms = world_.clock().monotonic_ns() / 1'000'000;
    trace_.add(disk.operations());
    trace_.add(result_.acknowledged);
    result_.trace = trace_.hash();
    return result_;
}

}  // namespace

RunResult run_simulation(const RunOptions& options) { return run_on_disk<Simulation>(options); }

}  // namespace millrace::sim
