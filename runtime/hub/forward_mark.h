// What: how far an edge has sent a shard's log, as it keeps it: a named cursor with the chain hash
//       up to there; and which data folder this is. It may be older than what the hub has: then the
//       hub says where to go on, and the log whether that is true.
// Threads: values. Lifetime: values. Limits: none.
// Failure: a row that does not read is an Error.
#pragma once

#include "core/result.h"
#include "store/rows/row_batch.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::runtime::hub {

inline constexpr std::string_view kForwardKind = "hub_forward";
inline constexpr std::string_view kForwardFolderId = "folder";
inline constexpr std::string_view kForwardUrgentId = "urgent";

struct ForwardMark {
    std::uint32_t lane = 0;  // hub_batch.h
    std::uint64_t next = 0;  // the offset that is sent next
    std::uint64_t hash = 0;  // of what is before it
};

void put_forward_mark(store::RowBatch& rows, const ForwardMark& mark, std::int64_t now_us);
core::Result<ForwardMark> read_forward_mark(std::string_view json);

// UrgentEvents' row.
void put_urgent(store::RowBatch& rows, std::string_view json, std::int64_t now_us);

// The folder's incarnation.
void put_incarnation(store::RowBatch& rows, std::uint64_t incarnation, std::int64_t now_us);
core::Result<std::uint64_t> read_incarnation(std::string_view json);

}  // namespace millrace::runtime::hub
