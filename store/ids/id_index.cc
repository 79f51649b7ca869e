#include "store/ids/id_index.h"

#include "core/assert.h"
#include "core/fault.h"
#include "store/ids/id_sort.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include <unistd.h>

namespace millrace::store {
namespace {

constexpr std::size_t kTableSlotsFirst = 4096;  // 96 KiB: what an idle shard costs
constexpr std::size_t kGrowth = 4;  // moves a third of the entries once; doubling moves all once
// Old slots moved per insert while the table grows: 16 ends the move long before the next growth.
constexpr std::size_t kMigrateSlotsPerInsert = 16;

}  // namespace

ShardIdIndex::ShardIdIndex(Options options)
    : options_(std::move(options)),
      active_(std::make_unique<IdTable>(kTableSlotsFirst)),
      owner_runs_(std::make_shared<const RunList>()),
      runs_(owner_runs_) {}

ShardIdIndex::~ShardIdIndex() = default;

core::Result<std::uint64_t> ShardIdIndex::open_runs(std::uint64_t log_begin,
                                                    std::uint64_t log_end) {
    namespace fs = std::filesystem;
    const std::string prefix = run_file_prefix(options_.shard);
    std::vector<std::shared_ptr<const IdRun>> found;
    std::vector<std::string> useless;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(options_.folder, error)) {
        const std::string name = entry.path().filename().string();
        if (!name.starts_with(prefix)) continue;
        if (name.ends_with(".open")) useless.push_back(entry.path().string());
        if (!name.ends_with(".run")) continue;
        auto run = IdRun::open(entry.path().string(), filter_room(found, {}));
        // A run that cannot be read holds nothing that the log does not hold.
        if (run && (*run)->header().shard == options_.shard.value &&
            (*run)->header().end_offset <= log_end) {
            found.emplace_back(std::move(*run));
        } else {
            useless.push_back(entry.path().string());
        }
    }
    // Of runs that overlap (a merge that did not come to remove its inputs) the widest counts.
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
        const RunHeader& x = a->header();
        const RunHeader& y = b->header();
        return x.begin_offset != y.begin_offset ? x.begin_offset < y.begin_offset
                                                : x.end_offset > y.end_offset;
    });
    RunList chosen;
    std::uint64_t end = log_begin;
    for (const auto& run : found) {
        const RunHeader& h = run->header();
        const bool follows = chosen.empty()
                                 ? h.begin_offset <= log_begin && h.end_offset > log_begin
                                 : h.begin_offset == end;
        if (follows) {
            chosen.push_back(run);
            end = h.end_offset;
        } else {
            useless.push_back(run->path());
        }
    }
    for (const std::string& path : useless) ::unlink(path.c_str());
    for (const auto& run : chosen) note_keepers(run->header().keepers);
    std::lock_guard lock(mutex_);
    runs_ = owner_runs_ = std::make_shared<const RunList>(std::move(chosen));
    active_begin_ = end;
    return end;
}

void ShardIdIndex::damaged(const IdRun& run) const {
    ::rename(run.path().c_str(), (run.path() + ".bad").c_str());
    options_.on_damage(
        "store: identity run path=" + run.path() +
        " is damaged (page checksum); it was set aside and is made anew at the next start");
}

void ShardIdIndex::refresh_owner() {
    std::lock_guard lock(mutex_);
    version_seen_ = version_.load(std::memory_order_relaxed);  // written under mutex_
    owner_frozen_ = frozen_;
    owner_runs_ = runs_;
}

