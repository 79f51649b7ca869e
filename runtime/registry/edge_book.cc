#include "runtime/registry/edge_book.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {

void EdgeBook::load(const NumberedTable<EdgeNode>& edges) {
    edges.for_each([this](const EdgeRef& edge) {
        follow(DocumentChange<EdgeNode>{nullptr, edge});
    });
}

void EdgeBook::follow(const DocumentChange<EdgeNode>& change) {
    const EdgeRef& shown = change.after ? change.after : change.before;
    if (!shown) return;
    std::lock_guard lock(mutex_);
    std::vector<EdgeRef>& edges = by_node_[shown->id];
    std::erase_if(edges, [&](const EdgeRef& edge) { return edge->tenant == shown->tenant; });
    if (change.after) edges.push_back(change.after);
    if (edges.empty()) by_node_.erase(shown->id);
}

EdgeRef EdgeBook::known_by(std::string_view node, std::string_view token,
                           std::int64_t now_us) const {
    std::lock_guard lock(mutex_);
    const auto edges = by_node_.find(node);
    if (edges == by_node_.end()) return nullptr;
    const auto found =
        std::find_if(edges->second.begin(), edges->second.end(),
                     [&](const EdgeRef& edge) { return has_edge_token(*edge, token, now_us); });
    return found == edges->second.end() ? nullptr : *found;
}

}  // namespace millrace::runtime
