// What: what stands in the stream of a partition: units of its owner's writes, the beginning and
//       end of ownerships, and a sign of life. A unit longer than a message has parts, one behind
//       the other; one without its last part does not exist.
//
//   MessageHead (little-endian, 72 bytes) | part_bytes of the unit's body
//   DO NOT REORDER: other versions of this program read it.
//
//   Units, ownerships and hand-overs are the links of one chain: each has the number behind the one
//   before and names its hash. Signs of life carry the number and hash of the last link, and are
//   none themselves.
//   A unit's body is a write of the store, packed where that makes it shorter. Of the others it is
//   a JSON object.
//
// Threads: values, pure functions. Lifetime: texts of a message that was read are views of its
//       bytes.
// Limits: kPartBytesMax of a part, store::kReplicaUnitBytesMax of a unit.
// Failure: kValidation errors that say what is wrong.
#pragma once

#include "core/result.h"
#include "store/replica/replica_gate.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::cluster {

// A message, with its head and what NATS writes around it, stays below the megabyte that a server
// takes by default.
inline constexpr std::size_t kPartBytesMax = 512u << 10;
inline constexpr std::size_t kPartsMax = store::kReplicaUnitBytesMax / kPartBytesMax + 1;

enum class MessageKind : std::uint8_t {
    kUnit = 1,      // a write
    kEpoch = 2,     // from here on somebody else owns the partition
    kHandOver = 3,  // its owner lets go of it
    kBeat = 4,      // its owner is there
};

enum class BodyCoding : std::uint8_t { kPlain = 0, kLz4 = 1 };

struct MessageHead {
    char magic[4] = {'M', 'R', 'U', '1'};
    std::uint32_t crc32c = 0;  // of every byte behind it
    MessageKind kind = MessageKind::kBeat;
    BodyCoding coding = BodyCoding::kPlain;
    std::uint16_t partition = 0;
    std::uint32_t part = 0;  // from 0 on
    std::uint32_t parts = 1;
    std::uint32_t body_bytes = 0;  // of the unit, all parts together
    std::uint32_t raw_bytes = 0;   // and unpacked
    std::uint32_t zero = 0;
    std::uint64_t epoch = 0;
    std::uint64_t unit = 0;  // the link's number; of a beat the last one's
    std::uint64_t previous_hash = 0;
    std::uint64_t hash = 0;  // the chain's with this one; of a beat the last one's
    std::uint64_t spare = 0;
};
static_assert(sizeof(MessageHead) == 72);

struct Message {
    MessageHead head;
    std::string_view body;  // this part of it
};
core::Result<Message> read_message(std::string_view bytes);

// One link, ready to be sent.
struct SealedUnit {
    MessageKind kind = MessageKind::kUnit;
    std::uint64_t epoch = 0;
    std::uint64_t unit = 0;
    std::uint64_t hash = 0;
    std::vector<std::string> messages;
    std::size_t bytes() const;
};
struct UnitPlace {
    std::uint16_t partition = 0;
    std::uint64_t epoch = 0;
    std::uint64_t unit = 0;
    std::uint64_t previous_hash = 0;
};
SealedUnit seal_unit(MessageKind kind, const UnitPlace& place, std::string_view body);
// `last` has the number of the last link, and its hash as the one before.
SealedUnit seal_beat(const UnitPlace& last);

// The chain's hash with one more link, whose body is as it travels.
std::uint64_t chain_hash(std::uint64_t previous, const MessageHead& head, std::string_view body);

// The bodies of what is no write.
struct EpochBody {
    std::string node;
    std::string url;     // where its front is
    std::string token;   // of this ownership: two of one node differ
    bool heals = false;  // a person has said that this copy is the truth
    std::string json() const;
    static core::Result<EpochBody> read(std::string_view json);
};
struct HandOverBody {
    std::string to;
    std::string json() const;
    static core::Result<HandOverBody> read(std::string_view json);
};

}  // namespace millrace::runtime::cluster
