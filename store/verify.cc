#include "store/verify.h"

#include "core/clock.h"
#include "store/engine.h"
#include "store/ids/id_run.h"
#include "store/log/block_codec.h"
#include "store/rows/keys.h"
#include "store/rows/kv_history.h"
#include "store/rows/old_keys.h"
#include "store/rows/outcome_codec.h"
#include "store/rows/row_codec.h"

#include <filesystem>

namespace millrace::store {
namespace {

class Walk {
public:
    Walk(Database& database, VerifyReport& report) : engine_(database.engine()), report_(report) {}

    void files() {
        const rocksdb::Status status = engine_.db().VerifyChecksum();
        if (!status.ok()) problem("files: " + status.ToString());
    }

    void log() {
        const auto rows = engine_.iterate(ColumnFamily::kLog);
        std::uint64_t previous_hash = 0;
        std::uint64_t next_sequence = 0;
        for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
            KeyReader reader(view(rows->key()));
            const core::LogPosition key = read_log_key(reader);
            const bool first = key.shard.value >= report_.shards.size();
            report_.shards.resize(
                std::max<std::size_t>(report_.shards.size(), key.shard.value + 1u));
            VerifyReport::Shard& shard = report_.shards[key.shard.value];
            auto block = open_block(key, view(rows->value()));
            if (!block) {
                problem(block.error().message);
                shard.end_offset = 0;
                continue;
            }
            const BlockHeader& h = block->header;
            if (!first && shard.blocks > 0 && key.offset.value != shard.end_offset) {
                problem(at(key) + ": a gap, the block before ends at " +
                        std::to_string(shard.end_offset));
            }
            if (!first && shard.blocks > 0 &&
                (h.previous_hash != previous_hash || h.sequence != next_sequence)) {
                problem(at(key) + ": the chain does not lead to the block before");
            }
            previous_hash = block_hash(block->value);
            next_sequence = h.sequence + 1;
            if (shard.blocks == 0) {
                shard.first_offset = key.offset.value;
                shard.first_received_us = h.received_min_us;
            }
            shard.last_received_us = h.received_max_us;
            shard.end_offset = block->end_offset();
            shard.blocks += 1;
            shard.stored_bytes += block->value.size();
            auto decoded = decode_block(*block, engine_.pools);
            if (!decoded) {
                problem(decoded.error().message);
                continue;
            }
            for (std::uint32_t i = 0; i < decoded->count(); ++i) {
                shard.raw_bytes += decoded->record(i).text_bytes;
                report_.events += !decoded->gone(i);
            }
            summary(key, h);
        }
        end(*rows, "log");
    }

    void outcomes() {
        each(ColumnFamily::kOutcomes, "outcomes", [&](std::string_view, std::string_view value) {
            auto chunk = OutcomeChunkReader::open(value);
            if (!chunk) return false;
            OutcomeEntry entry;
            while (chunk->next(entry)) ++report_.outcomes;
            return chunk->ok();
        });
    }

    void rows() {
        each(ColumnFamily::kCursor, "cursor", [&](std::string_view, std::string_view value) {
            core::LogOffset offset;
            return decode_cursor(value, offset);
        });
        each(ColumnFamily::kRetry, "retry", [&](std::string_view key, std::string_view value) {
            RetryRow row;
            ++report_.retries;
            return decode_retry(key, value, row);
        });
        each(ColumnFamily::kDlq, "dead letter", [&](std::string_view key, std::string_view value) {
            DeadLetter row;
            ++report_.dead_letters;
            return decode_dead_letter(key, value, row);
        });
        each(ColumnFamily::kKv, "kv", [&](std::string_view, std::string_view value) {
            KvValue row;
            ++report_.kv_values;
            return decode_kv(value, row);
        });
        each(ColumnFamily::kKvHistory, "kv history",
             [&](std::string_view, std::string_view value) { return undo_row_reads(value); });
        each(ColumnFamily::kRegistry, "registry", [&](std::string_view, std::string_view value) {
            RegistryRow row;
            ++report_.documents;
            return decode_registry(value, row);
        });
        each(ColumnFamily::kEntity, "entity", [&](std::string_view, std::string_view value) {
            EntityRow row;
            ++report_.entities;
            return decode_entity(value, row);
        });
        each(ColumnFamily::kAudit, "audit", [&](std::string_view, std::string_view value) {
            AuditRow row;
            return decode_audit(value, row);
        });
    }

    void runs() {
        std::error_code error;
        for (const auto& entry :
             std::filesystem::directory_iterator(engine_.options.path + "/ids", error)) {
            if (entry.path().extension() != ".run") continue;
            ++report_.identity_runs;
            auto run = IdRun::open(entry.path().string());
            if (!run) {
                problem(run.error().message);
                continue;
            }
            const RunEntry* entries = nullptr;
            std::uint32_t count = 0;
            for (std::uint64_t page = 0; page < (*run)->header().pages; ++page) {
                if (!(*run)->page(page, entries, count))
                    problem(entry.path().string() + ": page damaged (derived, made anew)");
            }
        }
    }

private:
    static std::string at(core::LogPosition key) {
        return "shard " + std::to_string(key.shard.value) + " offset " +
               std::to_string(key.offset.value);
    }
    void problem(std::string text) {
        ++report_.problem_count;
        if (report_.problems.size() < VerifyReport::kProblemsMax)
            report_.problems.push_back(std::move(text));
    }
    void end(const rocksdb::Iterator& rows, const char* what) {
        if (!rows.status().ok()) problem(std::string(what) + ": " + rows.status().ToString());
    }
    void summary(core::LogPosition key, const BlockHeader& header) {
        rocksdb::PinnableSlice value;
        auto there = engine_.get(ColumnFamily::kSummary, log_key(key), value);
        if (!there || !*there) return problem(at(key) + ": its summary is missing");
        auto opened = open_summary(key, view(value));
        if (!opened || opened->header.count != header.count)
            problem(at(key) + ": its summary is damaged");
    }
    template <typename Check>
    void each(ColumnFamily family, const char* what, Check&& check) {
        const auto rows = engine_.iterate(family);
        const bool old = engine_.has_old_keys(family);
        for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
            const std::string key =
                old ? key_with_partition(family, view(rows->key()), view(rows->value()))
                    : rows->key().ToString();
            if (key.starts_with(partition_key(kUnreadPartition)) ||
                !check(key, view(rows->value())))
                problem(std::string(what) + ": the row " + shown(view(rows->key())) +
                        " does not read; it is passed over");
        }
        end(*rows, what);
    }

    Engine& engine_;
    VerifyReport& report_;
};

}  // namespace

core::Result<VerifyReport> verify(const std::string& data_folder) {
    core::RealClock clock;
    Database::Options options;
    options.path = data_folder;
    options.read_only = true;
    options.check_all_reads = true;
    options.shards = core::kShardsMax;
    options.clock = &clock;
    auto database = Database::open(options);
    if (!database) return core::fail(std::move(database.error()));
    VerifyReport report;
    Walk walk(**database, report);
    walk.files();
    walk.log();
    walk.outcomes();
    walk.rows();
    walk.runs();
    return report;
}

}  // namespace millrace::store
