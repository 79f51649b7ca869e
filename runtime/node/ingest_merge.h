// What: the answers of several owners to the parts of one batch of events, as one answer with the
//       numbers of the client's entries. It says of each entry what its owner has said: what is
//       not known to be durable is never among the accepted.
// Threads: pure. Lifetime: borrows. Limits: none of its own.
// Failure: an answer that does not add up counts as none: its entries may have been taken.
#pragma once

#include "io/body_writer.h"
#include "runtime/node/entry_split.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace millrace::runtime::node {

struct PartAnswer {
    enum class Fate : std::uint8_t {
        kAnswered,
        kNotTaken,  // nobody owns it, or it never left
        kUnknown,   // it left, and no answer came
    };
    std::size_t partition = 0;
    Fate fate = Fate::kNotTaken;
    int status = 0;
    std::string_view body = {};
    std::span<const std::uint32_t> entries;  // places among the plan's, in their order
};

struct MergedReply {
    int status = 202;
    std::int64_t retry_after_seconds = -1;
};

MergedReply merge_ingest(const SplitPlan& plan, const IdMaker& ids,
                         std::span<const PartAnswer> parts, io::BodyWriter& out);

}  // namespace millrace::runtime::node
