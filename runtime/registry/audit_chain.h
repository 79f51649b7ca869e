// What: the audit log as a chain for each tenant: each row carries its number, the hash of the row
//       before it and its own, which is the SHA-256 of all that stands before that member. The
//       newest hash is kept beside, in the commit of its row, so that rows missing at the end are
//       seen too. Where the oldest rows were let go by a rule, a row of the same form says behind
//       which one the chain begins, in the commit that took them.
// Threads: AuditChain the registry's owner; check_audit() any; prune_audit() one at a time.
// Lifetime: borrows the database. Limits: one head a tenant in memory.
// Failure: Errors of the store. Rows from before there was a chain are counted, not checked.
#pragma once

#include "core/ids.h"
#include "core/result.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace millrace::store {
class Database;
}

namespace millrace::runtime {

inline constexpr std::string_view kAuditHeadKind = "audit_head";
inline constexpr std::string_view kAuditBaseKind = "audit_base";  // the last row that was let go

struct AuditHead {
    std::uint64_t number = 0;  // rows so far
    std::int64_t at_us = 0;    // of the last: time does not go back within a chain
    std::string hash;          // hexadecimal; empty before the first
};

class AuditChain {
public:
    explicit AuditChain(store::Database& database) : database_(database) {}

    // What the row says with its place in the chain, and the head behind it.
    struct Link {
        core::TenantId tenant;
        std::string row;
        AuditHead head;
    };
    core::Result<Link> link(core::TenantId tenant, std::int64_t at_us, std::string_view entry);
    // The link's row is in the log.
    void took(const Link& link) { heads_[link.tenant.value] = link.head; }
    // What was taken is not there after all: the log says how far each chain goes.
    void forget() { loaded_ = false; }

private:
    store::Database& database_;
    bool loaded_ = false;
    std::map<std::uint32_t, AuditHead> heads_;
};

std::string audit_head_document(const AuditHead& head);

struct AuditReport {
    std::uint64_t checked = 0;
    std::uint64_t unchained = 0;  // from before there was a chain
    std::uint64_t let_go = 0;     // by audit.retention
    std::string head;             // hash of the newest row
    std::int64_t broken_at_us = 0;
    std::string reason;  // empty: the chain is whole
};
core::Result<AuditReport> check_audit(store::Database& database, core::TenantId tenant);

// Lets the oldest rows from before that time go, of all tenants, `rows_max` at most; how many.
core::Result<std::size_t> prune_audit(store::Database& database, std::int64_t to_us,
                                      std::size_t rows_max);

}  // namespace millrace::runtime
