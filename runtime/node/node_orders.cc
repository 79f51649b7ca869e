// Part of Node: what is asked of it from outside: the cluster made, a partition moved or healed, a
// node drained.
#include "core/json_dom.h"
#include "core/json_writer.h"
#include "io/error_body.h"
#include "runtime/cluster/stream_config.h"
#include "runtime/node/node.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace millrace::runtime::node {
namespace {

constexpr std::int64_t kMetaLogBytes = 64LL << 20;

void refuse_order(NodeOrder& order, core::ErrorCode code, const std::string& text) {
    const core::Error error(code, text);
    order.answer(core::error_code_status(code), io::error_body(error));
}

std::string accepted(std::string_view id) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("id", id).end_object();
    return out;
}

// A text member of a body that may have no other.
bool read_text(std::string_view body, std::string_view name, std::string& out) {
    core::JsonDom dom;
    auto root = dom.parse(body);
    core::JsonMembers members;
    core::JsonElement member;
    std::string_view text;
    if (!root || !root->get(members) || members.size() != 1 || !members.find(name, member) ||
        !member.get(text))
        return false;
    out = text;
    return true;
}

bool read_nodes(std::string_view body, std::vector<std::string>& out) {
    core::JsonDom dom;
    auto root = dom.parse(body);
    core::JsonMembers members;
    core::JsonElement member;
    core::JsonArray nodes;
    if (!root || !root->get(members) || members.size() != 1 || !members.find("nodes", member) ||
        !member.get(nodes))
        return false;
    for (const core::JsonElement item : nodes) {
        std::string_view text;
        if (!item.get(text) || !is_node_name(text) ||
            std::find(out.begin(), out.end(), text) != out.end())
            return false;
        out.emplace_back(text);
    }
    return !out.empty() && out.size() <= kMembersMax;
}

// {"restore":true}
bool is_restore(std::string_view body) {
    core::JsonDom dom;
    auto root = dom.parse(body);
    core::JsonElement member;
    bool restore = false;
    return root && root->find("restore", member) && member.get(restore) && restore;
}

bool read_index(std::string_view text, std::size_t& out) {
    const auto read = std::from_chars(text.data(), text.data() + text.size(), out);
    return !text.empty() && read.ec == std::errc() && read.ptr == text.data() + text.size();
}

}  // namespace

void Node::order(NodeOrder&& order) {
    {
        const std::lock_guard lock(mutex_);
        if (orders_.size() < kOrdersMax) {
            orders_.push_back(std::move(order));
            return;
        }
    }
    refuse_order(order, core::ErrorCode::kUnavailable, "too much is asked of the cluster at once");
}

void Node::take_orders() {
    std::vector<NodeOrder> orders;
    {
        const std::lock_guard lock(mutex_);
        orders.swap(orders_);
    }
    for (NodeOrder& order : orders) take_order(std::move(order));
}

void Node::take_order(NodeOrder&& order) {
    deps_.log->info("cluster: asked for", {{"method", io::method_text(order.method)},
                                           {"path", order.path},
                                           {"body", std::string_view(order.body).substr(0, 256)},
                                           {"by", order.actor}});
    std::string_view path = order.path;
    const bool posts = order.method == io::Method::kPost;
    if (path == "/v2/cluster/init" && posts) return begin_cluster(std::move(order));
    if (!initialized()) {
        return refuse_order(order, core::ErrorCode::kUnavailable,
                            "the cluster has not been made yet: millrace cluster init");
    }
    if (!has_room(*meta_) && !path.ends_with("/heal")) {
        return refuse_order(order, core::ErrorCode::kUnavailable,
                            std::to_string(kAskedMax) +
                                " orders wait for the audit log, which is in partition " +
                                std::to_string(audit_partition(*meta_)) + ": see who owns that");
    }
    if (path.starts_with("/v2/cluster/partitions/") && posts) {
        path.remove_prefix(std::string_view("/v2/cluster/partitions/").size());
        const std::size_t slash = path.find('/');
        std::size_t partition = 0;
        if (!read_index(path.substr(0, slash), partition) || partition >= meta_->partitions())
            return refuse_order(order, core::ErrorCode::kNotFound, "no such partition");
        const std::string_view verb = slash == std::string_view::npos ? "" : path.substr(slash + 1);
        if (verb == "move") return order_move(std::move(order), partition);
        if (verb == "heal") return order_heal(std::move(order), partition);
    }
    if (path.starts_with("/v2/cluster/nodes/") && path.ends_with("/drain") &&
        (posts || order.method == io::Method::kDelete)) {
        path.remove_prefix(std::string_view("/v2/cluster/nodes/").size());
        path.remove_suffix(std::string_view("/drain").size());
        return order_drain(std::move(order), std::string(path));
    }
    refuse_order(order, core::ErrorCode::kNotFound, "no such call of a cluster");
}

