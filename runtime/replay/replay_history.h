// What: which replays are on record: a tenant's, the newest first, so that a list reads no more
//       documents than it shows; and which documents have to go when a replay ends.
// Threads: one at a time (ReplayRunner's lock). Lifetime: value.
// Limits: kFinishedMax of a tenant that have ended; what runs stays. A dry run's differences are
//       kept for the newest kDryRunsKept.
// Failure: page() refuses a cursor that it never gave.
#pragma once

#include "core/ids.h"
#include "core/result.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

class ReplayHistory {
public:
    static constexpr std::size_t kFinishedMax = 1000;
    static constexpr std::size_t kDryRunsKept = 8;

    struct Entry {
        std::int64_t created_at_us = 0;
        std::string id;
        bool running = false;
        bool has_differences = false;  // a dry run's, that may be kept

        // Newest first.
        bool operator<(const Entry& other) const {
            return created_at_us != other.created_at_us ? created_at_us > other.created_at_us
                                                        : id < other.id;
        }
    };
    void add(core::TenantId tenant, Entry&& entry);
    // It has ended: those that leave in the same commit.
    std::vector<Entry> end(core::TenantId tenant, std::string_view id);
    // Before one more dry run: those whose differences go.
    std::vector<std::string> old_differences(core::TenantId tenant);

    // The cursor of what is behind it.
    static std::string cursor_at(std::int64_t created_at_us, std::string_view id) {
        return std::to_string(created_at_us) + " " + std::string(id);
    }
    struct Page {
        std::vector<std::string> ids;
        std::string next;  // the cursor of the next one; empty at the end
    };
    core::Result<Page> page(core::TenantId tenant, std::string_view cursor,
                            std::size_t limit) const;

private:
    std::map<core::TenantId, std::vector<Entry>> tenants_;  // sorted
};

}  // namespace millrace::runtime
