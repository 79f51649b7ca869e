#include "runtime/edge/edge_cloudevents.h"

#include "runtime/edge/edge_trace.h"
#include "runtime/edge/request_text.h"
#include "runtime/event/cloudevents.h"

#include <string>
#include <utility>

namespace millrace::runtime {

namespace {

// What is wrong with the envelopes is told by its place in what was sent.
core::Status read_converted(IngestRequest& request, Ingestor& ingestor, const PlaceMap& places) {
    auto read =
        ingestor.read(request, request.body.view(), core::BatchFormat::kJson, HomeRule::kByKey);
    if (!read) places.tell_as_sent(read.error());
    for (RejectedEntry& rejected : request.rejected) places.tell_as_sent(rejected.error);
    keep_cloud_event_traces(request);
    return read;
}

core::Status read_batch(IngestRequest& request, Ingestor& ingestor, store::PoolSet& pools) {
    CloudEventBatch batch;
    if (auto converted = envelopes_from_cloud_event_batch(
            request.body.view(), ingestor.entry_bound(request.origin), batch);
        !converted)
        return converted;
    if (!batch.entries.empty()) {
        set_request_text(request, batch.text, pools);
        if (auto read = read_converted(request, ingestor, batch.places); !read) return read;
        for (IngestItem& item : request.items) item.entry = batch.entries[item.entry];
        for (RejectedEntry& rejected : request.rejected)
            rejected.entry = batch.entries[rejected.entry];
    }
    for (CloudEventBatch::Rejected& rejected : batch.rejected) {
        request.rejected.push_back({rejected.entry, std::move(rejected.error)});
    }
    return {};
}

}  // namespace

bool is_cloud_event(const io::Request& http) {
    return cloud_event_mode(http.content_type, http.headers) != CloudEventMode::kNone;
}

core::Status read_cloud_events(const io::Request& http, IngestRequest& request, Ingestor& ingestor,
                               store::PoolSet& pools) {
    if (!request.body) request.body = pools.acquire(0);
    const CloudEventMode mode = cloud_event_mode(http.content_type, http.headers);
    if (mode == CloudEventMode::kBatch) return read_batch(request, ingestor, pools);
    std::string text;
    PlaceMap places;
    auto converted = mode == CloudEventMode::kStructured
                         ? envelope_from_cloud_event(request.body.view(), text, &places)
                         : envelope_from_binary_cloud_event(http.headers, http.content_type,
                                                            request.body.view(), text, &places);
    if (!converted) return converted;
    request.single_object = true;
    // Parts of the text were moved about by the conversion: the parser, which checks what it made,
    // needs to see it in one padded piece.
    set_request_text(request, text, pools);
    return read_converted(request, ingestor, places);
}

}  // namespace millrace::runtime
