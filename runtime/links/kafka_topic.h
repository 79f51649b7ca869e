// What: how far a topic of Kafka was read, partition by partition, and the decision what the bounds
//       of a partition mean for a reader who has come so far.
// Threads: pure. Lifetime: values.
// Limits: kKafkaPartitionsMax partitions.
// Failure: a position that does not read is an Error.
#pragma once

#include "core/result.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace millrace::runtime {

inline constexpr std::size_t kKafkaPartitionsMax = 1'000;

// How far a partition was read, and which message was the last one: one that has its offset and is
// another tells of a topic that was made anew, or lost what we had read, and was filled again.
struct KafkaPlace {
    std::int64_t next = 0;   // offset
    std::int64_t last = -1;  // offset of the last message; -1: there was none, or it is gone
    std::int64_t last_ms = 0;
    std::uint64_t last_sum = 0;  // of its key and text
};

struct KafkaPlaces {
    std::map<std::int32_t, KafkaPlace> partitions;

    std::string json() const;
    static core::Result<KafkaPlaces> read(std::string_view json);
};

// Offsets: of the first message that is there, and of the one that comes next.
struct KafkaBounds {
    std::int64_t first = 0;
    std::int64_t end = 0;
};

enum class KafkaFrom : std::uint8_t { kStart, kEnd, kPlace };

struct KafkaCheck {
    std::string stops;         // not empty: it has gone back, and why we think so
    std::int64_t missed = 0;   // offsets that went before they were read
    std::int64_t read_at = 0;  // the offset to begin at
    bool verifies = false;     // what comes from there first has been read: it has to be the same
};
// Moves the place to where reading begins.
KafkaCheck check_kafka_partition(std::int32_t partition, const KafkaBounds& bounds, KafkaFrom from,
                                 KafkaPlace& place);

std::uint64_t kafka_sum(std::string_view key, std::string_view text);

// Empty: they may be the same message.
std::string kafka_differs(std::int32_t partition, const KafkaPlace& place, std::int64_t at_ms,
                          std::uint64_t sum);

}  // namespace millrace::runtime
