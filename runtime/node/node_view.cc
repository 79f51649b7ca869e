// Part of Node: what it shows: to its front where partitions are, to people the rest.
#include "core/json_writer.h"
#include "runtime/node/node.h"

#include <array>
#include <utility>

namespace millrace::runtime::node {

// Who was known last stays, while nothing better is known: a line to NATS that is gone for a moment
// moves no partition.
Target Node::target_of(std::size_t partition, const View& now) const {
    const auto owner = owner_of(now, partition);
    const std::string here = deps_.supervisor->address(partition);
    const PartitionStatus* own = now.status(settings_.node, partition);
    if (!here.empty() &&
        (!owner || owner->node == settings_.node || (own && own->epoch >= owner->epoch))) {
        auto address = io::Address::parse(here);
        if (address) return {Target::Where::kHere, std::move(*address), own ? own->epoch : 0};
    }
    const Target none;
    const Target& last = partition < last_targets_.size() ? last_targets_[partition] : none;
    if (!owner) {
        const bool blind = !deps_.bus->open() || now.now_ns - now.since_ns < now.node_timeout_ns;
        if (blind && last.where == Target::Where::kThere) return last;
        return {};
    }
    const Member* member = meta_->member(owner->node);
    if (owner->node == settings_.node || !member) return {};
    auto address = io::Address::parse(member->url);
    if (!address) return {};
    return {Target::Where::kThere, std::move(*address), owner->epoch};
}

void Node::publish_view(std::int64_t now_ns) {
    published_ns_ = now_ns;
    auto routing = std::make_shared<Routing>();
    Meta empty;
    View now;
    now.self = settings_.node;
    now.now_ns = turned_ns_;
    now.since_ns = since_ns_;
    now.node_timeout_ns = deps_.config->cluster.node_timeout_us * 1000;
    now.meta = meta_ ? &*meta_ : &empty;
    now.heard = &heard_;
    routing->initialized = initialized();
    routing->hash_seed = now.meta->hash_seed;
    routing->by_key = now.meta->partition_by == "key";
    for (std::size_t p = 0; p < now.meta->partitions(); ++p)
        routing->targets.push_back(target_of(p, now));
    last_targets_ = routing->targets;
    for (std::size_t p = 0; p < now.meta->partitions(); ++p)
        routing->details.push_back(partition_text(p, now));
    routing->cluster = cluster_text(now);
    routing->readiness = readiness_text(now, routing->ready);
    routing->metrics = metrics_text(now);
    deps_.publish(std::move(routing));
}

std::string Node::partition_text(std::size_t partition, const View& now) const {
    std::string out;
    core::JsonWriter json(out);
    const auto owner = owner_of(now, partition);
    json.begin_object().field("partition", partition);
    json.field_or_null("owner", owner ? std::string_view(owner->node) : std::string_view());
    json.field("epoch", owner ? owner->epoch : 0);
    if (const Move* move = now.meta->move_of(partition)) json.field("movingTo", move->to);
    json.key("copies").begin_array();
    for (const std::string& node : now.meta->lists[partition]) {
        const PartitionStatus* status = now.status(node, partition);
        const bool live = now.is_live(node);
        json.begin_object().field("node", node);
        json.field("role", live && status ? role_text(status->role) : "down");
        json.field("inSync", !now.meta->is_behind(partition, node));
        if (status) {
            json.field("epoch", status->epoch).field("appended", status->appended);
            json.field("applied", status->applied).field("fsynced", status->fsynced);
            json.field("lag", status->lag());
            json.field("unit", status->unit).field("hash", status->hash);
            if (status->needs_snapshot) json.field("needsSnapshot", true);
            if (!status->error.empty()) json.field("error", status->error);
        }
        json.end_object();
    }
    json.end_array().end_object();
    return out;
}

std::string Node::cluster_text(const View& now) const {
    std::string out;
    core::JsonWriter json(out);
    const Meta& meta = *now.meta;
    json.begin_object().field("name", settings_.cluster).field("node", settings_.node);
    json.field("initialized", initialized()).field("revision", meta.revision);
    json.field("metaGone", initialized() && no_meta_);
    json.field("partitionBy", meta.partition_by).field("replicas", meta.replicas);
    json.field("ack", deps_.config->cluster.ack);
    json.key("nats").begin_object().field("connected", deps_.bus->open());
    json.field("version", deps_.bus->server_version());
    if (!deps_.bus->last_error().empty()) json.field("error", deps_.bus->last_error());
    json.end_object().key("nodes").begin_array();
    const auto append_node = [&](const std::string& node, const std::string& url, bool draining) {
        const auto heard = heard_.find(node);
        json.begin_object().field("node", node).field("url", url);
        json.field("live", now.is_live(node)).field("draining", draining);
        if (heard != heard_.end())
            json.field("heardMsAgo", (now.now_ns - heard->second.at_ns) / 1'000'000);
        json.end_object();
    };
    for (const Member& member : meta.members) append_node(member.node, member.url, member.draining);
    // Before a cluster is made, and on its way in.
    for (const auto& [node, heard] : heard_) {
        if (!meta.member(node)) append_node(node, heard.said.url, false);
    }
    json.end_array().key("partitions").begin_array();
    for (std::size_t p = 0; p < meta.partitions(); ++p) json.raw(partition_text(p, now));
    json.end_array().end_object();
    return out;
}

std::string Node::readiness_text(const View& now, bool& ready) const {
    std::string out;
    core::JsonWriter json(out);
    std::string_view why;
    std::size_t owned = 0;
    for (const Target& target : last_targets_) owned += target.where != Target::Where::kNowhere;
    if (!deps_.bus->open())
        why = "no line to NATS";
    else if (!initialized())
        why = "the cluster has not been made yet: millrace cluster init";
    else if (leaving_)
        why = "the node is ending";
    else if (owned < now.meta->partitions())
        why = "some partitions have no owner";
    ready = why.empty();
    json.begin_object().field("status", ready ? "ready" : "not ready");
    if (!ready) json.field("reason", why);
    json.key("partitions").begin_object();
    for (std::size_t p = 0; p < now.meta->partitions(); ++p) {
        const auto owner = owner_of(now, p);
        json.key(std::to_string(p));
        if (owner)
            json.value(owner->node);
        else
            json.raw("null");
    }
    json.end_object().end_object();
    return out;
}

std::string Node::metrics_text(const View& now) const {
    std::string out;
    const auto family = [&out](std::string_view name, std::string_view type,
                               std::string_view help) {
        out.append("# HELP ").append(name).append(" ").append(help).append("\n# TYPE ");
        out.append(name).append(" ").append(type).append("\n");
    };
    const auto line = [&out](std::string_view name, std::string_view labels, std::uint64_t value) {
        out.append(name).append(labels).append(" ").append(std::to_string(value)).append("\n");
    };
    family("millrace_cluster_nats_up", "gauge", "1 while there is a line to NATS");
    line("millrace_cluster_nats_up", "", deps_.bus->open() ? 1 : 0);
    family("millrace_cluster_nodes_live", "gauge", "nodes that are heard");
    std::uint64_t live = 0;
    for (const Member& member : now.meta->members) live += now.is_live(member.node) ? 1 : 0;
    line("millrace_cluster_nodes_live", "", live);
    struct Figure {
        std::string_view name, help;
        std::uint64_t (*of)(const PartitionStatus&);
    };
    constexpr std::array<Figure, 7> kFigures = {{
        {"millrace_cluster_appended",
         "last sequence of the partition's stream that this copy knows",
         [](const PartitionStatus& s) { return s.appended; }},
        {"millrace_cluster_applied", "last sequence that this copy has applied",
         [](const PartitionStatus& s) { return s.applied; }},
        {"millrace_cluster_fsynced", "last sequence that is on this copy's disk",
         [](const PartitionStatus& s) { return s.fsynced; }},
        {"millrace_cluster_lag", "appended less applied",
         [](const PartitionStatus& s) { return s.lag(); }},
        {"millrace_cluster_epoch", "ownership that this copy knows of",
         [](const PartitionStatus& s) { return s.epoch; }},
        {"millrace_cluster_owner", "1 where this node owns",
         [](const PartitionStatus& s) { return std::uint64_t{s.role == Role::kOwner}; }},
        {"millrace_cluster_needs_snapshot", "1 where the log does not reach back to this copy",
         [](const PartitionStatus& s) { return std::uint64_t{s.needs_snapshot}; }},
    }};
    family("millrace_cluster_in_sync", "gauge",
           "0 where META has put this copy out of sync: its owner does not wait for it");
    for (std::size_t p = 0; p < now.meta->partitions(); ++p) {
        if (!now.meta->has_copy(p, settings_.node)) continue;
        line("millrace_cluster_in_sync", "{partition=\"" + std::to_string(p) + "\"}",
             now.meta->is_behind(p, settings_.node) ? 0 : 1);
    }
    const auto own = heard_.find(settings_.node);
    for (const Figure& figure : kFigures) {
        family(figure.name, "gauge", figure.help);
        if (own == heard_.end()) continue;
        for (const auto& [p, status] : own->second.said.partitions) {
            line(figure.name, "{partition=\"" + std::to_string(p) + "\"}", figure.of(status));
        }
    }
    if (!deps_.figures) return out;
    const FrontFigures& f = *deps_.figures;
    family("millrace_cluster_forwarded_total", "counter", "requests passed on, by where to");
    line("millrace_cluster_forwarded_total", R"({to="here"})", f.forwarded_here.load());
    line("millrace_cluster_forwarded_total", R"({to="there"})", f.forwarded_there.load());
    family("millrace_cluster_held_total", "counter", "times that a request waited for an owner");
    line("millrace_cluster_held_total", "", f.held.load());
    family("millrace_cluster_repeated_total", "counter", "requests that were passed on once more");
    line("millrace_cluster_repeated_total", "", f.repeated.load());
    family("millrace_cluster_unknown_total", "counter",
           "requests of which nobody knows whether they were taken");
    line("millrace_cluster_unknown_total", "", f.unknown.load());
    return out;
}

}  // namespace millrace::runtime::node
