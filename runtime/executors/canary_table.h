// What: scripts of which a new version is tried on a part of the events: which version a delivery
//       runs, what the two have come to, and when the new one is given up by itself: when it fails
//       more often, takes longer, or (in the shadow, beside the old one) would do something else.
// Threads: any; a lock is held briefly, and nothing is locked while there is no canary.
//       The figures are rows in the commits of the runs that they count (canary_figures.h), so
//       that a start goes on where they stood; what was under way at a crash may be counted twice.
//       Where a tenant's events are spread over partitions each counts its own; the tenant's home
//       hears what the others have, and it alone judges: what all have come to, once each of them
//       has said so, or was asked in vain for kSilentNs.
// Lifetime: of the server. The versions are held.
// Limits: duration_counts.h decides about a p99; kComparisonsPerSecond.
// Failure: none. What it decides is told by on_rollback, once.
#pragma once

#include "core/json_writer.h"
#include "core/result.h"
#include "runtime/executors/canary_figures.h"
#include "runtime/registry/document_kinds.h"
#include "runtime/registry/spread_rows.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::runtime {

// Rows of the registry's family beside those of kCanaryKind; the id is the script's number.
inline constexpr std::string_view kCanaryFiguresKind = "script_canary_figures";

struct CanarySpec {
    core::TenantId tenant;
    std::string script_id;
    ScriptNumber number;
    ScriptRef candidate, baseline;
    std::uint32_t current = 0;  // the newest version; with another one the canary is over
    double percent = 0;         // of keys; 0: in the shadow
    std::int64_t began_us = 0;  // whose figures those in the store are
    CanaryRules rules;
    std::string rolled_back;  // why; empty: it goes on
};

// The row; and read back, with the versions that `find` knows.
std::string canary_document(const CanarySpec& spec);
using FindVersion =
    std::function<ScriptRef(core::TenantId, std::string_view id, std::uint32_t version)>;
core::Result<CanarySpec> read_canary_document(std::string_view json, const FindVersion& find);

class CanaryTable {
public:
    static constexpr std::int64_t kComparisonsPerSecond = 5;
    // Of a lane's time: a comparison that took long is the last one for a while.
    static constexpr std::int64_t kComparisonShare = 20;
    // What another partition has told is as good as now for so long.
    static constexpr std::int64_t kHeardNs = 5'000'000'000;
    static constexpr std::int64_t kSilentNs = 30'000'000'000;

    void on_rollback(std::function<void(const CanarySpec&)> told) { told_ = std::move(told); }
    // Before begin(): a tenant's events are in several partitions; `is_home`: this one is its home.
    void spread_over(std::size_t partition, std::size_t partitions,
                     std::function<bool(core::TenantId)> is_home);

    // Of a canary that is there already: its figures stay. `fresh_ns`: it begins at this moment
    // (monotonic), and nobody has counted anything.
    void begin(CanarySpec spec, std::optional<std::int64_t> fresh_ns = std::nullopt);
    bool end(ScriptNumber number);
    // The script has this version now, or is gone: a newer one ends what is tried. True: with its
    // script a canary has gone.
    bool follow(ScriptNumber number, std::optional<std::uint32_t> newest);
    // The figures of those that changed since the last call, to be kept in a commit that is made.
    void keep(const std::function<void(ScriptNumber, std::string&& figures)>& put);
    // As they were kept; false: they are of an earlier canary of the script, or none.
    bool restore(ScriptNumber number, std::string_view figures);
    std::optional<CanarySpec> find(ScriptNumber number) const;
    // Members of an object that is open. `now_ns`: monotonic.
    void append(core::JsonWriter& json, ScriptNumber number, std::int64_t now_ns) const;

    // Whether other partitions have figures of canaries that this one judges.
    bool asks_others() const;
    // {"items":[{"number":7,"figures":{...}}]}: what this one has counted, of tenants so chosen.
    std::string told(const std::function<bool(core::TenantId)>& of) const;
    // As another one has told it; false: that does not read.
    bool hear(std::size_t partition, std::string_view told, std::int64_t now_ns);
    // It was asked in vain.
    void hear_nothing(std::size_t partition, std::int64_t now_ns);

    bool any() const { return count_.load(std::memory_order_relaxed) != 0; }  // a hint
    // The version that a delivery runs; null: the script has no canary.
    ScriptRef choose(const Script& current, std::uint64_t key) const;
    // A run has ended; nothing of those that do not count.
    void ran(const Script& script, bool well, std::int64_t duration_us);
    // In the shadow: whether the two are to be compared now; both are set then.
    bool compares(const Script& current, std::int64_t now_ns, ScriptRef& candidate,
                  ScriptRef& baseline);
    void compared(ScriptNumber number, bool differs, std::int64_t began_ns, std::int64_t ended_ns);

private:
    struct Heard {
        CanaryFigures figures;  // whole
        std::optional<std::int64_t> at_ns;
        std::int64_t asked_ns = 0;  // first, in vain
    };
    struct Entry {
        CanarySpec spec;
        CanaryFigures own;
        std::map<std::size_t, Heard> others;  // by partition; of a canary that is judged here
        CanaryFigures of_others;              // their sum
        bool knows_others = false;
        std::int64_t second = 0;
        std::int64_t in_second = 0;
        std::int64_t compares_from_ns = 0;
        bool changed = false;     // since its figures were kept
        bool superseded = false;  // by a newer version of the script

        bool runs() const { return !superseded && spec.rolled_back.empty(); }
    };
    bool judges(const CanarySpec& spec) const { return !is_home_ || is_home_(spec.tenant); }
    bool knows_others(const Entry& entry, std::int64_t now_ns) const;
    using Told = std::map<std::uint32_t, KeptCanaryFigures>;  // by script number
    void take_told(std::size_t partition, const Told& told, std::int64_t now_ns);
    void judge_and_tell(Entry& entry, std::optional<CanarySpec>& told);
    static void append_arm(core::JsonWriter& json, const Script& script, const CanaryArm& arm);
    void append_missing(core::JsonWriter& json, const Entry& entry, std::int64_t now_ns) const;

    mutable std::mutex mutex_;
    std::map<std::uint32_t, Entry> entries_;  // by script number
    std::atomic<std::size_t> count_{0};
    std::atomic<bool> changed_{false};  // a hint: some entry has
    std::function<void(const CanarySpec&)> told_;
    std::function<bool(core::TenantId)> is_home_;  // none: this is all there is
    std::size_t partition_ = 0;
    std::size_t partitions_ = 1;
};

}  // namespace millrace::runtime
