// What: the messages of one Publish call: gathered into batches, and acknowledged in their order
//       whatever order the batches are done in.
// Threads: one owner, a shard's. Lifetime: one call's.
// Limits: kMessageEventsMax events of a message, kGatheredBytesMax that are gathered; held_bytes()
//       is what the caller bounds by giving the client no more room.
// Failure: a message that does not read or passes a limit is an Error.
#pragma once

#include "core/result.h"
#include "runtime/grpc/messages.h"

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::grpc {

class PublishQueue {
public:
    static constexpr std::uint32_t kMessageEventsMax = 10'000;
    static constexpr std::size_t kGatheredBytesMax = 8u << 20;

    // Messages that are taken in together.
    struct Batch {
        std::uint64_t number = 0;
        std::uint64_t first_index = 0;  // of its first event among those of the call
        std::uint32_t events = 0;
        std::vector<std::uint32_t> counts;  // events of each message
        std::vector<RefusedEvent> refused;  // in their order
        std::string lines;                  // NDJSON
        std::size_t wire_bytes = 0;
        std::string acks;  // framed
        bool done = false;
    };

    // `wire_bytes`: what it took of the client's room.
    core::Status add(std::string_view publish_request, std::size_t wire_bytes);
    bool has_gathered() const { return !gathered_.counts.empty(); }
    // What is gathered is on its way from here on. It stays until it is done.
    Batch& take();
    Batch* find(std::uint64_t number);
    // Its acks are made. Appends those whose turn it is, and says how many bytes of the client's
    // are done with.
    std::size_t finish(Batch& batch, std::string& out);

    std::size_t held_bytes() const { return held_bytes_; }
    bool under_way() const { return !under_way_.empty(); }

private:
    Batch gathered_;
    std::deque<Batch> under_way_;
    std::uint64_t next_number_ = 1;
    std::uint64_t next_index_ = 0;
    std::size_t held_bytes_ = 0;
};

}  // namespace millrace::runtime::grpc
