// What: webhooks that come in: who of those that have a source of this name sent it, by its
//       signature, and the event that comes of it. What a sender is told of a refusal is nothing
//       but that; why, stands in the source's deliveries.
// Threads: a shard's. Lifetime: borrows the sources and the clock.
// Limits: those of bodies and of envelopes. With several tenants' sources of one name each is
//       asked, the first whose secret fits has it.
// Failure: HookOutcome::answer is the answer, and there is no event.
#pragma once

#include "core/clock.h"
#include "io/http_types.h"
#include "runtime/api/api.h"
#include "runtime/delivery/lane_job.h"
#include "runtime/identity/principal.h"
#include "runtime/inbound/delivery_ring.h"
#include "runtime/inbound/hook_event.h"
#include "runtime/registry/source_book.h"
#include "runtime/shard/ingest_request.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::runtime {

struct HookOutcome {
    std::optional<api::ApiResponse> answer;
    // The signature is not the source's: a security event of its tenant.
    bool forged = false;
    core::TenantId tenant;
    // Without an answer:
    inbound::HookEvent event;
    std::string script_id;  // of the transform that is to be run first; empty: none
    std::unique_ptr<inbound::HookArrival> arrival;
    // Who vouches for it where no signature does: its patterns and quotas hold. Else null.
    std::shared_ptr<const identity::KeyIdentity> sender;
    std::string trace;  // that it came with; empty: none
};

// A transform on its way to a lane and back.
struct HookTransform {
    io::RequestToken token;
    core::TenantId tenant;
    std::string script_id;
    std::string event;
    std::string trace;
    std::unique_ptr<inbound::HookArrival> arrival;
    std::shared_ptr<const identity::KeyIdentity> sender;
    ScriptRunResult result;
};

class EdgeHooks {
public:
    EdgeHooks(const SourceBook& sources, const core::Clock& clock)
        : sources_(sources), clock_(clock) {}

    HookOutcome take(const io::Request& http, std::string_view source,
                     const identity::Principal& principal) const;
    // CloudEvents' handshake: a sender asks whether it may send here.
    api::ApiResponse answer_options(const io::Request& http, std::string_view source,
                                    const identity::Principal& principal) const;
    // What is taken counts as the key's that vouches for it, else as the tenant's.
    core::Status spend(const HookOutcome& outcome, std::size_t bytes) const;
    static HookOutcome transformed(HookTransform& transform);
    // For the source's deliveries, when its event has an answer.
    static void tell_end(IngestRequest& request);

private:
    std::vector<SourceBook::Entry> candidates(std::string_view source,
                                              const identity::Principal& principal) const;

    const SourceBook& sources_;
    const core::Clock& clock_;
};

}  // namespace millrace::runtime
