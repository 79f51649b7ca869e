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
    merged.index->seal();
    staging = {};
    for (std::size_t i = 0; i < level; ++i) levels[i] = {};
    levels[level] = std::move(merged);
}

std::unique_ptr<Snapshot> Matcher::Impl::make_snapshot() {
    auto snapshot = std::make_unique<Snapshot>();
    Snapshot::Impl& impl = snapshot->impl();
    impl.version = version;
    impl.subscriptions = alive;
    if (!plan || plan->slot_count() != plan_builder.slot_count()) {
        plan = std::make_shared<const core::FieldPlan>(plan_builder.build());
    }
    impl.plan = plan;
    visit_parts([&](const Part& part) {
        if (part.index && part.index->size() > 0) impl.parts.push_back(part.index);
    });
    return snapshot;
}

void Matcher::Impl::start_rebuild() {
    for (Part& part : levels) {
        if (part.index) frozen.push_back(std::move(part));
        part = {};
    }
    rebuild = std::make_unique<Rebuild>();
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
            if (work.result->add(*source.index, i)) work.origins.push_back({source.serial, i});
        }
    }
    work.result->seal();
    work.took_us = now_us() - start_us;
    work.done.store(true, std::memory_order_release);  // pairs with the acquire in finish_rebuild()
}

// Takes the new base in. What was removed or replaced while it was built is marked in it.
bool Matcher::Impl::finish_rebuild() {
    if (!rebuild || !rebuild->done.load(std::memory_order_acquire)) return false;
    finish_thread();
    const Part next{rebuild->result, rebuild->serial};
    for (std::uint32_t i = 0; i < next.index->size(); ++i) {
        const core::SubscriptionId id = next.index->id_of(i);
        const Location now = locations.get(id);
        const Location then = rebuild->origins[i];
        if (now.part == then.part && now.number == then.number) {
            locations.set(id, {next.serial, i});
        } else {
            next.index->remove(i, version);  // gone in every snapshot that can hold this part
        }
    }
    base = next;
    frozen.clear();
    ++rebuilds;
    last_rebuild_us = rebuild->took_us;
    rebuild.reset();
    dirty = true;
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
    part.index->seal();
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

bool Matcher::maintain() {
    Impl& m = *impl_;
    const bool worked = published_.reclaim() > 0;
    if (m.dirty) return worked;  // a half-made group of changes must not be published from here
    if (m.rebuild) {
        if (!m.finish_rebuild()) return worked;
        publish();
        return true;
    }
    const std::size_t base_size = m.base.index ? m.base.index->size() : 0;
    if (m.changes <= std::max(m.options.delta_changes_max, base_size / 4)) return worked;
    m.start_rebuild();
    return true;
}

bool Matcher::contains(core::SubscriptionId id) const { return impl_->locations.get(id).part != 0; }

Matcher::Stats Matcher::stats() const {
    const Impl& m = *impl_;
    Stats stats;
    stats.subscriptions = m.alive;
    stats.delta_changes = m.changes;
    stats.bytes = m.locations.bytes();
    m.visit_parts([&](const Impl::Part& part) {
        if (!part.index) return;
        stats.bytes += part.index->bytes();
        stats.unpivoted_clauses += part.index->unpivoted();
    });
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