// Unit of work: one identity that is nearly always new. One miss in the open table, one filter line
// per run; prefetch() asks for all of them ahead.
ShardIdIndex::Found ShardIdIndex::find(const IdHash& id) {
    // acquire: pairs with the release in write_frozen() and merge_step().
    if (version_.load(std::memory_order_acquire) != version_seen_) refresh_owner();
    const std::uint64_t kept =
        options_.first_kept->load(std::memory_order_relaxed);  // only ever rises
    std::uint64_t found = active_->find(id);
    if (found == 0 && migrating_) found = migrating_->find(id);
    for (std::size_t i = owner_frozen_.size(); found == 0 && i-- > 0;)
        found = owner_frozen_[i]->table->find(id);
    if (found == 0) {
        const RunFilter::Key key(id);
        for (std::size_t i = owner_runs_->size(); i-- > 0;) {
            const IdRun& run = *(*owner_runs_)[i];
            if (!run.filter().may_contain(key)) continue;
            std::uint64_t offset = 0;
            const IdRun::Lookup result = run.find(id, offset);
            if (result == IdRun::Lookup::kDamaged) damaged(run);
            if (result != IdRun::Lookup::kFound) continue;
            found = offset + 1;
            break;
        }
    }
    // An event that retention has dropped, or let go out of its block, may come again. What is
    // found is the newest of its identity: older ones were gone before it came.
    if (found == 0 || found - 1 < kept || gone_.has(found - 1)) return {};
    return {true, core::LogOffset{found - 1}};
}

void ShardIdIndex::prefetch(const IdHash& id) const {
    active_->prefetch(id);
    if (migrating_) migrating_->prefetch(id);
    for (const auto& frozen : owner_frozen_) frozen->table->prefetch(id);
    const RunFilter::Key key(id);
    for (const auto& run : *owner_runs_) run->filter().prefetch(key);
}

void ShardIdIndex::migrate_some(std::size_t slots) {
    const std::size_t end = std::min(migrated_slots_ + slots, migrating_->slots());
    for (; migrated_slots_ < end; ++migrated_slots_) {
        const IdTable::Slot& slot = migrating_->slot(migrated_slots_);
        const std::uint64_t held =
            slot.offset_plus_1.load(std::memory_order_relaxed);  // our own writes
        if (held == 0) continue;
        active_->insert({slot.by_id.load(std::memory_order_relaxed),
                         slot.by_source.load(std::memory_order_relaxed)},
                        held - 1);
    }
    if (migrated_slots_ < migrating_->slots()) return;
    std::lock_guard lock(mutex_);
    migrating_.reset();
}

void ShardIdIndex::grow() {
    if (migrating_) migrate_some(migrating_->slots());
    auto bigger = std::make_unique<IdTable>(active_->capacity() * kGrowth);
    std::lock_guard lock(mutex_);
    migrating_ = std::move(active_);
    active_ = std::move(bigger);
    migrated_slots_ = 0;
}

bool ShardIdIndex::freeze(std::uint64_t end_offset) {
    {
        std::lock_guard lock(mutex_);
        if (frozen_.size() >= kFrozenMax) return false;  // nobody else adds to them
    }
    if (migrating_) migrate_some(migrating_->slots());
    std::unique_ptr<IdTable> fresh = pool_->take();
    if (!fresh) fresh = std::make_unique<IdTable>(kTableSlotsFirst);
    {
        std::lock_guard lock(mutex_);
        auto frozen = std::make_shared<Frozen>(pool_);
        frozen->table = std::move(active_);
        frozen->begin_offset = active_begin_;
        frozen->end_offset = end_offset;
        frozen->keepers = std::exchange(active_keepers_, kKeepersKnown);
        frozen_.push_back(std::move(frozen));
        active_ = std::move(fresh);
        version_.fetch_add(1, std::memory_order_release);
    }
    active_begin_ = end_offset;
    entries_ = 0;
    log_bytes_ = 0;
    refresh_owner();
    return true;
}

bool ShardIdIndex::has_room(std::uint64_t offset) {
    return entries_ < options_.table_entries_max || freeze(offset);
}

