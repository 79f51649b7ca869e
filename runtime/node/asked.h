// What: what people have asked of a cluster, on its way into the audit log. An order is written
//       into META in one write with what it changes; from there the owner of tenant default's
//       partition takes it into its log, and then it leaves META: whatever falls in between, it is
//       told once (server/ordered_audit.cc knows it by its id).
// Threads: pure. Lifetime: values.
// Limits: where kAskedMax wait, orders are refused; but a partition can be healed always, for it
//         may be the one that has the log.
// Failure: none.
#pragma once

#include "runtime/node/cluster_state.h"
#include "runtime/node/routing.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::runtime::node {

// What was asked, in the audit log's words: a move of a partition, a drain of a node.
struct AskedWhat {
    std::string_view action, kind, id;
    std::string_view member = {}, value = {};  // one more that it has: "to", "from"
};
// `id`: of the order, which no other one has.
AskedFor asked_for(std::string_view id, std::int64_t at_us, const AskedWhat& what,
                   const NodeOrder& order);
bool has_room(const Meta& meta);

// Where tenant default's audit log is.
std::size_t audit_partition(const Meta& meta);
// What its process is told, of the first that waits; what leaves META when that is in the log.
std::string audit_order(const AskedFor& asked);

}  // namespace millrace::runtime::node
