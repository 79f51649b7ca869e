// Goal: whatever point of the store the process dies at, the next start has every acknowledged
// event once, knows every identity, and goes on. Method: this program starts itself again as the
// writer, with a fault point of core/fault.h or a random moment; the writer tells each
// acknowledgement through a pipe, so that the ledger is outside of what is killed. Tiny identity
// tables bring runs and merges within a second. Half of the writers have one commit at the disk,
// half several in flight.
//
//     store_crash_test [cycles per point] [seed]
#include "core/agent.h"
#include "core/clock.h"
#include "core/fault.h"
#include "core/random.h"
#include "store/commit/log_writer.h"
#include "store/database.h"
#include "store/housekeeper.h"
#include "store/log/log_reader.h"
#include "store/log/shard_log.h"
#include "store/retention/retention.h"
#include "store/retention/thinner.h"
#include "store/rows/kv_store.h"
#include "store/verify.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <string>
#include <vector>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

using namespace millrace;

constexpr std::size_t kShards = 2;

struct Acknowledgement {
    std::uint32_t shard = 0;
    std::uint32_t spare = 0;
    std::uint64_t serial = 0;
    std::uint64_t offset = 0;
};

std::string event_id(std::uint64_t serial) { return "event-" + std::to_string(serial); }
// Every third falls under a rule that lets it go at once.
std::string_view pattern_of(std::uint64_t serial) { return serial % 3 == 0 ? "debug.b" : "a.b"; }
std::string event_text(std::uint64_t serial) {
    return "{\"eventId\":\"" + event_id(serial) + "\",\"pattern\":\"" +
           std::string(pattern_of(serial)) + "\",\"payload\":{\"text\":\"" +
           std::string(serial * 31 % 400, 'x') + "\"}}";
}
core::ShardId shard_of(std::uint64_t serial) {
    return core::ShardId{static_cast<std::uint16_t>(serial % kShards)};
}

std::unique_ptr<store::Database> open(const std::string& folder, const core::Clock& clock,
                                      std::size_t sync_depth = 1) {
    store::Database::Options options;
    options.path = folder;
    options.shards = kShards;
    options.clock = &clock;
    options.reserve_bytes = 0;
    options.ballast_bytes = 0;
    options.id_table_entries_max = 300;
    options.reclaim_bytes_min = 8u << 10;
    options.sync_depth_max = sync_depth;
    options.sync_depth = [sync_depth] { return sync_depth; };
    auto opened = store::Database::open(options);
    if (!opened) {
        std::fprintf(stderr, "FAILED: %s\n", opened.error().message.c_str());
        std::exit(1);
    }
    return std::move(*opened);
}

store::AppendInput input_of(const store::Database& database, std::uint64_t serial,
                            const std::string& id, const std::string& text) {
    store::AppendInput input;
    input.raw = text;
    input.pattern = pattern_of(serial);
    input.id = database.hasher().identity({core::TenantId{0}, "external", "s", id});
    return input;
}

