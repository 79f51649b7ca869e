#include "tools/cli/metrics.h"

#include <cstdlib>

namespace millrace::tools {

namespace {

// The end of the label part; a '}' inside a quoted value does not end it.
std::size_t labels_end(std::string_view line, std::size_t from) {
    bool quoted = false;
    for (std::size_t i = from; i < line.size(); ++i) {
        if (line[i] == '\\' && quoted) {
            ++i;
        } else if (line[i] == '"') {
            quoted = !quoted;
        } else if (line[i] == '}' && !quoted) {
            return i;
        }
    }
    return std::string_view::npos;
}

bool parse_line(std::string_view line, MetricSample& sample) {
    if (line.empty() || line.front() == '#') return false;
    const std::size_t name_end = line.find_first_of("{ ");
    if (name_end == std::string_view::npos) return false;
    sample.name = line.substr(0, name_end);
    std::size_t value_from = name_end;
    if (line[name_end] == '{') {
        const std::size_t end = labels_end(line, name_end + 1);
        if (end == std::string_view::npos) return false;
        sample.labels = line.substr(name_end + 1, end - name_end - 1);
        value_from = end + 1;
    }
    const std::string value(line.substr(value_from));
    char* parsed_to = nullptr;
    sample.value = std::strtod(value.c_str(), &parsed_to);
    return parsed_to != value.c_str();
}

}  // namespace

std::string MetricSample::label(std::string_view key) const {
    std::size_t at = 0;
    while (at < labels.size()) {
        const std::size_t equals = labels.find("=\"", at);
        if (equals == std::string::npos) return {};
        std::string text;
        std::size_t i = equals + 2;
        for (; i < labels.size() && labels[i] != '"'; ++i) {
            if (labels[i] == '\\' && i + 1 < labels.size()) ++i;
            text += labels[i];
        }
        if (std::string_view(labels).substr(at, equals - at) == key) return text;
        at = labels.find_first_not_of(", ", i + 1);
    }
    return {};
}

std::vector<MetricSample> parse_metrics(std::string_view text) {
    std::vector<MetricSample> samples;
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        MetricSample sample;
        if (parse_line(text.substr(0, end), sample)) samples.push_back(std::move(sample));
        if (end == std::string_view::npos) break;
        text.remove_prefix(end + 1);
    }
    return samples;
}

double metric_sum(const std::vector<MetricSample>& samples, std::string_view name,
                  std::string_view key, std::string_view value) {
    double sum = 0;
    for (const MetricSample& sample : samples) {
        if (sample.name == name && (key.empty() || sample.label(key) == value)) sum += sample.value;
    }
    return sum;
}

bool metric_exists(const std::vector<MetricSample>& samples, std::string_view name) {
    for (const MetricSample& sample : samples) {
        if (sample.name == name) return true;
    }
    return false;
}

}  // namespace millrace::tools
