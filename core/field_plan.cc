#include "core/field_plan.h"

#include <bit>

namespace millrace::core {

FieldPlan::FieldPlan() : nodes_(1) { envelope_nodes_.fill(kNoNode); }

FieldPlanBuilder::FieldPlanBuilder() : nodes_(1) {}

std::uint32_t FieldPlanBuilder::descend(std::uint32_t node, const FieldStep& step) {
    const auto key = std::make_tuple(node, step.kind, step.index, std::string(step.name));
    const auto [at, inserted] = edges_.try_emplace(key, static_cast<std::uint32_t>(nodes_.size()));
    if (inserted) {
        nodes_[node].edges.push_back({step.kind, std::string(step.name), step.index, at->second});
        nodes_.emplace_back();
    }
    return at->second;
}

std::uint32_t FieldPlanBuilder::add(const FieldStep* steps, std::size_t count) {
    std::uint32_t node = 0;
    for (std::size_t i = 0; i < count; ++i) node = descend(node, steps[i]);
    std::uint32_t& slot = nodes_[node].slot;
    if (slot != kNoSlot) return slot;
    if (!free_slots_.empty()) {
        slot = free_slots_.back();
        free_slots_.pop_back();
        ++version_;
    } else if (slot_count_ < kFieldSlotsMax) {
        slot = slot_count_++;
        ++version_;
    }
    return slot;
}

void FieldPlanBuilder::keep_only(const std::vector<bool>& slots) {
    const auto is_kept = [&](std::uint32_t slot) { return slot < slots.size() && slots[slot]; };
    // Children have higher numbers than their parents: from the last one up, who leads to a slot?
    std::vector<bool> wanted(nodes_.size(), false);
    bool all = true;
    for (std::size_t i = nodes_.size(); i-- > 0;) {
        Node& node = nodes_[i];
        if (node.slot != kNoSlot && !is_kept(node.slot)) {
            free_slots_.push_back(node.slot);
            node.slot = kNoSlot;
            all = false;
        }
        wanted[i] = node.slot != kNoSlot;
        for (const Edge& edge : node.edges) wanted[i] = wanted[i] || wanted[edge.child];
        all = all && (wanted[i] || i == 0);
    }
    if (all) return;
    const std::vector<Node> before = std::move(nodes_);
    nodes_.assign(1, {});
    edges_.clear();
    copy_kept(before, 0, 0, wanted);
    ++version_;
}

// NOLINTNEXTLINE(misc-no-recursion): as deep as the longest path
void FieldPlanBuilder::copy_kept(const std::vector<Node>& nodes, std::uint32_t from,
                                 std::uint32_t to, const std::vector<bool>& wanted) {
    nodes_[to].slot = nodes[from].slot;
    for (const Edge& edge : nodes[from].edges) {
        if (!wanted[edge.child]) continue;
        const std::uint32_t child = descend(to, {edge.kind, edge.name, edge.index});
        copy_kept(nodes, edge.child, child, wanted);
    }
}

// Behind a name stand its quote and, past blanks, a colon.
std::uint64_t FieldPlan::name_places(const std::string& name) {
    if (name.empty()) return ~std::uint64_t{0};
    if (name.size() > 1) return 1ULL << name_place((name + '"').data());
    std::uint64_t places = 0;
    for (const char behind : {':', ' ', '\t', '\n', '\r'})
        places |= 1ULL << name_place((name + '"' + behind).data());
    return places;
}

FieldPlan FieldPlanBuilder::build() const {
    FieldPlan plan;
    plan.nodes_.resize(nodes_.size());
    plan.slot_count_ = slot_count_;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
        const Node& from = nodes_[i];
        FieldPlan::Node& to = plan.nodes_[i];
        to.slot = from.slot;
        plan.path_count_ += from.slot != kNoSlot;
        to.has_children = !from.edges.empty();
        to.index_begin = static_cast<std::uint32_t>(plan.index_.size());
        for (const Edge& edge : from.edges) {
            if (edge.kind == FieldStep::Kind::kName) {
                ++to.names;
            } else {
                plan.plain_names_ = false;
            }
            if (edge.kind == FieldStep::Kind::kAny) to.any_child = edge.child;
            if (edge.kind != FieldStep::Kind::kIndex) continue;
            plan.index_.push_back({edge.index, edge.child});
            ++to.index_count;
            if (edge.index < 0) to.has_negative_index = true;
        }
        if (to.names == 0) continue;
        // At most half full, so that a probe for an absent key ends soon.
        const std::uint32_t size = std::bit_ceil(to.names * 2);
        to.table_begin = static_cast<std::uint32_t>(plan.table_.size());
        to.table_mask = size - 1;
        to.few_begin = static_cast<std::uint32_t>(plan.few_.size());
        to.short_names = to.names <= FieldPlan::kFewNames;
        plan.table_.resize(plan.table_.size() + size);
        for (const Edge& edge : from.edges) {
            if (edge.kind != FieldStep::Kind::kName) continue;
            to.name_bits |= FieldPlan::name_places(edge.name);
            plan.insert_name(to, edge.name, edge.child);
        }
    }
    for (std::size_t i = 0; i < kEnvelopeMembers.size(); ++i) {
        plan.envelope_nodes_[i] = plan.child(plan.nodes_[0], kEnvelopeMembers[i]);
    }
    return plan;
}

void FieldPlan::insert_name(Node& node, std::string_view key, std::uint32_t child) {
    const std::uint64_t hash = hash_key(key);
    std::uint64_t i = hash;
    while (table_[node.table_begin + (i & node.table_mask)].child != kNoNode) ++i;
    const NameEntry entry{hash, child, static_cast<std::uint32_t>(names_.size()),
                          static_cast<std::uint32_t>(key.size())};
    table_[node.table_begin + (i & node.table_mask)] = entry;
    if (node.names <= kFewNames) few_.push_back(entry);
    node.short_names =
        node.short_names && key.size() <= kShortName && key.find('"') == std::string_view::npos;
    names_ += key;
}

}  // namespace millrace::core
