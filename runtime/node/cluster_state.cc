#include "runtime/node/cluster_state.h"

#include "core/json_dom.h"
#include "core/json_writer.h"
#include "runtime/event/partition_of.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <limits>
#include <utility>

namespace millrace::runtime::node {
namespace {

constexpr std::array<std::pair<std::string_view, Role>, 6> kRoles = {
    {{"down", Role::kDown},
     {"catching-up", Role::kCatchingUp},
     {"standby", Role::kStandby},
     {"owner", Role::kOwner},
     {"fenced", Role::kFenced},
     {"diverged", Role::kDiverged}}};

tl::unexpected<core::Error> unreadable(std::string_view what, std::string_view member) {
    return core::fail(core::ErrorCode::kValidation, std::string(what) + " of the cluster: " +
                                                        std::string(member) + " does not read");
}

bool take_member(const core::JsonElement& object, std::string_view name, std::string& out) {
    core::JsonElement member;
    std::string_view text;
    if (!object.find(name, member) || !member.get(text)) return false;
    out = text;
    return true;
}

bool take_member(const core::JsonElement& object, std::string_view name, std::uint64_t& out) {
    core::JsonElement member;
    return object.find(name, member) && member.get(out);
}

bool take_member_list(const core::JsonElement& object, std::string_view name,
                      core::JsonArray& out) {
    core::JsonElement member;
    return object.find(name, member) && member.get(out);
}

// Beyond 2^53: as text, which every reader of JSON keeps.
bool take_wide(const core::JsonElement& object, std::string_view name, std::uint64_t& out) {
    std::string text;
    if (!take_member(object, name, text)) return false;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), out);
    return !text.empty() && read.ec == std::errc() && read.ptr == text.data() + text.size();
}

bool read_members(const core::JsonElement& root, Meta& out) {
    core::JsonArray members;
    if (!take_member_list(root, "members", members) || members.size() > kMembersMax) return false;
    for (const core::JsonElement item : members) {
        Member member;
        if (!take_member(item, "node", member.node) || !take_member(item, "url", member.url) ||
            !take_member(item, "incarnation", member.incarnation))
            return false;
        core::JsonElement flag;
        if (item.find("draining", flag) && !flag.get(member.draining)) return false;
        out.members.push_back(std::move(member));
    }
    return true;
}

// Nodes, by partition.
bool read_lists(const core::JsonElement& root, std::string_view name,
                std::vector<std::vector<std::string>>& out) {
    core::JsonArray lists;
    if (!take_member_list(root, name, lists) || lists.size() > kPartitionsMax) return false;
    for (const core::JsonElement item : lists) {
        core::JsonArray nodes;
        if (!item.get(nodes) || nodes.size() > kMembersMax) return false;
        std::vector<std::string>& list = out.emplace_back();
        for (const core::JsonElement node : nodes) {
            std::string_view text;
            if (!node.get(text)) return false;
            list.emplace_back(text);
        }
    }
    return true;
}

// Older nodes have written none.
bool read_behind(const core::JsonElement& root, Meta& out) {
    core::JsonElement member;
    return !root.find("behind", member) ||
           (read_lists(root, "behind", out.behind) && out.behind.size() <= out.lists.size());
}

void put_lists(core::JsonWriter& json, const std::vector<std::vector<std::string>>& lists) {
    json.begin_array();
    for (const auto& list : lists) {
        json.begin_array();
        for (const std::string& node : list) json.value(node);
        json.end_array();
    }
    json.end_array();
}

bool read_moves(const core::JsonElement& root, Meta& out) {
    core::JsonArray moves;
    if (!take_member_list(root, "moves", moves) || moves.size() > kPartitionsMax) return false;
    for (const core::JsonElement item : moves) {
        Move move;
        std::uint64_t partition = 0;
        if (!take_member(item, "id", move.id) || !take_member(item, "to", move.to) ||
            !take_member(item, "partition", partition) || partition >= out.lists.size())
            return false;
        move.partition = partition;
        out.moves.push_back(std::move(move));
    }
    return true;
}

// Older nodes have written none.
bool read_asked(const core::JsonElement& root, Meta& out) {
    core::JsonElement member;
    core::JsonArray asked;
    if (!root.find("asked", member)) return true;
    if (!member.get(asked) || asked.size() > 4 * kAskedMax) return false;
    for (const core::JsonElement item : asked) {
        AskedFor one;
        std::uint64_t at_us = 0;
        if (!take_member(item, "id", one.id) || !take_member(item, "at", at_us) ||
            !take_member(item, "entry", one.entry) ||
            at_us > std::uint64_t(std::numeric_limits<std::int64_t>::max()))
            return false;
        one.at_us = static_cast<std::int64_t>(at_us);
        out.asked.push_back(std::move(one));
    }
    return true;
}

bool read_status(const core::JsonElement& item, std::size_t& partition, PartitionStatus& out) {
    std::uint64_t number = 0;
    std::string role;
    if (!take_member(item, "partition", number) || number >= kPartitionsMax ||
        !take_member(item, "role", role) || !take_member(item, "epoch", out.epoch) ||
        !take_member(item, "appended", out.appended) ||
        !take_member(item, "applied", out.applied) || !take_member(item, "fsynced", out.fsynced))
        return false;
    const auto known = parse_role(role);
    if (!known) return false;
    out.role = *known;
    (void)take_member(item, "unit", out.unit);
    (void)take_member(item, "hash", out.hash);
    (void)take_member(item, "error", out.error);
    core::JsonElement needs;
    if (item.find("needsSnapshot", needs)) (void)needs.get(out.needs_snapshot);
    partition = number;
    return true;
}

}  // namespace

