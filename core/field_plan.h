// What: which fields of an event somebody needs: a trie of paths from the envelope's root. The
//       parser walks it beside the text and puts the values it meets into a FieldTable, by slot.
//       An array on the way to a named member is passed through (each element); a slot's array
//       gives its scalars, nested ones too.
// Threads: immutable after build(); shared freely.
// Lifetime: owns its keys; outlives the parses that use it.
// Limits: kFieldSlotsMax slots.
// Failure: none; add() of a path that is there already returns its slot.
#pragma once

#include "core/key_hash.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace millrace::core {

inline constexpr std::uint32_t kFieldSlotsMax = 1u << 20;
inline constexpr std::uint32_t kNoSlot = 0xffffffffu;
inline constexpr std::uint32_t kNoNode = 0xffffffffu;

struct FieldStep {
    enum class Kind : std::uint8_t {
        kName,   // member of an object, of each object of an array
        kIndex,  // element of an array, from the end when negative
        kAny,    // every element of an array, every member of an object
    };
    Kind kind = Kind::kName;
    std::string_view name;
    std::int64_t index = 0;
};

// The envelope's top-level members, in the order of EnvelopeMember.
inline constexpr std::array<std::string_view, 11> kEnvelopeMembers = {
    "eventId",  "pattern",      "version",  "source",      "timestamp", "payload",
    "metadata", "partitionKey", "priority", "scheduledAt", "tenantId"};
enum class EnvelopeMember : std::uint8_t {
    kEventId,
    kPattern,
    kVersion,
    kSource,
    kTimestamp,
    kPayload,
    kMetadata,
    kPartitionKey,
    kPriority,
    kScheduledAt,
    kTenantId,
};

class FieldPlan {
public:
    // One place of the trie. Children by name sit in a small open-addressing table of their own.
    struct Node {
        std::uint64_t name_bits = 0;  // by how the children's names begin
        std::uint32_t slot = kNoSlot;
        std::uint32_t any_child = kNoNode;
        std::uint32_t table_begin = 0;  // into table_
        std::uint32_t table_mask = 0;   // table size - 1
        std::uint32_t names = 0;        // number of children by name
        std::uint32_t few_begin = 0;    // into few_; up to kFewNames children
        std::uint32_t index_begin = 0;  // into index_children_
        std::uint32_t index_count = 0;
        bool has_negative_index = false;
        bool has_children = false;
        // A few names of at most kShortName bytes, none with a quote: a key may be compared where
        // it stands.
        bool short_names = false;
    };
    static constexpr std::size_t kShortName = 48;
    struct NameEntry {
        std::uint64_t hash = 0;
        std::uint32_t child = kNoNode;  // kNoNode: free
        std::uint32_t name_begin = 0;
        std::uint32_t name_bytes = 0;
    };
    struct IndexEntry {
        std::int64_t index = 0;
        std::uint32_t child = kNoNode;
    };

    FieldPlan();

    std::uint32_t slot_count() const { return slot_count_; }
    std::size_t path_count() const { return path_count_; }
    const Node& node(std::uint32_t id) const { return nodes_[id]; }
    // No subscripts and no wildcards in any path.
    bool plain_names() const { return plain_names_; }
    static constexpr std::uint32_t root() { return 0; }

