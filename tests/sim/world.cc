#include "tests/sim/world.h"

#include "core/assert.h"
#include "store/rows/quarantine.h"
#include "store/rows/retry_schedule.h"
#include "tests/sim/disk.h"
#include "tests/sim/tenants.h"
#include "tests/support/late_executor.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace millrace::sim {

namespace {

// Above the store's own floor, below what would make it lay down its ballast file.
constexpr std::int64_t kReserveBytes = 48 << 20;

core::Config make_config(const WorldOptions& options) {
    core::Config config;
    config.data.dir = options.folder;
    config.http.listen = "127.0.0.1:0";
    config.socket.listen = "127.0.0.1:0";
    config.engine.shards = static_cast<std::int64_t>(options.shards);
    config.engine.lanes = static_cast<std::int64_t>(options.lanes);
    config.engine.queue_bytes = static_cast<std::int64_t>(options.queue_bytes);
    config.store.reserve_bytes = kReserveBytes;
    config.store.sync_depth_max = static_cast<std::int64_t>(options.sync_depth_max);
    options.keeping.apply(config);
    return config;
}

void print_line(std::string_view line) {
    if (std::getenv("SIM_LOG"))
        std::fprintf(stderr, "%.*s", static_cast<int>(line.size()), line.data());
}

}  // namespace

World::World(const WorldOptions& options, Trace& trace)
    : options_(options),
      trace_(trace),
      random_(options.seed ^ 0x3017d),
      log_(clock_, core::LogLevel::kInfo, [this](std::string_view line) {
          if (options_.log_lines) options_.log_lines->append(line);
          print_line(line);
      }) {}

World::~World() = default;

bool World::give_up(core::Status status) {
    if (!Disk::instance().frozen()) failure_ = status.error().message;
    parts_.reset();
    return false;
}

bool World::boot() {
    failure_.clear();
    ++boots_;
    network_ = std::make_unique<io::MemoryNetwork>(random_.next());
    network_->faults.random_sizes = options_.small_network_pieces;
    if (options_.small_network_pieces) {
        network_->faults.receive_bytes_max = 1 + random_.below(2000);
        network_->faults.send_bytes_max = 1 + random_.below(2000);
    }
    runtime::ServerSeams seams;
    seams.clock = &clock_;
    seams.seed = options_.seed ^ (std::uint64_t{boots_} << 32);
    seams.matcher_thread = false;
    seams.http = options_.http;
    seams.make_reactor = [this](const core::Clock& clock) {
        io::ReactorOptions reactor;
        reactor.receive_buffers = 64;
        reactor.receive_buffer_bytes = 4096;
        return core::Result<std::unique_ptr<io::Reactor>>(
            io::Reactor::create_on(network_->make_backend(reactor), reactor, clock));
    };
    if (late_executors_) {
        seams.adjust_executors = [this](runtime::ExecutorSet& set, runtime::AnswerPort& port) {
            for (auto& executor : set) {
                if (!executor) continue;
                test::LateExecutor::Options late;
                late.seed = random_.next();
                late.late_in_4 = random_.below(5);
                executor = std::make_unique<test::LateExecutor>(std::move(executor), port, late);
            }
        };
    }
    seams.tenant_of = [](const runtime::identity::Caller& caller) {
        if (!caller.http) return tenant_of_word(caller.key);
        for (const io::HeaderField& header : caller.http->headers) {
            if (header.name == kTenantHeader) return tenant_of_word(header.value);
        }
        return core::TenantId{};
    };
    seams.yield = [this] {
        const std::size_t index = pick();
        if (!agents_[index].conductor) work(index);
    };
    seams.adjust_store = [this](store::Database::Options& store) {
        store.id_table_entries_max = options_.id_table_entries_max;
        store.write_buffer_bytes = options_.write_buffer_bytes;
        store.work_by_hand = true;
        store.reclaim_bytes_min = options_.reclaim_bytes_min;
        // No time passes in a sync here, so that nothing could be measured.
        store.sync_depth = [this] { return sync_depth(); };
    };
    parts_ = std::make_unique<runtime::ServerParts>(make_config(options_), log_, std::move(seams));
    using Parts = runtime::ServerParts;
    for (const auto step : {&Parts::open_store, &Parts::open_registry, &Parts::build_edge,
                            &Parts::build_shards, &Parts::build_lanes, &Parts::listen}) {
        core::Status done = (parts_.get()->*step)();
        if (!done) return give_up(std::move(done));
        if (Disk::instance().frozen()) return give_up({});
    }
    auto http = io::Address::parse(parts_->addresses.http);
    auto lines = io::Address::parse(parts_->addresses.socket);
    MR_ASSERT(http && lines);
    http_ = *http;
    lines_ = *lines;
    gather_agents();
    trace_.add(boots_);
    return true;
}

