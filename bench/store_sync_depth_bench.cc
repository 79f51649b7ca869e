// Question: what do several syncs of the log at once bring, by what a sync of the disk takes: to
// the time from append to acknowledgement, and to events and bytes a second?
// Unit: BM_Acknowledge: clients that each send an event of 200 bytes, wait for its acknowledgement,
// and come back 0 to 2 ms later. BM_Stream: blocks of 256 such events, eight at most under way.
// Through the log writer and its syncers on threads, as the server runs them; the shard is a loop
// that seals what waits when the writer takes one more.
// Budget: on a quick disk nothing is lost; on a slow one several gain.
// Command: build/release/bench/store_sync_depth_bench     (in a folder on the disk in question)
//     disk_us: 0 is the disk as it is. Above, each fdatasync of the WAL is preceded by a sleep of
//     so long, which holds nobody else up (a disk whose syncs are slow and overlap), or, with
//     one_by_one:1, everybody (one that does one at a time): no disk of that kind was there.
//     depth_max: 1 is one sync at a time, 4 the log writer's choice.
#include "core/agent.h"
#include "core/clock.h"
#include "core/random.h"
#include "store/commit/log_writer.h"
#include "store/database.h"
#include "store/log/shard_log.h"
#include "tests/support/wal_disk.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <queue>
#include <string>
#include <thread>
#include <vector>

#include <stdlib.h>

namespace {

using namespace millrace;

constexpr core::ShardId kShard{0};
constexpr std::size_t kUnitsInFlightMax = 8;  // as a shard has it
constexpr std::int64_t kThinkNs = 1'000'000;  // of a client, on average

bool smoke() { return std::getenv("MILLRACE_BENCH_SMOKE") != nullptr; }

class WriterAgent final : public core::Agent {
public:
    explicit WriterAgent(store::LogWriter& writer) : writer_(writer) {}
    std::string_view name() const override { return "log-writer"; }
    std::size_t do_work() override { return writer_.do_work(); }
    void wait(std::int64_t us) override { writer_.wait(std::chrono::microseconds(us)); }
    void wake() override { writer_.wake_up(); }

private:
    store::LogWriter& writer_;
};

struct Folder {
    Folder() {
        path = (std::filesystem::current_path() / "sync-depth-XXXXXX").string();
        if (!::mkdtemp(path.data())) std::abort();
    }
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }
    std::string path;
};

class Disk {
public:
    Disk(std::int64_t sync_us, bool one_by_one) {
        if (sync_us == 0) return;
        disk_->on_sync = [this, sync_us, one_by_one] {
            std::unique_lock lock(only_one_, std::defer_lock);
            if (one_by_one) lock.lock();
            std::this_thread::sleep_for(std::chrono::microseconds(sync_us));
            return rocksdb::IOStatus::OK();
        };
    }
    rocksdb::Env* env() { return env_.get(); }

private:
    std::shared_ptr<test::WalDisk> disk_ = std::make_shared<test::WalDisk>();
    std::unique_ptr<rocksdb::Env> env_ = test::WalDisk::make_env(disk_);
    std::mutex only_one_;
};

// A database whose writer and syncers run, and one shard that seals as a server's does.
class Shard {
public:
    Shard(Disk& disk, std::size_t depth_max) {
        store::Database::Options options;
        options.path = folder_.path;
        options.clock = &clock;
        options.env = disk.env();
        options.reserve_bytes = options.ballast_bytes = 0;
        options.sync_depth_max = depth_max;
        auto opened = store::Database::open(options);
        if (!opened) std::abort();
        database_ = std::move(*opened);
        store::LogWriter::Options writer;
        writer.wake = [this](std::size_t) { parker_.unpark(); };
        writer_ = std::make_unique<store::LogWriter>(*database_, writer);
        agent_ = std::make_unique<WriterAgent>(*writer_);
        for (std::size_t i = 0; i < writer_->syncers(); ++i) run(writer_->syncer(i));
        run(*agent_);
        core::Random random(1);
        for (char& c : text_) c = static_cast<char>('!' + random.below(90));
    }
    ~Shard() { threads_.clear(); }
    Shard(const Shard&) = delete;
    Shard& operator=(const Shard&) = delete;

