// Part of Server: what people have asked of the cluster, as lines of the audit log.
#include "core/json_writer.h"
#include "runtime/event/json_scan.h"
#include "runtime/registry/tenant.h"
#include "runtime/server/server.h"
#include "runtime/server/server_parts.h"
#include "store/database.h"
#include "store/rows/audit_log.h"

#include <utility>

namespace millrace::runtime {
namespace {

// By the clocks of two machines.
constexpr std::int64_t kClocksApartUs = 600'000'000;

// Whoever has written it may have ended before it could say so.
core::Result<bool> is_in_log(store::Database& database, std::string_view order,
                             std::int64_t asked_at_us) {
    std::string wanted;
    core::append_json_string(wanted, order);
    store::AuditLog::Query query;
    query.tenant = kPlatform;
    query.from_us = asked_at_us - kClocksApartUs;
    query.limit = 1;
    query.accept = [&wanted](const store::AuditEntry& entry) {
        bool is_it = false;
        scan_members(entry.json, [&](std::string_view name, std::string_view value) {
            is_it = name == "\"order\"" && value == wanted;
            return !is_it;
        });
        return is_it;
    };
    auto page = database.audit().list(query);
    if (!page) return core::fail(std::move(page.error()));
    return !page->entries.empty();
}

}  // namespace

void Server::audit_order(std::string order, std::int64_t asked_at_us, std::string entry,
                         std::function<void()> done) {
    ServerParts& parts = *parts_;
    parts.conductor.post_answer([&parts, asked_at_us, order = std::move(order),
                                 entry = std::move(entry), done = std::move(done)] {
        auto there = is_in_log(*parts.database, order, asked_at_us);
        core::Status written;
        if (!there)
            written = core::fail(std::move(there.error()));
        else if (!*there)
            written = parts.registry->write_audit(parts.clock.wall_us(), kPlatform, entry);
        if (written) return done();
        parts.log.warn("audit: write failed", {{"error", written.error().message}});
    });
}

}  // namespace millrace::runtime
