// What: what others ask of links: deliveries send through it, the API looks at it.
// Threads: send() and cancel() any; sent() the links'. Lifetime: a receiver outlives their thread.
// Limits: kSendsWaitingMax that have not been taken (overflow policy: refuse).
// Failure: an answer with an error. What was taken is answered once, unless it was cancelled.
#pragma once

#include "runtime/registry/registry_types.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::runtime {

struct LinkSend {
    LinkNumber link;
    std::string event_id;
    std::string pattern;
    std::string envelope;
    std::string identity{};  // id and source: what no other event has
    // W3C Trace Context, for peers that have headers; empty: none.
    std::string traceparent{};
    std::string tracestate{};
    std::string key{};       // the event's partition key; empty: none
    std::string delivery{};  // the same for all its tries, and no other one's
};

class LinkReceiver {
public:
    // Empty: the peer has it.
    virtual void sent(std::uint64_t ticket, std::string&& error) = 0;

protected:
    ~LinkReceiver() = default;
};

class LinkPort {
public:
    static constexpr std::size_t kSendsWaitingMax = 4'096;

    virtual ~LinkPort() = default;
    // False: too many wait.
    virtual bool send(LinkReceiver& receiver, std::uint64_t ticket, LinkSend&& what) = 0;
    // Nobody waits for it any more; it may arrive all the same.
    virtual void cancel(LinkReceiver& receiver, std::uint64_t ticket) = 0;
};

// What a link is at.
struct LinkStatus {
    // connecting | running | waiting | retrying | stopped | paused; of a source that another
    // partition reads: elsewhere
    std::string_view state = "connecting";
    std::string reason;         // of waiting, retrying and stopped
    std::int64_t since_us = 0;  // that it is in this state, as far as this process has seen
    std::string position;       // JSON; empty: none yet
    std::optional<std::uint64_t> lag;
    std::string_view lag_unit;
    std::uint64_t taken = 0, duplicates = 0, rejected = 0, left_out = 0;  // a source
    std::uint64_t missed = 0, gaps = 0;                                   // likewise, and a stream
    std::uint64_t sent = 0, failed = 0, pending = 0;                      // a sink
    std::string last_error;
    std::int64_t last_error_at_us = 0;
    std::shared_ptr<const std::string> logs;  // of its script (link_logs.h); null: none
};

// What came of POST /v2/links/{id}/test.
struct LinkTest {
    std::string error;  // empty: its peer is there and lets us in
    std::int64_t duration_us = 0;
};

}  // namespace millrace::runtime
