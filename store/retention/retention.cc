#include "store/retention/retention.h"

#include "core/fault.h"
#include "store/engine.h"
#include "store/log/block_codec.h"
#include "store/retention/dropped_bytes.h"
#include "store/retention/let_go.h"
#include "store/retention/rocks_work.h"
#include "store/retention/thinner.h"
#include "store/rows/keys.h"
#include "store/rows/row_codec.h"

#include <algorithm>
#include <limits>
#include <map>
#include <memory>

namespace millrace::store {
namespace {

// The cursor that the runtime moves when deliveries have had their first outcome.
constexpr std::string_view kDeliveryCursor = "deliveries";

// One shard's blocks from the oldest on.
class OldestFirst {
public:
    OldestFirst(Engine& engine, core::ShardId shard, std::uint64_t floor, const RetentionRule& rule)
        : engine_(engine),
          shard_(shard),
          floor_(floor),
          rule_(rule),
          rows_(engine.iterate(ColumnFamily::kSummary)) {
        rows_->Seek(log_key({shard, engine.first_kept(shard)}));
        new_first_ = engine.first_kept(shard).value;
    }
    // Reads the header of the block at hand; false at the end, or when nothing further may go.
    core::Result<bool> look() {
        if (!rows_->Valid()) return false;
        KeyReader reader(view(rows_->key()));
        const core::LogPosition key = read_log_key(reader);
        if (key.shard != shard_) return false;
        auto summary = open_summary(key, view(rows_->value()));
        if (!summary) {
            // Its block says enough, but not which rules it falls under: the longest counts.
            engine_.quarantine.set_aside(ColumnFamily::kSummary, view(rows_->key()),
                                         summary.error().message);
            if (auto read = look_at_block(key); !read) return core::fail(std::move(read.error()));
        } else {
            header_ = summary->header;
            of_tenants_ = read_tenant_bytes(summary->of_tenants);
        }
        first_ = key.offset.value;
        // As old as the rule that keeps one of its events longest.
        std::int64_t cutoff = std::numeric_limits<std::int64_t>::max();
        const std::uint32_t kinds = summary ? kinds_in(*summary, rule_.rules) : ~0u;
        for (std::size_t kind = 0; kind <= rule_.rules.size(); ++kind) {
            if ((kinds >> kind & 1u) != 0) cutoff = std::min(cutoff, cutoff_us(rule_, kind));
        }
        too_old_ = header_.received_max_us < cutoff;
        return true;
    }
    bool too_old() const { return too_old_; }
    bool newest() const { return first_ + header_.count >= engine_.durable_end(shard_).value; }
    bool held() const { return first_ + header_.count > floor_; }
    const SummaryHeader& header() const { return header_; }
    void drop() {
        for (const TenantBytes& of : of_tenants_) dropped_bytes_[of.tenant] += of.bytes;
        new_first_ = first_ + header_.count;
        dropped_until_us_ = std::max(dropped_until_us_, header_.received_max_us);
        rows_->Next();
    }
    std::uint64_t new_first() const { return new_first_; }
    std::int64_t dropped_until_us() const { return dropped_until_us_; }
    // By tenant.
    const std::map<std::uint32_t, std::uint64_t>& dropped_bytes() const { return dropped_bytes_; }
    core::ShardId shard() const { return shard_; }

private:
    core::Status look_at_block(core::LogPosition key) {
        rocksdb::PinnableSlice value;
        auto there = engine_.get(ColumnFamily::kLog, log_key(key), value);
        if (!there) return core::fail(std::move(there.error()));
        auto block = open_block(key, *there ? view(value) : std::string_view());
        if (!block) return core::fail(std::move(block.error()));
        header_ = {};
        header_.count = block->header.count;
        header_.received_min_us = block->header.received_min_us;
        header_.received_max_us = block->header.received_max_us;
        header_.stored_bytes = value.size();
        of_tenants_.clear();
        return {};
    }

