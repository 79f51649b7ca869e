#include "store/retention/thinner.h"

#include "core/fault.h"
#include "store/engine.h"
#include "store/retention/block_thinner.h"
#include "store/retention/dropped_bytes.h"
#include "store/retention/let_go.h"
#include "store/retention/retention.h"
#include "store/retention/rocks_work.h"
#include "store/rows/keys.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace millrace::store {
namespace {
// One commit beside those of ingest: small enough to hold up none of them.
constexpr std::size_t kCommitBytes = 1u << 20;

std::uint32_t all_kinds(std::size_t kinds) {
    return static_cast<std::uint32_t>((std::uint64_t{1} << kinds) - 1);
}

}  // namespace

std::uint32_t kinds_in(const SummaryView& summary, const std::vector<EventRule>& rules) {
    if (summary.has(SummaryFlag::kPatternsOverflow)) return all_kinds(rules.size() + 1);
    const bool one_tenant = !summary.has(SummaryFlag::kManyTenants);
    std::uint32_t kinds = 0;
    const auto add = [&](std::string_view pattern) {
        for (std::size_t i = 0; i < rules.size(); ++i) {
            const EventRule& rule = rules[i];
            if (!rule.fits(pattern)) continue;
            if (rule.tenant && one_tenant && rule.tenant->value != summary.header.tenant) continue;
            kinds |= 1u << i;
            if (!rule.tenant || one_tenant) return;
        }
        kinds |= 1u << rules.size();
    };
    std::string_view rest = summary.patterns;
    for (std::uint16_t bytes = 0; rest.size() >= sizeof(bytes);
         rest.remove_prefix(std::min(rest.size(), sizeof(bytes) + bytes))) {
        std::memcpy(&bytes, rest.data(), sizeof(bytes));
        add(rest.substr(sizeof(bytes), bytes));
    }
    return kinds;
}

bool Needed::has(core::LogPosition position) const {
    return std::binary_search(events.begin(), events.end(), packed(position));
}

std::size_t Needed::count_in(core::LogPosition first, std::uint32_t count) const {
    const auto begin = std::lower_bound(events.begin(), events.end(), packed(first));
    return static_cast<std::size_t>(std::lower_bound(begin, events.end(), packed(first) + count) -
                                    begin);
}

struct Thinner::Block {
    core::LogPosition first;
    std::int64_t received_max_us = 0;
    std::uint64_t stored_bytes = 0;
    std::uint32_t count = 0;
    std::uint32_t may_hold = 0;  // bit by rule; the last: events under none
    std::uint32_t ripe = 0;
    bool open = false;  // nothing in it is before its time by cursor, replay or the chain's end
};

class Thinner::Pass {
public:
    Pass(Thinner& thinner, Engine& engine, const RetentionRule& rule, const Needed& needed,
         RetentionReport& report)
        : known_(thinner.known_),
          engine_(engine),
          rule_(rule),
          needed_(needed),
          report_(report),
          kinds_(rule.rules.size() + 1),
          unreclaimed_(thinner.unreclaimed_),
          dropped_(engine) {}

    core::Status run() {
        for (std::size_t i = 0; i < engine_.options.shards; ++i) {
            if (auto status = list(core::ShardId{static_cast<std::uint16_t>(i)}); !status)
                return status;
        }
        forget_dropped();
        ripe_by_age();
        if (auto status = ripe_by_bytes(); !status) return status;
        ripe_by_space();
        for (const Block& block : blocks_) {
            if (!block.open || (block.ripe & block.may_hold) == 0 || nothing_ripe(block)) continue;
            if (spent()) break;
            if (auto status = thin(block); !status) return status;
        }
        if (auto status = commit(); !status) return status;
        reclaim();
        return {};
    }

private:
    bool spent() {
        if (read_bytes_ < kBytesPerPass) return false;
        report_.more = true;
        return true;
    }

