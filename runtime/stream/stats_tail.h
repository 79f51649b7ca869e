// What: GET /v2/stats/stream: the newest second's figures to whoever looks, as Server-Sent Events.
// Threads: the conductor's, but for what shards post to it. Lifetime: borrows nothing.
// Limits: kStreamsMax; a client that does not read misses seconds, none wait for it.
// Failure: beyond the limit 429; whoever has lost the right is let go.
#pragma once

#include "core/clock.h"
#include "core/ids.h"
#include "core/result.h"
#include "io/http_server.h"
#include "runtime/identity/principal.h"
#include "runtime/stream/stream_edge.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

class StatsTail {
public:
    struct Deps {
        const core::Clock* clock = nullptr;
        StreamEdge edge;
    };
    static constexpr std::size_t kStreamsMax = 256;

    explicit StatsTail(Deps deps) : deps_(std::move(deps)) {}

    void open(core::ShardId edge, io::RequestToken token, const identity::Principal& principal);
    void closed(core::ShardId edge, io::RequestToken token);
    void drained(core::ShardId edge, io::RequestToken token);
    // JSON, once a second.
    void tell(std::string_view newest);
    std::size_t streams() const { return streams_.size(); }

private:
    struct Stream {
        core::ShardId edge;
        io::RequestToken token;
        identity::Principal principal;
        bool writing = true;  // until the edge has begun it, and while a window is full
    };
    Deps deps_;
    std::map<std::uint64_t, Stream> streams_;
    std::uint64_t next_number_ = 1;
};

}  // namespace millrace::runtime