// Never fewer than there are: a bit that is missing hides an identity from its keeper.
void ShardIdIndex::note_keepers(KeeperBits bits) {
    const KeeperBits before = keepers_.load(std::memory_order_relaxed);  // the owner alone writes
    const KeeperBits after = (before & bits & kKeepersKnown) | ((before | bits) & ~kKeepersKnown);
    if (after != before)
        keepers_.store(after, std::memory_order_release);  // pairs with may_hold_of()
}

void ShardIdIndex::find_kept(std::span<IdQuestion> questions, core::ShardId here) const {
    const std::uint64_t kept = options_.first_kept->load(std::memory_order_acquire);
    const auto take = [&](IdQuestion& question, std::uint64_t offset_plus_1) {
        if (offset_plus_1 <= kept || gone_.has(offset_plus_1 - 1)) return;
        question.at = {here, core::LogOffset{offset_plus_1 - 1}};
        question.there = true;
    };
    std::vector<std::shared_ptr<const Frozen>> frozen;
    std::shared_ptr<const RunList> runs;
    {
        std::lock_guard lock(mutex_);
        for (IdQuestion& question : questions) {
            if (!question.there) take(question, active_->find_shared(question.id));
            if (!question.there && migrating_) take(question, migrating_->find_shared(question.id));
        }
        frozen = frozen_;
        runs = runs_;
    }
    for (IdQuestion& question : questions) {
        for (std::size_t i = frozen.size(); !question.there && i-- > 0;)
            take(question, frozen[i]->table->find_shared(question.id));
        const RunFilter::Key key(question.id);
        for (std::size_t i = runs->size(); !question.there && i-- > 0;) {
            const IdRun& run = *(*runs)[i];
            if (!run.filter().may_contain(key)) continue;
            std::uint64_t offset = 0;
            const IdRun::Lookup result = run.find(question.id, offset);
            if (result == IdRun::Lookup::kDamaged) damaged(run);
            if (result == IdRun::Lookup::kFound) take(question, offset + 1);
        }
    }
}

bool ShardIdIndex::insert(const IdHash& id, core::LogOffset offset, KeeperBits keepers) {
    if (!has_room(offset.value)) return false;
    insert_here(id, offset, keepers);
    return true;
}

void ShardIdIndex::insert_anyway(const IdHash& id, core::LogOffset offset, KeeperBits keepers) {
    static_cast<void>(has_room(offset.value));
    insert_here(id, offset, keepers);
}

void ShardIdIndex::insert_here(const IdHash& id, core::LogOffset offset, KeeperBits keepers) {
    if (keepers != 0) {
        active_keepers_ |= keepers;
        note_keepers(keepers | kKeepersKnown);
    }
    if ((entries_ + 1) * 2 > active_->capacity()) grow();
    active_->insert(id, offset.value);
    if (migrating_) migrate_some(kMigrateSlotsPerInsert);
    table_entries_.store(++entries_, std::memory_order_relaxed);  // a gauge
}

bool ShardIdIndex::note_sealed(core::LogOffset end, std::uint64_t stored_bytes) {
    log_bytes_ += stored_bytes;
    return log_bytes_ < options_.table_log_bytes_max || freeze(end.value);
}

std::vector<RunEntry> ShardIdIndex::look_up(std::uint64_t by_id) const {
    std::vector<RunEntry> all;
    const auto take = [&](const IdTable::Slot& slot) {
        const std::uint64_t held =
            slot.offset_plus_1.load(std::memory_order_acquire);  // pairs with IdTable::insert
        all.push_back({{by_id, slot.by_source.load(std::memory_order_relaxed)}, held - 1});
    };
    std::vector<std::shared_ptr<const Frozen>> frozen;
    std::shared_ptr<const RunList> runs;
    {
        std::lock_guard lock(mutex_);
        active_->visit(by_id, take);
        if (migrating_) migrating_->visit(by_id, take);
        frozen = frozen_;
        runs = runs_;
    }
    for (const auto& table : frozen) table->table->visit(by_id, take);
    for (const auto& run : *runs) {
        if (run->find_by_id(by_id, all) == IdRun::Lookup::kDamaged) damaged(*run);
    }
    const std::uint64_t kept = options_.first_kept->load(std::memory_order_acquire);
    const std::uint64_t end =
        options_.durable_end->load(std::memory_order_acquire);  // pairs with the writer's publish
    std::erase_if(all, [&](const RunEntry& entry) {
        return entry.offset < kept || entry.offset >= end || gone_.has(entry.offset);
    });
    std::sort(all.begin(), all.end(),
              [](const RunEntry& a, const RunEntry& b) { return a.offset < b.offset; });
    return all;
}

