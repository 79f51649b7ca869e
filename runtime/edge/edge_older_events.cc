#include "runtime/edge/edge_older_events.h"

#include "runtime/edge/request_text.h"
#include "runtime/event/older_events.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {

bool has_older_members(const IngestRequest& request) {
    return std::any_of(request.rejected.begin(), request.rejected.end(),
                       [](const RejectedEntry& entry) {
                           return entry.errors.empty() && is_older_event_member(entry.error.field);
                       });
}

core::Status read_older_events(IngestRequest& request, Ingestor& ingestor, store::PoolSet& pools,
                               core::BatchFormat format) {
    OlderEvents events;
    if (!envelopes_from_older_events(request.body.view(), format, events)) return {};
    request.drop_items();
    request.matches.clear();
    request.rejected.clear();
    request.late = nullptr;
    request.texts.clear();
    if (!events.entries.empty()) {
        set_request_text(request, events.text, pools);
        auto read = ingestor.read(request, request.body.view(), format, HomeRule::kByKey);
        if (!read) {
            events.places.tell_as_sent(read.error());
            return read;
        }
        for (IngestItem& item : request.items) item.entry = events.entries[item.entry];
        for (RejectedEntry& rejected : request.rejected) {
            events.places.tell_as_sent(rejected.error);
            rejected.entry = events.entries[rejected.entry];
        }
    }
    for (OlderEvents::Rejected& rejected : events.rejected)
        request.rejected.push_back({rejected.entry, std::move(rejected.error)});
    std::sort(request.rejected.begin(), request.rejected.end(),
              [](const RejectedEntry& a, const RejectedEntry& b) { return a.entry < b.entry; });
    return {};
}

}  // namespace millrace::runtime
