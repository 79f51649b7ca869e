#include "runtime/node/trace_merge.h"

#include "core/percent_encode.h"
#include "runtime/node/part_bodies.h"

#include <algorithm>
#include <deque>

namespace millrace::runtime::node {
namespace {

core::Error unreadable_trace(std::size_t partition) {
    return {core::ErrorCode::kInternal,
            "the trace of partition " + std::to_string(partition) + " does not read"};
}

// A node's own members; the lists of a whole trace are none of them.
void append_node(core::JsonWriter& json, std::string_view text, std::size_t partition) {
    core::JsonDom dom;
    auto root = dom.parse(text);
    core::JsonMembers members;
    if (!root || !root->get(members)) return;
    for (const core::JsonMember member : members) {
        if (member.key == "event" || member.key == "causedBy" || member.key == "deliveries")
            json.raw_field(member.key, member.value.raw());
    }
    json.field("partition", partition);
}

bool flag_in(core::JsonElement object, std::string_view member) {
    core::JsonElement value;
    bool flag = false;
    return object.find(member, value) && value.get(flag) && flag;
}

}  // namespace

bool TraceMerge::take(std::size_t partition, std::string_view text) {
    core::JsonDom dom;
    auto root = dom.parse(text);
    core::JsonElement event;
    if (!root || !root->find("event", event)) return false;
    Node node;
    node.text = text;
    node.id = text_in(event, "eventId");
    node.caused_by = text_in(*root, "causedBy");
    node.at = text_in(event, "receivedAt");
    node.partition = partition;
    if (node.id.empty()) return false;
    if (!known_.emplace(node.id, partition).second) return true;
    if (nodes_.size() >= kTraceEventsMax) {
        truncated_ = true;
        return true;
    }
    // What is below it in its own partition has come with it.
    below_[node.id].insert(partition);
    nodes_.push_back(std::move(node));
    return true;
}

core::Status TraceMerge::begin(const PartPage& part) {
    core::JsonDom dom;
    auto root = dom.parse(part.body);
    core::JsonElement member;
    if (!root || !take(part.partition, part.body))
        return core::fail(unreadable_trace(part.partition));
    for (const std::string_view list : {"causes", "caused"}) {
        core::JsonArray nodes;
        if (!root->find(list, member) || !member.get(nodes))
            return core::fail(unreadable_trace(part.partition));
        for (const core::JsonElement node : nodes) {
            if (!take(part.partition, node.raw()))
                return core::fail(unreadable_trace(part.partition));
        }
    }
    truncated_ = truncated_ || flag_in(*root, "truncated");
    if (root->find("otherSources", member)) other_sources_ = member.raw();
    return {};
}

core::Status TraceMerge::add(const PartPage& part) {
    core::JsonDom dom;
    auto root = dom.parse(part.body);
    core::JsonElement member;
    core::JsonArray nodes;
    if (!root || !root->find("nodes", member) || !member.get(nodes))
        return core::fail(unreadable_trace(part.partition));
    for (const core::JsonElement node : nodes) {
        if (!take(part.partition, node.raw())) return core::fail(unreadable_trace(part.partition));
    }
    truncated_ = truncated_ || flag_in(*root, "truncated");
    return {};
}

const TraceMerge::Node* TraceMerge::find(std::string_view id) const {
    const auto found = std::find_if(nodes_.begin(), nodes_.end(),
                                    [id](const Node& node) { return node.id == id; });
    return found == nodes_.end() ? nullptr : &*found;
}

// From the event's cause up, as far as it is known.
std::vector<const TraceMerge::Node*> TraceMerge::causes() const {
    std::vector<const Node*> out;
    for (const Node* at = &nodes_.front(); !at->caused_by.empty();) {
        at = find(at->caused_by);
        if (!at || at == &nodes_.front() || std::find(out.begin(), out.end(), at) != out.end())
            break;
        out.push_back(at);
    }
    return out;
}

// Level by level, and of one cause by when they came.
std::vector<const TraceMerge::Node*> TraceMerge::effects(
    const std::vector<const Node*>& above) const {
    std::map<std::string_view, std::vector<const Node*>> by_cause;
    for (const Node& node : nodes_) {
        const bool is_above = std::find(above.begin(), above.end(), &node) != above.end();
        if (&node != &nodes_.front() && !is_above) by_cause[node.caused_by].push_back(&node);
    }
    std::vector<const Node*> out;
    std::deque<std::string_view> open = {nodes_.front().id};
    while (!open.empty()) {
        const auto found = by_cause.find(open.front());
        open.pop_front();
        if (found == by_cause.end()) continue;
        std::vector<const Node*> level = std::move(found->second);
        by_cause.erase(found);
        std::stable_sort(level.begin(), level.end(),
                         [](const Node* a, const Node* b) { return a->at < b->at; });
        for (const Node* node : level) {
            out.push_back(node);
            open.push_back(node->id);
        }
    }
    return out;
}

std::vector<TraceMerge::Ask> TraceMerge::next_round() {
    if (nodes_.empty()) return {};
    const std::vector<const Node*> above = causes();
    const std::string& cause = above.empty() ? nodes_.front().caused_by : above.back()->caused_by;
    const bool asks_cause = !cause.empty() && !find(cause) && above_.insert(cause).second;
    // The chain above is one: what else its events caused is not this one's trace.
    const std::set<const Node*> chain(above.begin(), above.end());
    std::vector<Ask> out;
    for (std::size_t p = 0; p < partitions_; ++p) {
        std::string ids;
        for (const Node& node : nodes_) {
            if (chain.contains(&node) || ids.size() >= kAskedBytesMax) continue;
            if (!below_[node.id].insert(p).second) continue;
            if (!ids.empty()) ids += ',';
            core::append_percent_encoded(ids, node.id);
        }
        Ask ask{p, ids.empty() ? std::string() : "effects=" + ids};
        if (asks_cause) {
            ask.what += ask.what.empty() ? "causes=" : "&causes=";
            core::append_percent_encoded(ask.what, cause);
        }
        if (!ask.what.empty()) out.push_back(std::move(ask));
    }
    if (out.empty() || rounds_++ < kTraceRoundsMax) return out;
    truncated_ = true;
    return {};
}

std::string TraceMerge::text() const {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object();
    append_node(json, nodes_.front().text, nodes_.front().partition);
    if (!other_sources_.empty()) json.raw_field("otherSources", other_sources_);
    const std::vector<const Node*> above = causes();
    const auto append = [&json](std::string_view name, const std::vector<const Node*>& nodes) {
        json.key(name).begin_array();
        for (const Node* node : nodes) {
            json.begin_object();
            append_node(json, node->text, node->partition);
            json.end_object();
        }
        json.end_array();
    };
    append("causes", above);
    append("caused", effects(above));
    json.field("truncated", truncated_).end_object();
    return out;
}

}  // namespace millrace::runtime::node