    core::Status list(core::ShardId shard) {
        const auto rows = engine_.iterate(ColumnFamily::kSummary);
        const std::uint64_t end = engine_.durable_end(shard).value;
        for (rows->Seek(log_key({shard, engine_.first_kept(shard)})); rows->Valid(); rows->Next()) {
            KeyReader reader(view(rows->key()));
            const core::LogPosition key = read_log_key(reader);
            if (key.shard != shard) break;
            auto summary = open_summary(key, view(rows->value()));
            if (!summary) {
                // It goes whole, when it may.
                engine_.quarantine.set_aside(ColumnFamily::kSummary, view(rows->key()),
                                             summary.error().message);
                continue;
            }
            const std::uint64_t block_end = key.offset.value + summary->header.count;
            Block block;
            block.first = key;
            block.received_max_us = summary->header.received_max_us;
            block.stored_bytes = summary->header.stored_bytes;
            block.count = summary->header.count;
            block.may_hold = kinds_in(*summary, rule_.rules);
            // The newest block carries the chain.
            block.open = block_end < end && block_end <= needed_.floors[shard.value];
            blocks_.push_back(block);
        }
        return rows->status().ok() ? core::Status{}
                                   : core::fail(rocks_error("read summaries", rows->status()));
    }
    void forget_dropped() {
        if (known_.empty()) return;
        std::unordered_map<std::uint64_t, Known> kept;
        for (const Block& block : blocks_) {
            const auto found = known_.find(Needed::packed(block.first));
            if (found != known_.end()) kept.insert(known_.extract(found));
        }
        known_ = std::move(kept);
    }

    void ripe_by_age() {
        for (Block& block : blocks_) {
            for (std::size_t kind = 0; kind < kinds_; ++kind) {
                if (block.received_max_us < cutoff_us(rule_, kind)) block.ripe |= 1u << kind;
            }
        }
    }
    // Newest first; what lies beyond a rule's bytes goes.
    core::Status ripe_by_bytes() {
        std::uint32_t limited = 0;
        for (std::size_t i = 0; i < rule_.rules.size(); ++i)
            limited |= rule_.rules[i].bytes > 0 ? 1u << i : 0u;
        if (limited == 0) return {};
        std::vector<Block*> newest_first;
        for (Block& block : blocks_) {
            if ((block.may_hold & limited) != 0) newest_first.push_back(&block);
        }
        std::stable_sort(
            newest_first.begin(), newest_first.end(),
            [](const auto* a, const auto* b) { return a->received_max_us > b->received_max_us; });
        std::vector<std::uint64_t> total(kinds_, 0);
        for (Block* block : newest_first) {
            if (!known_.contains(Needed::packed(block->first))) {
                if (spent()) return {};  // told by `more`: the next pass knows these
                if (auto status = learn(*block); !status) return status;
            }
            const auto known = known_.find(Needed::packed(block->first));
            if (known == known_.end()) continue;
            const std::vector<std::uint32_t>& live = known->second.live;
            for (std::size_t i = 0; i < rule_.rules.size(); ++i) {
                total[i] += live[i];
                if (rule_.rules[i].bytes > 0 && total[i] > rule_.rules[i].bytes)
                    block->ripe |= 1u << i;
            }
        }
        return {};
    }
    // The bound of the whole log, where whole blocks could not go: it counts before every rule.
    void ripe_by_space() {
        if (rule_.keep_bytes_max == 0) return;
        std::uint64_t total = 0;
        std::vector<Block*> oldest_first;
        for (Block& block : blocks_) {
            total += block.stored_bytes;
            oldest_first.push_back(&block);
        }
        std::stable_sort(
            oldest_first.begin(), oldest_first.end(),
            [](const auto* a, const auto* b) { return a->received_max_us < b->received_max_us; });
        for (Block* block : oldest_first) {
            if (total <= rule_.keep_bytes_max) break;
            total -= block->stored_bytes;
            block->ripe = all_kinds(kinds_);
        }
    }
    bool nothing_ripe(const Block& block) const {
        const auto found = known_.find(Needed::packed(block.first));
        if (found == known_.end()) return false;
        const Known& known = found->second;
        std::uint32_t left = 0;
        for (std::size_t kind = 0; kind < kinds_; ++kind)
            left |= known.live[kind] > 0 ? 1u << kind : 0u;
        if ((block.ripe & left) == 0) return true;
        return (block.ripe & left & ~known.tried) == 0 &&
               known.needed == needed_.count_in(block.first, block.count);
    }