// The one that is killed. Writes from `serial` on until then.
[[noreturn]] void write_until_killed(const std::string& folder, std::uint64_t serial,
                                     std::uint64_t seed, std::size_t sync_depth) {
    core::RealClock clock;
    core::Random random(seed);
    auto database = open(folder, clock, sync_depth);
    store::LogWriter::Options options;
    options.producers = kShards;
    store::LogWriter writer(*database, options);
    std::vector<std::unique_ptr<core::AgentThread>> syncers;
    for (std::size_t i = 0; i < writer.syncers(); ++i) {
        syncers.push_back(
            std::make_unique<core::AgentThread>(writer.syncer(i), core::AgentThread::kNotPinned));
    }
    const std::size_t units_max = sync_depth > 1 ? sync_depth + 1 : 0;  // left in flight, a shard
    std::vector<std::deque<std::vector<Acknowledgement>>> waiting(kShards);
    const auto take = [&](std::size_t shard) {
        store::Completion completion;
        while (writer.poll(shard, completion)) {
            if (completion.failed) std::exit(4);
            const std::vector<Acknowledgement>& unit = waiting[shard].front();
            const std::size_t bytes = unit.size() * sizeof(Acknowledgement);
            if (::write(STDOUT_FILENO, unit.data(), bytes) != static_cast<ssize_t>(bytes))
                std::exit(5);
            waiting[shard].pop_front();
        }
        return waiting[shard].size() <= units_max;
    };
    store::Thinner thinner;
    for (std::uint64_t round = 0;; ++round) {
        std::vector<std::vector<Acknowledgement>> appended(kShards);
        const std::uint64_t count = 1 + random.below(60);
        for (std::uint64_t i = 0; i < count; ++i, ++serial) {
            const core::ShardId shard = shard_of(serial);
            const std::string id = event_id(serial);
            const std::string text = event_text(serial);
            const store::AppendResult result =
                database->shard_log(shard).append(input_of(*database, serial, id, text));
            if (result.status != store::AppendStatus::kAppended) std::exit(2);
            appended[shard.value].push_back({shard.value, 0, serial, result.position.offset.value});
        }
        for (std::size_t i = 0; i < kShards; ++i) {
            const core::ShardId shard{static_cast<std::uint16_t>(i)};
            if (database->shard_log(shard).empty()) continue;
            store::CommitUnit unit;
            unit.block = database->shard_log(shard).seal();
            unit.rows.kv_incr({core::TenantId{0}, "", "n"},
                              static_cast<std::int64_t>(unit.block.events.count()), 1, 0);
            unit.rows.put_cursor("deliveries", {shard, unit.block.events.end_offset()});
            if (!writer.append(i, std::move(unit))) std::exit(3);
            waiting[i].push_back(std::move(appended[i]));
        }
        for (bool taken = false; !taken;) {
            if (writer.do_work() == 0) writer.wait(std::chrono::microseconds(1000));
            taken = true;
            for (std::size_t i = 0; i < kShards; ++i) taken = take(i) && taken;
        }
        while (database->housekeeper().do_work() > 0) {
        }
        if (round % 40 == 39) {
            // Half of what is there may go; the ledger's checks leave out what is no longer kept.
            // Where all of that is dropped whole, nothing is left to thin: now this, now that.
            store::RetentionRule rule;
            rule.keep_bytes_max = round % 80 == 79 ? 64 << 10 : 0;
            rule.rules = {{.pattern = "debug.", .prefix = true, .age_us = 1}};
            rule.now_us = clock.wall_us();
            if (!store::apply_retention(*database, rule, &thinner)) std::exit(6);
        }
    }
}

struct Ledger {
    std::vector<Acknowledgement> acknowledged;
    std::uint64_t next_serial = 0;
};