// ---- a cluster is made: its streams, then META, which nobody may have written before

void Node::begin_cluster(NodeOrder&& order) {
    std::vector<std::string> nodes;
    if (is_restore(order.body)) return restore_meta(std::move(order));
    if (initialized())
        return refuse_order(order, core::ErrorCode::kConflict, "the cluster has been made already");
    if (making_)
        return refuse_order(order, core::ErrorCode::kConflict, "the cluster is being made");
    if (!deps_.bus->open() || !no_meta_) {
        return refuse_order(order, core::ErrorCode::kUnavailable,
                            "NATS has not said yet whether there is a cluster of this name");
    }
    if (!read_nodes(order.body, nodes)) {
        return refuse_order(order, core::ErrorCode::kValidation,
                            R"(body: expected {"nodes":["a","b","c"]}, each once)");
    }
    const core::ClusterConfig& cluster = deps_.config->cluster;
    Making making;
    Meta& meta = making.meta;
    meta.hash_seed = random_.next();
    meta.partition_by = cluster.partition_by;
    meta.replicas = static_cast<std::size_t>(cluster.replicas);
    for (const std::string& node : nodes) {
        if (node == settings_.node && !joined_) {
            return refuse_order(order, core::ErrorCode::kUnavailable,
                                "this node has just begun, and listens who is there: come again");
        }
        const auto heard = heard_.find(node);
        if (heard == heard_.end() ||
            turned_ns_ - heard->second.at_ns > cluster.node_timeout_us * 1000) {
            return refuse_order(order, core::ErrorCode::kConflict,
                                "node '" + node + "' is not heard; start it first, then init");
        }
        meta.members.push_back({node, heard->second.said.url, heard->second.said.incarnation});
    }
    if (nodes.size() < meta.replicas) {
        return refuse_order(order, core::ErrorCode::kConflict,
                            "cluster.replicas is " + std::to_string(meta.replicas) +
                                ", and there are " + std::to_string(nodes.size()) + " nodes");
    }
    const auto partitions = static_cast<std::size_t>(cluster.partitions);
    meta.lists = lists_for(nodes, partitions, meta.replicas);
    const AskedWhat what{"init", "cluster", settings_.cluster};
    meta.asked.push_back(asked_for(new_id("init_"), deps_.clock->wall_us(), what, order));
    making.order = std::move(order);
    const auto replicas = static_cast<std::uint32_t>(
        std::min<std::int64_t>(kNatsReplicasMax, std::int64_t(settings_.nats.size())));
    making_ = std::move(making);
    const std::string name = "MR-" + settings_.cluster + "-META";
    making_->missing.insert(name);
    for (std::uint32_t p = 0; p < partitions; ++p)
        making_->missing.insert(cluster::stream_name(settings_.cluster, p));
    deps_.bus->make_stream(name, cluster::stream_config(name, "mr." + settings_.cluster + ".meta",
                                                        replicas, kMetaLogBytes));
    for (std::uint32_t p = 0; p < partitions; ++p) {
        const std::string stream = cluster::stream_name(settings_.cluster, p);
        deps_.bus->make_stream(
            stream,
            cluster::stream_config(stream, cluster::stream_subject(settings_.cluster, p), replicas,
                                   static_cast<std::uint64_t>(cluster.log_bytes)));
    }
}

// A person says that NATS has lost it: what this node knew last is written again.
void Node::restore_meta(NodeOrder&& order) {
    if (!initialized() || !no_meta_ || making_) {
        return refuse_order(order, core::ErrorCode::kConflict,
                            "there is nothing to restore: META is in NATS, or this node never knew "
                            "it, or it is being written");
    }
    Making making;
    making.meta = *meta_;
    ++making.meta.generation;
    const AskedWhat what{"restore", "cluster", settings_.cluster};
    if (has_room(making.meta))
        making.meta.asked.push_back(
            asked_for(new_id("init_"), deps_.clock->wall_us(), what, order));
    making.order = std::move(order);
    const std::string name = "MR-" + settings_.cluster + "-META";
    making.missing.insert(name);
    making_ = std::move(making);
    const auto replicas = static_cast<std::uint32_t>(
        std::min<std::int64_t>(kNatsReplicasMax, std::int64_t(settings_.nats.size())));
    deps_.bus->make_stream(name, cluster::stream_config(name, "mr." + settings_.cluster + ".meta",
                                                        replicas, kMetaLogBytes));
}

