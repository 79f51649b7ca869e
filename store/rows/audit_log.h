// What: who changed what, when. Written with RowBatch::put_audit.
// Threads: any, at once. Lifetime: the Database outlives it.
// Limits: limit <= 1000. Failure: Errors for a bad cursor or from the disk.
#pragma once

#include "core/ids.h"
#include "core/result.h"

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::store {

class Engine;

struct AuditEntry {
    std::int64_t at_us = 0;
    core::TenantId tenant;
    std::string json;
};

class AuditLog {
public:
    explicit AuditLog(Engine& engine) : engine_(engine) {}

    struct Page {
        std::vector<AuditEntry> entries;  // newest first
        std::string next;
    };
    struct Query {
        std::optional<core::TenantId> tenant{};
        std::int64_t from_us = std::numeric_limits<std::int64_t>::min();
        std::int64_t to_us = std::numeric_limits<std::int64_t>::max();  // exclusive
        std::function<bool(const AuditEntry&)> accept{};                // null: everything
        std::string_view cursor{};
        std::size_t limit = 100;
    };
    core::Result<Page> list(const Query& query);

    struct Old {
        std::string key;  // RowBatch::erase takes it
        AuditEntry entry;
    };
    // The oldest from before that time, oldest first, `limit` at most.
    core::Result<std::vector<Old>> before(std::int64_t to_us, std::size_t limit);

private:
    Engine& engine_;
};

}  // namespace millrace::store
