// What: one line in the audit log for a change that has no row of its own to be written with.
// Threads: the API thread. Lifetime: none. Limits: none.
// Failure: an entry that can't be written is a warning in the server's log; the change stands.
#pragma once

#include "runtime/api/call.h"
#include "store/rows/row_batch.h"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace millrace::runtime::api {

// {"action","kind","id","by", and what `more` adds}.
void audit(Call& call, std::string_view action, std::string_view kind, std::string_view id,
           const std::function<void(core::JsonWriter&)>& more = {});
// For an answer that comes later, when the call is gone.
void audit(Services& services, const identity::Principal& by, std::string_view action,
           std::string_view kind, std::string_view id,
           const std::function<void(core::JsonWriter&)>& more = {}, std::string_view members = {});

// A line that stands in the commit of its change, where that is not the registry's, and behind it
// goes into the log (registry/promised_audit.h).
class AuditPromise {
public:
    AuditPromise(Call& call, std::string_view action, std::string_view kind, std::string_view id,
                 const std::function<void(core::JsonWriter&)>& more = {});
    // Of somebody whose call is gone. Any thread; keep() the API thread's.
    AuditPromise(Services& services, const identity::Principal& by, std::string_view action,
                 std::string_view kind, std::string_view id,
                 const std::function<void(core::JsonWriter&)>& more, std::string_view members);
    void put(store::RowBatch& rows) const;
    // The change is durable.
    void keep() const;

private:
    Services* services_;
    core::TenantId tenant_;
    std::int64_t at_us_;
    std::string entry_, row_;
};

// The line itself, for a change whose row is written with it.
std::string audit_entry(const identity::Principal& by, std::string_view action,
                        std::string_view kind, std::string_view id,
                        const std::function<void(core::JsonWriter&)>& more,
                        std::string_view members);

// Who asks, from where and by what, as members of an object: "actor":{...},"ip":...
std::string audit_members(const ApiRequest& request);

// What was asked for, as "request": the body's text, valid JSON; one that is very long is left out.
void append_request(core::JsonWriter& json, std::string_view body);

}  // namespace millrace::runtime::api
