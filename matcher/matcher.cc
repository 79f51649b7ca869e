#include "matcher/matcher.h"

#include "matcher/matcher_impl.h"
#include "matcher/snapshot.h"

#include <algorithm>
#include <chrono>

namespace millrace::matcher {

namespace {

// Subscriptions a level may hold: the first is rebuilt at every publish(), which 64 cost little;
// the last takes what comes until the next rebuild of the base.
constexpr std::array<std::size_t, 4> kLevelMax = {64, 512, 4096, ~std::size_t{0}};

// So many expressions without literals are asked one by one; a large base is not rebuilt for few.
constexpr std::size_t kLooseRegexesMax = 8;
constexpr std::size_t kLooseRegexesPerBase = 16'384;
// An event may meet so many entries, and so many for each that matches; others are met in vain.
constexpr std::uint64_t kMetMax = 32;
constexpr std::uint64_t kMetPerMatch = 8;
constexpr std::uint64_t kRepivotEvents = 32;  // sampled ones, at least

std::int64_t now_us() {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

}  // namespace

std::size_t LocationMap::bytes() const {
    std::size_t sum = pages_.capacity() * sizeof(pages_[0]);
    for (const auto& page : pages_) sum += page ? kPage * sizeof(Location) : 0;
    return sum;
}

std::uint32_t Matcher::Impl::slot_of(const Path& path) {
    std::vector<core::FieldStep> steps;
    for (const PathStep& step : path.steps) {
        switch (step.kind) {
            case PathStep::Kind::kName:
                steps.push_back({core::FieldStep::Kind::kName, step.name, 0});
                break;
            case PathStep::Kind::kIndex:
                steps.push_back({core::FieldStep::Kind::kIndex, {}, step.index});
                break;
            case PathStep::Kind::kWildcard:
                steps.push_back({core::FieldStep::Kind::kAny, {}, 0});
                break;
        }
    }
    return plan_builder.add(steps);
}

Index* Matcher::Impl::find_part(std::uint32_t serial) {
    Index* found = nullptr;
    const auto look = [&](const Part& part) {
        if (part.index && part.serial == serial) found = part.index.get();
    };
    visit_parts(look);
    look(staging);
    return found;
}

core::Status Matcher::Impl::add(core::SubscriptionId id, core::TenantId tenant,
                                const SubscriptionSpec& spec) {
    if (!staging.index) staging = new_part();
    auto number =
        staging.index->add(id, tenant, spec, [this](const Path& path) { return slot_of(path); });
    if (!number) return core::fail(std::move(number.error()));
    remove(id);  // what it replaces
    locations.set(id, {staging.serial, *number});
    if (rebuild) rebuild->changed.push_back(id);
    ++alive;
    ++changes;
    dirty = true;
    return {};
}

bool Matcher::Impl::remove(core::SubscriptionId id) {
    const Location location = locations.get(id);
    Index* part = location.part == 0 ? nullptr : find_part(location.part);
    if (!part) return false;
    part->remove(location.number, version + 1);
    locations.set(id, {});
    if (rebuild) rebuild->changed.push_back(id);
    --alive;
    ++changes;
    dirty = true;
    return true;
}

void Matcher::Impl::absorb(const Part& from, Part& to) {
    if (!from.index) return;
    for (std::uint32_t i = 0; i < from.index->size(); ++i) {
        if (from.index->was_removed(i)) continue;
        const auto number = to.index->add(*from.index, i);
        if (number) locations.set(from.index->id_of(i), {to.serial, *number});
    }
}

// The changes since the last publish() go into the first level that has room for them and for all
// levels before it.
void Matcher::Impl::merge_staging() {
    static_assert(kLevelMax.size() == kLevels);
    if (!staging.index) return;
    std::size_t total = staging.index->size();
    std::size_t level = 0;
    for (;; ++level) {
        total += levels[level].index ? levels[level].index->size() : 0;
        if (total <= kLevelMax[level]) break;
    }
    Part merged = new_part();
    for (std::size_t i = level + 1; i-- > 0;) absorb(levels[i], merged);
    absorb(staging, merged);
    merged.index->seal(Index::Sealing::kQuick);
    staging = {};
    for (std::size_t i = 0; i < level; ++i) levels[i] = {};
    levels[level] = std::move(merged);
}

std::unique_ptr<Snapshot> Matcher::Impl::make_snapshot() {
    auto snapshot = std::make_unique<Snapshot>();
    Snapshot::Impl& impl = snapshot->impl();
    impl.version = version;
    impl.subscriptions = alive;
    if (!plan || plan_version != plan_builder.version()) {
        plan = std::make_shared<const core::FieldPlan>(plan_builder.build());
        plan_version = plan_builder.version();
    }
    impl.plan = plan;
    impl.sample = sample;
    visit_parts([&](const Part& part) {
        if (part.index && part.index->size() > 0) impl.parts.push_back(part.index);
    });
    return snapshot;
}

// When the small parts have grown, when too many expressions are asked one by one, or when the
// events that came call for other pivots than those chosen at the last time.
bool Matcher::Impl::wants_rebuild() const {
    const std::size_t base_size = base.index ? base.index->size() : 0;
    if (changes > std::max(options.delta_changes_max, base_size / 4)) return true;
    std::size_t loose = 0;
    visit_parts([&](const Part& part) { loose += part.index ? part.index->loose_regexes() : 0; });
    return loose > kLooseRegexesMax + base_size / kLooseRegexesPerBase || wants_other_pivots();
}

// Entries are looked at in vain: too many for what matches. Tried at growing distances, since other
// pivots need not help.
bool Matcher::Impl::wants_other_pivots() const {
    if (!sample || alive == 0) return false;
    const LiveSample::Content live = sample->figures();
    const std::uint64_t expected = kMetMax * live.noted + kMetPerMatch * live.matched;
    return live.noted >= kRepivotEvents && live.met >= expected + repivot_entries;
}

void Matcher::Impl::start_rebuild() {
    for (Part& part : levels) {
        if (part.index) frozen.push_back(std::move(part));
        part = {};
    }
    rebuild = std::make_unique<Rebuild>();
    if (wants_other_pivots()) repivot_entries *= 4;
    visit_parts([&](const Part& part) {
        if (part.index) rebuild->sources.push_back(part);
    });
    rebuild->version = version;
    rebuild->serial = ++serials;
    changes = 0;
    if (!options.background_thread) {
        run_rebuild(*rebuild);
        return;
    }
    rebuild->thread = std::thread([this, work = rebuild.get()] { run_rebuild(*work); });
}

void Matcher::Impl::run_rebuild(Rebuild& work) const {
    const std::int64_t start_us = now_us();
    work.result = std::make_shared<Index>(work.serial);
    for (const Part& source : work.sources) {
        for (std::uint32_t i = 0; i < source.index->size(); ++i) {
            if (!source.index->is_alive(i, work.version)) continue;
            const auto number = work.result->add(*source.index, i);
            if (number) work.locations.set(source.index->id_of(i), {work.serial, *number});
        }
    }
    if (sample) {
        const Selectivity live(sample->take());
        work.result->seal(Index::Sealing::kThorough, &live);
        sample->restart_figures();
    } else {
        work.result->seal(Index::Sealing::kThorough);
    }
    work.took_us = now_us() - start_us;
    work.done.store(true, std::memory_order_release);  // pairs with the acquire in finish_rebuild()
}

// Takes the new base in. What was removed or replaced while it was built is marked in it.
bool Matcher::Impl::finish_rebuild() {
    if (!rebuild || !rebuild->done.load(std::memory_order_acquire)) return false;
    finish_thread();
    const Part next{rebuild->result, rebuild->serial};
    LocationMap& fresh = rebuild->locations;
    for (const core::SubscriptionId id : rebuild->changed) {
        const Location in_next = fresh.get(id);
        // Gone in every snapshot that can hold this part. The same id may have changed twice.
        if (in_next.part == next.serial) next.index->remove(in_next.number, version);
        fresh.set(id, locations.get(id));
    }
    std::swap(locations, fresh);
    if (base.index) replaced.push_back(std::move(base.index));
    for (Part& part : frozen) replaced.push_back(std::move(part.index));
    base = next;
    frozen.clear();
    forget_paths();
    ++rebuilds;
    last_rebuild_us = rebuild->took_us;
    rebuild.reset();
    dirty = true;
    return true;
}

// Paths that no part asks any more. Snapshots that do have a plan of their own.
void Matcher::Impl::forget_paths() {
    if (staging.index) return;  // its slots are not gathered yet
    std::vector<bool> used(plan_builder.slot_count(), false);
    visit_parts([&](const Part& part) {
        if (!part.index) return;
        for (const std::uint32_t slot : part.index->slots()) used[slot] = true;
    });
    const std::uint64_t before = plan_builder.version();
    plan_builder.keep_only(used);
    if (sample && plan_builder.version() != before) sample->forget();
}

// Frees what no snapshot uses any more. Returns whether it did.
bool Matcher::Impl::bury() {
    const auto is_unused = [](const auto& part) { return part.use_count() == 1; };
    if (replaced.empty() || !std::all_of(replaced.begin(), replaced.end(), is_unused)) return false;
    if (burial.joinable()) burial.join();  // of the rebuild before: long done
    if (!options.background_thread) {
        replaced.clear();
        return true;
    }
    burial = std::thread([parts = std::move(replaced)]() mutable { parts.clear(); });
    replaced = {};
    return true;
}

void Matcher::Impl::finish_thread() {
    if (rebuild && rebuild->thread.joinable()) rebuild->thread.join();
}

Matcher::Matcher() : Matcher(Options{}) {}

Matcher::Matcher(const Options& options) : impl_(std::make_unique<Impl>(options)) {
    impl_->dirty = true;
    publish();
}

Matcher::~Matcher() = default;

core::Status Matcher::add(core::SubscriptionId id, core::TenantId tenant,
                          const SubscriptionSpec& spec) {
    if (contains(id)) {
        return core::fail(
            core::ErrorCode::kConflict,
            "matcher: subscription number " + std::to_string(id.value) + " is there already");
    }
    return impl_->add(id, tenant, spec);
}

core::Status Matcher::replace(core::SubscriptionId id, core::TenantId tenant,
                              const SubscriptionSpec& spec) {
    return impl_->add(id, tenant, spec);
}

bool Matcher::remove(core::SubscriptionId id) { return impl_->remove(id); }

core::Status Matcher::load(std::span<const Item> items) {
    Impl& m = *impl_;
    Impl::Part part = m.new_part();
    for (const Item& item : items) {
        auto number = part.index->add(item.id, item.tenant, *item.spec,
                                      [&m](const Path& path) { return m.slot_of(path); });
        if (!number) return core::fail(std::move(number.error()));
    }
    if (m.changes > 0 || m.base.index) {
        // Not the first content: as many changes.
        for (const Item& item : items) {
            if (core::Status added = m.add(item.id, item.tenant, *item.spec); !added) return added;
        }
        return {};
    }
    part.index->seal(Index::Sealing::kQuick);
    for (std::uint32_t i = 0; i < part.index->size(); ++i) {
        m.remove(part.index->id_of(i));  // the same number twice: the last one counts
        m.locations.set(part.index->id_of(i), {part.serial, i});
        m.base = part;
        ++m.alive;
    }
    m.changes = 0;
    m.dirty = true;
    return {};
}

std::uint64_t Matcher::publish() {
    Impl& m = *impl_;
    if (!m.dirty) return domain_.epoch();
    ++m.version;
    m.merge_staging();
    m.dirty = false;
    const std::uint64_t epoch = published_.publish(m.make_snapshot());
    published_.reclaim();
    return epoch;
}

bool Matcher::rebuilding() const {
    return impl_->rebuild && !impl_->rebuild->done.load(std::memory_order_acquire);
}

bool Matcher::maintain() {
    Impl& m = *impl_;
    const std::size_t waiting = published_.waiting();
    const bool reclaimed = published_.reclaim() < waiting;
    const bool worked = m.bury() || reclaimed;
    if (m.dirty) return worked;  // a half-made group of changes must not be published from here
    if (m.rebuild) {
        if (!m.finish_rebuild()) return worked;
        publish();
        return true;
    }
    if (!m.wants_rebuild()) return worked;
    m.start_rebuild();
    return true;
}

bool Matcher::contains(core::SubscriptionId id) const { return impl_->locations.get(id).part != 0; }

Matcher::Stats Matcher::stats() const {
    const Impl& m = *impl_;
    Stats stats;
    stats.subscriptions = m.alive;
    stats.paths = m.plan->path_count();
    stats.delta_changes = m.changes;
    stats.bytes = m.locations.bytes();
    m.visit_parts([&](const Impl::Part& part) {
        if (!part.index) return;
        stats.bytes += part.index->bytes();
        stats.unpivoted_clauses += part.index->unpivoted();
    });
    if (m.sample) {
        const LiveSample::Content live = m.sample->figures();
        if (live.noted != 0)
            stats.entries_per_event =
                static_cast<double>(live.met) / static_cast<double>(live.noted);
    }
    stats.regex_failures = RegexSet::scan_failures();
    stats.rebuilds = m.rebuilds;
    stats.last_rebuild_us = m.last_rebuild_us;
    return stats;
}

Matcher::Reader Matcher::register_reader() {
    Reader reader;
    reader.reader_ = domain_.register_reader();
    reader.published_ = &published_;
    return reader;
}

}  // namespace millrace::matcher