// What is left for the filter of a further run, when those of `without` have gone.
std::size_t ShardIdIndex::filter_room(const RunList& runs, const RunList& without) const {
    std::size_t held = 0;
    for (const auto& run : runs) {
        if (std::find(without.begin(), without.end(), run) == without.end())
            held += run->filter().memory_bytes();
    }
    return held < options_.filter_bytes_max ? options_.filter_bytes_max - held : 0;
}

std::size_t ShardIdIndex::filter_bytes() const {
    std::lock_guard lock(mutex_);
    std::size_t held = 0;
    for (const auto& run : *runs_) held += run->filter().memory_bytes();
    return held;
}

std::size_t ShardIdIndex::runs() const {
    std::lock_guard lock(mutex_);
    return runs_->size();
}

core::Result<bool> ShardIdIndex::work() {
    auto written = write_frozen();
    if (!written || *written) return written;
    if (pool_->wipe() || release_retired()) return true;
    if (!merge_ && drop_oldest_run()) return true;
    if (!merge_ && (no_more_merges_ || !start_merge())) return false;
    return merge_step();
}

// One at a time, and only when no list of runs names it any more.
bool ShardIdIndex::release_retired() {
    const auto unused = std::find_if(retired_.begin(), retired_.end(),
                                     [](const auto& run) { return run.use_count() == 1; });
    if (unused == retired_.end()) return false;
    retired_.erase(unused);
    return true;
}

// A run all of whose events retention has dropped.
bool ShardIdIndex::drop_oldest_run() {
    const std::uint64_t kept = options_.first_kept->load(std::memory_order_acquire);
    std::lock_guard lock(mutex_);
    if (runs_->empty() || runs_->front()->header().end_offset > kept) return false;
    ::unlink(runs_->front()->path().c_str());
    retired_.push_back(runs_->front());
    runs_ = std::make_shared<const RunList>(runs_->begin() + 1, runs_->end());
    version_.fetch_add(1, std::memory_order_release);  // pairs with the acquire in find()
    return true;
}

core::Result<bool> ShardIdIndex::write_frozen() {
    std::shared_ptr<const Frozen> oldest;
    {
        std::lock_guard lock(mutex_);
        if (frozen_.empty()) return false;
        oldest = frozen_.front();
    }
    // A run must never know of an event that a crash may still take away.
    if (oldest->end_offset > options_.durable_end->load(std::memory_order_acquire)) return false;
    const std::vector<RunEntry> entries = sorted_entries(*oldest->table);
    auto writer =
        RunWriter::create(options_.folder, {options_.shard, 0, oldest->begin_offset,
                                            oldest->end_offset, entries.size(), oldest->keepers});
    if (!writer) return core::fail(std::move(writer.error()));
    for (const RunEntry& entry : entries) (*writer)->add(entry);
    const std::size_t room = [&] {
        std::lock_guard lock(mutex_);
        return filter_room(*runs_, {});
    }();
    auto run = (*writer)->finish(room);
    if (!run) return core::fail(std::move(run.error()));
    std::lock_guard lock(mutex_);
    auto runs = std::make_shared<RunList>(*runs_);
    runs->emplace_back(std::move(*run));
    runs_ = std::move(runs);
    frozen_.erase(frozen_.begin());
    version_.fetch_add(1, std::memory_order_release);  // pairs with the acquire in find()
    return true;
}

