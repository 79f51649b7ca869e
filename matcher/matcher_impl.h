// What: the inside of the Matcher: where each subscription is, the parts and their merging.
//       Parts: base (all but the newest), levels of the newer ones, each eight times as large as
//       the one before it (a publish() rebuilds the first level, now and then a later one), and,
//       while a background rebuild takes them into the base, the frozen levels.
// Threads: the conductor; the rebuild thread reads sealed parts only and hands its result over
//       once.
// Lifetime: the Matcher's. Limits: none. Failure: none.
#pragma once

#include "matcher/index/index.h"
#include "matcher/matcher.h"

#include <array>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace millrace::matcher {

// From subscription numbers, which are dense, to their places: pages so that a few do not cost
// much.
struct Location {
    std::uint32_t part = 0;  // serial number of the part; 0: nowhere
    std::uint32_t number = 0;
};

class LocationMap {
public:
    Location get(core::SubscriptionId id) const {
        const std::size_t page = id.value / kPage;
        return page < pages_.size() && pages_[page] ? pages_[page][id.value % kPage] : Location{};
    }
    void set(core::SubscriptionId id, Location location) {
        const std::size_t page = id.value / kPage;
        if (page >= pages_.size()) pages_.resize(page + 1);
        if (!pages_[page]) pages_[page] = std::make_unique<Location[]>(kPage);
        pages_[page][id.value % kPage] = location;
    }
    std::size_t bytes() const;

private:
    static constexpr std::size_t kPage = 4096;
    std::vector<std::unique_ptr<Location[]>> pages_;
};

struct Matcher::Impl {
    struct Part {
        std::shared_ptr<Index> index;
        std::uint32_t serial = 0;
    };
    // What the rebuild thread works on and leaves behind.
    struct Rebuild {
        std::vector<Part> sources;
        LocationMap locations;                      // of the subscriptions of `result`, in it
        std::vector<core::SubscriptionId> changed;  // since it began
        Version version = 0;
        std::uint32_t serial = 0;
        std::shared_ptr<Index> result;
        std::int64_t took_us = 0;
        std::atomic<bool> done{false};
        std::thread thread;
    };

    explicit Impl(const Options& o)
        : options(o), sample(o.samples ? std::make_shared<LiveSample>() : nullptr) {}
    ~Impl() {
        finish_thread();
        if (burial.joinable()) burial.join();
    }

    core::Status add(core::SubscriptionId id, core::TenantId tenant, const SubscriptionSpec& spec);
    bool remove(core::SubscriptionId id);
    Index* find_part(std::uint32_t serial);
    Part new_part() {
        ++serials;
        return {std::make_shared<Index>(serials), serials};
    }
    // Copies what is alive in `from` to `to` and moves the locations along.
    void absorb(const Part& from, Part& to);
    void merge_staging();
    template <typename Visit>
    void visit_parts(Visit visit) const {
        visit(base);
        for (const Part& part : frozen) visit(part);
        for (const Part& part : levels) visit(part);
    }
    std::unique_ptr<Snapshot> make_snapshot();
    bool wants_rebuild() const;
    bool wants_other_pivots() const;
    void start_rebuild();
    void run_rebuild(Rebuild& rebuild) const;
    bool finish_rebuild();
    void forget_paths();
    void finish_thread();
    bool bury();
    std::uint32_t slot_of(const Path& path);

    const Options options;
    const std::shared_ptr<LiveSample> sample;
    // So many entries must be met in vain, by sampled events, before other pivots are tried.
    std::uint64_t repivot_entries = 32'768;
    std::uint32_t serials = 0;
    Version version = 0;
    static constexpr std::size_t kLevels = 4;
    Part base;
    std::vector<Part> frozen;
    std::array<Part, kLevels> levels;  // newest first
    Part staging;                      // changes since the last publish()
    LocationMap locations;
    std::size_t alive = 0;
    std::size_t changes = 0;  // since the base was built
    bool dirty = false;
    core::FieldPlanBuilder plan_builder;
    std::shared_ptr<const core::FieldPlan> plan;
    std::uint64_t plan_version = 0;
    std::unique_ptr<Rebuild> rebuild;
    // Parts that a rebuild has replaced, while snapshots still use them; then they are freed by a
    // thread of their own, since giving back a hundred megabytes takes longer than a change may.
    std::vector<std::shared_ptr<Index>> replaced;
    std::thread burial;
    std::uint64_t rebuilds = 0;
    std::int64_t last_rebuild_us = 0;
};

}  // namespace millrace::matcher
