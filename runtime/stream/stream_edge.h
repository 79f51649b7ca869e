// What: how the streams of the conductor reach the connections that they answer. Each connection
//       lives on a shard, to which these are posted.
// Threads: called on the conductor's; what they are given is called there too.
// Lifetime: values; what they refer to outlives the streams.
// Limits: the connection's window: kFull, and whoever is told of it hears when it is drained.
// Failure: kClosed, or false of begin(): nobody is there any more.
#pragma once

#include "core/ids.h"
#include "core/result.h"
#include "io/http_server.h"

#include <functional>
#include <string>

namespace millrace::runtime {

struct StreamEdge {
    // Begins Server-Sent Events; with `accept` it is a WebSocket, whose handshake is answered so.
    std::function<void(core::ShardId, io::RequestToken, const std::string& accept,
                       std::function<void(bool)>)>
        begin;
    std::function<void(core::ShardId, io::RequestToken, std::string,
                       std::function<void(io::WriteOutcome)>)>
        write;
    std::function<void(core::ShardId, io::RequestToken, core::Error)> refuse;
    std::function<void(core::ShardId, io::RequestToken)> end;
};

}  // namespace millrace::runtime