std::string_view role_text(Role role) {
    return std::find_if(kRoles.begin(), kRoles.end(),
                        [role](const auto& one) { return one.second == role; })
        ->first;
}

std::optional<Role> parse_role(std::string_view text) {
    for (const auto& [name, role] : kRoles) {
        if (name == text) return role;
    }
    return std::nullopt;
}

const Member* Meta::member(std::string_view node) const {
    for (const Member& one : members) {
        if (one.node == node) return &one;
    }
    return nullptr;
}

Member* Meta::member(std::string_view node) {
    return const_cast<Member*>(std::as_const(*this).member(node));
}

bool Meta::has_copy(std::size_t partition, std::string_view node) const {
    const auto& list = lists[partition];
    return std::find(list.begin(), list.end(), node) != list.end();
}

bool Meta::is_behind(std::size_t partition, std::string_view node) const {
    if (partition >= behind.size()) return false;
    const auto& list = behind[partition];
    return std::find(list.begin(), list.end(), node) != list.end();
}

const Move* Meta::move_of(std::size_t partition) const {
    for (const Move& move : moves) {
        if (move.partition == partition) return &move;
    }
    return nullptr;
}

std::string Meta::json() const {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("version", 1).field("hashSeed", std::to_string(hash_seed));
    json.field("generation", generation);
    json.field("partitionBy", partition_by).field("replicas", replicas);
    json.key("members").begin_array();
    for (const Member& one : members) {
        json.begin_object().field("node", one.node).field("url", one.url);
        json.field("incarnation", one.incarnation).field("draining", one.draining).end_object();
    }
    json.end_array().key("lists");
    put_lists(json, lists);
    json.key("behind");
    put_lists(json, behind);
    json.key("moves").begin_array();
    for (const Move& move : moves) {
        json.begin_object().field("id", move.id).field("partition", move.partition);
        json.field("to", move.to).end_object();
    }
    json.end_array().key("asked").begin_array();
    for (const AskedFor& one : asked) {
        json.begin_object().field("id", one.id).field("at", one.at_us);
        json.field("entry", one.entry).end_object();
    }
    json.end_array().end_object();
    return out;
}

core::Result<Meta> read_meta(std::string_view text) {
    core::JsonDom dom;
    auto root = dom.parse(text);
    Meta out;
    std::uint64_t version = 0, replicas = 0;
    if (!root || !root->is_object()) return unreadable("META", "the document");
    if (!take_member(*root, "version", version) || version != 1)
        return unreadable("META", "version");
    if (!take_wide(*root, "hashSeed", out.hash_seed)) return unreadable("META", "hashSeed");
    if (!take_member(*root, "partitionBy", out.partition_by))
        return unreadable("META", "partitionBy");
    if (!take_member(*root, "replicas", replicas)) return unreadable("META", "replicas");
    out.replicas = replicas;
    (void)take_member(*root, "generation", out.generation);
    if (!read_members(*root, out)) return unreadable("META", "members");
    if (!read_lists(*root, "lists", out.lists)) return unreadable("META", "lists");
    if (!read_behind(*root, out)) return unreadable("META", "behind");
    if (!read_moves(*root, out)) return unreadable("META", "moves");
    if (!read_asked(*root, out)) return unreadable("META", "asked");
    return out;
}

std::string Heartbeat::json() const {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("node", node).field("url", url).field("incarnation", incarnation);
    json.field("meta", meta_revision).key("partitions").begin_array();
    for (const auto& [partition, status] : partitions) {
        json.begin_object().field("partition", partition).field("role", role_text(status.role));
        json.field("epoch", status.epoch).field("appended", status.appended);
        json.field("applied", status.applied).field("fsynced", status.fsynced);
        json.field("unit", status.unit).field("hash", status.hash);
        if (status.needs_snapshot) json.field("needsSnapshot", true);
        if (!status.error.empty()) json.field("error", status.error);
        json.end_object();
    }
    json.end_array().end_object();
    return out;
}

core::Result<Heartbeat> read_heartbeat(std::string_view text) {
    core::JsonDom dom;
    auto root = dom.parse(text);
    Heartbeat out;
    core::JsonArray partitions;
    if (!root || !root->is_object() || !take_member(*root, "node", out.node) ||
        !take_member(*root, "url", out.url) ||
        !take_member(*root, "incarnation", out.incarnation) ||
        !take_member(*root, "meta", out.meta_revision) ||
        !take_member_list(*root, "partitions", partitions))
        return unreadable("a heartbeat", "its head");
    for (const core::JsonElement item : partitions) {
        std::size_t partition = 0;
        PartitionStatus status;
        if (!read_status(item, partition, status)) return unreadable("a heartbeat", "a partition");
        out.partitions[partition] = std::move(status);
    }
    return out;
}

std::size_t partition_of(std::string_view tenant, std::uint64_t hash_seed, std::size_t partitions) {
    return partition_of_tenant(tenant, hash_seed, partitions);
}

std::string partition_folder(std::size_t partition) {
    std::array<char, 16> text{};
    const int bytes = std::snprintf(text.data(), text.size(), "p%02zu", partition);
    return {text.data(), static_cast<std::size_t>(bytes)};
}

}  // namespace millrace::runtime::node
