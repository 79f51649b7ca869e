// What: calls to the outside as whoever makes them sees it: a call goes out, one answer comes back.
//       Production is a Courier; a test and the simulator give a fake.
// Threads: send() and cancel() any; receive() the courier's, or the fake's.
// Lifetime: a receiver outlives the port's thread.
// Limits: each call its own: time, bytes, redirects. The port's own: courier.h.
// Failure: an answer with a fault. Every call that was taken is answered once, unless it was
//          cancelled.
#pragma once

#include "core/byte_share.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::courier {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

// What says where a message ends and what becomes of its connection: the client's own. In the hands
// of whoever makes a call it would let a body be read as the next request, of somebody else.
inline bool belongs_to_connection(std::string_view name) {
    constexpr std::string_view kNames[] = {"connection", "content-length",   "expect",
                                           "keep-alive", "proxy-connection", "te",
                                           "trailer",    "upgrade",          "transfer-encoding"};
    const auto same = [name](std::string_view own) {
        return std::equal(name.begin(), name.end(), own.begin(), own.end(), [](char a, char b) {
            return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b;
        });
    };
    return std::any_of(std::begin(kNames), std::end(kNames), same);
}

// Calls of one tenant's scripts to one origin, at once: more wait for those, and for nobody else's.
inline constexpr std::uint32_t kCallsPerOriginMax = 64;

enum class HttpPool : std::uint8_t { kScripts, kWebhooks };

struct HttpCall {
    std::string method = "GET";
    std::string url;
    HttpHeaders headers;
    std::string body;
    std::int64_t connect_timeout_ms = 5'000;
    std::int64_t timeout_ms = 10'000;  // from its start to the last byte, redirects included
    std::size_t body_bytes_max = 1u << 20;
    bool cut_body = false;  // what is longer is not read on, and no fault
    std::uint32_t redirects_max = 0;
    // Whose names are looked up: its tenant.
    std::uint64_t owner = 0;
    // Calls of one group wait for each other, and so do those of a pool where it is full.
    HttpPool pool = HttpPool::kScripts;
    std::uint64_t group = 0;            // of its pool
    std::uint32_t group_calls_max = 0;  // at once; 0: no limit
    double group_per_second_max = 0;    // begun; 0: no limit
};

enum class HttpFault : std::uint8_t {
    kNone,
    kDns,
    kConnect,  // also a connection that broke
    kTls,
    kTimeout,
    kTooLarge,
    kBlocked,  // by the rules about addresses, or a URL that is none
};
constexpr std::string_view http_fault_text(HttpFault fault) {
    constexpr std::string_view kTexts[] = {"",        "DNS",       "CONNECT", "TLS",
                                           "TIMEOUT", "TOO_LARGE", "BLOCKED"};
    return kTexts[static_cast<std::size_t>(fault)];
}

struct HttpAnswer {
    HttpFault fault = HttpFault::kNone;
    std::string message;  // of a fault
    int status = 0;
    HttpHeaders headers;  // names in lower case, in their order
    std::string body;
    bool body_cut = false;
    std::string url;  // of the last hop
    // What the body has of the memory for answers, until nobody has the answer any more.
    std::shared_ptr<core::ByteClaim> claim = {};

    std::string_view header(std::string_view name) const {
        for (const auto& [key, value] : headers) {
            if (key == name) return value;
        }
        return {};
    }
};

class HttpReceiver {
public:
    virtual void receive(std::uint64_t ticket, HttpAnswer&& answer) = 0;

protected:
    ~HttpReceiver() = default;
};

class HttpPort {
public:
    virtual ~HttpPort() = default;
    // False: too many calls wait; nothing is answered. Tickets are the receiver's own.
    virtual bool send(HttpReceiver& receiver, std::uint64_t ticket, HttpCall&& call) = 0;
    // Nobody waits for it any more: it is not answered, and what is under way is let go. An answer
    // that is on its way may still come.
    virtual void cancel(HttpReceiver& receiver, std::uint64_t ticket) = 0;
};

}  // namespace millrace::courier