void Node::go_on_making(const BusNews& news) {
    if (!making_) return;
    if (news.what == BusNews::What::kStreamRefused) {
        refuse_order(making_->order, core::ErrorCode::kUnavailable,
                     "the stream " + news.stream + " was not made: " + news.words +
                         "; init may be asked for again");
        making_.reset();
        return;
    }
    making_->missing.erase(news.stream);
    if (!making_->missing.empty()) return;
    making_->written = deps_.bus->write_meta(making_->meta, 0);
    writing_ = making_->written;
    if (making_->written) return;
    refuse_order(making_->order, core::ErrorCode::kUnavailable, "no line to NATS; ask again");
    making_.reset();
}

// ---- changes of META

void Node::change(NodeOrder&& order, const std::string& id, const AskedWhat& what,
                  std::function<std::optional<Meta>(const Meta&)> make,
                  std::function<void()> then) {
    AskedFor asked = asked_for(id, deps_.clock->wall_us(), what, order);
    changes_.push_back(
        {std::move(make), accepted(id), std::move(order), std::move(asked), std::move(then), 0});
}

void Node::order_move(NodeOrder&& order, std::size_t partition) {
    std::string to;
    if (!read_text(order.body, "to", to))
        return refuse_order(order, core::ErrorCode::kValidation, R"(body: expected {"to":"NODE"})");
    if (!meta_->member(to))
        return refuse_order(order, core::ErrorCode::kNotFound, "no node is called '" + to + "'");
    const View now = view();
    if (!now.is_live(to))
        return refuse_order(order, core::ErrorCode::kConflict, "node '" + to + "' is not heard");
    const auto owner = owner_of(now, partition);
    if (owner && owner->node == to) return order.answer(202, accepted("none"));
    if (meta_->move_of(partition))
        return refuse_order(order, core::ErrorCode::kConflict,
                            "the partition is on its way already");
    if (meta_->moves.size() >= kMovesMax)
        return refuse_order(order, core::ErrorCode::kConflict,
                            "two partitions are on their way; wait");
    const std::string id = new_id();
    const std::string number = std::to_string(partition);
    change(std::move(order), id, {"move", "partition", number, "to", to},
           [id, to, partition](const Meta& meta) -> std::optional<Meta> {
               if (meta.move_of(partition)) return std::nullopt;
               Meta next = meta;
               if (!next.has_copy(partition, to)) next.lists[partition].push_back(to);
               next.moves.push_back({id, partition, to});
               return next;
           });
}

void Node::order_drain(NodeOrder&& order, const std::string& node) {
    if (!meta_->member(node))
        return refuse_order(order, core::ErrorCode::kNotFound, "no node is called '" + node + "'");
    const bool drains = order.method == io::Method::kPost;
    change(std::move(order), new_id("drain_"), {drains ? "drain" : "undrain", "node", node},
           [node, drains](const Meta& meta) -> std::optional<Meta> {
               const Member* member = meta.member(node);
               if (!member || member->draining == drains) return std::nullopt;
               Meta next = meta;
               next.member(node)->draining = drains;
               return next;
           });
}

// It changes nothing in META but that it was asked for: it is said once, by a person who has
// looked, to the one copy that is to count.
void Node::order_heal(NodeOrder&& order, std::size_t partition) {
    std::string from;
    if (!read_text(order.body, "from", from))
        return refuse_order(order, core::ErrorCode::kValidation,
                            R"(body: expected {"from":"NODE"})");
    if (!meta_->has_copy(partition, from))
        return refuse_order(order, core::ErrorCode::kNotFound,
                            "node '" + from + "' has no copy of this partition");
    const PartitionStatus* status = view().status(from, partition);
    if (!status || status->role != Role::kDiverged) {
        return refuse_order(
            order, core::ErrorCode::kConflict,
            "the copy of node '" + from + "' is not diverged: there is nothing to heal");
    }
    std::string words;
    core::JsonWriter json(words);
    json.begin_object().field("do", "heal").field("partition", partition).end_object();
    const std::string number = std::to_string(partition);
    change(
        std::move(order), new_id("heal_"), {"heal", "partition", number, "from", from},
        [](const Meta& meta) { return std::optional(meta); },
        [this, from, words] {
            if (from == settings_.node)
                take_asked(words);
            else
                deps_.bus->ask(from, words);
        });
}

void Node::take_asked(const std::string& words) {
    core::JsonDom dom;
    auto root = dom.parse(words);
    core::JsonElement member;
    std::string_view verb;
    std::uint64_t partition = 0;
    if (!root || !root->find("do", member) || !member.get(verb) || verb != "heal" ||
        !root->find("partition", member) || !member.get(partition))
        return;
    deps_.log->warn("cluster: a person says that this copy counts",
                    {{"partition", static_cast<std::int64_t>(partition)}});
    deps_.supervisor->order(partition, R"({"do":"heal"})");
}

}  // namespace millrace::runtime::node
