#include "tests/sim/simulation.h"

#include "tests/sim/disk.h"
#include "tests/sim/workload.h"
#include "tests/sim/world.h"

#include <filesystem>
#include <utility>

namespace millrace::sim {

namespace {

constexpr std::uint64_t kPlentyBytes = 100u << 20;
constexpr std::uint64_t kScarceBytes = 40u << 20;  // below the reserve, above the floor of a start
constexpr int kDrainRounds = 4000;

enum class Fault : std::uint8_t {
    kNone,
    kPowerCut,       // at an operation of the disk
    kPowerCutStart,  // the same, during the start
    kSync,
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
          world_(make_world_options(options, random_), trace_),
          workload_(world_, model_, random_.next()) {}

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
        return world;
    }

    bool wrong(std::string what) {
        if (what.empty()) return false;
        if (result_.wrong.empty()) result_.wrong = std::move(what);
        return true;
    }
    bool start(Fault fault);
    bool serve(Fault fault, std::uint32_t steps);
    bool end_boot(Fault fault);
    bool drain();
    void cut_power();

    const RunOptions options_;
    core::Random random_;
    Trace trace_;
    World world_;
    Model model_;
    Workload workload_;
    RunResult result_;
};

bool Simulation::start(Fault fault) {
    Disk& disk = Disk::instance();
    if (fault == Fault::kPowerCutStart) disk.cut_power_after(1 + random_.below(60));
    while (!world_.boot()) {
        if (!world_.failure().empty()) return !wrong("the start was refused: " + world_.failure());
        cut_power();
    }
    return !wrong(model_.check_start(world_.database(), workload_.count_subscription()));
}

void Simulation::cut_power() {
    ++result_.power_cuts;
    world_.power_cut();
    workload_.server_gone();
}

bool Simulation::serve(Fault fault, std::uint32_t steps) {
    Disk& disk = Disk::instance();
    const std::uint64_t at = random_.below(steps);
    for (std::uint32_t i = 0; i < steps; ++i) {
        if (i == at) {
            switch (fault) {
                case Fault::kPowerCut: disk.cut_power_after(1 + random_.below(30)); break;
                case Fault::kSync: disk.fail_sync_after(1 + random_.below(4), ".log"); break;
                case Fault::kWrite: disk.fail_write_after(1 + random_.below(4), ".log"); break;
                case Fault::kSpace: disk.set_free_bytes(kScarceBytes); break;
                default: break;
            }
        }
        world_.step();
        if (disk.frozen()) return true;
        if (random_.below(300) == 0)
            world_.pass_time(static_cast<std::int64_t>(random_.below(30'000)));
        if (wrong(workload_.turn())) return false;
    }
    return true;
}

bool Simulation::end_boot(Fault fault) {
    Disk& disk = Disk::instance();
    if (disk.failed_once()) {
        ++result_.disk_faults;
        if (!disk.frozen() && !world_.database().fatal())
            return !wrong("a write or sync failed, and the store goes on");
    }
    disk.set_free_bytes(kPlentyBytes);
    if (fault == Fault::kStop && !disk.frozen()) {
        const bool stopped = world_.stop_gracefully([&] { (void)wrong(workload_.turn()); });
        if (stopped) {
            ++result_.graceful_stops;
            workload_.server_gone();
            return result_.wrong.empty();
        }
        if (wrong(world_.failure())) return false;
    }
    cut_power();
    return result_.wrong.empty();
}

// Everything sent is answered, everything answered is delivered, nothing waits any more.
bool Simulation::drain() {
    workload_.finish();
    // Bytes that trickle would take the rounds away from what is to be seen here.
    world_.network().faults = {};
    int calm = 0;
    for (int round = 0; round < kDrainRounds; ++round) {
        for (int i = 0; i < 40; ++i) {
            world_.step();
            if (wrong(workload_.turn())) return false;
        }
        calm = workload_.idle() && world_.quiet() ? calm + 1 : 0;
        if (calm > 3 && world_.retries_waiting() == 0) return true;
        if (calm > 3) world_.pass_time(10'000);
    }
    return !wrong(world_.quiet() ? "requests or retries do not come to an end"
                                 : "deliveries do not come to an end");
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
    good = good && start(Fault::kNone) && drain() &&
           !wrong(model_.check_end(world_.database(), workload_.count_subscription()));
    // What is in memory must be on the disk too.
    if (good) {
        cut_power();
        good = start(Fault::kNone) && drain() &&
               !wrong(model_.check_end(world_.database(), workload_.count_subscription()));
    }
    result_.sent = model_.events().size();
    for (const SentEvent& event : model_.events()) result_.acknowledged += event.acknowledged != 0;
    result_.lost_writes = disk.lost_writes();
    result_.virtual_ms = world_.clock().monotonic_ns() / 1'000'000;
    trace_.add(disk.operations());
    trace_.add(result_.acknowledged);
    result_.trace = trace_.hash();
    return result_;
}

}  // namespace

RunResult run_simulation(const RunOptions& options) {
    std::error_code ignored;
    std::filesystem::remove_all(options.folder, ignored);
    std::filesystem::create_directories(options.folder + "/data");
    Disk::instance().mount(options.folder + "/data", options.seed);
    RunResult result;
    {
        Simulation simulation(options);
        result = simulation.run();
        Disk::instance().cut_power_now();
    }
    Disk::instance().unmount();
    std::filesystem::remove_all(options.folder, ignored);
    return result;
}

}  // namespace millrace::sim
