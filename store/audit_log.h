// What: who changed what, when. Written with RowBatch::put_audit.
// Threads: any, at once. Lifetime: the Database outlives it.
// Limits: limit <= 1000. Failure: Errors for a bad cursor or from the disk.
#pragma once

#include "core/ids.h"
#include "core/result.h"

#include <cstdint>
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
    core::Result<Page> list(std::optional<core::TenantId> tenant, std::string_view cursor,
                            std::size_t limit);

private:
    Engine& engine_;
};

}  // namespace millrace::store
