// What: a reader and a writer of one topic of Kafka, by librdkafka, which is fenced in here. The
//       library connects by threads of its own, to addresses that the rules have judged each time;
//       what it has for us waits in its queues, which are bounded and are looked at without
//       waiting. No groups, nothing committed: where reading begins is said by whoever reads.
// Threads: one owner. What blocks (questions about the topic, the end) is done by another thread.
// Lifetime: what it is made of ends on the closing thread, which outlives it. Texts of a message
//           live until the next call of next().
// Limits: PeerDeps::read_ahead_bytes are read ahead: three quarters in the library's queue, the
//         rest an answer on its way (of each broker one).
// Failure: error() says why it can not be used any more.
#pragma once

#include "runtime/courier/address_rules.h"
#include "runtime/links/kafka_topic.h"
#include "runtime/links/link_peer.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

inline constexpr std::int64_t kKafkaAnswerMs = 5'000;

struct KafkaPartition {
    std::int32_t number = 0;
    std::int32_t leader = -1;
    KafkaBounds bounds;
    std::string error;  // not empty: the bounds are not known
};
struct KafkaLook {
    std::string error;  // not empty: nothing else is known
    bool there = false;
    std::vector<KafkaPartition> partitions;
};

// Common to both.
class KafkaClient {
public:
    virtual ~KafkaClient() = default;

    // Where the topic stands; looked() gives the answer, once.
    virtual void look() = 0;
    virtual bool looked(KafkaLook& out) = 0;
    // Takes what the library has said of itself.
    virtual void turn() = 0;
    // No broker answers just now, and why; empty: nothing is known of that.
    virtual const std::string& down_because() const = 0;
    virtual const std::string& error() const = 0;
    // Readable when there is something to be taken.
    virtual int fd() const = 0;
};

struct KafkaMessage {
    std::int32_t partition = 0;
    std::int64_t offset = 0;
    std::int64_t at_ms = 0;  // 0: it does not say
    std::string_view key, text;
    std::string trace;  // as TraceHeaders tells it
};

class KafkaReader : public KafkaClient {
public:
    enum class Came : std::uint8_t {
        kNothing,
        kMessage,
        kEnd,      // of a partition: what comes next has this offset
        kOutside,  // what was asked for is not there, or no more
    };
    // Begins, or goes there.
    virtual void read_at(std::int32_t partition, std::int64_t offset) = 0;
    virtual Came next(KafkaMessage& out) = 0;
};

struct KafkaAnswer {
    std::uint64_t ticket = 0;
    std::string error{};  // empty: it has it
    // What it was sent in is larger than the topic takes: it, or others that went with it.
    bool too_large = false;
};

class KafkaWriter : public KafkaClient {
public:
    // Without an error: it is on its way, and next() tells what came of it.
    virtual KafkaAnswer send(const SinkText& text) = 0;
    virtual bool next(KafkaAnswer& out) = 0;
};

std::unique_ptr<KafkaReader> make_kafka_reader(const PeerDeps& deps, const LinkConfig& config);
std::unique_ptr<KafkaWriter> make_kafka_writer(const PeerDeps& deps, const LinkConfig& config);

}  // namespace millrace::runtime
