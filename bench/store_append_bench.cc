// Question: what does the store cost per event, and how near is it to the raw disk?
// Unit: events of about 345 bytes, each with an id of its own. Budget: append 350 ns, LZ4 and
// identity included; append + commit with fsync >= 70 % of the raw disk or of one core's LZ4.
// Command: build/release/bench/store_append_bench
#include "core/agent.h"
#include "core/clock.h"
#include "core/random.h"
#include "store/commit/log_writer.h"
#include "store/database.h"
#include "store/housekeeper.h"
#include "store/log/block_codec.h"
#include "store/log/event_search.h"
#include "store/log/log_reader.h"
#include "store/log/shard_log.h"

#include <benchmark/benchmark.h>
#include <lz4.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

namespace {

using namespace millrace;

constexpr core::ShardId kShard{0};

bool smoke() { return std::getenv("MILLRACE_BENCH_SMOKE") != nullptr; }

class Folder {
public:
    Folder() {
        // On the disk of the build tree: /tmp may be memory.
        std::string pattern = (std::filesystem::current_path() / "store-bench-XXXXXX").string();
        path_ = ::mkdtemp(pattern.data());
    }
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

// The invoice event of DESIGN.md: 345 bytes, values that differ from event to event.
std::vector<std::string> make_events(std::size_t count) {
    core::Random random(1);
    std::vector<std::string> out;
    for (std::size_t i = 0; i < count; ++i) {
        char id[40];
        std::snprintf(id, sizeof(id), "%016llx%016llx",
                      static_cast<unsigned long long>(random.next()),
                      static_cast<unsigned long long>(random.next()));
        std::string text =
            "{\"eventId\":\"" + std::string(id) +
            "\",\"pattern\":\"invoice.created\",\"version\":\"1.0\","
            "\"source\":{\"type\":\"external\",\"id\":\"billing\"},\"timestamp\":\"2026-01-01T00:"
            "00:00.000Z\","
            "\"payload\":{\"tenantID\":\"123\",\"amount\":" +
            std::to_string(random.below(100000)) +
            ",\"currency\":\"EUR\",\"customer\":{\"id\":\"c" + std::to_string(random.below(10000)) +
            "\",\"email\":\"someone@example.com\"}},\"metadata\":{\"correlationId\":\"k" +
            std::to_string(i) + "\"}}";
        out.push_back(std::move(text));
    }
    return out;
}

// As many as a big request holds: in a server an append reads text that has just been parsed. LZ4
// looks back 64 KB, so that the ratio does not hang on it.
constexpr std::size_t kEventsCount = 1024;
const std::vector<std::string>& events() {
    static const std::vector<std::string> kEvents = make_events(kEventsCount);
    return kEvents;
}

struct Fixture {
    Folder folder;
    core::RealClock clock;
    std::unique_ptr<store::Database> database;
    std::unique_ptr<store::LogWriter> writer;
    std::uint64_t serial = 0;
    std::vector<std::uint64_t> sources;

    // Several senders count their events, each for itself: an id comes once from each of them.
    // Where several syncs at once are allowed, somebody must run the writer's syncers.
    explicit Fixture(std::size_t senders = 1, std::size_t sync_depth_max = 1) {
        store::Database::Options options;
        options.sync_depth_max = sync_depth_max;
        options.path = folder.path();
        options.shards = 1;
        options.clock = &clock;
        auto opened = store::Database::open(options);
        if (!opened) {
            std::fprintf(stderr, "%s\n", opened.error().message.c_str());
            std::exit(1);
        }
        database = std::move(*opened);
        for (std::size_t i = 0; i < senders; ++i)
            sources.push_back(database->hasher().source("external", std::to_string(i)));
        store::LogWriter::Options writer_options;
        writer_options.producers = 1;
        writer = std::make_unique<store::LogWriter>(*database, writer_options);
    }
    // Hashes and prefetches 8 events ahead, as a shard does with a batch.
    const store::AppendInput& next(const std::string& text) {
        store::AppendInput& ahead = inputs[(at + kAhead) % inputs.size()];
        fill(ahead, text);
        database->shard_log(kShard).prefetch(ahead.id);
        const store::AppendInput& out = inputs[at++ % inputs.size()];
        return out.raw.empty() ? next(text) : out;
    }
    static constexpr std::size_t kAhead = 8;
    std::array<store::AppendInput, 2 * kAhead> inputs{};
    std::size_t at = 0;

