// What: a log in memory behind store::LogPort, for tests of what stands on the port: the same
//       promises as RocksDB's, no disk. do_work() makes durable what has been appended.
// Threads: one. Lifetime: blocks hold their own bytes. Limits: those of the port.
// Failure: fail() stands for a disk that fails from now on.
#pragma once

#include "store/commit/all_or_none.h"
#include "store/commit/log_port.h"

#include <algorithm>
#include <cstddef>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace millrace::test {

class MemoryLog final : public store::LogPort {
public:
    explicit MemoryLog(std::size_t producers)
        : producers_(producers), batches_(producers), shards_(producers) {}

    bool append(std::size_t producer, store::CommitUnit&& unit) override {
        if (producers_[producer].units.size() >= kUnderWayMin) return false;
        producers_[producer].units.push_back(std::move(unit));
        return true;
    }
    bool poll(std::size_t producer, store::Completion& out) override {
        auto& told = producers_[producer].told;
        if (told.empty()) return false;
        out = std::move(told.front());
        told.pop_front();
        return true;
    }
    std::size_t depth() const override { return 1; }
    store::LogEnd position(core::ShardId shard) const override { return shards_[shard.value].end; }
    core::Result<store::EventBlock> read(core::ShardId shard, core::LogOffset from) override {
        for (const store::EventBlock& block : shards_[shard.value].blocks) {
            if (block.end_offset() > from) return block;
        }
        return store::EventBlock{};
    }

    // One group: everything that has come. Returns the number of units that were told.
    std::size_t do_work() {
        std::vector<Taken> group;
        const auto take = [&](std::size_t producer, store::CommitUnit&& unit) {
            group.push_back({producer, std::move(unit)});
        };
        for (std::size_t i = 0; i < producers_.size(); ++i) {
            auto& units = producers_[i].units;
            while (!units.empty() && !batches_.blocks(i)) {
                store::CommitUnit unit = std::move(units.front());
                units.pop_front();
                if (unit.part.batch == 0) {
                    take(i, std::move(unit));
                } else {
                    batches_.add(i, std::move(unit), take);
                }
            }
        }
        failed_ |= !fits(group);
        if (failed_) batches_.drain(take);
        // All of the group or nothing of it.
        for (Taken& taken : group) tell(taken);
        return group.size();
    }
    void fail() { failed_ = true; }
    // Retention: whole blocks, from the oldest on.
    void drop_before(core::ShardId shard, core::LogOffset kept) {
        auto& blocks = shards_[shard.value].blocks;
        while (!blocks.empty() && blocks.front().end_offset() <= kept) blocks.pop_front();
    }
    const std::map<std::string, std::string>& rows() const { return rows_; }

private:
    struct Taken {
        std::size_t producer = 0;
        store::CommitUnit unit;
    };
    struct Producer {
        std::deque<store::CommitUnit> units;
        std::deque<store::Completion> told;
    };
    struct Shard {
        store::LogEnd end;
        std::deque<store::EventBlock> blocks;
    };

    static store::LogEnd end_of(const store::SealedBlock& block) {
        return {block.sequence + 1, block.events.end_offset()};
    }
    bool fits(const std::vector<Taken>& group) const {
        std::vector<store::LogEnd> ends;
        for (const Shard& shard : shards_) ends.push_back(shard.end);
        for (const Taken& taken : group) {
            store::LogEnd& end = ends[taken.producer];
            if (taken.unit.follows && *taken.unit.follows != end) return false;
            if (taken.unit.block.events) end = end_of(taken.unit.block);
        }
        return true;
    }
    void tell(Taken& taken) {
        store::CommitUnit& unit = taken.unit;
        store::Completion completion;
        completion.tag = unit.tag;
        completion.failed = failed_;
        completion.durability = std::max(unit.durability, store::Durability::kOs);
        if (unit.block.events) {
            completion.has_block = true;
            completion.durable_end = {unit.block.events.shard(), unit.block.events.end_offset()};
        }
        if (!failed_) keep(unit);
        completion.rows = std::move(unit.rows);
        completion.rows.clear();
        producers_[taken.producer].told.push_back(std::move(completion));
    }
    void keep(const store::CommitUnit& unit) {
        if (unit.block.events) {
            Shard& shard = shards_[unit.block.events.shard().value];
            shard.blocks.push_back(unit.block.events);
            shard.end = end_of(unit.block);
        }
        store::RowBatch::OpView op;
        for (std::size_t at = 0; unit.rows.next(at, op);) {
            if (op.op == store::RowBatch::Op::kErase) {
                rows_.erase(std::string(op.key));
            } else {
                rows_[std::string(op.key)] = op.value;
            }
        }
    }

    std::vector<Producer> producers_;
    store::AllOrNone batches_;
    std::vector<Shard> shards_;
    std::map<std::string, std::string> rows_;
    bool failed_ = false;
};

}  // namespace millrace::test
