// What: how a partition reaches the others: by its own node's private listener, which passes a
//       request on to whoever owns the partition that it names.
// Threads: a value; call_to() any. Lifetime: none. Limits: as named. Failure: none.
#pragma once

#include "runtime/courier/http_port.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::runtime::crossing {

inline constexpr std::string_view kCrossingEventsPath = "/cluster/events";
inline constexpr std::string_view kCrossingRegistryPath = "/cluster/registry";
inline constexpr std::string_view kCrossingFollowPath = "/cluster/follow";
inline constexpr std::string_view kCrossingCanariesPath = "/cluster/canaries";
inline constexpr std::string_view kPartitionHeader = "Millrace-Partition";
inline constexpr std::string_view kRelayHeader = "Millrace-Relay";

struct Neighbours {
    std::string front;      // host:port of it
    std::string token;      // that it believes
    std::string principal;  // who is asking, as fronts tell it
    std::string token_header;
    std::string principal_header;

    static constexpr std::int64_t kConnectMs = 2'000;
    static constexpr std::int64_t kCallMs = 10'000;
    static constexpr std::size_t kAnswerBytesMax = 96u << 20;

    courier::HttpCall call_to(std::size_t partition, std::string_view method,
                              std::string_view path) const {
        courier::HttpCall call;
        call.method = method;
        call.url = "http://" + front + std::string(path);
        call.headers = {{token_header, token},
                        {principal_header, principal},
                        {std::string(kPartitionHeader), std::to_string(partition)},
                        {std::string(kRelayHeader), "1"}};
        call.connect_timeout_ms = kConnectMs;
        call.timeout_ms = kCallMs;
        call.body_bytes_max = kAnswerBytesMax;
        return call;
    }
};

}  // namespace millrace::runtime::crossing
