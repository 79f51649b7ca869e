#include "core/metrics.h"

#include "core/assert.h"
#include "core/json_writer.h"
#include "core/listed.h"

namespace millrace::core {
namespace {

void append_label_value(std::string& out, std::string_view value) {
    for (const char c : value) {
        if (c == '\\')
            out += "\\\\";
        else if (c == '"')
            out += "\\\"";
        else if (c == '\n')
            out += "\\n";
        else
            out += c;
    }
}

// `{a="x",b="y"}`, with `le` behind them when it is given; nothing when there are no labels.
void append_labels(std::string& out, const std::vector<std::string_view>& names,
                   const std::vector<std::string>& values, std::string_view le = {}) {
    if (names.empty() && le.empty()) return;
    out += '{';
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (i > 0) out += ',';
        out += names[i];
        out += "=\"";
        append_label_value(out, values[i]);
        out += '"';
    }
    if (!le.empty()) {
        out += names.empty() ? "le=\"" : ",le=\"";
        out += le;
        out += '"';
    }
    out += '}';
}

std::string_view kind_text(MetricKind kind) {
    switch (kind) {
        case MetricKind::kCounter: return "counter";
        case MetricKind::kGauge: return "gauge";
        case MetricKind::kHistogram: return "histogram";
    }
    return "untyped";
}

}  // namespace

MetricCell* MetricsRole::cells(Metric metric, LabelValues labels, std::size_t count) {
    return metrics_.resolve(*this, metric, labels, count);
}

void MetricsRole::forget(Metric metric, LabelValues labels) {
    metrics_.forget(*this, metric, labels);
}

MetricCell* MetricsRole::allocate(std::size_t count) {
    if (count == 1 && !free_.empty()) {
        MetricCell* const cell = free_.back();
        free_.pop_back();
        return cell;
    }
    if (used_ + count > kSlabCells) {
        slabs_.push_back(std::make_unique<Slab>());
        used_ = 0;
    }
    MetricCell* cells = slabs_.back()->cells.data() + used_;
    used_ += count;
    return cells;
}

Metrics::Metrics(Options options) : options_(options) {
    struct Row {
        std::string_view name;
        MetricKind kind;
        std::string_view labels;
        std::string_view help;
    };
    static constexpr Row kRows[] = {
#define X(enumerator, name, kind, labels, help) {name, MetricKind::kind, labels, help},
        MILLRACE_METRICS(X)
#undef X
    };
    for (std::size_t i = 0; i < kMetricCount; ++i) {
        Family& family = families_[i];
        family.name = kRows[i].name;
        family.kind = kRows[i].kind;
        family.help = kRows[i].help;
        each_listed(kRows[i].labels, [&](std::string_view label) {
            const bool closed = label.starts_with('=');
            family.label_names.push_back(label.substr(closed ? 1 : 0));
            family.closed.push_back(closed);
        });
    }
}

MetricsRole& Metrics::role() {
    std::lock_guard lock(mutex_);
    roles_.push_back(std::unique_ptr<MetricsRole>(new MetricsRole(*this)));
    return *roles_.back();
}

// Of a label set, when exported: about.
std::size_t Metrics::text_bytes_of(const Family& family, const std::vector<std::string>& labels) {
    constexpr std::size_t kNumberBytes = 24;
    const bool histogram = family.kind == MetricKind::kHistogram;
    std::string line(family.name);
    append_labels(line, family.label_names, labels, histogram ? "0.00025" : "");
    const std::size_t lines = histogram ? Histogram::kCells + 2 : 1;
    return lines * (line.size() + kNumberBytes);
}

// Counts the label set's text, too, when there is.
bool Metrics::has_room(Family& family, const std::vector<std::string>& labels) const {
    if (labels.empty()) return true;
    const std::size_t bytes = text_bytes_of(family, labels);
    const bool histogram = family.kind == MetricKind::kHistogram;
    const std::size_t bytes_max =
        histogram ? options_.histogram_text_bytes_max : options_.text_bytes_max;
    if (family.series.size() >= options_.series_max || family.text_bytes + bytes > bytes_max)
        return false;
    family.text_bytes += bytes;
    return true;
}

