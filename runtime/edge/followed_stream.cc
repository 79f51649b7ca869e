#include "runtime/edge/followed_stream.h"

#include "runtime/api/list_places.h"

namespace millrace::runtime {

StreamKind followed_stream(const io::Request& request, const identity::TrustedFront* front) {
    if (!front || !front->is_front(request)) return StreamKind::kEvents;
    const std::string_view kind = request.header(api::kStreamKindHeader);
    if (kind == api::kLettersStream) return StreamKind::kDeadLetters;
    if (kind == api::kExecutionsStream) return StreamKind::kExecutions;
    return StreamKind::kEvents;
}

identity::Scope scope_of(StreamKind kind) {
    switch (kind) {
        case StreamKind::kEvents: break;
        case StreamKind::kDeadLetters: return identity::Scope::kDeadLettersRead;
        case StreamKind::kExecutions: return identity::Scope::kExecutionsRead;
    }
    return identity::Scope::kEventsRead;
}

}  // namespace millrace::runtime