// Starts the writer, reads its acknowledgements until it is dead. How it died.
int run_writer(const std::string& folder, Ledger& ledger, const std::string& point,
               std::uint64_t kill_after_us, std::uint64_t seed, std::size_t sync_depth) {
    int ends[2];
    if (::pipe(ends) != 0) std::exit(1);
    const std::string serial = std::to_string(ledger.next_serial);
    const std::string seed_text = std::to_string(seed);
    const std::string depth_text = std::to_string(sync_depth);
    const pid_t child = ::fork();
    if (child == 0) {
        ::dup2(ends[1], STDOUT_FILENO);
        ::close(ends[0]);
        ::close(ends[1]);
        if (!point.empty()) ::setenv("MILLRACE_CRASH_AT", point.c_str(), 1);
        ::execl("/proc/self/exe", "store_crash_test", "--writer", folder.c_str(), serial.c_str(),
                seed_text.c_str(), depth_text.c_str(), static_cast<char*>(nullptr));
        ::_exit(127);
    }
    ::close(ends[1]);
    const core::RealClock clock;
    const std::int64_t deadline =
        clock.monotonic_ns() + static_cast<std::int64_t>(kill_after_us) * 1000;
    Acknowledgement one;
    std::size_t have = 0;
    bool killed = false;
    for (;;) {
        const ssize_t got =
            ::read(ends[0], reinterpret_cast<char*>(&one) + have, sizeof(one) - have);
        if (got <= 0) break;
        have += static_cast<std::size_t>(got);
        if (have < sizeof(one)) continue;
        have = 0;
        ledger.acknowledged.push_back(one);
        ledger.next_serial = std::max(ledger.next_serial, one.serial + 1);
        if (!killed && clock.monotonic_ns() > deadline) {
            ::kill(child, SIGKILL);
            killed = true;
        }
    }
    ::close(ends[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    // What was on its way is unknown: later events must not share its ids.
    ledger.next_serial += 1000;
    return status;
}

#define CHECK_THAT(condition, ...)                        \
    do {                                                  \
        if (!(condition)) {                               \
            std::fprintf(stderr, "FAILED: " __VA_ARGS__); \
            std::fprintf(stderr, " (%s)\n", #condition);  \
            std::exit(1);                                 \
        }                                                 \
    } while (false)

void check(const std::string& folder, const Ledger& ledger) {
    core::RealClock clock;
    auto database = open(folder, clock);
    store::LogReader& reader = database->log_reader();
    std::uint64_t events_ever = 0;
    for (std::size_t i = 0; i < kShards; ++i) {
        const core::ShardId shard{static_cast<std::uint16_t>(i)};
        events_ever += database->durable_end(shard).value;
        CHECK_THAT(database->cursor("deliveries", shard) == database->durable_end(shard),
                   "cursor and log disagree");
    }
    const auto counted = database->kv().get({core::TenantId{0}, "", "n"});
    CHECK_THAT(counted, "kv unreadable");
    const std::int64_t counter = *counted ? (*counted)->integer : 0;
    CHECK_THAT(counter == static_cast<std::int64_t>(events_ever), "counter %lld, events %llu",
               static_cast<long long>(counter), static_cast<unsigned long long>(events_ever));
    for (const Acknowledgement& ack : ledger.acknowledged) {
        const core::ShardId shard{static_cast<std::uint16_t>(ack.shard)};
        if (ack.offset < database->first_kept(shard).value) continue;
        const core::LogPosition position{shard, core::LogOffset{ack.offset}};
        const auto event = reader.read_event(position);
        const bool may_go = pattern_of(ack.serial) != "a.b";
        CHECK_THAT(event && (*event || may_go), "event %llu is missing",
                   static_cast<unsigned long long>(ack.serial));
        CHECK_THAT(!*event || (*event)->event.raw == event_text(ack.serial), "event %llu changed",
                   static_cast<unsigned long long>(ack.serial));
        if (!*event) continue;  // and with it its id
        const std::string id = event_id(ack.serial);
        const std::string text = event_text(ack.serial);
        const auto again =
            database->shard_log(shard).append(input_of(*database, ack.serial, id, text));
        CHECK_THAT(again.status == store::AppendStatus::kDuplicate &&
                       again.position.offset.value == ack.offset,
                   "event %llu is not known as a duplicate",
                   static_cast<unsigned long long>(ack.serial));
    }
    const auto closed = database->close();
    CHECK_THAT(closed, "close failed");
    database.reset();
    // The chain too: blocks made anew carry the hash they were sealed with.
    const auto report = store::verify(folder);
    CHECK_THAT(report && report->ok(), "verify: %s",
               report ? report->problems.front().c_str() : report.error().message.c_str());
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 6 && std::strcmp(argv[1], "--writer") == 0) {
        write_until_killed(argv[2], std::strtoull(argv[3], nullptr, 10),
                           std::strtoull(argv[4], nullptr, 10),
                           std::strtoull(argv[5], nullptr, 10));
    }
    const int cycles = argc > 1 ? std::atoi(argv[1]) : 2;
    const std::uint64_t seed =
        argc > 2 ? std::strtoull(argv[2], nullptr, 10) : static_cast<std::uint64_t>(::getpid());
    core::Random random(seed);
    std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
    std::string folder =
        (std::filesystem::temp_directory_path() / "millrace-crash-XXXXXX").string();
    if (!::mkdtemp(folder.data())) return 1;
    const char* const points[] = {
#define X(name, text) text,
        MILLRACE_FAULT_POINTS(X)
#undef X
            ""};
    Ledger ledger;
    int hit = 0;
    for (int cycle = 0; cycle < cycles; ++cycle) {
        for (const std::string point : points) {
            if (point.starts_with("migration_")) continue;  // tests/e2e/format_test.py
            const std::string at =
                point.empty() ? point : point + ":" + std::to_string(1 + random.below(4));
            const std::uint64_t kill_after_us = point.empty() ? random.below(800'000) : 8'000'000;
            const std::size_t before = ledger.acknowledged.size();
            const core::RealClock clock;
            const std::int64_t begin = clock.monotonic_ns();
            // Only what is in flight passes there.
            const std::size_t sync_depth =
                point == "after_write" || random.below(2) == 0 ? 2 + random.below(3) : 1;
            const int status =
                run_writer(folder, ledger, at, kill_after_us, random.next(), sync_depth);
            CHECK_THAT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
                       "the writer ended by itself: %d", status);
            const bool in_time =
                clock.monotonic_ns() - begin < static_cast<std::int64_t>(kill_after_us) * 1000;
            hit += !point.empty() && in_time;
            std::printf("%-22s %s sync depth %zu, acknowledged %zu\n",
                        point.empty() ? "random" : at.c_str(),
                        point.empty() || in_time ? "killed" : "NOT REACHED", sync_depth,
                        ledger.acknowledged.size() - before);
            check(folder, ledger);
        }
    }
    std::filesystem::remove_all(folder);
    std::printf("ok: %d at a fault point\n", hit);
    return hit >= cycles * 10 ? 0 : 1;
}