bool ShardIdIndex::start_merge() {
    std::shared_ptr<const RunList> runs;
    {
        std::lock_guard lock(mutex_);
        runs = runs_;
    }
    for (auto first = runs->begin(); runs->end() - first >= kMergeFanIn; ++first) {
        const auto end = first + kMergeFanIn;
        const bool same_level = std::all_of(first, end, [&](const auto& run) {
            return run->header().level == (*first)->header().level;
        });
        if (!same_level) continue;
        auto merge = RunMerge::begin(options_.folder, RunList(first, end));
        if (!merge) return false;  // tried again at the next call
        merge_ = std::move(*merge);
        return true;
    }
    return false;
}

core::Result<bool> ShardIdIndex::merge_step() {
    const std::uint64_t kept = options_.first_kept->load(std::memory_order_acquire);
    const RunMerge::Step step = merge_->step(kept);
    if (step == RunMerge::Step::kMore) return true;
    const std::unique_ptr<RunMerge> merge = std::move(merge_);
    if (step == RunMerge::Step::kDamaged) {
        damaged(merge->damaged());
        no_more_merges_ = true;
        return false;
    }
    const std::size_t room = [&] {
        std::lock_guard lock(mutex_);
        return filter_room(*runs_, merge->runs());
    }();
    auto run = merge->finish(room);
    if (!run) return core::fail(std::move(run.error()));
    {
        std::lock_guard lock(mutex_);
        auto runs = std::make_shared<RunList>();
        for (const auto& old : *runs_) {
            if (old == merge->runs().front()) runs->emplace_back(std::move(*run));
            const bool merged =
                std::find(merge->runs().begin(), merge->runs().end(), old) != merge->runs().end();
            if (!merged) runs->push_back(old);
        }
        runs_ = std::move(runs);
        version_.fetch_add(1, std::memory_order_release);  // pairs with the acquire in find()
    }
    core::pass_fault_point(core::FaultPoint::kMergeBeforeUnlink);
    // The mapping outlives the name: readers that still hold the old runs are not disturbed.
    for (const auto& old : merge->runs()) {
        ::unlink(old->path().c_str());
        retired_.push_back(old);
    }
    return true;
}

std::optional<core::LogPosition> IdIndex::look_up(const IdHash& id) const {
    for (std::size_t i = 0; i < shards_.size(); ++i) {
        const auto found = shards_[i]->look_up(id.by_id);
        // The newest of one identity: an earlier one was dropped by retention before it came again.
        for (std::size_t k = found.size(); k-- > 0;) {
            if (found[k].id == id) {
                return core::LogPosition{core::ShardId{static_cast<std::uint16_t>(i)},
                                         core::LogOffset{found[k].offset}};
            }
        }
    }
    return std::nullopt;
}

std::vector<std::vector<RunEntry>> IdIndex::look_up_by_id(std::uint64_t by_id) const {
    std::vector<std::vector<RunEntry>> found;
    found.reserve(shards_.size());
    for (const auto& shard : shards_) found.push_back(shard->look_up(by_id));
    return found;
}

void IdIndex::find_elsewhere(std::span<IdQuestion> questions, core::ShardId keeper) const {
    if (questions.empty()) return;
    for (std::size_t i = 0; i < shards_.size(); ++i) {
        const core::ShardId shard{static_cast<std::uint16_t>(i)};
        if (shard != keeper && shards_[i]->may_hold_of(keeper))
            shards_[i]->find_kept(questions, shard);
    }
}

bool IdIndex::may_stand_elsewhere(core::ShardId keeper) const {
    for (std::size_t i = 0; i < shards_.size(); ++i) {
        if (i != keeper.value && shards_[i]->may_hold_of(keeper)) return true;
    }
    return false;
}

}  // namespace millrace::store