    void append(std::int64_t began_ns) {
        store::AppendInput input;
        text_[static_cast<std::size_t>(began_ns) % text_.size()] ^= 1;
        input.raw = text_;
        input.pattern = "invoice.created";
        input.received_at_us = 1;
        input.flags = static_cast<std::uint16_t>(store::EventFlag::kFilledEventId);
        if (log().append(input).status != store::AppendStatus::kAppended) std::abort();
        open_.push_back(began_ns);
    }
    bool takes_one(std::size_t most) const {
        return in_flight_.size() < std::min(most, kUnitsInFlightMax);
    }
    std::size_t depth() const { return writer_->depth(); }
    void seal() {
        store::CommitUnit unit;
        unit.block = log().seal();
        if (!writer_->append(0, std::move(unit))) std::abort();
        in_flight_.push_back(std::move(open_));
        open_.clear();
    }
    bool empty() { return log().empty(); }
    // How many events were acknowledged.
    std::size_t take() {
        std::size_t count = 0;
        store::Completion completion;
        while (writer_->poll(0, completion)) {
            if (completion.failed) std::abort();
            const std::int64_t now_ns = clock.monotonic_ns();
            for (const std::int64_t began_ns : in_flight_.front())
                latencies_ns.push_back(now_ns - began_ns);
            count += in_flight_.front().size();
            in_flight_.pop_front();
        }
        return count;
    }
    void sleep(std::int64_t us) { parker_.park(us); }
    void drain() {
        while (!in_flight_.empty()) {
            if (take() == 0) sleep(10'000);
        }
    }
    void report(benchmark::State& state) {
        std::sort(latencies_ns.begin(), latencies_ns.end());
        const auto ms_at = [&](double part) {
            const auto last = static_cast<double>(latencies_ns.size() - 1);
            return static_cast<double>(latencies_ns[static_cast<std::size_t>(last * part)]) / 1e6;
        };
        state.SetItemsProcessed(static_cast<std::int64_t>(latencies_ns.size()));
        state.counters["p50_ms"] = ms_at(0.5);
        state.counters["p99_ms"] = ms_at(0.99);
        state.counters["groups"] = benchmark::Counter(static_cast<double>(writer_->stats().groups),
                                                      benchmark::Counter::kIsRate);
    }

    const core::RealClock clock;
    std::vector<std::int64_t> latencies_ns;

private:
    store::ShardLog& log() { return database_->shard_log(kShard); }
    void run(core::Agent& agent) {
        threads_.push_back(std::make_unique<core::AgentThread>(
            agent, core::AgentThread::kNotPinned, core::AgentThread::Priority::kBrief));
    }

    Folder folder_;
    std::unique_ptr<store::Database> database_;
    core::Parker parker_;
    std::unique_ptr<store::LogWriter> writer_;
    std::unique_ptr<WriterAgent> agent_;
    std::vector<std::unique_ptr<core::AgentThread>> threads_;
    std::string text_ = std::string(200, ' ');
    std::vector<std::int64_t> open_;
    std::deque<std::vector<std::int64_t>> in_flight_;
};

void BM_Acknowledge(benchmark::State& state) {
    Disk disk(state.range(1), state.range(2) != 0);
    Shard shard(disk, static_cast<std::size_t>(state.range(3)));
    core::Random random(7);
    // When each client comes back.
    std::priority_queue<std::int64_t, std::vector<std::int64_t>, std::greater<>> back_ns;
    const auto goes = [&](std::size_t count) {
        const std::int64_t now_ns = shard.clock.monotonic_ns();
        for (; count > 0; --count)
            back_ns.push(now_ns + static_cast<std::int64_t>(random.below(2 * kThinkNs)));
    };
    goes(static_cast<std::size_t>(state.range(0)));
    for (auto _ : state) {
        const std::size_t end = shard.latencies_ns.size() + 64;
        while (shard.latencies_ns.size() < end) {
            const std::int64_t now_ns = shard.clock.monotonic_ns();
            for (; !back_ns.empty() && back_ns.top() <= now_ns; back_ns.pop()) shard.append(now_ns);
            if (!shard.empty() && shard.takes_one(shard.depth())) shard.seal();
            const std::size_t acknowledged = shard.take();
            goes(acknowledged);
            if (acknowledged > 0) continue;
            const std::int64_t next_ns = back_ns.empty() ? kThinkNs : back_ns.top() - now_ns;
            if (next_ns > 0) shard.sleep(std::min<std::int64_t>(next_ns / 1000 + 1, 10'000));
        }
    }
    shard.drain();
    shard.report(state);
}

void BM_Stream(benchmark::State& state) {
    Disk disk(state.range(0), state.range(1) != 0);
    Shard shard(disk, static_cast<std::size_t>(state.range(2)));
    for (auto _ : state) {
        while (!shard.takes_one(kUnitsInFlightMax)) {
            if (shard.take() == 0) shard.sleep(10'000);
        }
        for (int i = 0; i < 256; ++i) shard.append(shard.clock.monotonic_ns());
        shard.seal();
    }
    shard.drain();
    shard.report(state);
}

}  // namespace

int main(int argc, char** argv) {
    struct Kind {
        std::int64_t disk_us, one_by_one;
    };
    const double seconds = 3;
    for (const Kind kind : {Kind{0, 0}, Kind{2600, 0}, Kind{2600, 1}}) {
        for (const std::int64_t depth_max : {1, 4}) {
            auto* stream = benchmark::RegisterBenchmark("BM_Stream", BM_Stream);
            stream->ArgNames({"disk_us", "one_by_one", "depth_max"});
            stream->Args({kind.disk_us, kind.one_by_one, depth_max});
            auto* clients = benchmark::RegisterBenchmark("BM_Acknowledge", BM_Acknowledge);
            clients->ArgNames({"clients", "disk_us", "one_by_one", "depth_max"});
            for (const std::int64_t count : {8, 64})
                clients->Args({count, kind.disk_us, kind.one_by_one, depth_max});
            for (auto* bench : {stream, clients}) {
                bench->UseRealTime()->Unit(benchmark::kMillisecond);
                if (smoke()) {
                    bench->Iterations(3);
                } else {
                    bench->MinTime(seconds);
                }
            }
        }
    }
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
