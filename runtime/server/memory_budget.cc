#include "runtime/server/memory_budget.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <string>

namespace millrace::runtime {

namespace {

constexpr std::uint64_t kBudgetKiB = 1u << 10;
constexpr std::uint64_t kBudgetMiB = 1u << 20;

// Text in use, statics, the registry and the ring of a small server, measured idle; what a thread
// of ours touches beside its share: stack, the arena of malloc.
constexpr std::uint64_t kProgramBytes = 16 * kBudgetMiB;
constexpr std::uint64_t kThreadBytes = 1 * kBudgetMiB;

// Tables of identities that a shard may hold at once: the open one and the one it grows out of,
// those that wait for the housekeeper, one that is kept clean.
constexpr std::uint64_t kIdTables = 6;
// A slot takes 24 bytes, and no more than half of them are used.
constexpr std::uint64_t kIdEntryBytes = 48;
// The tables grow by four: other numbers of entries would leave most of a table empty.
constexpr std::uint64_t kIdEntriesMin = 8192;
constexpr std::uint64_t kIdEntriesMax = 512 * kBudgetKiB;

struct ShareRule {
    std::string_view name;
    std::uint64_t per_mille;
    std::uint64_t least;  // of one holder
    std::uint64_t most;
    enum class Of : std::uint8_t { kServer, kShard } of;
};

// The rest of the 1000 is for what grows without a share, and for what malloc loses between blocks.
constexpr std::array<ShareRule, kMemoryShares> kShareRules{{
    {"writeBuffers", 260, 6 * kBudgetMiB, 512 * kBudgetMiB, ShareRule::Of::kServer},
    {"identities", 210, kIdTables* kIdEntriesMin* kIdEntryBytes,
     kIdTables* kIdEntriesMax* kIdEntryBytes, ShareRule::Of::kShard},
    {"bodies", 110, 3 * kBudgetMiB, 192 * kBudgetMiB, ShareRule::Of::kShard},
    {"queues", 80, 2 * kBudgetMiB, 64 * kBudgetMiB, ShareRule::Of::kShard},
    {"scripts", 90, 4 * kBudgetMiB, 1ULL << 50, ShareRule::Of::kServer},
    {"answers", 30, 1 * kBudgetMiB, 64 * kBudgetMiB, ShareRule::Of::kShard},
    {"clients", 50, 2 * kBudgetMiB, 256 * kBudgetMiB, ShareRule::Of::kShard},
    {"outside", 10, 1 * kBudgetMiB, 256 * kBudgetMiB, ShareRule::Of::kServer},
    {"caches", 30, 1 * kBudgetMiB, 12 * kBudgetMiB, ShareRule::Of::kServer},
    {"spareBuffers", 30, 1 * kBudgetMiB, 96 * kBudgetMiB, ShareRule::Of::kShard},
}};

constexpr std::uint64_t weights() {
    std::uint64_t sum = 0;
    for (const ShareRule& share : kShareRules) sum += share.per_mille;
    return sum;
}
static_assert(weights() <= 900, "a tenth is for what has no share");

std::uint64_t holders_of(const ShareRule& share, const MemoryHolders& holders) {
    return share.of == ShareRule::Of::kShard ? holders.shards : 1;
}

std::uint64_t program_bytes(const MemoryHolders& holders) {
    return kProgramBytes + kThreadBytes * (holders.shards + holders.lanes);
}

std::uint64_t least_of_all(const MemoryHolders& holders) {
    std::uint64_t sum = program_bytes(holders);
    for (const ShareRule& share : kShareRules) sum += share.least * holders_of(share, holders);
    return std::max(sum, kMemoryMin);
}

std::string mebibytes(std::uint64_t bytes) {
    return std::to_string((bytes + kBudgetMiB - 1) / kBudgetMiB) + " MiB";
}

std::size_t id_entries(std::uint64_t bytes) {
    std::uint64_t entries = kIdEntriesMin;
    while (entries < kIdEntriesMax && entries * 4 * kIdEntryBytes * kIdTables <= bytes)
        entries *= 4;
    return static_cast<std::size_t>(std::min(entries, kIdEntriesMax));
}

}  // namespace

std::string_view memory_share_text(MemoryShare share) {
    return kShareRules[static_cast<std::size_t>(share)].name;
}

std::uint64_t MemoryPlan::unshared() const {
    const std::uint64_t given = std::accumulate(shares.begin(), shares.end(), program);
    return limit > given ? limit - given : 0;
}

core::Result<MemoryPlan> plan_memory(std::uint64_t limit, const MemoryHolders& holders) {
    MemoryPlan plan;
    if (limit == 0) return plan;
    if (const std::uint64_t least = least_of_all(holders); limit < least) {
        return core::fail(core::Error(core::ErrorCode::kValidation,
                                      "memory: the limit is " + mebibytes(limit) + ", and " +
                                          std::to_string(holders.shards) + " shards with " +
                                          std::to_string(holders.lanes) + " lanes need " +
                                          mebibytes(least) +
                                          "; raise memory.max or the limit of the control group, "
                                          "or lower engine.shards and engine.lanes")
                              .in("memory.max")
                              .bound(static_cast<std::int64_t>(least)));
    }
    plan.limit = limit;
    plan.program = program_bytes(holders);
    // Those that need their least take it first; the others share what is left by weight.
    std::array<bool, kMemoryShares> settled{};
    std::uint64_t left = limit - plan.program;
    std::uint64_t weight = 1000;
    for (bool again = true; again;) {
        again = false;
        for (std::size_t i = 0; i < kShareRules.size(); ++i) {
            const std::uint64_t least = kShareRules[i].least * holders_of(kShareRules[i], holders);
            if (settled[i] || left / weight * kShareRules[i].per_mille >= least) continue;
            plan.shares[i] = least;
            left -= std::min(left, least);
            weight -= kShareRules[i].per_mille;
            settled[i] = again = true;
        }
    }
    for (std::size_t i = 0; i < kShareRules.size(); ++i) {
        if (settled[i]) continue;
        const std::uint64_t most = kShareRules[i].most * holders_of(kShareRules[i], holders);
        plan.shares[i] = std::min(most, left / weight * kShareRules[i].per_mille);
    }
    return plan;
}

MemoryBounds memory_bounds(const MemoryPlan& plan, const MemoryHolders& holders) {
    const auto total = [&](MemoryShare share) { return static_cast<std::size_t>(plan.of(share)); };
    const auto each = [&](MemoryShare share) { return total(share) / holders.shards; };
    MemoryBounds out;
    // Of the log one fills while one is flushed and one waits: three quarters at most. Other
    // families fill slowly; together they are flushed when the whole share is full.
    out.write_buffers_bytes = total(MemoryShare::kWriteBuffers);
    out.log_write_buffers = 3;
    out.log_write_buffer_bytes =
        std::min<std::size_t>(out.write_buffers_bytes / 4, 64 * kBudgetMiB);
    out.small_write_buffer_bytes =
        std::min<std::size_t>(out.write_buffers_bytes / 16, 8 * kBudgetMiB);
    out.id_table_entries = id_entries(each(MemoryShare::kIdentities));
    out.id_filter_bytes =
        each(MemoryShare::kIdentities) - out.id_table_entries * kIdEntryBytes * kIdTables;
    // Beside a body stand its parsed events and what they match, nearly as much again.
    out.in_flight_bytes = each(MemoryShare::kBodies) / 3;
    out.receiving_bytes = each(MemoryShare::kBodies) / 3;
    // The next blocks, and the newest ones; and what is open in the lanes.
    out.queue_bytes = each(MemoryShare::kQueues) / 3;
    out.lane_bytes = total(MemoryShare::kQueues) / 3 / std::max<std::size_t>(holders.lanes, 1);
    out.answers_bytes = each(MemoryShare::kAnswers);
    // Of what clients keep waiting most is with their connections; the rest is on its way between
    // those and the streams.
    out.client_bytes = each(MemoryShare::kClients) * 5 / 8;
    out.stream_blocks_bytes = total(MemoryShare::kClients) / 8;
    out.stream_writing_bytes = total(MemoryShare::kClients) / 8;
    out.message_bytes = total(MemoryShare::kClients) / 16;
    out.unsent_bytes = total(MemoryShare::kClients) / 16;
    // Small answers may come to twice their share before who does not read is cut off.
    out.buffered_bytes =
        each(MemoryShare::kBodies) * 2 / 3 + 2 * out.answers_bytes + each(MemoryShare::kClients);
    out.outside_bytes = total(MemoryShare::kOutside);
    out.block_cache_bytes = total(MemoryShare::kCaches) * 2 / 3;
    out.kv_cache_bytes = total(MemoryShare::kCaches) / 3;
    out.store_spare_bytes = total(MemoryShare::kSpareBuffers) / 2;
    out.socket_spare_bytes = each(MemoryShare::kSpareBuffers) / 4;
    out.receive_buffers_bytes = std::bit_floor(each(MemoryShare::kSpareBuffers) / 4);
    out.scripts_bytes = total(MemoryShare::kScripts);
    return out;
}

}  // namespace millrace::runtime
