// What: a reader of one queue and a writer to one exchange of AMQP 0-9-1 (RabbitMQ), by
//       librabbitmq, which is fenced in here. The library waits where it writes, and beats its
//       heart only while somebody calls it: a thread of its own does so, and what it has for us
//       lies in boxes.
// Threads: one owner, and one thread of each connection. Lifetime: what a connection is made of
//          ends on the closing thread, which outlives it.
// Limits: as many unacknowledged messages as PeerDeps::read_ahead_bytes hold, by what messages have
//         had so far; kAmqpPrefetchMax at most, kAmqpPrefetchMin in any case; of one that is too
//         long for an event its beginning. A writer's box is bounded by its user.
// Failure: error() says why it can not be used any more. What was on its way may have arrived.
#pragma once

#include "runtime/links/link_peer.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace millrace::runtime {

inline constexpr std::uint16_t kAmqpPrefetchMin = 16;
inline constexpr std::uint16_t kAmqpPrefetchMax = 2'000;
inline constexpr int kAmqpHeartbeatSeconds = 20;
inline constexpr std::int64_t kAmqpConnectSeconds = 5;
inline constexpr std::int64_t kAmqpAnswerSeconds = 10;

struct AmqpMessage {
    std::uint64_t tag = 0;  // what it is acknowledged by; of a connection, each one more
    std::string id;         // message-id; empty: it has none
    std::string routing_key;
    std::string text;
    std::uint64_t whole_bytes = 0;  // more than the text has: it was too long to be kept
    std::int64_t at_us = 0;         // 0: it does not say
    bool redelivered = false;
    std::string trace;  // as TraceHeaders tells it
};

class AmqpClient {
public:
    virtual ~AmqpClient() = default;

    // It has let us in, and what is read or written to is there.
    virtual bool open() const = 0;
    // Takes what the thread has for us.
    virtual void turn() = 0;
    virtual const std::string& error() const = 0;
    // Readable when there is something to be taken.
    virtual int fd() const = 0;
};

class AmqpReader : public AmqpClient {
public:
    virtual bool next(AmqpMessage& out) = 0;
    // This one, and all before it.
    virtual void acknowledge(std::uint64_t tag) = 0;
    // What the queue holds for whoever reads; nothing: not known.
    virtual std::optional<std::uint64_t> ready_messages() const = 0;
};

class AmqpWriter : public AmqpClient {
public:
    // `routing_key`: where to.
    virtual void send(SinkText&& text, std::string&& routing_key) = 0;
    virtual bool next(SinkAnswer& out) = 0;
    // The broker takes nothing just now, and why; empty: it does.
    virtual const std::string& blocked_because() const = 0;
};

// One that only looks does not read.
std::unique_ptr<AmqpReader> make_amqp_reader(const PeerDeps& deps, const LinkConfig& config);
std::unique_ptr<AmqpWriter> make_amqp_writer(const PeerDeps& deps, const LinkConfig& config);

}  // namespace millrace::runtime
