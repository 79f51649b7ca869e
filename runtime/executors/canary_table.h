// What: scripts of which a new version is tried on a part of the events: which version a delivery
//       runs, what the two have come to, and when the new one is given up by itself: when it fails
//       more often, takes longer, or (in the shadow, beside the old one) would do something else.
// Threads: any; a lock is held briefly, and nothing is locked while there is no canary.
//       The figures are rows in the commits of the runs that they count (canary_figures), so that
//       a start goes on where they stood; what was under way at a crash may be counted twice.
// Lifetime: of the server. The versions are held.
// Limits: duration_counts.h decides about a p99; kComparisonsPerSecond.
// Failure: none. What it decides is told by on_rollback, once.
#pragma once

#include "core/json_writer.h"
#include "core/result.h"
#include "runtime/executors/duration_counts.h"
#include "runtime/registry/document_kinds.h"

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

// Rows of the registry's family; the id is the script's number.
inline constexpr std::string_view kCanaryKind = "script_canary";
inline constexpr std::string_view kCanaryFiguresKind = "script_canary_figures";

struct CanaryRules {
    double error_rate = 0.05;  // by so much its share of failures may be larger
    double p99_factor = 2;     // so many times as long may its p99 be
    double difference = 0;     // of comparisons in the shadow, such a share may differ
    std::int64_t runs_min = 20;
};

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
    static constexpr std::int64_t kP99UsAlways = 5'000;  // never too long

    void on_rollback(std::function<void(const CanarySpec&)> told) { told_ = std::move(told); }

    void begin(CanarySpec spec);
    bool end(ScriptNumber number);
    // The figures of those that changed since the last call, to be kept in a commit that is made.
    void keep(const std::function<void(ScriptNumber, std::string&& figures)>& put);
    // As they were kept; false: they are of an earlier canary of the script, or none.
    bool restore(ScriptNumber number, std::string_view figures);
    std::optional<CanarySpec> find(ScriptNumber number) const;
    // Members of an object that is open.
    void append(core::JsonWriter& json, ScriptNumber number) const;

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
    struct Arm {
        std::uint64_t runs = 0;
        std::uint64_t failures = 0;
        DurationCounts durations;

        double failing() const {
            return runs == 0 ? 0 : static_cast<double>(failures) / static_cast<double>(runs);
        }
    };
    struct Entry {
        CanarySpec spec;
        Arm candidate, baseline;
        std::uint64_t compared = 0;
        std::uint64_t different = 0;
        std::int64_t second = 0;
        std::int64_t in_second = 0;
        std::int64_t compares_from_ns = 0;
        bool changed = false;  // since its figures were kept
    };
    static std::string figures_of(const Entry& entry);
    static bool read_figures(std::string_view figures, Entry& entry);
    static std::string judge(const Entry& entry);
    void judge_and_tell(Entry& entry, std::optional<CanarySpec>& told);
    static void append_arm(core::JsonWriter& json, const Script& script, const Arm& arm);

    mutable std::mutex mutex_;
    std::map<std::uint32_t, Entry> entries_;  // by script number
    std::atomic<std::size_t> count_{0};
    std::atomic<bool> changed_{false};  // a hint: some entry has
    std::function<void(const CanarySpec&)> told_;
};

}  // namespace millrace::runtime