    store::AppendInput input(const std::string& text) {
        store::AppendInput in;
        fill(in, text);
        return in;
    }
    void fill(store::AppendInput& in, const std::string& text) {
        in.raw = text;
        in.pattern = "invoice.created";
        in.received_at_us = 1;
        // A fresh identity each time, hashed as the edge does it: a sender's source once.
        ++serial;
        const std::uint64_t id = serial / sources.size();
        in.id = database->hasher().identity_of(core::TenantId{0},
                                               {reinterpret_cast<const char*>(&id), sizeof(id)},
                                               sources[serial % sources.size()]);
        in.source_hash = 7;
        in.correlation_hash =
            database->hasher().text({reinterpret_cast<const char*>(&serial), sizeof(serial)});
    }
    void housekeep() {
        while (database->housekeeper().do_work() > 0) {
        }
    }
};

// The shard's part alone: copy, identity, LZ4, checksum, summary; blocks are thrown away.
void BM_ShardAppend(benchmark::State& state) {
    Fixture fixture;
    store::ShardLog& log = fixture.database->shard_log(kShard);
    const std::vector<std::string>& texts = events();
    std::size_t i = 0;
    std::size_t raw = 0;
    std::size_t stored = 0;
    for (auto _ : state) {
        const std::string& text = texts[i++ % kEventsCount];
        const store::AppendInput& in = fixture.next(text);
        store::AppendResult result = log.append(in);
        if (result.status == store::AppendStatus::kBlockFull) {
            const store::SealedBlock block = log.seal();
            stored += block.value.size() + block.summary.size();
            result = log.append(in);
        }
        if (result.status == store::AppendStatus::kBusy) {
            state.SkipWithError("identity index busy: nothing was committed");
            break;
        }
        raw += text.size();
    }
    state.SetItemsProcessed(state.iterations());
    state.SetBytesProcessed(static_cast<std::int64_t>(raw));
    state.counters["stored_ratio"] = static_cast<double>(stored) / static_cast<double>(raw + 1);
}

// LZ4 alone on the same bytes: the floor of the above.
void BM_Lz4Alone(benchmark::State& state) {
    std::string text;
    std::size_t count = 0;
    for (; text.size() < store::kSegmentBytesTarget; ++count) text += events()[count];
    std::string out(static_cast<std::size_t>(LZ4_compressBound(static_cast<int>(text.size()))),
                    '\0');
    for (auto _ : state) {
        constexpr int kAcceleration = 2;  // the store's
        benchmark::DoNotOptimize(LZ4_compress_fast(text.data(), out.data(),
                                                   static_cast<int>(text.size()),
                                                   static_cast<int>(out.size()), kAcceleration));
    }
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(count));
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}

// What the process has sent to the disk so far.
double written_mb() {
    std::ifstream file("/proc/self/io");
    for (std::string name, value; file >> name >> value;) {
        if (name == "write_bytes:") return std::stod(value) / 1e6;
    }
    return 0;
}

// Of the last run that committed: what BM_RawDisk repeats without a store.
std::size_t bytes_per_sync = 256u << 10;

// Append and commit with fsync; the writer and its syncers on threads, as in the server. One
// iteration is one block of `events` events; the next block fills while the one before is synced.
void BM_AppendCommit(benchmark::State& state) {
    Fixture fixture(static_cast<std::size_t>(state.range(1)), 4);
    store::ShardLog& log = fixture.database->shard_log(kShard);
    const std::vector<std::string>& texts = events();
    std::vector<std::unique_ptr<core::AgentThread>> syncers;
    for (std::size_t i = 0; i < fixture.writer->syncers(); ++i) {
        syncers.push_back(std::make_unique<core::AgentThread>(fixture.writer->syncer(i),
                                                              core::AgentThread::kNotPinned));
    }
    std::atomic<bool> stop{false};
    std::thread writer([&] {
        while (!stop.load(std::memory_order_acquire)) {
            if (fixture.writer->do_work() == 0)
                fixture.writer->wait(std::chrono::microseconds(500));
        }
    });
    std::thread keeper([&] {
        while (!stop.load(std::memory_order_acquire)) {
            if (fixture.database->housekeeper().do_work() == 0)
                std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
    });
    const auto per_block = static_cast<std::size_t>(state.range(0));
    const double written_before_mb = written_mb();
    std::size_t i = 0;
    std::size_t raw = 0;
    std::uint64_t sent = 0;
    std::uint64_t done = 0;
    store::Completion completion;
    for (auto _ : state) {
        for (std::size_t k = 0; k < per_block; ++k) {
            const std::string& text = texts[i++ % kEventsCount];
            const store::AppendInput& in = fixture.next(text);
            while (log.append(in).status == store::AppendStatus::kBusy) std::this_thread::yield();
            raw += text.size();
        }
        store::CommitUnit unit;
        unit.block = log.seal();
        while (!fixture.writer->append(0, std::move(unit))) std::this_thread::yield();
        ++sent;
        while (fixture.writer->poll(0, completion)) ++done;
    }
    while (done < sent) {
        if (fixture.writer->poll(0, completion)) ++done;
    }
    stop.store(true, std::memory_order_release);
    fixture.writer->wake_up();
    writer.join();
    syncers.clear();
    keeper.join();
    const store::LogWriter::Stats stats = fixture.writer->stats();
    state.SetItemsProcessed(static_cast<std::int64_t>(i));
    state.SetBytesProcessed(static_cast<std::int64_t>(raw));
    state.counters["syncs"] = static_cast<double>(stats.syncs);
    state.counters["stored_MB"] = static_cast<double>(stats.bytes) / 1e6;
    bytes_per_sync =
        static_cast<std::size_t>(stats.bytes / std::max<std::uint64_t>(1, stats.syncs));
    // What RocksDB writes to its blob files behind this is in the next figure: a clean end does not
    // wait for it.
    state.counters["stored_MB_per_s"] =
        benchmark::Counter(static_cast<double>(stats.bytes) / 1e6, benchmark::Counter::kIsRate);
    state.counters["write_amplification"] =
        (written_mb() - written_before_mb) / (static_cast<double>(stats.bytes) / 1e6);
    state.counters["blocks_per_sync"] =
        static_cast<double>(stats.units) / static_cast<double>(stats.groups);
}

// Blocks that are ready before the clock starts, committed one by one with fsync: what is left of
// the above when appending, LZ4 and identities cost nothing and nothing overlaps.
void BM_CommitReadyBlocks(benchmark::State& state) {
    Fixture fixture;
    store::ShardLog& log = fixture.database->shard_log(kShard);
    const auto per_block = static_cast<std::size_t>(state.range(0));
    std::vector<store::SealedBlock> blocks;
    for (benchmark::IterationCount i = 0; i < state.max_iterations; ++i) {
        for (std::size_t k = 0; k < per_block; ++k)
            log.append(fixture.next(events()[k % kEventsCount]));
        blocks.push_back(log.seal());
    }
    std::size_t at = 0;
    store::Completion completion;
    for (auto _ : state) {
        store::CommitUnit unit;
        unit.block = std::move(blocks[at++]);
        while (!fixture.writer->append(0, std::move(unit))) {
        }
        fixture.writer->do_work();
        while (fixture.writer->poll(0, completion)) {
        }
    }
    const store::LogWriter::Stats stats = fixture.writer->stats();
    bytes_per_sync =
        static_cast<std::size_t>(stats.bytes / std::max<std::uint64_t>(1, stats.syncs));
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(per_block));
    state.counters["syncs"] = static_cast<double>(stats.syncs);
    state.counters["stored_MB_per_s"] =
        benchmark::Counter(static_cast<double>(stats.bytes) / 1e6, benchmark::Counter::kIsRate);
}

// The raw disk: the same stored bytes and the same number of syncs as above, nothing else.
void BM_RawDisk(benchmark::State& state) {
    Folder folder;
    const std::string block(
        state.range(0) == 0 ? bytes_per_sync : static_cast<std::size_t>(state.range(0)), 'x');
    const int fd = ::open((folder.path() + "/raw").c_str(), O_WRONLY | O_CREAT, 0600);
    for (auto _ : state) {
        if (::write(fd, block.data(), block.size()) != static_cast<ssize_t>(block.size()) ||
            ::fdatasync(fd) != 0) {
            state.SkipWithError("write failed");
            break;
        }
    }
    ::close(fd);
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(block.size()));
}

