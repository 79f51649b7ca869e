// What: what the tenant of a call may have, held against what it has, before something is made.
// Threads: the API thread. Lifetime: none. Limits: none.
// Failure: 429 with the quota's name.
#pragma once

#include "runtime/api/call.h"
#include "runtime/identity/limits.h"
#include "runtime/registry/document_kinds.h"

namespace millrace::runtime::api {

// Null: it has no document.
TenantRef tenant_document(const Registry& registry, core::TenantId tenant);
// What its document says, over the settings.
identity::Quotas quotas_of(Services& services, core::TenantId tenant);

// Kinds that are not counted may always be made.
template <typename T>
core::Status may_create(Call&) {
    return {};
}
template <>
core::Status may_create<Script>(Call& call);
template <>
core::Status may_create<Subscription>(Call& call);

// Of those that run now.
core::Status may_start_replay(Call& call);

}  // namespace millrace::runtime::api
