#include "runtime/node/copies.h"

#include "core/json_writer.h"

#include <algorithm>

namespace millrace::runtime::node {
namespace {

bool can_give(const PartitionStatus& status) {
    return !status.needs_snapshot && (status.role == Role::kStandby || status.role == Role::kOwner);
}

std::string in_sync_line(const std::vector<std::string>& nodes) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("do", "in_sync").key("nodes").begin_array();
    for (const std::string& node : nodes) json.value(node);
    json.end_array().end_object();
    return out;
}

std::string fill_line(const std::string& from) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("do", "fill").field("from", from).end_object();
    return out;
}

bool is_among(const std::vector<std::string>& nodes, const std::string& node) {
    return std::find(nodes.begin(), nodes.end(), node) != nodes.end();
}

bool falls_behind(const View& view, std::size_t partition, const std::string& node,
                  const PartitionStatus& owner) {
    const PartitionStatus* status = view.is_live(node) ? view.status(node, partition) : nullptr;
    return (status && status->needs_snapshot) || is_among(owner.waits_for, node);
}

// That it says so itself is not enough: its process may have said that last, and stand still.
bool is_back(const View& view, std::size_t partition, const std::string& node,
             const PartitionStatus& owner) {
    const PartitionStatus* status = view.is_live(node) ? view.status(node, partition) : nullptr;
    return status && status->role == Role::kStandby && is_among(owner.near, node) &&
           !falls_behind(view, partition, node, owner);
}

}  // namespace

std::vector<std::string> copies_in_sync(const Meta& meta, std::size_t partition,
                                        std::string_view owner) {
    std::vector<std::string> out;
    for (const std::string& node : meta.lists[partition]) {
        if (node != owner && !meta.is_behind(partition, node)) out.push_back(node);
    }
    return out;
}

std::string snapshot_giver(const View& view, std::size_t partition, std::string_view taker) {
    std::string best;
    Role best_role = Role::kDown;
    std::uint64_t applied = 0;
    for (const std::string& node : view.meta->lists[partition]) {
        const PartitionStatus* status = view.is_live(node) ? view.status(node, partition) : nullptr;
        if (node == taker || !status || !can_give(*status)) continue;
        const bool better = best.empty() ||
                            (status->role == Role::kStandby && best_role == Role::kOwner) ||
                            (status->role == best_role && status->applied > applied);
        if (!better) continue;
        best = node;
        best_role = status->role;
        applied = status->applied;
    }
    return best;
}

std::vector<std::pair<std::size_t, std::string>> copy_orders(const View& view) {
    std::vector<std::pair<std::size_t, std::string>> out;
    const Meta& meta = *view.meta;
    for (std::size_t p = 0; p < meta.partitions(); ++p) {
        const PartitionStatus* own = view.status(view.self, p);
        if (!own || !runs_here(meta, p, view.self)) continue;
        // Before it owns, too: it is to know when it does.
        out.emplace_back(p, in_sync_line(copies_in_sync(meta, p, view.self)));
        if (own->role != Role::kCatchingUp || !own->needs_snapshot) continue;
        const Member* giver = meta.member(snapshot_giver(view, p, view.self));
        if (giver) out.emplace_back(p, fill_line(giver->url));
    }
    return out;
}

std::optional<Meta> with_copies_behind(const View& view) {
    const Meta& meta = *view.meta;
    Meta next = meta;
    next.behind.resize(meta.partitions());
    bool changed = false;
    for (std::size_t p = 0; p < meta.partitions(); ++p) {
        const auto owner = owner_of(view, p);
        const PartitionStatus* own = view.status(view.self, p);
        if (!owner || owner->node != view.self || !own) continue;
        std::vector<std::string> behind;
        for (const std::string& node : meta.lists[p]) {
            if (node == view.self) continue;
            if (meta.is_behind(p, node) ? !is_back(view, p, node, *own)
                                        : falls_behind(view, p, node, *own))
                behind.push_back(node);
        }
        changed |= behind != next.behind[p];
        next.behind[p] = std::move(behind);
    }
    if (!changed) return std::nullopt;
    return next;
}

}  // namespace millrace::runtime::node