// Reading: 1 M events in blocks of 2000, unpacked block by block (page cache warm).
struct Filled : Fixture {
    const std::uint64_t count_kept = smoke() ? 10'000 : 1'000'000;
    Filled() {
        store::ShardLog& log = database->shard_log(kShard);
        for (std::uint64_t i = 0; i < count_kept; ++i) {
            if (log.append(input(events()[i % events().size()])).status ==
                store::AppendStatus::kBusy)
                housekeep();
            if (i % 2000 == 1999) commit();
        }
        housekeep();
    }
    void commit() {
        store::CommitUnit unit;
        unit.block = database->shard_log(kShard).seal();
        unit.durability = store::Durability::kOs;
        writer->append(0, std::move(unit));
        writer->do_work();
        store::Completion completion;
        writer->poll(0, completion);
    }
    static Filled& get() {
        static Filled filled;
        return filled;
    }
};

void BM_Scan(benchmark::State& state) {
    Filled& filled = Filled::get();
    std::uint64_t count = 0;
    std::size_t raw = 0;
    for (auto _ : state) {
        for (std::uint64_t at = 0; at < filled.count_kept;) {
            auto block = filled.database->log_reader().read_block(kShard, core::LogOffset{at});
            if (!block || !*block) {
                state.SkipWithError("no block");
                return;
            }
            for (std::uint32_t i = 0; i < block->count(); ++i) raw += block->event(i).raw.size();
            count += block->count();
            at = block->end_offset().value;
        }
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(count));
    state.SetBytesProcessed(static_cast<std::int64_t>(raw));
}

