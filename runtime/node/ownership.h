// What: who should own what, decided from what META says and what has been heard: what a node tells
//       its own processes, and what it changes in META. A node decides for itself alone; that two
//       never own is the log's business, not this one's: a wrong guess costs a refused EPOCH.
// Threads: pure. Lifetime: values.
// Limits: kMovesMax moves are begun at once.
// Failure: none.
#pragma once

#include "runtime/node/cluster_state.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::node {

// What was heard of a node, by the own monotonic clock.
struct Heard {
    std::int64_t at_ns = 0;
    Heartbeat said;
};

struct View {
    std::string self;
    std::int64_t now_ns = 0;
    std::int64_t since_ns = 0;  // it has been listening without a break
    std::int64_t node_timeout_ns = 0;
    std::int64_t made_ns = 0;  // since then it is known who has copies: processes begin
    const Meta* meta = nullptr;
    const std::map<std::string, Heard>* heard = nullptr;  // the own node too

    // Heard within the time; one that was never heard is waited for as long.
    bool is_live(std::string_view node) const;
    bool may_be_live(std::string_view node) const;
    const PartitionStatus* status(std::string_view node, std::size_t partition) const;
};

struct Owner {
    std::string node;
    std::uint64_t epoch = 0;
};
// Who says that it owns, of those who are live; of several the one with the highest epoch.
std::optional<Owner> owner_of(const View& view, std::size_t partition);

// Who takes over where nobody owns; nullopt: nobody can, or those who might know better have not
// been heard yet.
std::optional<std::string> successor_of(const View& view, std::size_t partition);

// Of the processes that run here.
struct Order {
    enum class What : std::uint8_t { kOwn, kHandOver };
    std::size_t partition = 0;
    What what = What::kOwn;
    std::string to;  // kHandOver

    bool operator==(const Order&) const = default;
};
std::vector<Order> orders_for(const View& view);

// Which processes belong here: the node's copies, and what is on its way to it.
bool runs_here(const Meta& meta, std::size_t partition, std::string_view self);

// ---- what is changed in META; nullopt: nothing

// A drained node's partitions get moves of their own; moves that are over leave, and what was there
// only for them. Done by the first live member of the list, so that two rarely write the same.
std::optional<Meta> tidied(const View& view, const std::string& new_move_id);

// Copies in turns around the ring of nodes: the first of each list is the one that should own.
std::vector<std::vector<std::string>> lists_for(const std::vector<std::string>& nodes,
                                                std::size_t partitions, std::size_t replicas);

}  // namespace millrace::runtime::node