void World::gather_agents() {
    agents_.clear();
    weight_total_ = 0;
    const auto add = [this](core::Agent& agent) {
        // As a thread of its own does it; nobody sleeps here.
        agents_.push_back({[&agent] {
            const std::size_t done = agent.do_work();
            if (done != 0) return done;
            agent.wake();  // so that the wait is none: a futex would sleep for its slack
            agent.wait(0);
            return done;
        }});
    };
    for (auto& shard : parts_->shards) add(*shard);
    for (auto& lane : parts_->lanes) add(*lane);
    for (auto& lane : parts_->call_lanes) add(*lane);
    add(*parts_->feeder);
    add(*parts_->scheduler);
    add(*parts_->orchestrator);
    add(parts_->sideline);
    add(parts_->haul);
    add(parts_->compiler);
    add(*parts_->shadow);
    add(parts_->conductor);
    agents_.back().conductor = true;
    agents_.push_back({[this] { return parts_->writer->do_work(); }});
    for (std::size_t i = 0; i < parts_->writer->syncers(); ++i) {
        add(parts_->writer->syncer(i));
        agents_.back().disk = true;
    }
    agents_.push_back({[this] { return parts_->database->housekeeper().do_work(); }});
    // Some are slow, some are quick: another mixture at each start.
    for (Agent& agent : agents_) {
        agent.weight = 1 + random_.below(random_.below(3) == 0 ? 40 : 8);
        // A sync is long under way, and others do much meanwhile.
        if (parts_->writer->syncers() != 0) agent.weight *= 4;
        if (agent.disk) agent.weight = 1 + random_.below(4);
        weight_total_ += agent.weight;
    }
}

// Changes now and then; mostly there are several.
std::size_t World::sync_depth() {
    if (random_.below(64) == 0) sync_depth_ = random_.below(4) == 0 ? 1 : options_.sync_depth_max;
    return sync_depth_;
}

std::size_t World::pick() {
    std::uint64_t drawn = random_.below(weight_total_);
    std::size_t index = 0;
    while (drawn >= agents_[index].weight) drawn -= agents_[index++].weight;
    return index;
}

std::size_t World::work(std::size_t index) {
    const std::size_t done = agents_[index].work();
    if (done != 0) {
        trace_.add(index);
        trace_.add(done);
    }
    clock_.advance_us(static_cast<std::int64_t>(random_.below(20)));
    return done;
}

std::size_t World::step() { return work(pick()); }

bool World::quiet() const {
    for (const auto& shard : parts_->shards) {
        if (!shard->commit_idle() || shard->cursor() != shard->next_offset()) return false;
    }
    for (const auto* lanes : {&parts_->lanes, &parts_->call_lanes}) {
        for (const auto& lane : *lanes) {
            if (!lane->idle()) return false;
        }
    }
    return true;
}

std::string World::unrest() const {
    std::string out;
    for (const auto& shard : parts_->shards) {
        if (shard->commit_idle() && shard->cursor() == shard->next_offset()) continue;
        out += "\n  " + std::string(shard->name()) + ": cursor " +
               std::to_string(shard->cursor().value) + ", handed over " +
               std::to_string(shard->handed_over().value) + ", end " +
               std::to_string(shard->next_offset().value) + (shard->cold() ? ", cold" : "") +
               (shard->commit_idle() ? "" : ", commits");
    }
    for (const auto* lanes : {&parts_->lanes, &parts_->call_lanes}) {
        for (const auto& lane : *lanes) {
            if (lane->idle()) continue;
            out += "\n  " + std::string(lane->name()) + ": busy, pending " +
                   std::to_string(lane->attempts_pending()) + ", waiting " +
                   std::to_string(lane->waiting_for(runtime::ExecutorType::kScript)) +
                   ", keys held up " + std::to_string(lane->keys_waiting());
        }
    }
    for (const Agent& agent : agents_)
        out += (&agent == agents_.data() ? "\n  weights " : " ") + std::to_string(agent.weight);
    return out;
}

void World::flush() {
    // Failures are told by the next commit.
    (void)parts_->database->flush();
    trace_.add(Disk::instance().operations());
}

void World::compact() {
    parts_->database->compact();
    trace_.add(Disk::instance().operations());
}

bool World::retries_waiting() const {
    bool any = false;
    const auto read = parts_->database->retries().visit_all([&any](const store::RetryRow&) {
        any = true;
        return false;
    });
    return any || !read;
}

std::uint64_t World::rows_set_aside() const {
    return parts_->set_aside.count() + parts_->database->quarantine().count();
}

void World::end() {
    overlapped_ = overlapped();
    parts_.reset();
    agents_.clear();
    network_.reset();
}

void World::power_cut() {
    Disk::instance().cut_power_now();
    end();
    Disk::instance().restart();
}

void World::kill() {
    Disk::instance().cut_power_now();  // nothing that its destructors do is done
    end();
    Disk::instance().end_process();
}

bool World::stop_gracefully(const std::function<void()>& clients) {
    const bool drained = parts_->drain([] { return Disk::instance().frozen(); },
                                       [&] {
                                           for (int i = 0; i < 8; ++i) step();
                                           clock_.advance_us(200);
                                           clients();
                                       });
    if (Disk::instance().frozen()) return false;
    if (!drained) {
        failure_ = "a graceful stop did not end";
        return false;
    }
    if (auto closed = parts_->database->close(); !closed && !Disk::instance().frozen()) {
        failure_ = "a graceful stop did not close the store: " + closed.error().message;
        return false;
    }
    if (Disk::instance().frozen()) return false;
    end();
    // A clean end needs no cut to be whole: but nothing more than what was synced may be needed.
    Disk::instance().restart();
    return true;
}

}  // namespace millrace::sim