void BM_LookupById(benchmark::State& state) {
    Filled& filled = Filled::get();
    core::Random random(5);
    for (auto _ : state) {
        const std::uint64_t serial = 1 + random.below(filled.count_kept);
        auto found = filled.database->log_reader().find(
            core::TenantId{0}, {reinterpret_cast<const char*>(&serial), sizeof(serial)});
        if (!found || !*found) {
            state.SkipWithError("not found");
            return;
        }
        benchmark::DoNotOptimize((*found)->event.raw.size());
    }
    state.SetItemsProcessed(state.iterations());
}

// One correlation id among 1 M events, each with its own.
void BM_SearchCorrelation(benchmark::State& state) {
    Filled& filled = Filled::get();
    const std::uint64_t serial = filled.count_kept / 2;
    store::EventQuery query;
    query.correlation_id = {reinterpret_cast<const char*>(&serial), sizeof(serial)};
    query.accept = [](const store::StoredEvent&) { return false; };
    std::uint64_t blocks = 0;
    for (auto _ : state) {
        auto page = filled.database->event_search().search(query);
        blocks = page ? page->blocks_read : 0;
    }
    state.counters["blocks_read"] = static_cast<double>(blocks);
}

}  // namespace

int main(int argc, char** argv) {
    // Smoke runs only show that everything still works.
    const std::int64_t less = smoke() ? 1000 : 1;
    benchmark::RegisterBenchmark("BM_ShardAppend", BM_ShardAppend)->Iterations(1'500'000 / less);
    benchmark::RegisterBenchmark("BM_Lz4Alone", BM_Lz4Alone);
    for (const auto& [count, senders] : {std::pair{100, 1}, {2000, 10'000}, {2000, 1}}) {
        benchmark::RegisterBenchmark("BM_AppendCommit", BM_AppendCommit)
            ->ArgNames({"events", "senders"})
            ->Args({count, senders})
            ->Iterations(std::max<std::int64_t>(2, 3000 / less))
            ->UseRealTime()
            ->Unit(benchmark::kMillisecond);
    }
    const auto raw_disk = [less](std::int64_t bytes) {
        benchmark::RegisterBenchmark("BM_RawDisk", BM_RawDisk)
            ->ArgName("bytes")
            ->Arg(bytes)
            ->Iterations(std::max<std::int64_t>(2, 1000 / less))
            ->UseRealTime()
            ->Unit(benchmark::kMillisecond);
    };
    raw_disk(0);  // as many bytes a sync as the store's run before
    // Few enough that the identity index takes them all before anything is durable.
    benchmark::RegisterBenchmark("BM_CommitReadyBlocks", BM_CommitReadyBlocks)
        ->ArgName("events")
        ->Arg(2000)
        ->Iterations(std::max<std::int64_t>(2, 1000 / less))
        ->UseRealTime()
        ->Unit(benchmark::kMillisecond);
    raw_disk(0);
    raw_disk(256 << 10);
    benchmark::RegisterBenchmark("BM_Scan", BM_Scan)->Unit(benchmark::kMillisecond);
    benchmark::RegisterBenchmark("BM_LookupById", BM_LookupById)->Unit(benchmark::kMicrosecond);
    benchmark::RegisterBenchmark("BM_SearchCorrelation", BM_SearchCorrelation)
        ->Unit(benchmark::kMillisecond);
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
