#include "store/replica/replica_gate.h"

#include "store/rows/keys.h"

#include <cstring>

namespace millrace::store {
namespace {

constexpr std::uint64_t kPositionRowVersion = 1;

// DO NOT REORDER: it is on people's disks.
struct PositionRow {
    std::uint64_t version = kPositionRowVersion;
    ReplicaPosition position;
};
static_assert(sizeof(PositionRow) == 48);

}  // namespace

std::string encode_replica_position(const ReplicaPosition& position) {
    std::string out;
    put_le(out, PositionRow{kPositionRowVersion, position});
    return out;
}

core::Result<ReplicaPosition> decode_replica_position(std::string_view row) {
    PositionRow read;
    if (row.size() != sizeof read)
        return core::fail(core::ErrorCode::kInternal,
                          "store: the row that says how far this copy has come is damaged");
    std::memcpy(&read, row.data(), sizeof read);
    if (read.version != kPositionRowVersion)
        return core::fail(core::ErrorCode::kInternal,
                          "store: the row that says how far this copy has come has version " +
                              std::to_string(read.version) + ", this millrace knows 1");
    return read.position;
}

}  // namespace millrace::store
