// What: a write of an entity on its way from the request to the answer, and what the handlers of
//       entities and hooks share.
// Threads: the API thread. Lifetime: a write is kept by who works on it next.
// Limits: entity_desk.h. Failure: every write is answered once.
#pragma once

#include "runtime/api/call.h"
#include "runtime/entity/change.h"
#include "runtime/entity/history.h"
#include "store/rows/entity_store.h"

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace millrace::runtime::api {

inline constexpr std::int64_t kNoMoment = std::numeric_limits<std::int64_t>::min();

struct EntityWrite {
    enum class Kind : std::uint8_t { kCreate, kPut, kPatch, kDelete };

    EntityWrite(Services& of, Respond answer) : services(of), respond(std::move(answer)) {}
    Services& services;
    Respond respond;
    Kind kind = Kind::kCreate;
    std::string type, id;
    std::string members;  // of kPatch: the patch
    std::string if_match;
    std::optional<std::uint64_t> based_on;  // the version in the body
    identity::Principal caller;
    std::vector<std::string> chain;
    bool waits = false;    // ?wait=hooks
    bool counted = false;  // it is one more of the tenant's already
};

EntityVerb verb_of(EntityWrite::Kind kind);
core::Result<bool> waits_for_hooks(const Call& call);
ApiResponse entity_response(int status, const store::Entity& entity);

// entity_write.cc: in its entity's turn.
void begin_write(std::shared_ptr<EntityWrite> write);
// The hooks before a change of this kind, in their order; kConflict when there are too many.
core::Result<std::vector<EntityHook>> hooks_before(Services& services, core::TenantId tenant,
                                                   const EntityChange& change);
// 400 by a hook's own words, else 500.
ApiResponse hook_failure(const ScriptRunResult& result);
// LOOP: a hook is at work because of itself. None: it is not.
std::optional<ApiResponse> looped(const EntityChange& change);

// entity_list.cc
// 410: what was there then can't be told any more. None: it can.
std::optional<ApiResponse> gone_response(const PastEntities& asked, const PastAnswer& then);
void list_entities_of(Call& call, const std::string& type, const Respond& respond);

// hook_report.cc: what has become of the hooks that are told of an event, a JSON array, when each
// has been tried or kHookReportUs have passed.
inline constexpr std::int64_t kHookReportUs = 5'000'000;
void report_hooks(Services& services, core::TenantId tenant, const EntityChange& change,
                  std::function<void(std::string&&)> done);

}  // namespace millrace::runtime::api
