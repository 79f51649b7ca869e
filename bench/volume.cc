#include "bench/volume.h"

#include "core/random.h"
#include "runtime/event/event_filter.h"
#include "store/housekeeper.h"
#include "store/log/event_search.h"
#include "store/log/log_reader.h"
#include "store/log/shard_log.h"
#include "store/rows/retry_schedule.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <functional>
#include <map>
#include <vector>

namespace millrace::bench {
namespace {

constexpr core::ShardId kShard{0};
constexpr std::uint64_t kEventsPerBlock = 2000;
constexpr int kRepeats = 5;

double cpu_seconds() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

// Calls `work`, which returns a count of events, and prints events per second: best of the repeats
// is what a quiet machine does, the median what this one did.
int report_rate(const char* what, const std::function<std::uint64_t()>& work) {
    std::vector<double> rates;
    std::vector<double> cpu_rates;
    for (int i = 0; i < kRepeats; ++i) {
        const double began = seconds_now(), began_cpu = cpu_seconds();
        const std::uint64_t count = work();
        if (count == 0) return 1;
        rates.push_back(static_cast<double>(count) / (seconds_now() - began));
        cpu_rates.push_back(static_cast<double>(count) / (cpu_seconds() - began_cpu));
    }
    std::printf("%s: %.2f M events/s median, %.2f best; %.2f by CPU time\n", what,
                median(rates) / 1e6, *std::max_element(rates.begin(), rates.end()) / 1e6,
                median(cpu_rates) / 1e6);
    return 0;
}

int measure_start(Volume& volume) {
    std::printf("start: %.1f ms to open, %llu events, %.2f GB of all families, %.1f MiB resident\n",
                volume.open_ms, static_cast<unsigned long long>(volume.events()),
                static_cast<double>(volume.database->stats().log_bytes) / 1e9, resident_mib());
    volume.housekeep();  // what a start found missing (identity runs) is there the next time
    return 0;
}

int measure_lookup(Volume& volume) {
    core::Random random(5);
    std::vector<double> us;
    // The first round warms the caches.
    for (int round = 0; round < 2; ++round) {
        us.clear();
        core::Random same(9);
        for (int i = 0; i < 20'000; ++i) {
            const std::string id = volume_event_id(same.below(volume.events()));
            const double began = seconds_now();
            const auto found = volume.database->log_reader().find(core::TenantId{0}, id);
            us.push_back((seconds_now() - began) * 1e6);
            if (!found || !*found) {
                std::fprintf(stderr, "lookup: '%s' is not found\n", id.c_str());
                return 1;
            }
        }
    }
    std::sort(us.begin(), us.end());
    std::printf("lookup: p50 %.1f us, p99 %.1f us, max %.1f us\n", us[us.size() / 2],
                us[us.size() * 99 / 100], us.back());
    return 0;
}

int measure_search(Volume& volume) {
    core::Random random(3);
    std::vector<double> ms;
    std::uint64_t read = 0, skipped = 0;
    for (int i = 0; i < 11; ++i) {
        const std::string id = "k" + std::to_string(random.below(volume.events()));
        auto filter = runtime::EventFilter::make({{}, {}, {}, {}, id, {}, {}, {}});
        store::EventQuery query;
        query.tenant = core::TenantId{0};
        query.correlation_id = id;
        query.accept = [&](const store::StoredEvent& event) { return (*filter)->accepts(event); };
        const double began = seconds_now();
        auto page = volume.database->event_search().search(query);
        if (i > 0) ms.push_back((seconds_now() - began) * 1e3);
        if (!page || page->events.size() != 1 || !page->next.empty()) {
            std::fprintf(stderr, "search: '%s' is not found once\n", id.c_str());
            return 1;
        }
        read += page->blocks_read;
        skipped += page->blocks_skipped;
    }
    std::printf(
        "search: one correlation id of %llu events %.1f ms median, %.1f max; blocks read "
        "%.1f, skipped %.1f a search\n",
        static_cast<unsigned long long>(volume.events()), median(ms),
        *std::max_element(ms.begin(), ms.end()), static_cast<double>(read) / 11,
        static_cast<double>(skipped) / 11);
    return 0;
}

int measure_filter(Volume& volume) {
    return report_rate("filter: $.amount > 99900 over all", [&]() -> std::uint64_t {
        auto filter = runtime::EventFilter::make({{}, {}, {}, {}, {}, {}, {}, "$.amount > 99900"});
        if (!filter) return 0;
        std::string cursor;
        std::uint64_t seen = 0;
        do {
            store::EventQuery query;
            query.tenant = core::TenantId{0};
            query.limit = 1000;
            query.cursor = cursor;
            query.accept = [&](const store::StoredEvent& e) { return (*filter)->accepts(e); };
            auto page = volume.database->event_search().search(query);
            if (!page) return 0;
            seen += page->events_seen;
            cursor = page->next;
        } while (!cursor.empty());
        return seen;
    });
}

int measure_scan(Volume& volume) {
    return report_rate("scan: every event's text handed out", [&]() -> std::uint64_t {
        std::uint64_t count = 0;
        std::uint64_t bytes = 0;
        for (core::LogOffset at{0};;) {
            auto block = volume.database->log_reader().read_block(kShard, at);
            if (!block) return 0;
            if (!*block) break;
            for (std::uint32_t i = 0; i < block->count(); ++i) bytes += block->event(i).raw.size();
            count += block->count();
            at = block->end_offset();
        }
        return bytes == 0 ? 0 : count;
    });
}

// Says which of the events the folder holds at an offset is not the one the program put there.
void tell_wrong(Volume& volume, std::uint64_t n, const store::AppendResult& result) {
    auto stored = volume.database->log_reader().read_event({kShard, core::LogOffset{n}});
    const std::string held = stored && *stored ? std::string((*stored)->event.raw) : "nothing";
    const std::string id = volume_event_id(n);
    std::fprintf(stderr,
                 "dedup: id %s of offset %llu was told as %s at offset %llu; the log holds there "
                 "%s: %.160s\n",
                 id.c_str(), static_cast<unsigned long long>(n),
                 result.status == store::AppendStatus::kDuplicate ? "a duplicate" : "new",
                 static_cast<unsigned long long>(result.position.offset.value),
                 held.find(id) == std::string::npos ? "another event" : "that event", held.c_str());
}

// Every old id is known, every new one is not, and the price does not follow what is kept. All kept
// ids are repeated once each, in an order that jumps over the whole log.
int measure_dedup(Volume& volume) {
    constexpr std::uint64_t kWrongTold = 5;
    constexpr std::uint64_t kStride = 6'700'417;  // a prime, so that every offset comes once
    const std::uint64_t known = volume.events();
    const std::uint64_t new_tries = std::min<std::uint64_t>(known, 1'000'000);
    const double resident_before = resident_mib();
    store::ShardLog& log = volume.database->shard_log(kShard);
    std::uint64_t missed = 0;
    double old_s = 0;
    constexpr std::uint64_t kChunk = 10'000;
    std::vector<store::AppendInput> inputs(kChunk);
    const std::string text = volume_event(0, 0);  // a repeat's text is not looked at
    for (std::uint64_t done = 0; done < known; done += kChunk) {
        const std::uint64_t count = std::min(kChunk, known - done);
        for (std::uint64_t i = 0; i < count; ++i)
            inputs[i] = volume_input(*volume.database, text, (done + i) * kStride % known);
        const double began = seconds_now();
        for (std::uint64_t i = 0; i < count; ++i) {
            const std::uint64_t n = (done + i) * kStride % known;
            const store::AppendResult result = log.append(inputs[i]);
            const bool right = result.status == store::AppendStatus::kDuplicate && result.durable &&
                               result.position.offset.value == n;
            if (!right && ++missed <= kWrongTold) tell_wrong(volume, n, result);
        }
        old_s += seconds_now() - began;
    }
    std::vector<std::string> texts;
    for (std::uint64_t i = 0; i < 20'000; ++i) texts.push_back(volume_event(known + i, 0));
    std::uint64_t wrong_new = 0;
    double new_s = 0;
    for (std::uint64_t added = 0; added < new_tries; ++added) {
        const std::string& fresh = texts[added % texts.size()];
        // Ids that no folder of this program holds.
        const store::AppendInput input =
            volume_input(*volume.database, fresh, (std::uint64_t{1} << 40) + known + added);
        const double began = seconds_now();
        store::AppendResult result = log.append(input);
        if (result.status == store::AppendStatus::kBlockFull) {
            volume.commit();
            result = log.append(input);
        }
        while (result.status == store::AppendStatus::kBusy) {
            volume.housekeep();
            result = log.append(input);
        }
        new_s += seconds_now() - began;
        wrong_new += result.status != store::AppendStatus::kAppended;
    }
    volume.commit();
    std::printf(
        "dedup: each of %llu kept ids repeated once at %.0f ns, wrong %llu; %llu new ids at %.0f "
        "ns (with commit), wrong %llu; resident %.0f MiB before, %.0f after\n",
        static_cast<unsigned long long>(known), old_s * 1e9 / static_cast<double>(known),
        static_cast<unsigned long long>(missed), static_cast<unsigned long long>(new_tries),
        new_s * 1e9 / static_cast<double>(new_tries), static_cast<unsigned long long>(wrong_new),
        resident_before, resident_mib());
    return missed + wrong_new == 0 ? 0 : 1;
}

// 100 rows fall due, are found and go, a second later the next 100, as in a server: with 1000 and
// with 1 M rows waiting behind them.
int measure_retries(Volume& volume) {
    constexpr std::int64_t kSecond = 1'000'000;
    constexpr std::int64_t kHour = 3'600 * kSecond;
    constexpr int kRounds = 200;
    const std::int64_t began_us = volume.clock.wall_us();
    const auto row = [&](std::int64_t due_at_us, std::uint64_t offset, std::uint32_t subscription) {
        return store::RetryRow{
            .due_at_us = due_at_us,
            .delivery = {{kShard, core::LogOffset{offset}}, core::SubscriptionId{subscription}},
            .attempt = 1,
            .created_at_us = began_us,
            .state = "1\n\n[]"};
    };
    std::uint64_t waiting = 0;
    std::int64_t now_us = began_us;
    for (const std::uint64_t wanted : {1'000ull, 1'000'000ull}) {
        while (waiting < wanted) {
            store::RowBatch rows;
            for (int i = 0; i < 1000; ++i, ++waiting)
                rows.put_retry(
                    row(began_us + kHour + static_cast<std::int64_t>(waiting), waiting, 1));
            if (!volume.database->write_now(rows, store::Durability::kOs)) return 1;
        }
        std::vector<double> us;
        for (int round = 0; round < kRounds; ++round, now_us += kSecond) {
            store::RowBatch due;
            for (std::uint64_t i = 0; i < 100; ++i)
                due.put_retry(row(now_us - 1000 + static_cast<std::int64_t>(i), i, 2));
            if (!volume.database->write_now(due, store::Durability::kOs)) return 1;
            std::vector<std::pair<std::int64_t, store::DeliveryKey>> found;
            const double began = seconds_now();
            const auto visited =
                volume.database->retries().visit_due(now_us, [&](const store::RetryRow& row_due) {
                    found.emplace_back(row_due.due_at_us, row_due.delivery);
                    return store::DueVisit::kTaken;
                });
            us.push_back((seconds_now() - began) * 1e6);
            if (!visited || found.size() != 100) return 1;
            store::RowBatch done;
            for (const auto& [at, delivery] : found)
                done.erase_retry(at, core::TenantId{0}, delivery);
            if (!volume.database->write_now(done, store::Durability::kOs)) return 1;
        }
        std::sort(us.begin(), us.end());
        std::printf("retries: %llu waiting, 100 due: found in %.1f us median, %.1f us p99\n",
                    static_cast<unsigned long long>(waiting), us[us.size() / 2],
                    us[us.size() * 99 / 100]);
    }
    return 0;
}

}  // namespace

double seconds_now() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// Memory of our own; mapped identity runs are page cache and go when memory is short.
double resident_mib() {
    std::ifstream file("/proc/self/statm");
    double total = 0, resident = 0, shared = 0;
    file >> total >> resident >> shared;
    return (resident - shared) * 4096 / (1 << 20);
}

Volume::Volume(const std::string& folder) {
    store::Database::Options options;
    options.path = folder;
    options.shards = 1;
    options.clock = &clock;
    const double began = seconds_now();
    auto opened = store::Database::open(options);
    open_ms = (seconds_now() - began) * 1e3;
    if (!opened) {
        std::fprintf(stderr, "%s\n", opened.error().message.c_str());
        std::exit(1);
    }
    database = std::move(*opened);
    writer = std::make_unique<store::LogWriter>(*database, store::LogWriter::Options{});
}

std::uint64_t Volume::events() const { return database->durable_end(kShard).value; }

void Volume::commit(store::RowBatch rows) {
    store::CommitUnit unit;
    unit.durability = store::Durability::kOs;
    if (!database->shard_log(kShard).empty()) unit.block = database->shard_log(kShard).seal();
    unit.rows = std::move(rows);
    writer->append(0, std::move(unit));
    writer->do_work();
    store::Completion completion;
    while (writer->poll(0, completion)) {
    }
}

void Volume::housekeep() {
    while (database->housekeeper().do_work() > 0) {
    }
}

std::string volume_event_id(std::uint64_t n) {
    char id[48];
    std::snprintf(id, sizeof id, "%016llx%016llx",
                  static_cast<unsigned long long>(core::Random(n).next()),
                  static_cast<unsigned long long>(n));
    return id;
}

std::string volume_event(std::uint64_t n, std::uint64_t padding_bytes) {
    core::Random random(n);
    std::string out = "{\"eventId\":\"" + volume_event_id(n) +
                      "\",\"pattern\":\"invoice.created\",\"version\":\"1.0\",\"source\":{\"type\":"
                      "\"external\",\"id\":\"billing\"},\"timestamp\":\"2026-01-01T00:00:00.000Z\","
                      "\"payload\":{\"tenantID\":\"";
    out += std::to_string(random.below(1000)) +
           "\",\"amount\":" + std::to_string(random.below(100'000)) +
           ",\"currency\":\"EUR\",\"customer\":{\"id\":\"c" + std::to_string(random.below(10'000)) +
           "\",\"email\":\"someone@example.com\"}";
    if (padding_bytes > 0) {
        static constexpr char kDigits[] =
            "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
        out += ",\"padding\":\"";
        for (std::uint64_t i = 0; i < padding_bytes; i += 10) {
            std::uint64_t bits = random.next();
            for (int k = 0; k < 10; ++k, bits >>= 6) out += kDigits[bits & 63];
        }
        out += '"';
    }
    out += "},\"metadata\":{\"correlationId\":\"k" + std::to_string(n) + "\"}}";
    return out;
}

store::AppendInput volume_input(const store::Database& database, const std::string& text,
                                std::uint64_t n) {
    const store::Hasher& hasher = database.hasher();
    store::AppendInput in;
    in.raw = text;
    in.pattern = "invoice.created";
    in.received_at_us = 1'767'225'600'000'000 + static_cast<std::int64_t>(n);
    in.tenant = core::TenantId{0};
    in.id = hasher.identity({core::TenantId{0}, "external", "billing", volume_event_id(n)});
    in.source_hash = hasher.text("billing");
    in.correlation_hash = hasher.text("k" + std::to_string(n));
    return in;
}

int fill(const std::string& folder, std::uint64_t events, std::uint64_t padding_bytes, Ids ids) {
    Volume volume(folder);
    store::ShardLog& log = volume.database->shard_log(kShard);
    // A server's housekeeper has a thread of its own; here it comes as often as it would need to.
    constexpr std::uint64_t kBlocksPerChore = 64;
    const std::uint64_t first = volume.events();
    const double began = seconds_now();
    std::uint64_t raw = 0;
    std::uint64_t blocks = 0;
    for (std::uint64_t n = first; n < first + events;) {
        const std::string text = volume_event(n, padding_bytes);
        store::AppendInput input = volume_input(*volume.database, text, n);
        if (ids == Ids::kOfServer) input.id = {};
        const store::AppendResult result = log.append(input);
        if (result.status == store::AppendStatus::kBusy) {
            volume.housekeep();
            continue;
        }
        if (result.status != store::AppendStatus::kBlockFull) {
            raw += text.size();
            ++n;
        }
        if (result.status == store::AppendStatus::kBlockFull ||
            log.open_events() >= kEventsPerBlock) {
            volume.commit();
            if (++blocks % kBlocksPerChore == 0) volume.housekeep();
        }
    }
    // As if all of it had been delivered: a server started on it has nothing to do.
    store::RowBatch rows;
    rows.put_cursor("deliveries", {kShard, core::LogOffset{first + events}});
    volume.commit(std::move(rows));
    volume.housekeep();
    const bool closed = volume.database->close().has_value();
    const double took = seconds_now() - began;
    std::printf("fill: %llu events, %.2f GB of text in %.1f s (%.2f M/s, no sync), %.2f GB kept\n",
                static_cast<unsigned long long>(events), static_cast<double>(raw) / 1e9, took,
                static_cast<double>(events) / took / 1e6,
                static_cast<double>(volume.database->stats().log_bytes) / 1e9);
    return closed ? 0 : 1;
}

bool run_phase(const std::string& folder, const std::string& phase, int& code) {
    static const std::map<std::string, int (*)(Volume&)> kPhases = {
        {"start", measure_start},   {"lookup", measure_lookup},  {"search", measure_search},
        {"filter", measure_filter}, {"scan", measure_scan},      {"replay", measure_replay},
        {"dedup", measure_dedup},   {"retries", measure_retries}};
    const auto found = kPhases.find(phase);
    if (found == kPhases.end()) return false;
    Volume volume(folder);
    code = found->second(volume);
    if (!volume.database->close()) code = 1;
    return true;
}

}  // namespace millrace::bench
