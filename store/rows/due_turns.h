// What: whose waiting row comes next, in turns among tenants. Of each tenant the keys of its
//       earliest rows stand here; what it has behind them is read again when these run out. So a
//       tenant's row is found at once, however many rows of others fell due before it, and what is
//       on the disk stays in the order of time. What can't be served now (put_later) is passed, not
//       held in here: it is read again from the earliest of it on. Bookkeeping alone: RetrySchedule
//       reads the rows.
// Threads: put() and next_us() any; the others one at a time, the reader's.
// Lifetime: of the Engine. Limits: kKnownMax keys a tenant.
// Failure: none. A key may stand here whose row is gone: whoever reads it finds nothing.
#pragma once

#include "core/ids.h"
#include "store/rows/row_batch.h"

#include <compare>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

namespace millrace::store {

// In the order in which a scan over all partitions meets one tenant's rows.
struct DueKey {
    std::int64_t due_at_us = 0;
    std::uint64_t offset = 0;
    std::uint32_t subscription = 0;
    std::uint16_t shard = 0;

    static DueKey of(const RetryRow& row) {
        const DeliveryKey& delivery = row.delivery;
        return {row.due_at_us, delivery.position.offset.value, delivery.subscription.value,
                delivery.position.shard.value};
    }
    DeliveryKey delivery() const {
        return {{core::ShardId{shard}, core::LogOffset{offset}},
                core::SubscriptionId{subscription}};
    }
    constexpr auto operator<=>(const DueKey&) const = default;
};

class DueTurns {
public:
    static constexpr std::size_t kKnownMax = 256;
    static constexpr std::int64_t kLaterNsMost = 10'000'000'000;

    // The row is there, or was a moment ago.
    void put(core::TenantId tenant, const DueKey& key);
    // No row falls due earlier; kParkedDueUs: none is known.
    std::int64_t next_us();

    // Tenants with a row that may be due by now, the one after the last that was served first.
    void due(std::int64_t now_us, std::vector<core::TenantId>& out);
    void served(core::TenantId tenant) { last_served_ = tenant; }
    // The tenant's earliest one, if it is known and due: it is not known any more.
    std::optional<DueKey> take(core::TenantId tenant, std::int64_t now_us);

    // It is there and not for now: not before `again_ns`, and not before those behind it that are
    // due had their chance, kLaterNsMost at most.
    void put_later(core::TenantId tenant, const DueKey& key, std::int64_t again_ns);
    // What was put so and whose time has come is to be read again.
    void bring_later(std::int64_t now_us, std::int64_t now_ns);

    // From where on rows of a tenant have to be read of which none is known; nothing: there are
    // none, or they need not be.
    std::optional<DueKey> begin_reading(core::TenantId tenant, std::int64_t now_us);
    // What was found; `behind`: from there on it was not looked at.
    void end_reading(core::TenantId tenant, std::span<const DueKey> found,
                     const std::optional<DueKey>& behind);

private:
    struct Tenant {
        std::set<DueKey> known;
        std::optional<DueKey> behind;       // there may be rows from there on that are not known
        std::optional<DueKey> read_from;    // by the scan that goes on
        std::vector<DueKey> put_meanwhile;  // a scan that has begun may not see them
        std::optional<DueKey> later;        // the earliest of those that were passed
        std::int64_t later_ns = 0;          // when it is worth to look at them again
        std::int64_t later_most_ns = 0;     // when others have had their chance
        std::int64_t first_us = kParkedDueUs;
    };
    using Tenants = std::unordered_map<std::uint32_t, Tenant>;

    static void add(Tenant& of, const DueKey& key);
    void settle(Tenants::iterator at);

    std::mutex mutex_;
    Tenants tenants_;
    std::set<std::pair<std::int64_t, std::uint32_t>> by_first_;
    std::set<std::uint32_t> passed_;  // tenants of which something is for later
    core::TenantId last_served_;      // the reader's
};

}  // namespace millrace::store
