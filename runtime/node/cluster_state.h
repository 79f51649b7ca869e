// What: what a node knows of its cluster: what META says (members, who has copies of what, moves)
//       and what nodes say of themselves. Values, read and written as JSON.
// Threads: values. Lifetime: own their texts.
// Limits: kMembersMax members, kMovesMax moves at once, kAskedMax orders on their way into the
//         audit log; a heartbeat names each partition once.
// Failure: read_meta and read_heartbeat name what does not read.
#pragma once

#include "core/result.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::node {

inline constexpr std::size_t kMembersMax = 64;
inline constexpr std::size_t kMovesMax = 2;
inline constexpr std::size_t kPartitionsMax = 256;
inline constexpr std::size_t kAskedMax = 64;

// ---- META

struct Member {
    std::string node;
    std::string url;          // IP:PORT, where other nodes reach it
    std::string incarnation;  // of the process that has the name
    bool draining = false;    // owns nothing, if another can

    bool operator==(const Member&) const = default;
};

struct Move {
    std::string id;
    std::size_t partition = 0;
    std::string to;

    bool operator==(const Move&) const = default;
};

// An order of a person's that the audit log has not got yet (runtime/node/asked.h).
struct AskedFor {
    std::string id;
    std::int64_t at_us = 0;
    std::string entry;  // JSON: the log's line

    bool operator==(const AskedFor&) const = default;
};

struct Meta {
    std::uint64_t revision = 0;    // its sequence in the stream; 0: it was never written
    std::uint64_t generation = 0;  // how often its stream was lost, and it was written again
    std::uint64_t hash_seed = 0;
    std::string partition_by;
    std::size_t replicas = 0;
    std::vector<Member> members;
    std::vector<std::vector<std::string>>
        lists;  // by partition: who has a copy; empty: no init yet
    std::vector<Move> moves;
    std::vector<AskedFor> asked;  // the oldest first
    // By partition: whose copy is out of sync (runtime/node/copies.h); shorter: the rest is in
    // sync.
    std::vector<std::vector<std::string>> behind{};

    bool initialized() const { return !lists.empty(); }
    std::size_t partitions() const { return lists.size(); }
    const Member* member(std::string_view node) const;
    Member* member(std::string_view node);
    bool has_copy(std::size_t partition, std::string_view node) const;
    bool is_behind(std::size_t partition, std::string_view node) const;
    const Move* move_of(std::size_t partition) const;

    // What was known later stays, whatever NATS says of the past.
    bool is_older_than(const Meta& other) const {
        return generation != other.generation ? generation < other.generation
                                              : revision < other.revision;
    }
    std::string json() const;  // without the revision
    bool operator==(const Meta&) const = default;
};

core::Result<Meta> read_meta(std::string_view json);

// ---- what nodes say

enum class Role : std::uint8_t { kDown, kCatchingUp, kStandby, kOwner, kFenced, kDiverged };
std::string_view role_text(Role role);
std::optional<Role> parse_role(std::string_view text);

// Positions are sequences of the partition's stream.
struct PartitionStatus {
    Role role = Role::kDown;
    std::uint64_t epoch = 0;
    std::uint64_t appended = 0;  // the stream's last, as far as it is known
    std::uint64_t applied = 0;
    std::uint64_t fsynced = 0;
    // The last unit of its chain, and what that hashes to: two copies that name one unit name one
    // hash, or one of them is another history.
    std::uint64_t unit = 0;
    std::string hash;
    std::string error;
    bool needs_snapshot = false;  // the log does not reach back to it
    // An owner's, told to its own node only: copies in sync that it waits for in vain, and those
    // that are near.
    std::vector<std::string> waits_for{}, near{};

    std::uint64_t lag() const { return appended > applied ? appended - applied : 0; }
};

struct Heartbeat {
    std::string node;
    std::string url;
    std::string incarnation;
    std::uint64_t meta_revision = 0;
    std::map<std::size_t, PartitionStatus> partitions;

    std::string json() const;
};

core::Result<Heartbeat> read_heartbeat(std::string_view json);

// Where things of a tenant live.
std::size_t partition_of(std::string_view tenant, std::uint64_t hash_seed, std::size_t partitions);
std::string partition_folder(std::size_t partition);  // "p07"

}  // namespace millrace::runtime::node
