// What: the chain as a reader follows it: messages in their order in, whole links out, each held
//       against the one before it.
// Threads: one owner. Lifetime: value. Limits: holds the parts of one unit.
// Failure: kBroken with what was found; the reader stays where it was.
#pragma once

#include "runtime/cluster/unit_message.h"
#include "store/replica/replica_gate.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::runtime::cluster {

class LinkReader {
public:
    enum class Found : std::uint8_t { kNothing, kLink, kBroken };

    LinkReader(std::uint16_t partition, const store::ReplicaPosition& at)
        : partition_(partition), at_(at) {}

    // `out` and `body` (unpacked) only with kLink: the position behind it. passed() says that it
    // was taken.
    Found take(std::uint64_t sequence, std::string_view bytes, Message& out, std::string& body,
               store::ReplicaPosition& behind);
    void passed(const store::ReplicaPosition& behind) { at_ = behind; }
    const store::ReplicaPosition& at() const { return at_; }
    const std::string& why() const { return why_; }
    // Of messages of whom nothing is known but that they are there: another stream's beginning.
    void forget_parts() { parts_.clear(); }

private:
    Found broken(std::string why);
    bool add_part(const Message& message);

    const std::uint16_t partition_;
    store::ReplicaPosition at_;
    MessageHead open_;  // of the parts that are there
    std::uint32_t next_part_ = 0;
    std::string parts_;
    std::string why_;
};

}  // namespace millrace::runtime::cluster