MetricCell* Metrics::resolve(MetricsRole& role, Metric metric, LabelValues labels,
                             std::size_t cell_count) {
    Family& family = families_[static_cast<std::size_t>(metric)];
    MR_ASSERT(labels.size() == family.label_names.size());
    MR_ASSERT((family.kind == MetricKind::kHistogram) == (cell_count == Histogram::kCells));
    std::lock_guard lock(mutex_);
    std::vector<std::string> values(labels.begin(), labels.end());
    auto found = family.series.find(values);
    if (found == family.series.end()) {
        if (!has_room(family, values)) {
            for (std::size_t i = 0; i < values.size(); ++i) {
                if (!family.closed[i]) values[i] = "other";
            }
        }
        found = family.series.try_emplace(values, Series{values, {}}).first;
    }
    MetricCell*& cells = found->second.cells[&role];
    if (!cells) cells = role.allocate(cell_count);
    return cells;
}

void Metrics::forget(MetricsRole& role, Metric metric, LabelValues labels) {
    Family& family = families_[static_cast<std::size_t>(metric)];
    MR_ASSERT(labels.size() == family.label_names.size() && labels.size() > 0);
    MR_ASSERT(family.kind != MetricKind::kHistogram);
    const std::vector<std::string> values(labels.begin(), labels.end());
    std::lock_guard lock(mutex_);
    const auto found = family.series.find(values);
    // Beyond the bound it was counted under "other", with what is still there.
    if (found == family.series.end()) return;
    const auto own = found->second.cells.find(&role);
    if (own == found->second.cells.end()) return;
    own->second->store(0, std::memory_order_relaxed);  // as Counter::add
    role.free_.push_back(own->second);
    found->second.cells.erase(own);
    if (!found->second.cells.empty()) return;
    family.text_bytes -= text_bytes_of(family, values);
    family.series.erase(found);
}

void Metrics::gauge_callback(Metric metric, std::function<double()> read) {
    std::lock_guard lock(mutex_);
    families_[static_cast<std::size_t>(metric)].read = std::move(read);
}

void Metrics::add_cells(const Series& series, HistogramCells& sums) {
    for (const auto& [role, cells] : series.cells) {
        // Relaxed: buckets may be a few counts apart from each other while they are written.
        for (std::size_t i = 0; i < sums.size(); ++i)
            sums[i] += cells[i].load(std::memory_order_relaxed);
    }
}

void Metrics::export_histogram(std::string& out, const Family& family, const Series& series) {
    HistogramCells sums{};
    add_cells(series, sums);
    std::uint64_t below = 0;
    for (std::size_t i = 0; i <= kHistogramBoundsNs.size(); ++i) {
        below += sums[i];
        std::string le = "+Inf";
        if (i < kHistogramBoundsNs.size()) {
            le.clear();
            append_number(le, static_cast<double>(kHistogramBoundsNs[i]) / 1e9);
        }
        out.append(family.name).append("_bucket");
        append_labels(out, family.label_names, series.labels, le);
        out += ' ';
        append_number(out, below);
        out += '\n';
    }
    out.append(family.name).append("_sum");
    append_labels(out, family.label_names, series.labels);
    out += ' ';
    append_number(out, static_cast<double>(sums.back()) / 1e9);
    out.append("\n").append(family.name).append("_count");
    append_labels(out, family.label_names, series.labels);
    out += ' ';
    append_number(out, below);
    out += '\n';
}