    // Child of `node` for this key, or kNoNode.
    std::uint32_t child(const Node& node, std::string_view key, std::uint64_t hash) const {
        if (node.names == 0) return kNoNode;
        for (std::uint64_t i = hash;; ++i) {
            const NameEntry& entry = table_[node.table_begin + (i & node.table_mask)];
            if (entry.child == kNoNode) return kNoNode;
            if (entry.hash == hash && entry.name_bytes == key.size() &&
                equal_bytes(name(entry).data(), key.data(), key.size()))
                return entry.child;
        }
    }
    std::uint32_t child(const Node& node, std::string_view key) const {
        if (node.names > kFewNames) return child(node, key, hash_key(key));
        for (std::uint32_t i = node.few_begin; i < node.few_begin + node.names; ++i) {
            if (few_[i].name_bytes == key.size() &&
                equal_bytes(name(few_[i]).data(), key.data(), key.size()))
                return few_[i].child;
        }
        return kNoNode;
    }
    // Child of a node with short_names for the key that begins at `p`, in text without backslashes:
    // its end need not be known. 64 bytes from `p` on are readable.
    std::uint32_t child_at(const Node& node, const char* p) const {
        for (std::uint32_t i = node.few_begin; i < node.few_begin + node.names; ++i) {
            const std::size_t bytes = few_[i].name_bytes;
            if (p[bytes] == '"' && equal_bytes(name(few_[i]).data(), p, bytes))
                return few_[i].child;
        }
        return kNoNode;
    }
    // Has the node a child whose name may begin so? `p` stands behind a key's opening quote, in
    // text without backslashes; it tells most keys apart before their end is known.
    static bool may_have_child(const Node& node, const char* p) {
        return (node.name_bits >> name_place(p) & 1) != 0;
    }
    // Child of the root for one of the envelope's members.
    std::uint32_t envelope_child(EnvelopeMember member) const {
        return envelope_nodes_[static_cast<std::size_t>(member)];
    }
    const IndexEntry* index_begin(const Node& node) const {
        return index_.data() + node.index_begin;
    }
    const IndexEntry* index_end(const Node& node) const {
        return index_begin(node) + node.index_count;
    }

private:
    friend class FieldPlanBuilder;
    // By three bytes: "pattern" and "payload" are of nearly every event.
    static unsigned name_place(const char* p) {
        const auto byte = [p](int i) { return unsigned{static_cast<unsigned char>(p[i])}; };
        return (byte(0) + byte(1) * 5 + byte(2) * 13) & 63;
    }
    static std::uint64_t name_places(const std::string& name);
    // So many names are compared one by one: that is less than a hash.
    static constexpr std::uint32_t kFewNames = 4;
    std::string_view name(const NameEntry& entry) const {
        return std::string_view(names_).substr(entry.name_begin, entry.name_bytes);
    }
    void insert_name(Node& node, std::string_view key, std::uint32_t child);

    std::array<std::uint32_t, kEnvelopeMembers.size()> envelope_nodes_;
    std::vector<Node> nodes_;
    std::vector<NameEntry> table_;
    std::vector<NameEntry> few_;  // once more, of nodes with few names, side by side
    std::vector<IndexEntry> index_;
    std::string names_;
    std::uint32_t slot_count_ = 0;
    std::size_t path_count_ = 0;
    bool plain_names_ = true;
};

// Collects paths. Slots count up from 0 in the order of first addition; between two keep_only()
// they never change, so that a later build() is a superset of an earlier one.
class FieldPlanBuilder {
public:
    FieldPlanBuilder();

    // The slot of this path; steps[0] must be a name. kNoSlot when there are kFieldSlotsMax
    // already.
    std::uint32_t add(const FieldStep* steps, std::size_t count);
    std::uint32_t add(const std::vector<FieldStep>& steps) {
        return add(steps.data(), steps.size());
    }
    // One more than the highest slot.
    std::uint32_t slot_count() const { return slot_count_; }
    // Grows with every path that comes or goes.
    std::uint64_t version() const { return version_; }
    // Forgets the paths of all other slots; those slots may be handed out again.
    void keep_only(const std::vector<bool>& slots);
    std::size_t node_count() const { return nodes_.size(); }
    FieldPlan build() const;

private:
    struct Edge {
        FieldStep::Kind kind;
        std::string name;
        std::int64_t index;
        std::uint32_t child;
    };
    struct Node {
        std::uint32_t slot = kNoSlot;
        std::vector<Edge> edges;
    };
    std::uint32_t descend(std::uint32_t node, const FieldStep& step);

    std::vector<Node> nodes_;
    std::map<std::tuple<std::uint32_t, FieldStep::Kind, std::int64_t, std::string>, std::uint32_t>
        edges_;
    void copy_kept(const std::vector<Node>& nodes, std::uint32_t from, std::uint32_t to,
                   const std::vector<bool>& wanted);

    std::vector<std::uint32_t> free_slots_;
    std::uint32_t slot_count_ = 0;
    std::uint64_t version_ = 0;
};

}  // namespace millrace::core
