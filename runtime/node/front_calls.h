// What: what a face of the front asks of the front for its clients: the same requests that clients
//       of HTTP send, in the name of whoever calls. They are judged, held, cut up, merged and sent
//       again as those are.
// Threads: the front's. Lifetime: the front outlives its faces; answers are the front's until
//          drop() or their last call.
// Limits: the front's. Failure: the answer says it.
#pragma once

#include "core/buffer.h"
#include "core/clock.h"
#include "io/address.h"
#include "io/body_writer.h"
#include "runtime/node/forward_head.h"
#include "runtime/node/passage_answer.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace millrace::runtime::node {

// A client, and what it has shown of who it is.
struct Caller {
    HeaderList headers;  // what an Authenticator looks at
    std::string shown;   // the digest of it
    std::string query_key;
    std::string peer;
    io::Peer client;
    bool from_loopback = false;
};
using CallerRef = std::shared_ptr<const Caller>;

struct OwnRequest {
    CallerRef caller;
    io::Method method = io::Method::kGet;
    std::string target;       // whose path needs no escapes
    HeaderList headers = {};  // beside the caller's
    core::BufferRef body = {};
    bool only_who = false;  // the answer is who calls, as the trusted header says it
};

// True: whoever has it is not who it was (open_watch.h).
using OpenMark = std::shared_ptr<const std::atomic<bool>>;

class FrontCalls {
public:
    virtual ~FrontCalls() = default;
    // Of whoever has something open; `principal` as the trusted header says it.
    virtual OpenMark watch(const CallerRef& caller, const std::string& principal) = 0;
    // Its number. Nothing of the answer is called before this returns.
    virtual std::uint64_t ask(OwnRequest&& request, std::unique_ptr<OwnAnswer> answer) = 0;
    // Nothing of its answer is called any more.
    virtual void drop(std::uint64_t number) = 0;
    // Its answer takes bytes again.
    virtual void drained(std::uint64_t number) = 0;
    virtual io::BodyWriter body_writer() = 0;
    // Soon, when nothing else is on the stack.
    virtual void later(std::function<void()> work) = 0;
    virtual const core::Clock& clock() const = 0;
    // Why nothing begins now.
    virtual core::Status admits() const = 0;
    virtual bool ends() const = 0;
    virtual std::size_t partitions() const = 0;
};

}  // namespace millrace::runtime::node
