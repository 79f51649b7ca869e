#include "runtime/edge/grpc_ingest.h"

#include "runtime/edge/edge_trace.h"
#include "runtime/edge/grpc_acks.h"
#include "runtime/edge/request_text.h"
#include "runtime/edge/what_fits.h"

#include <string>

namespace millrace::runtime {

std::optional<core::Result<identity::Principal>> GrpcIngest::identify(io::RequestToken /*call*/,
                                                                      const io::Request& request) {
    core::Error page_refused;
    return identity_.of(request, nullptr, page_refused);
}

// As POST /v2/events.
void GrpcIngest::publish(const GrpcCaller& caller, grpc::PublishQueue::Batch& batch) {
    IngestRequest& request = host_.take_request();
    request.origin = IngestOrigin::kGrpc;
    request.http = caller.call;
    request.line_first = batch.number;
    request.line_count = batch.events;
    request.tenant = caller.principal.tenant;
    request.durability = host_.default_durability();
    if (batch.events == 0) {
        finish(request);
        return host_.drop(request);
    }
    fill(request, caller, batch);
    host_.start(request);
}

void GrpcIngest::fill(IngestRequest& request, const GrpcCaller& caller,
                      grpc::PublishQueue::Batch& batch) {
    set_request_text(request, batch.lines, host_.pools());
    std::string().swap(batch.lines);
    request.sender = caller.principal.key.get();
    auto read = host_.ingestor().read(request, request.body.view(), core::BatchFormat::kNdjson,
                                      HomeRule::kByKey);
    if (!read) {
        request.drop_items();
        request.rejected.clear();
        for (std::uint32_t i = 0; i < batch.events; ++i)
            request.rejected.push_back({i, read.error()});
        return;
    }
    keep_trace(std::string(caller.trace), request);
    const std::int64_t now_ns = host_.clock().monotonic_ns();
    if (const auto last = take_what_fits(request, caller.principal, now_ns))
        identity_.note(*last, caller.principal, caller.peer, caller.path, now_ns);
}

void GrpcIngest::finish(const IngestRequest& request) {
    connections_->finish(
        request.http, request.line_first,
        [&](grpc::PublishQueue::Batch& batch) -> std::optional<grpc::CallStatus> {
            if (request.failed()) {
                return grpc::status_of(core::Error(
                    core::ErrorCode::kUnavailable,
                    "the store has failed: whether the events that are not acknowledged are kept "
                    "is not known; send them again with the same event_id once the server is "
                    "back"));
            }
            const identity::TrustedFront* const front = identity_.authenticator().front();
            make_acks(request, hasher_,
                      {host_.drain_seconds(), front && !front->replicated().empty()}, batch);
            return {};
        });
}

}  // namespace millrace::runtime