    Engine& engine_;
    const core::ShardId shard_;
    const std::uint64_t floor_;
    const RetentionRule& rule_;
    std::unique_ptr<rocksdb::Iterator> rows_;
    SummaryHeader header_;
    std::vector<TenantBytes> of_tenants_;
    std::map<std::uint32_t, std::uint64_t> dropped_bytes_;
    bool too_old_ = false;
    std::uint64_t first_ = 0;
    std::uint64_t new_first_ = 0;
    std::int64_t dropped_until_us_ = 0;
};

// What cursors, the caller, retries and dead letters still need.
core::Result<Needed> find_needed(Database& database, const RetentionRule& rule) {
    Engine& engine = database.engine();
    Needed needed;
    // The cursors first: a subscription that falls behind has its floor before the cursor leaves
    // its events behind, so the other order could miss both.
    for (std::size_t i = 0; i < database.shards(); ++i) {
        const core::ShardId shard{static_cast<std::uint16_t>(i)};
        needed.floors.push_back(database.cursor(kDeliveryCursor, shard).value);
    }
    const std::vector<core::LogOffset> floors =
        rule.floors ? rule.floors() : std::vector<core::LogOffset>{};
    for (std::size_t i = 0; i < std::min(floors.size(), needed.floors.size()); ++i)
        needed.floors[i] = std::min(needed.floors[i], floors[i].value);
    if (rule.events) {
        for (const core::LogPosition position : rule.events())
            needed.events.push_back(Needed::packed(position));
    }
    const auto retries = engine.iterate(ColumnFamily::kRetry);
    for (retries->SeekToFirst(); retries->Valid(); retries->Next()) {
        RetryRow row;
        if (!decode_retry_key(view(retries->key()), row))
            return core::fail(core::ErrorCode::kInternal, "store: a retry row is damaged");
        needed.events.push_back(Needed::packed(row.delivery.position));
    }
    if (!retries->status().ok()) return core::fail(rocks_error("read retries", retries->status()));
    const auto letters = engine.iterate(ColumnFamily::kDlq);
    for (letters->SeekToFirst(); letters->Valid(); letters->Next()) {
        KeyReader reader(view(letters->key()));
        needed.events.push_back(Needed::packed(read_dead_letter_key(reader).delivery.position));
    }
    if (!letters->status().ok())
        return core::fail(rocks_error("read dead letters", letters->status()));
    std::sort(needed.events.begin(), needed.events.end());
    return needed;
}

// Below this offset nothing of the shard is needed any more.
std::uint64_t floor_of(const Needed& needed, core::ShardId shard) {
    const std::uint64_t begin = Needed::packed({shard, core::LogOffset{0}});
    const auto first = std::lower_bound(needed.events.begin(), needed.events.end(), begin);
    const std::uint64_t floor = needed.floors[shard.value];
    if (first == needed.events.end() || *first >> 48 != shard.value) return floor;
    return std::min(floor, *first - begin);
}

core::Result<std::uint64_t> stored_bytes(Engine& engine) {
    std::uint64_t total = 0;
    const auto rows = engine.iterate(ColumnFamily::kSummary);
    for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
        SummaryHeader header;
        if (rows->value().size() < sizeof(header)) continue;
        std::memcpy(&header, rows->value().data(), sizeof(header));
        total += header.stored_bytes;
    }
    if (!rows->status().ok()) return core::fail(rocks_error("read summaries", rows->status()));
    return total;
}

// Chooses what goes: always the oldest block of all shards, while the rule wants it.
core::Result<RetentionReport> choose(std::vector<OldestFirst>& shards, const RetentionRule& rule,
                                     std::uint64_t total) {
    RetentionReport report;
    std::vector<bool> ended(shards.size(), false);
    for (;;) {
        OldestFirst* oldest = nullptr;
        std::size_t index = 0;
        for (std::size_t i = 0; i < shards.size(); ++i) {
            if (ended[i]) continue;
            auto there = shards[i].look();
            if (!there) return core::fail(std::move(there.error()));
            if (!*there || shards[i].newest()) {
                ended[i] = true;
            } else if (!oldest ||
                       shards[i].header().received_max_us < oldest->header().received_max_us) {
                oldest = &shards[i];
                index = i;
            }
        }
        if (!oldest) return report;
        const bool too_much = rule.keep_bytes_max > 0 && total > rule.keep_bytes_max;
        if (!oldest->too_old() && !too_much) {
            // Another shard's may be older under its rules.
            ended[index] = true;
            continue;
        }
        if (oldest->held()) {
            report.events_held_back += oldest->header().count;
            ended[index] = true;
            continue;
        }
        report.events_dropped += oldest->header().count;
        report.bytes_dropped += oldest->header().stored_bytes;
        total -= std::min(total, oldest->header().stored_bytes);
        oldest->drop();
    }
}

// Whole blocks, from the oldest on.
core::Result<RetentionReport> drop_blocks(Database& database, const RetentionRule& rule,
                                          const Needed& needed) {
    Engine& engine = database.engine();
    std::uint64_t total = 0;
    if (rule.keep_bytes_max > 0) {
        auto bytes = stored_bytes(engine);
        if (!bytes) return core::fail(std::move(bytes.error()));
        total = *bytes;
    }
    std::vector<OldestFirst> shards;
    for (std::size_t i = 0; i < database.shards(); ++i) {
        const core::ShardId shard{static_cast<std::uint16_t>(i)};
        shards.emplace_back(engine, shard, floor_of(needed, shard), rule);
    }
    auto report = choose(shards, rule, total);
    if (!report || report->events_dropped == 0) return report;
    rocksdb::WriteBatch batch;
    LetGo let_go;
    for (const OldestFirst& shard : shards) {
        if (shard.dropped_until_us() != 0) let_go.block(shard.shard(), shard.dropped_until_us());
        const std::string begin = log_key({shard.shard(), core::LogOffset{0}});
        const std::string end = log_key({shard.shard(), core::LogOffset{shard.new_first()}});
        for (const ColumnFamily family :
             {ColumnFamily::kLog, ColumnFamily::kSummary, ColumnFamily::kOutcomes}) {
            batch.DeleteRange(engine.family(family), begin, end);
        }
        batch.DeleteRange(engine.family(ColumnFamily::kDefault),
                          gone_key({shard.shard(), core::LogOffset{0}}),
                          gone_key({shard.shard(), core::LogOffset{shard.new_first()}}));
    }
    if (auto status = let_go.put(engine, batch); !status)
        return core::fail(std::move(status.error()));
    DroppedBytes dropped(engine);
    for (const OldestFirst& shard : shards) {
        for (const auto& [tenant, bytes] : shard.dropped_bytes())
            dropped.add(shard.shard(), core::TenantId{tenant}, bytes);
    }
    dropped.put(batch);
    core::pass_fault_point(core::FaultPoint::kRetentionGathered);
    if (auto status = engine.commit(batch, Durability::kFsync); !status)
        return core::fail(std::move(status.error()));
    core::pass_fault_point(core::FaultPoint::kRetentionCommitted);
    dropped.committed();
    for (const OldestFirst& shard : shards) {
        engine.set_first_kept(shard.shard(), core::LogOffset{shard.new_first()});
        engine.ids.shard(shard.shard()).gone().forget_before(shard.new_first());
    }
    engine.unreclaimed_bytes += report->bytes_dropped;
    if (engine.unreclaimed_bytes < engine.options.reclaim_bytes_min) return report;
    engine.unreclaimed_bytes = 0;
    for (const OldestFirst& shard : shards)
        reclaim_log(engine, shard.shard(), core::LogOffset{shard.new_first()});
    return report;
}

}  // namespace

std::int64_t cutoff_us(const RetentionRule& rule, std::size_t kind) {
    if (kind == rule.rules.size()) return rule.keep_received_after_us;
    const std::int64_t age_us = rule.rules[kind].age_us;
    return age_us == 0 ? std::numeric_limits<std::int64_t>::min() : rule.now_us - age_us;
}

core::Result<RetentionReport> apply_retention(Database& database, const RetentionRule& rule,
                                              Thinner* thinner) {
    const auto needed = find_needed(database, rule);
    if (!needed) return core::fail(core::Error(needed.error()));
    auto report = drop_blocks(database, rule, *needed);
    // Without rules there is something to thin only where whole blocks were held back.
    if (!report || !thinner || (rule.rules.empty() && report->events_held_back == 0)) return report;
    if (auto status = thinner->pass(database.engine(), rule, *needed, *report); !status)
        return core::fail(std::move(status.error()));
    return report;
}

}  // namespace millrace::store
