#include "runtime/node/metrics_merge.h"

namespace millrace::runtime::node {

MetricsMerge::Family& MetricsMerge::family(std::string_view name) {
    const auto found = places_.find(name);
    if (found != places_.end()) return families_[found->second];
    places_.emplace(name, families_.size());
    return families_.emplace_back();
}

void MetricsMerge::add(std::size_t partition, std::string_view text) {
    const std::string label = "partition=\"" + std::to_string(partition) + "\"";
    Family* now = nullptr;
    std::string_view name;
    bool first = false;  // of this family: its comments are taken once
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        if (line.starts_with("# ")) {
            const std::string_view rest = line.substr(line.find(' ', 2) + 1);
            const std::string_view said = rest.substr(0, rest.find(' '));
            if (said != name || !now) {
                name = said;
                now = &family(name);
                first = now->comments.empty();
            }
            if (first) now->comments.append(line).append("\n");
            continue;
        }
        if (line.empty()) continue;
        if (!now) now = &family("");
        const std::size_t at = line.find_first_of("{ ");
        if (at == std::string_view::npos) continue;
        now->samples.append(line.substr(0, at)).append("{").append(label);
        if (line[at] == ' ') {
            now->samples.append("}").append(line.substr(at));
        } else {
            if (line.substr(at, 2) != "{}") now->samples.append(",");
            now->samples.append(line.substr(at + 1));
        }
        now->samples.append("\n");
    }
}

std::string MetricsMerge::text() const {
    std::string out;
    for (const Family& one : families_) out.append(one.comments).append(one.samples);
    return out;
}

}  // namespace millrace::runtime::node