void Metrics::export_family(std::string& out, const Family& family) {
    out.append("# HELP ").append(family.name).append(" ").append(family.help);
    out.append("\n# TYPE ")
        .append(family.name)
        .append(" ")
        .append(kind_text(family.kind))
        .append("\n");
    if (family.read) {
        out.append(family.name).append(" ");
        append_number(out, family.read());
        out += '\n';
        return;
    }
    for (const auto& [labels, series] : family.series) {
        if (family.kind == MetricKind::kHistogram) {
            export_histogram(out, family, series);
            continue;
        }
        std::uint64_t sum = 0;
        for (const auto& [role, cell] : series.cells) sum += cell->load(std::memory_order_relaxed);
        out.append(family.name);
        append_labels(out, family.label_names, series.labels);
        out += ' ';
        if (family.kind == MetricKind::kGauge)
            append_number(out, static_cast<std::int64_t>(sum));
        else
            append_number(out, sum);
        out += '\n';
    }
    // A family without labels is always there, so that a dashboard sees 0 and not a gap.
    if (family.series.empty() && family.label_names.empty()) {
        if (family.kind == MetricKind::kHistogram)
            export_histogram(out, family, Series{});
        else
            out.append(family.name).append(" 0\n");
    }
}

void Metrics::export_text(std::string& out) const {
    std::lock_guard lock(mutex_);
    for (const Family& family : families_) export_family(out, family);
}

void Metrics::visit(const std::function<void(const MetricReading&)>& tell) const {
    std::lock_guard lock(mutex_);
    for (const Family& family : families_) {
        MetricReading reading{family.name, family.help, family.kind, &family.label_names};
        if (family.read) {
            reading.asked = family.read();
            tell(reading);
            continue;
        }
        for (const auto& [labels, series] : family.series) {
            HistogramCells sums{};
            std::uint64_t sum = 0;
            reading.labels = &series.labels;
            if (family.kind == MetricKind::kHistogram) {
                add_cells(series, sums);
                reading.cells = &sums;
            } else {
                for (const auto& [role, cell] : series.cells)
                    sum += cell->load(std::memory_order_relaxed);  // as export_family()
                reading.value = static_cast<std::int64_t>(sum);
            }
            tell(reading);
        }
    }
}

std::int64_t Metrics::sum(Metric metric, LabelValues labels) const {
    std::lock_guard lock(mutex_);
    const Family& family = families_[static_cast<std::size_t>(metric)];
    if (family.read) return static_cast<std::int64_t>(family.read());
    std::uint64_t sum = 0;
    for (const auto& [values, series] : family.series) {
        bool matches = labels.size() <= values.size();
        for (std::size_t i = 0; matches && i < labels.size(); ++i)
            matches = *(labels.begin() + i) == values[i];
        if (!matches) continue;
        for (const auto& [role, cells] : series.cells) {
            const std::size_t count =
                family.kind == MetricKind::kHistogram ? Histogram::kCells - 1 : 1;
            for (std::size_t i = 0; i < count; ++i) sum += cells[i].load(std::memory_order_relaxed);
        }
    }
    return static_cast<std::int64_t>(sum);
}

std::int64_t Metrics::sum_where(Metric metric, std::size_t label, std::string_view value) const {
    std::lock_guard lock(mutex_);
    const Family& family = families_[static_cast<std::size_t>(metric)];
    MR_ASSERT(label < family.label_names.size() && family.kind != MetricKind::kHistogram);
    std::uint64_t sum = 0;
    for (const auto& [values, series] : family.series) {
        if (values[label] != value) continue;
        for (const auto& [role, cells] : series.cells)
            sum += cells->load(std::memory_order_relaxed);  // as sum()
    }
    return static_cast<std::int64_t>(sum);
}

HistogramCells Metrics::histogram_sum(Metric metric) const {
    std::lock_guard lock(mutex_);
    const Family& family = families_[static_cast<std::size_t>(metric)];
    MR_ASSERT(family.kind == MetricKind::kHistogram);
    HistogramCells sums{};
    for (const auto& [values, series] : family.series) add_cells(series, sums);
    return sums;
}

}  // namespace millrace::core
