// What: what a stream of Redis says, out of its replies: ids, entries, and where it stands; and the
//       decision what that means for a reader who has come so far.
// Threads: pure. Lifetime: views are into the reply.
// Limits: those of the replies. Failure: false for a reply that is of another shape.
#pragma once

#include "core/result.h"
#include "runtime/links/redis_replies.h"
#include "runtime/links/source_batch.h"
#include "runtime/registry/link.h"

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::runtime {

struct StreamId {
    std::uint64_t ms = 0;
    std::uint64_t serial = 0;

    auto operator<=>(const StreamId&) const = default;
    std::string text() const;
    static std::optional<StreamId> read(std::string_view text);
};

// How far it was read. `count` is of the entries that ever were in the stream, as far as the server
// counts them (from version 7 on).
struct StreamPlace {
    StreamId id;
    std::optional<std::uint64_t> count;

    std::string json() const;
    static core::Result<StreamPlace> read(std::string_view json);
};

// XINFO STREAM.
struct StreamInfo {
    bool there = false;
    StreamId last;                  // ever given out
    std::optional<StreamId> first;  // that is there
    std::uint64_t length = 0;
    std::optional<std::uint64_t> added;  // ever; older servers do not say
};
bool read_stream_info(RedisReading reply, StreamInfo& out);

struct StreamCheck {
    std::string stops;                 // not empty: it has gone back, and why we think so
    std::uint64_t missed = 0;          // entries that were trimmed before they were read
    std::optional<std::uint64_t> lag;  // entries
};
// Brings `place.count` in line with what the server counts.
StreamCheck check_stream(const StreamInfo& info, StreamPlace& place, bool begun);

// The entries of an XREAD of one stream go into the batch, and `place` behind them. The text of one
// that is not what the link reads is all that it holds, and no JSON.
bool read_entries(RedisReading reply, const LinkConfig& config, StreamPlace& place,
                  SourceBatch& batch);

}  // namespace millrace::runtime