    // Calls with the block as it is stored and unpacked.
    template <typename Work>
    core::Status with(const Block& block, Work&& work) {
        rocksdb::PinnableSlice value;
        auto there = engine_.get(ColumnFamily::kLog, log_key(block.first), value);
        if (!there) return core::fail(std::move(there.error()));
        if (!*there) return {};
        read_bytes_ += value.size();
        auto opened = open_block(block.first, view(value));
        if (!opened) return core::fail(std::move(opened.error()));
        auto events = decode_block(*opened, engine_.pools);
        if (!events) return core::fail(std::move(events.error()));
        return work(*opened, *events);
    }
    std::size_t kind_of(const EventBlock& events, std::uint32_t index) const {
        const EventRecord& record = events.record(index);
        return rule_of(rule_.rules, events.pattern(record.pattern_index),
                       core::TenantId{record.tenant});
    }
    core::Status learn(const Block& block) {
        return with(block, [&](const BlockView&, const EventBlock& events) -> core::Status {
            std::vector<std::uint32_t> live(kinds_, 0);
            for (std::uint32_t i = 0; i < events.count(); ++i) {
                if (!events.gone(i)) live[kind_of(events, i)] += events.record(i).text_bytes;
            }
            known_[Needed::packed(block.first)].live = std::move(live);
            return {};
        });
    }
    core::Status thin(const Block& block) {
        return with(block, [&](const BlockView& opened, const EventBlock& events) -> core::Status {
            std::vector<std::uint32_t> live(kinds_, 0);
            std::vector<bool> gone(events.count(), false);
            std::uint64_t going = 0;
            for (std::uint32_t i = 0; i < events.count(); ++i) {
                if (events.gone(i)) continue;
                const std::size_t kind = kind_of(events, i);
                const std::uint32_t bytes = events.record(i).text_bytes;
                const core::LogOffset offset{block.first.offset.value + i};
                gone[i] =
                    (block.ripe >> kind & 1u) != 0 && !needed_.has({block.first.shard, offset});
                if (gone[i]) {
                    ++going;
                    report_.bytes_thinned += bytes;
                    note_gone(events, i);
                } else {
                    live[kind] += bytes;
                }
            }
            known_[Needed::packed(block.first)] = {std::move(live), block.ripe,
                                                   needed_.count_in(block.first, block.count)};
            if (going == 0) return {};
            report_.events_thinned += going;
            return put(block, opened, events, gone);
        });
    }
    void note_gone(const EventBlock& events, std::uint32_t index) {
        const EventRecord& record = events.record(index);
        const std::string_view pattern = events.pattern(record.pattern_index);
        if (rule_.told_prefix.empty() || !pattern.starts_with(rule_.told_prefix)) return;
        let_go_.event(core::TenantId{record.tenant}, pattern, record.received_at_us);
    }
    core::Status put(const Block& block, const BlockView& opened, const EventBlock& events,
                     const std::vector<bool>& gone) {
        const std::string key = log_key(block.first);
        rocksdb::PinnableSlice value;
        auto there = engine_.get(ColumnFamily::kSummary, key, value);
        if (!there) return core::fail(std::move(there.error()));
        auto summary = open_summary(block.first, view(value));
        if (!summary) return core::fail(std::move(summary.error()));
        const ThinnedBlock thinned = thin_block(opened, events, *summary, gone);
        unreclaimed_.bytes +=
            opened.value.size() - std::min(opened.value.size(), thinned.value.size());
        if (unreclaimed_.from.empty() || key < unreclaimed_.from) unreclaimed_.from = key;
        unreclaimed_.to = std::max(unreclaimed_.to, key);
        batch_.Put(engine_.family(ColumnFamily::kLog), key, thinned.value);
        batch_.Put(engine_.family(ColumnFamily::kSummary), key, thinned.summary);
        rewritten_.push_back(block.first);
        if (summary->counted()) note_dropped(events, gone);
        if (opened.has_ids()) let_ids_go(block, events, gone);
        return batch_.GetDataSize() < kCommitBytes ? core::Status{} : commit();
    }
    void note_dropped(const EventBlock& events, std::vector<bool> gone) {
        gone.flip();  // what stays is left out
        for (const TenantBytes& of : tenant_bytes(events, gone))
            dropped_.add(events.shard(), core::TenantId{of.tenant}, of.bytes);
    }
    // What went earlier is in the row, too.
    void let_ids_go(const Block& block, const EventBlock& events, std::vector<bool> gone) {
        for (std::uint32_t i = 0; i < events.count(); ++i) gone[i] = gone[i] || events.gone(i);
        GoneBits bits = GoneBits::of(block.first.offset.value, gone);
        batch_.Put(engine_.family(ColumnFamily::kDefault), gone_key(block.first),
                   encode_gone(bits));
        going_.emplace_back(block.first.shard, std::move(bits));
    }
    // At level os: what is gone too late after a crash goes again.
    core::Status commit() {
        if (batch_.Count() == 0) return {};
        if (auto status = let_go_.put(engine_, batch_); !status) return status;
        dropped_.put(batch_);
        core::pass_fault_point(core::FaultPoint::kThinGathered);
        if (auto status = engine_.commit(batch_, Durability::kOs); !status) return status;
        core::pass_fault_point(core::FaultPoint::kThinCommitted);
        dropped_.committed();
        batch_.Clear();
        for (; forgotten_ < rewritten_.size(); ++forgotten_)
            engine_.log_reader->forget(rewritten_[forgotten_]);
        // From now on their ids may come again. Such an event is behind this write in the WAL, so
        // that no crash leaves both.
        for (auto& [shard, bits] : going_) engine_.ids.shard(shard).gone().put(std::move(bits));
        going_.clear();
        return {};
    }
    // The old values lie in blob files with values that stay; those are moved to new files.
    void reclaim() {
        if (unreclaimed_.bytes < engine_.options.reclaim_bytes_min || unreclaimed_.bytes == 0)
            return;
        rocksdb::CompactRangeOptions options;
        options.exclusive_manual_compaction = false;
        options.blob_garbage_collection_policy = rocksdb::BlobGarbageCollectionPolicy::kForce;
        options.blob_garbage_collection_age_cutoff = 1.0;
        compact(engine_, ColumnFamily::kLog, unreclaimed_.from, unreclaimed_.to, options);
        unreclaimed_ = {};
        core::pass_fault_point(core::FaultPoint::kThinReclaimed);
    }

    std::unordered_map<std::uint64_t, Known>& known_;
    Engine& engine_;
    const RetentionRule& rule_;
    const Needed& needed_;
    RetentionReport& report_;
    const std::size_t kinds_;
    std::vector<Block> blocks_;
    std::uint64_t read_bytes_ = 0;
    Unreclaimed& unreclaimed_;
    rocksdb::WriteBatch batch_;
    LetGo let_go_;
    DroppedBytes dropped_;
    std::vector<core::LogPosition> rewritten_;
    std::size_t forgotten_ = 0;
    std::vector<std::pair<core::ShardId, GoneBits>> going_;
};

core::Status Thinner::pass(Engine& engine, const RetentionRule& rule, const Needed& needed,
                           RetentionReport& report) {
    if (known_rules_ != rule.rules) {
        known_.clear();
        known_rules_ = rule.rules;
    }
    return Pass(*this, engine, rule, needed, report).run();
}

}  // namespace millrace::store
