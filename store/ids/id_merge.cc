#include "store/ids/id_merge.h"

namespace millrace::store {

core::Result<std::unique_ptr<RunMerge>> RunMerge::begin(const std::string& folder, Runs runs) {
    std::unique_ptr<RunMerge> merge(new RunMerge);
    RunWriter::Range range;
    range.shard = core::ShardId{static_cast<std::uint16_t>(runs.front()->header().shard)};
    range.level = runs.front()->header().level + 1;
    range.begin_offset = runs.front()->header().begin_offset;
    range.end_offset = runs.back()->header().end_offset;
    for (const auto& run : runs) {
        range.entries_max += run->header().entries;
        const KeeperBits bits = run->header().keepers;
        range.keepers =
            (range.keepers & bits & kKeepersKnown) | ((range.keepers | bits) & ~kKeepersKnown);
    }
    auto writer = RunWriter::create(folder, range);
    if (!writer) return core::fail(std::move(writer.error()));
    merge->writer_ = std::move(*writer);
    merge->inputs_.resize(runs.size());
    merge->runs_ = std::move(runs);
    return merge;
}

// False: the page is damaged.
bool RunMerge::advance(std::size_t index) {
    Input& input = inputs_[index];
    if (input.entries && ++input.at < input.count) return true;
    if (input.entries) ++input.page;
    if (input.page >= runs_[index]->header().pages) {
        input.done = true;
        return true;
    }
    input.at = 0;
    return runs_[index]->page(input.page, input.entries, input.count);
}

void RunMerge::take(const RunEntry& entry, std::uint64_t first_kept) {
    const bool another = have_last_ && last_.id != entry.id;
    if (another) writer_->add(last_);
    if (entry.offset >= first_kept) {
        last_ = entry;
        have_last_ = true;
    } else if (another) {
        have_last_ = false;
    }
}

RunMerge::Step RunMerge::step(std::uint64_t first_kept) {
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
        if (inputs_[i].entries || inputs_[i].done || advance(i)) continue;
        damaged_ = i;
        return Step::kDamaged;
    }
    for (std::size_t taken = 0; taken < kEntriesPerStep; ++taken) {
        const Input* least = nullptr;
        for (const Input& input : inputs_) {
            if (input.done) continue;
            if (!least || in_run_order(input.entries[input.at], least->entries[least->at]))
                least = &input;
        }
        if (!least) return Step::kComplete;
        take(least->entries[least->at], first_kept);
        const auto index = static_cast<std::size_t>(least - inputs_.data());
        if (!advance(index)) {
            damaged_ = index;
            return Step::kDamaged;
        }
    }
    return Step::kMore;
}

core::Result<std::unique_ptr<IdRun>> RunMerge::finish(std::size_t filter_bytes_max) {
    if (have_last_) writer_->add(last_);
    return writer_->finish(filter_bytes_max);
}

}  // namespace millrace::store
