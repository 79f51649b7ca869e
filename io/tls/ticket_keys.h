// What: the keys that session tickets are sealed with, one set for all shards: a client that comes
//       back to another shard is known there. A key seals for kRotateNs, opens for as long again,
//       and is gone: what was sealed with it can not be opened by anybody any more.
// Threads: any; a lock for the copy of a key, once a handshake. Lifetime: outlives the contexts.
// Limits: two keys. Failure: none; a ticket of an unknown key is a full handshake.
#pragma once

#include "core/clock.h"

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>

namespace millrace::io {

struct TicketKey {
    std::array<std::uint8_t, 16> name{};
    std::array<std::uint8_t, 32> cipher{};
    std::array<std::uint8_t, 32> mac{};
};

class TicketKeys {
public:
    static constexpr std::int64_t kRotateNs = 12LL * 3'600 * 1'000'000'000;

    explicit TicketKeys(const core::Clock& clock) : clock_(clock) {}
    TicketKeys(const TicketKeys&) = delete;
    TicketKeys& operator=(const TicketKeys&) = delete;
    ~TicketKeys();

    // What seals now.
    TicketKey current();
    struct Found {
        TicketKey key;
        bool old = false;  // the client is to get a new ticket
    };
    std::optional<Found> find(std::span<const std::uint8_t> name);

private:
    struct Kept {
        TicketKey key;
        std::int64_t made_ns = 0;
        bool made = false;
    };
    void rotate_when_due();  // under the lock

    const core::Clock& clock_;
    std::mutex mutex_;
    Kept current_, previous_;
};

}  // namespace millrace::io
