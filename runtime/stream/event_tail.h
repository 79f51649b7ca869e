// What: GET /v2/events/stream: Server-Sent Events from a position in history through to live. Each
//       stream reads the log by itself, and keeps no more of it than its position: what a client
//       has no room for is read again when it has. What became durable is seen by the next look, so
//       that history and live are one thing and nothing is missed between them. Dead letters and
//       executions are followed along the same log: letters by the events that announce them,
//       executions behind the place up to which all has been handled.
// Threads: the conductor's, but for stream callbacks that shards post to it.
// Lifetime: borrows database and shards.
// Limits: kStreamsMax streams; Room; a client that does not read is waited for (its window is the
//       server's, and the reactor's room for clients that of all together).
// Failure: a bad position, pattern or filter is answered before the stream begins; a block that
//       cannot be read ends the stream, after an event "error" that says where.
#pragma once

#include "core/clock.h"
#include "core/ids.h"
#include "core/result.h"
#include "runtime/event/event_filter.h"
#include "runtime/stream/block_shelf.h"
#include "runtime/stream/stream_edge.h"
#include "runtime/stream/stream_source.h"
#include "store/database.h"
#include "store/log/event_block.h"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace millrace::runtime {

class EventTail final : public StreamSource {
public:
    // Of all streams together.
    struct Room {
        std::size_t blocks_bytes = 16u << 20;   // of the log, while it is read
        std::size_t writing_bytes = 16u << 20;  // on the way to the connections
    };
    struct Deps {
        const core::Clock* clock = nullptr;
        store::Database* database = nullptr;
        // Appends the event as the API shows it.
        std::function<void(std::string&, const store::StoredEvent&)> render;
        // The dead letter that an event announces; false: it is not for whoever asks.
        std::function<bool(std::string&, const store::StoredEvent&, const identity::Principal&)>
            render_letter = {};
        // The executions of a tenant's events of a block, whose first event is given.
        using Visit = std::function<void(core::LogOffset, std::string&&)>;
        std::function<core::Status(core::LogPosition, core::TenantId, const Visit&)> executions =
            {};
        // Before it everything of a shard has an outcome that is on record.
        std::function<core::LogOffset(core::ShardId)> handled_to = {};
        StreamEdge edge;
        Room room = {};
    };
    static constexpr std::size_t kStreamsMax = 1024;

    explicit EventTail(Deps deps)
        : deps_(std::move(deps)),
          shelf_(*deps_.database, *deps_.clock, deps_.room.blocks_bytes),
          blocks_(deps_.database->shards()) {}

    std::uint64_t open(StreamRequest&& request) override;
    void stop(std::uint64_t number) override { streams_.erase(number); }
    void closed(core::ShardId edge, io::RequestToken token);
    void drained(core::ShardId edge, io::RequestToken token);
    // Streams that have room look for new events, in turns. Returns the number of streams that got
    // some.
    std::size_t do_work();
    std::size_t streams() const { return streams_.size(); }
    std::size_t streams_of(core::TenantId tenant) const;
    // What is kept for streams beside their positions.
    std::size_t held_bytes() const { return shelf_.bytes() + writing_bytes_; }

private:
    static constexpr std::size_t kChunkBytes = 64u << 10;
    static constexpr std::size_t kEventsPerLook = 20'000;
    static constexpr std::size_t kEventsPerTurn = 100'000;
    static constexpr std::int64_t kKeepAliveUs = 15'000'000;

    struct Stream {
        std::uint64_t number = 0;
        StreamRequest request;
        std::unique_ptr<EventFilter> filter;
        std::vector<core::LogOffset> next;    // by shard
        std::vector<core::LogOffset> before;  // what is on its way began there
        bool reset = false;                   // begins with the word that it was further
        bool placed = false;                  // has said where it begins
        bool writing = false;                 // waits for the edge's answer
        bool full = false;                    // which was that there is no room
        std::string broken;                   // why it cannot go on; its end is on its way
        std::string_view broken_code = "INTERNAL";
        core::ErrorCode broken_error = core::ErrorCode::kInternal;
        std::int64_t last_write_us = 0;
        // Of executions: those of one block, as far as it had been handled.
        std::multimap<std::uint64_t, std::string> outcomes;
        core::LogPosition outcomes_block;
        core::LogOffset outcomes_end{};
    };

    core::Result<std::vector<core::LogOffset>> start_of(const StreamRequest& request);
    bool clamp_to_end(std::vector<core::LogOffset>& next) const;
    template <typename Is>
    std::int64_t streams_that(const Is& is) const;
    core::Status may_open(const StreamRequest& request) const;
    void append_reset(Stream& stream);
    // `name`: "event", "reset" or "error"; `data`: JSON.
    void append_message(Stream& stream, std::string_view name, std::string_view data);
    void check_right(Stream& stream);
    bool advance(Stream& stream, std::size_t& seen_of_all);
    std::size_t read_on(Stream& stream);
    void append_keep_alive(Stream& stream);
    core::LogOffset end_of(const Stream& stream, core::ShardId shard) const;
    bool load_blocks(Stream& stream);
    bool is_wanted(const Stream& stream, const store::StoredEvent& event) const;
    void append_event(Stream& stream, const store::StoredEvent& event);
    void append_executions(Stream& stream, const store::EventBlock& block,
                           core::LogPosition position);
    void append_end(Stream& stream);
    void write(Stream& stream);
    void written(std::uint64_t number, io::WriteOutcome outcome);
    static void go_back(Stream& stream);

    Deps deps_;
    BlockShelf shelf_;
    // Of the stream that is at work.
    std::vector<store::EventBlock> blocks_;  // by shard
    std::string out_;                        // to be written
    std::string data_;                       // of the message that is being made
    std::size_t writing_bytes_ = 0;          // of all
    std::uint64_t turn_ = 0;                 // whose came last
    std::map<std::uint64_t, std::unique_ptr<Stream>> streams_;
    std::uint64_t next_number_ = 1;
};

// "0-12.1-7": by shard, the offset that comes next.
std::string encode_stream_position(const std::vector<core::LogOffset>& next);
core::Result<std::vector<core::LogOffset>> decode_stream_position(std::string_view text,
                                                                  std::size_t shards);
// Where the log was at a moment: the first event received then or later, by shard.
core::Result<std::vector<core::LogOffset>> stream_position_at(store::Database& database,
                                                              std::int64_t time_us);
// Where a stream goes on behind an event that something else has found.
core::Result<std::string> stream_position_behind(store::Database& database, core::LogPosition event,
                                                 std::int64_t received_us);

}  // namespace millrace::runtime
