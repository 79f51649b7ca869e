// What: reads the server's /metrics (Prometheus text) for `stats`.
// Threads: any. Lifetime: samples own their text. Limits: lines that are no samples are skipped.
// Failure: none.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace millrace::tools {

struct MetricSample {
    std::string name;
    std::string labels;  // as written between the braces
    double value = 0;

    // The value of one label; "" when absent.
    std::string label(std::string_view key) const;
};

std::vector<MetricSample> parse_metrics(std::string_view text);

// The sum over all samples of the name, of those with label key=value when key is given.
double metric_sum(const std::vector<MetricSample>& samples, std::string_view name,
                  std::string_view key = {}, std::string_view value = {});
bool metric_exists(const std::vector<MetricSample>& samples, std::string_view name);

}  // namespace millrace::tools
