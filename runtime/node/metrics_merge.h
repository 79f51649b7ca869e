// What: the Prometheus texts of several partitions as one: each family stands once, each sample
//       says whose it is by the label `partition`.
// Threads: one owner. Lifetime: owns its texts. Limits: those of the texts.
// Failure: none; a line that is neither comment nor sample goes with its family as it is.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::node {

class MetricsMerge {
public:
    void add(std::size_t partition, std::string_view text);
    std::string text() const;

private:
    struct Family {
        std::string comments;
        std::string samples;
    };
    Family& family(std::string_view name);

    std::map<std::string, std::size_t, std::less<>> places_;
    std::vector<Family> families_;  // in the order in which they came
};

}  // namespace millrace::runtime::node
