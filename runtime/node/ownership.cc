#include "runtime/node/ownership.h"

#include <algorithm>

namespace millrace::runtime::node {
namespace {

// Another node is put at the place of those who have least to lose by it.
bool is_ready(const PartitionStatus* status) {
    return status && !status->needs_snapshot &&
           (status->role == Role::kStandby || status->role == Role::kCatchingUp);
}

bool is_draining(const Meta& meta, std::string_view node) {
    const Member* member = meta.member(node);
    return member && member->draining;
}

// Of a partition that nobody has ever owned, in a cluster that has just been made: the first of its
// list, while that is there and may yet come to it. So the owners of a new cluster are spread as
// its lists are, whoever is quicker; what once was owned goes by what copies have.
const std::string* first_owner_of(const View& view, std::size_t partition) {
    constexpr std::int64_t kTimeouts = 6;
    if (view.now_ns - view.made_ns >= kTimeouts * view.node_timeout_ns) return nullptr;
    const auto& list = view.meta->lists[partition];
    if (list.empty() || !view.is_live(list.front()) || is_draining(*view.meta, list.front()))
        return nullptr;
    for (const std::string& node : list) {
        const PartitionStatus* status = view.status(node, partition);
        if (status && status->epoch != 0) return nullptr;
    }
    const PartitionStatus* status = view.status(list.front(), partition);
    if (status && !is_ready(status) && status->role != Role::kDown) return nullptr;
    return &list.front();
}

// Where a drained node's partition goes: a copy that is there already, else another node.
std::string haven_of(const View& view, std::size_t partition, std::string_view from) {
    const Meta& meta = *view.meta;
    const auto fits = [&](std::string_view node) {
        return node != from && view.is_live(node) && !is_draining(meta, node);
    };
    for (const std::string& node : meta.lists[partition]) {
        if (fits(node) && is_ready(view.status(node, partition))) return node;
    }
    if (meta.lists[partition].size() > 1) return {};  // its copies will be back
    for (const Member& member : meta.members) {
        if (fits(member.node)) return member.node;
    }
    return {};
}

bool drop_ended_moves(const View& view, Meta& meta) {
    bool changed = false;
    for (auto it = meta.moves.begin(); it != meta.moves.end();) {
        const auto owner = owner_of(view, it->partition);
        if (!owner || owner->node != it->to) {
            ++it;
            continue;
        }
        auto& list = meta.lists[it->partition];
        // The new owner first, and as many copies as before it came.
        list.erase(std::remove(list.begin(), list.end(), it->to), list.end());
        list.insert(list.begin(), it->to);
        if (list.size() > meta.replicas) list.resize(meta.replicas);
        it = meta.moves.erase(it);
        changed = true;
    }
    return changed;
}

bool begin_drain_moves(const View& view, Meta& meta, const std::string& new_move_id) {
    for (std::size_t p = 0; p < meta.partitions() && meta.moves.size() < kMovesMax; ++p) {
        if (meta.move_of(p)) continue;
        const auto owner = owner_of(view, p);
        if (!owner || !is_draining(meta, owner->node)) continue;
        const std::string to = haven_of(view, p, owner->node);
        if (to.empty()) continue;
        if (!meta.has_copy(p, to)) meta.lists[p].push_back(to);
        meta.moves.push_back({new_move_id, p, to});
        return true;  // one at a time: its id is its own
    }
    return false;
}

}  // namespace

bool View::is_live(std::string_view node) const {
    const auto found = heard->find(std::string(node));
    return found != heard->end() && now_ns - found->second.at_ns < node_timeout_ns;
}

bool View::may_be_live(std::string_view node) const {
    const auto found = heard->find(std::string(node));
    const std::int64_t last_ns = found == heard->end() ? since_ns : found->second.at_ns;
    return now_ns - std::max(last_ns, since_ns) < node_timeout_ns;
}

const PartitionStatus* View::status(std::string_view node, std::size_t partition) const {
    const auto found = heard->find(std::string(node));
    if (found == heard->end()) return nullptr;
    const auto status = found->second.said.partitions.find(partition);
    return status == found->second.said.partitions.end() ? nullptr : &status->second;
}

std::optional<Owner> owner_of(const View& view, std::size_t partition) {
    std::optional<Owner> best;
    for (const auto& [node, heard] : *view.heard) {
        const PartitionStatus* status = view.status(node, partition);
        if (!view.is_live(node) || !status || status->role != Role::kOwner) continue;
        if (!best || status->epoch > best->epoch) best = Owner{node, status->epoch};
    }
    return best;
}

std::optional<std::string> successor_of(const View& view, std::size_t partition) {
    const std::string* best = nullptr;
    std::uint64_t applied = 0;
    bool best_drains = false;
    if (const std::string* first = first_owner_of(view, partition)) {
        if (!is_ready(view.status(*first, partition))) return std::nullopt;
        return *first;
    }
    for (const std::string& node : view.meta->lists[partition]) {
        const PartitionStatus* status = view.is_live(node) ? view.status(node, partition) : nullptr;
        if (!status) {
            // It may own, or be further than all others.
            if (view.may_be_live(node)) return std::nullopt;
            continue;
        }
        if (status->role == Role::kOwner) return std::nullopt;
        // In a cluster that has just been made: the first of the list is to own, and is on its way.
        if (status->role == Role::kDown && view.now_ns - view.made_ns < view.node_timeout_ns)
            return std::nullopt;
        if (!is_ready(status)) continue;
        const bool drains = is_draining(*view.meta, node);
        const bool better = !best || (best_drains && !drains) ||
                            (best_drains == drains && status->applied > applied);
        if (!better) continue;
        best = &node;
        applied = status->applied;
        best_drains = drains;
    }
    if (!best) return std::nullopt;
    return *best;
}

std::vector<Order> orders_for(const View& view) {
    std::vector<Order> orders;
    const Meta& meta = *view.meta;
    for (std::size_t p = 0; p < meta.partitions(); ++p) {
        if (!runs_here(meta, p, view.self)) continue;
        const auto owner = owner_of(view, p);
        if (!owner) {
            if (successor_of(view, p) == view.self) orders.push_back({p, Order::What::kOwn, {}});
            continue;
        }
        if (owner->node != view.self) continue;
        const Move* move = meta.move_of(p);
        if (!move || move->to == view.self) continue;
        // Only to one that is as far as the log, but for what comes meanwhile.
        const PartitionStatus* target = view.status(move->to, p);
        if (view.is_live(move->to) && target && target->role == Role::kStandby)
            orders.push_back({p, Order::What::kHandOver, move->to});
    }
    return orders;
}

bool runs_here(const Meta& meta, std::size_t partition, std::string_view self) {
    return meta.has_copy(partition, self);
}

std::optional<Meta> tidied(const View& view, const std::string& new_move_id) {
    const Meta& meta = *view.meta;
    if (!meta.initialized()) return std::nullopt;
    for (const Member& member : meta.members) {
        if (!view.is_live(member.node)) continue;
        if (member.node != view.self) return std::nullopt;
        break;
    }
    Meta next = meta;
    bool changed = drop_ended_moves(view, next);
    changed |= begin_drain_moves(view, next, new_move_id);
    if (!changed) return std::nullopt;
    return next;
}

std::vector<std::vector<std::string>> lists_for(const std::vector<std::string>& nodes,
                                                std::size_t partitions, std::size_t replicas) {
    std::vector<std::vector<std::string>> lists(partitions);
    for (std::size_t p = 0; p < partitions; ++p) {
        // The second copies of one node's partitions are spread over the others.
        const std::size_t step = nodes.size() > 1 ? 1 + (p / nodes.size()) % (nodes.size() - 1) : 1;
        for (std::size_t r = 0; r < std::min(replicas, nodes.size()); ++r) {
            std::size_t at = (p + r * step) % nodes.size();
            while (std::find(lists[p].begin(), lists[p].end(), nodes[at]) != lists[p].end())
                at = (at + 1) % nodes.size();
            lists[p].push_back(nodes[at]);
        }
    }
    return lists;
}

}  // namespace millrace::runtime::node
