// What: counters, gauges and histograms. Each agent has a MetricsRole with cells of its own; a cell
//       is written by its agent alone, so that counting is a plain load, add and store. The export
//       adds the cells of all roles.
//           Counter received = role.counter(Metric::kEventsReceived, {pattern});   // once
//           received.add();                                                        // hot
//       Where the label is only known per event, a LabelCache finds the cell by the label's text.
// Threads: Metrics from any thread (mutex; cold). A role, its cells and caches: one thread. Cells
//       may be read by any.
// Lifetime: Metrics outlives roles' users; cells are never freed before Metrics.
// Limits: Options::series_max label sets a family, and as much exported text; further ones share
//       the set "other".
// Failure: none; asking a family for the wrong kind or count of labels is a bug (asserted).
#pragma once

#include "core/key_hash.h"
#include "core/metric_names.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::core {

using MetricCell = std::atomic<std::uint64_t>;

class Counter {
public:
    Counter() = default;
    explicit Counter(MetricCell* cell) : cell_(cell) {}
    // Relaxed: the only writer is this thread, and a reader may see any earlier count.
    void add(std::uint64_t n = 1) const {
        cell_->store(cell_->load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }
    explicit operator bool() const { return cell_ != nullptr; }

private:
    MetricCell* cell_ = nullptr;
};

class Gauge {
public:
    Gauge() = default;
    explicit Gauge(MetricCell* cell) : cell_(cell) {}
    void set(std::int64_t value) const {
        cell_->store(static_cast<std::uint64_t>(value),
                     std::memory_order_relaxed);  // as Counter::add
    }
    void add(std::int64_t n) const {
        cell_->store(cell_->load(std::memory_order_relaxed) + static_cast<std::uint64_t>(n),
                     std::memory_order_relaxed);
    }

private:
    MetricCell* cell_ = nullptr;
};

// Upper bounds of the buckets in nanoseconds; one more bucket holds the rest.
inline constexpr std::array<std::uint64_t, 20> kHistogramBoundsNs = {
    10'000,        25'000,        50'000,        100'000,        250'000,
    500'000,       1'000'000,     2'500'000,     5'000'000,      10'000'000,
    25'000'000,    50'000'000,    100'000'000,   250'000'000,    500'000'000,
    1'000'000'000, 2'500'000'000, 5'000'000'000, 10'000'000'000, 30'000'000'000};

class Histogram {
public:
    static constexpr std::size_t kCells = kHistogramBoundsNs.size() + 2;  // buckets, rest, sum

    Histogram() = default;
    explicit Histogram(MetricCell* cells) : cells_(cells) {}
    void observe_ns(std::uint64_t ns) const {
        std::size_t bucket = 0;
        while (bucket < kHistogramBoundsNs.size() && ns > kHistogramBoundsNs[bucket]) ++bucket;
        Counter(cells_ + bucket).add();
        Counter(cells_ + kCells - 1).add(ns);
    }

private:
    MetricCell* cells_ = nullptr;
};

using HistogramCells = std::array<std::uint64_t, Histogram::kCells>;

// One series as a visitor is told it.
struct MetricReading {
    std::string_view name;
    std::string_view help;
    MetricKind kind = MetricKind::kCounter;
    const std::vector<std::string_view>* label_names = nullptr;
    const std::vector<std::string>* labels = nullptr;  // null: it was asked for, and has none
    std::int64_t value = 0;
    double asked = 0;
    const HistogramCells* cells = nullptr;  // kHistogram
};

class Metrics;
using LabelValues = std::initializer_list<std::string_view>;

// One agent's cells. Made by Metrics::role, owned by Metrics.
class MetricsRole {
public:
    Counter counter(Metric metric, LabelValues labels = {}) {
        return Counter(cells(metric, labels, 1));
    }
    Gauge gauge(Metric metric, LabelValues labels = {}) { return Gauge(cells(metric, labels, 1)); }
    Histogram histogram(Metric metric, LabelValues labels = {}) {
        return Histogram(cells(metric, labels, Histogram::kCells));
    }
    // What these labels stand for is gone: the counter or gauge is no longer exported, and its cell
    // may become another's. Whoever has it lets go of it first.
    void forget(Metric metric, LabelValues labels);

private:
    friend class Metrics;
    static constexpr std::size_t kSlabCells = 1024;
    struct alignas(64) Slab {
        std::array<MetricCell, kSlabCells> cells{};
    };

    explicit MetricsRole(Metrics& metrics) : metrics_(metrics) {}
    MetricCell* cells(Metric metric, LabelValues labels, std::size_t count);
    MetricCell* allocate(std::size_t count);

    Metrics& metrics_;
    std::deque<std::unique_ptr<Slab>> slabs_;
    std::size_t used_ = kSlabCells;
    std::vector<MetricCell*> free_;  // single ones that were forgotten
};

class Metrics {
public:
    struct Options {
        std::size_t series_max = 500;  // label sets a family
        // Exported text a family, about; long patterns and histograms reach this first. All
        // families together stay below 1 MB.
        std::size_t text_bytes_max = 96u << 10;
        std::size_t histogram_text_bytes_max = 320u << 10;
    };
    Metrics() : Metrics(Options{}) {}
    explicit Metrics(Options options);
    Metrics(const Metrics&) = delete;
    Metrics& operator=(const Metrics&) = delete;

    MetricsRole& role();

    // A gauge that is asked for at export time, on the exporting thread.
    void gauge_callback(Metric metric, std::function<double()> read);

    // Prometheus text format 0.0.4.
    void export_text(std::string& out) const;
    // Every series that there is, those of a family one after the other; on the exporting thread.
    void visit(const std::function<void(const MetricReading&)>& tell) const;
    // The sum of a counter or gauge over roles and over all label sets that begin with `labels`.
    std::int64_t sum(Metric metric, LabelValues labels = {}) const;
    // The same over the label sets in which one label has this value.
    std::int64_t sum_where(Metric metric, std::size_t label, std::string_view value) const;
    // The cells of a histogram, added up over roles and label sets.
    HistogramCells histogram_sum(Metric metric) const;

private:
    friend class MetricsRole;
    struct Series {
        std::vector<std::string> labels;
        std::map<const MetricsRole*, MetricCell*> cells;
    };
    struct Family {
        std::string_view name;
        MetricKind kind;
        std::string_view help;
        std::vector<std::string_view> label_names;
        std::vector<bool> closed;  // by label: a small set of values
        std::map<std::vector<std::string>, Series> series;
        std::function<double()> read;
        std::size_t text_bytes = 0;  // of its series, when exported: about
    };

    MetricCell* resolve(MetricsRole& role, Metric metric, LabelValues labels,
                        std::size_t cell_count);
    void forget(MetricsRole& role, Metric metric, LabelValues labels);
    static std::size_t text_bytes_of(const Family& family, const std::vector<std::string>& labels);
    bool has_room(Family& family, const std::vector<std::string>& labels) const;
    static void export_family(std::string& out, const Family& family);
    static void add_cells(const Series& series, HistogramCells& sums);
    static void export_histogram(std::string& out, const Family& family, const Series& series);

    const Options options_;
    mutable std::mutex mutex_;
    std::array<Family, kMetricCount> families_;
    std::vector<std::unique_ptr<MetricsRole>> roles_;
};

// Finds cells by label text without a lock: an open-addressing table of one thread. The first sight
// of a label asks the role; beyond entries_max it answers with the cell of "other".
template <typename Slot>
class LabelCache {
public:
    using Make = std::function<Slot(std::string_view label)>;

    explicit LabelCache(Make make, std::size_t entries_max = 512)
        : make_(std::move(make)), entries_max_(entries_max), slots_(table_size(entries_max)) {}

    // Budget: about 5 ns for a label of 20 bytes that is known (one hash, one compare).
    Slot at(std::string_view label) {
        std::size_t i = hash(label) & (slots_.size() - 1);
        while (slots_[i].used) {
            if (slots_[i].label == label) return slots_[i].slot;
            i = (i + 1) & (slots_.size() - 1);
        }
        if (count_ >= entries_max_) {
            if (!other_made_) other_ = make_("other");
            other_made_ = true;
            return other_;
        }
        ++count_;
        slots_[i] = {true, std::string(label), make_(label)};
        return slots_[i].slot;
    }

private:
    struct Item {
        bool used = false;
        std::string label;
        Slot slot;
    };
    static std::size_t table_size(std::size_t entries) {
        std::size_t size = 16;
        while (size < entries * 2) size *= 2;
        return size;
    }
    static std::size_t hash(std::string_view text) {
        const std::uint64_t h = hash_key(text);
        return static_cast<std::size_t>(h ^ (h >> 29));
    }

    const Make make_;
    const std::size_t entries_max_;
    std::vector<Item> slots_;
    std::size_t count_ = 0;
    Slot other_{};
    bool other_made_ = false;
};

}  // namespace millrace::core
