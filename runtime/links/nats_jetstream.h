// What: what JetStream says, out of its answers: where a stream stands, which consumer was made,
//       what became of a message that was published; and the decision what that means for a reader
//       who has come so far.
// Threads: one owner; the functions are pure. Lifetime: values; texts are copied.
// Limits: those of core's reading of JSON.
// Failure: kUnreadable for an answer of another shape, kRefused with the server's words.
#pragma once

#include "core/json_dom.h"
#include "core/result.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::runtime {

// How far a stream was read: the last number, up to which one there was nothing else of ours, and
// when the stream was made: one that was made anew counts from 1 again and is another. So is one
// whose message of that number is of another time.
struct NatsPosition {
    std::uint64_t seq = 0;
    std::uint64_t seen = 0;
    std::int64_t created_us = 0;  // 0: not known yet
    std::int64_t at_us = 0;       // when the stream took message `seq`; 0: not known

    std::string json() const;
    static core::Result<NatsPosition> read(std::string_view json);
};

struct NatsStreamInfo {
    bool there = false;
    std::int64_t created_us = 0;
    bool keeps = true;        // its messages stay when they were delivered
    std::uint64_t first = 0;  // that is there; of an empty stream the next one
    std::uint64_t last = 0;   // ever given out
    std::uint64_t bytes = 0;
    std::uint64_t bytes_max = 0;  // 0: it grows
};

struct NatsConsumerInfo {
    std::string name;
    std::uint64_t pending = 0;    // not delivered yet
    std::uint64_t delivered = 0;  // so many
};

struct NatsPubAck {
    std::string stream;
    std::uint64_t seq = 0;
    bool duplicate = false;
};

struct NatsRefusal {
    std::int64_t code = 0;
    std::int64_t number = 0;  // err_code, which is exact
    std::string words;

    static constexpr std::int64_t kNoStream = 10'059;
    static constexpr std::int64_t kNoMessage = 10'037;
    static constexpr std::int64_t kNoConsumer = 10'014;
    static constexpr std::int64_t kWrongLastSequence = 10'071;
};

class NatsAnswers {
public:
    enum class Kind : std::uint8_t { kGood, kRefused, kUnreadable };

    // A stream that is not there is a good answer.
    Kind stream(std::string_view json, NatsStreamInfo& out);
    Kind consumer(std::string_view json, NatsConsumerInfo& out);
    Kind published(std::string_view json, NatsPubAck& out);
    const NatsRefusal& refusal() const { return refusal_; }

private:
    Kind begin(std::string_view json, core::JsonElement& root);

    core::JsonDom dom_;
    NatsRefusal refusal_;
};

// What stands in the reply subject of a message that a consumer delivers.
struct NatsDelivery {
    std::uint64_t stream_seq = 0;
    std::uint64_t consumer_seq = 0;
    std::int64_t at_us = 0;     // when the stream took it
    std::uint64_t pending = 0;  // behind it
};
bool read_nats_delivery(std::string_view reply, NatsDelivery& out);

struct NatsCheck {
    std::string stops;         // not empty: it has gone back, and why we think so
    bool gap = false;          // messages went before they were read:
    std::uint64_t missed = 0;  // so many numbers
};
// Of a stream that is there or was; moves the place to where the stream begins.
NatsCheck check_nats_stream(const NatsStreamInfo& info, NatsPosition& place, bool begun);

}  // namespace millrace::runtime
