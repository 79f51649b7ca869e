#include "runtime/stream/stats_tail.h"

#include <utility>

namespace millrace::runtime {

void StatsTail::open(core::ShardId edge, io::RequestToken token,
                     const identity::Principal& principal) {
    if (streams_.size() >= kStreamsMax) {
        return deps_.edge.refuse(
            edge, token,
            core::Error(core::ErrorCode::kRateLimited, "too many streams of figures are open")
                .bound(kStreamsMax)
                .retry_after(10));
    }
    const std::uint64_t number = next_number_++;
    streams_.emplace(number, Stream{edge, token, principal});
    deps_.edge.begin(edge, token, {}, [this, number](bool begun) {
        const auto it = streams_.find(number);
        if (it == streams_.end()) return;
        it->second.writing = false;
        if (!begun) streams_.erase(it);
    });
}

void StatsTail::closed(core::ShardId edge, io::RequestToken token) {
    std::erase_if(streams_, [&](const auto& entry) {
        return entry.second.edge == edge && entry.second.token == token;
    });
}

void StatsTail::drained(core::ShardId edge, io::RequestToken token) {
    for (auto& [number, stream] : streams_) {
        if (stream.edge == edge && stream.token == token) stream.writing = false;
    }
}

void StatsTail::tell(std::string_view newest) {
    const std::string message = "data: " + std::string(newest) + "\n\n";
    // Answers may come at once, and take a stream away.
    std::vector<std::uint64_t> ready;
    for (const auto& [number, stream] : streams_) {
        if (!stream.writing) ready.push_back(number);
    }
    for (const std::uint64_t number : ready) {
        Stream& stream = streams_.at(number);
        if (!stream.principal.still_holds(deps_.clock->wall_us())) {
            deps_.edge.end(stream.edge, stream.token);
            streams_.erase(number);
            continue;
        }
        stream.writing = true;
        deps_.edge.write(stream.edge, stream.token, message,
                         [this, number](io::WriteOutcome outcome) {
                             const auto it = streams_.find(number);
                             if (it == streams_.end()) return;
                             if (outcome == io::WriteOutcome::kClosed)
                                 streams_.erase(it);
                             else if (outcome == io::WriteOutcome::kOk)
                                 it->second.writing = false;  // else drained() follows
                         });
    }
}

}  // namespace millrace::runtime
