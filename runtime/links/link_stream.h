// What: what a sink in the mode `stream` sends: the log itself behind a cursor of its own, shard by
//       shard in its order, those events that config.pattern and config.filter take. A text that
//       was answered moves the cursor; one that the peer would not have is sent again, alone and
//       later each time, and after kTriesMax is told as unsent and passed. So each event arrives at
//       least once, under the same id.
// Threads: the links'; reads block on the disk. Lifetime: borrows the database and the link.
// Limits: kTextsMax texts and kBytesMax bytes of a shard on their way; kBlocksPerTurn blocks of the
//         log a turn. What is beyond waits in the log (overflow policy: read later).
// Failure: Errors of the log. What retention has taken is passed, and counted with the position
//          that is behind it.
#pragma once

#include "core/event_parser.h"
#include "core/field_table.h"
#include "core/ids.h"
#include "core/result.h"
#include "runtime/event/event_choice.h"
#include "runtime/links/link_events.h"
#include "runtime/links/link_peer.h"
#include "runtime/links/link_shaper.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::store {
class Database;
}

namespace millrace::runtime {

class LinkStream {
public:
    static constexpr std::size_t kTextsMax = 1'024;
    static constexpr std::size_t kBytesMax = 1u << 20;  // and a text more
    static constexpr std::size_t kBlocksPerTurn = 8;
    static constexpr std::uint32_t kTriesMax = 10;
    static constexpr std::int64_t kAgainNsMin = 100'000'000;
    static constexpr std::int64_t kAgainNsMax = 10'000'000'000;

    // `position`: as position() said it; empty: where the link begins.
    static core::Result<std::unique_ptr<LinkStream>> make(store::Database& database, LinkRef link,
                                                          std::size_t shards,
                                                          std::string_view position);

    // Reads on where there is room. How far, in offsets of all shards.
    core::Result<std::uint64_t> read();

    // The texts that were read since, for the link's transform, as they would be sent; each stands
    // still until shaped() has come for it. Empty: there is none.
    std::vector<LinkShaper::Text> drafts();
    void shaped(const std::vector<LinkShaper::Text>& texts);

    // The next one to be sent; nothing: there is none.
    std::optional<SinkText> next(std::int64_t now_ns);
    // What became of it. What is told is passed for good: it goes into the commit of the position.
    std::optional<LinkUnsent> answered(std::uint64_t ticket, const std::string& error,
                                       std::int64_t now_ns);
    // One that can never be sent: passed at once, and what is behind it goes on.
    std::optional<LinkUnsent> returned(std::uint64_t ticket, SinkText&& text,
                                       const std::string& why);
    // Transforms that failed, likewise.
    std::vector<LinkUnsent> take_unsent() { return std::exchange(unsent_, {}); }

    // Its peer is gone: all that was not answered comes again.
    void begin_anew();

    // Behind everything that is done with.
    std::string position() const;
    // It is on its way to the disk; whether it has moved since.
    void note_kept();
    bool has_moved() const;
    // What retention must leave.
    core::LogOffset kept(std::size_t shard) const { return core::LogOffset(parts_[shard].kept); }
    // Offsets of the log behind it.
    std::uint64_t lag() const;
    std::size_t pending() const;
    struct Lost {
        std::uint64_t events = 0, gaps = 0;
    };
    // That retention has taken before they were sent, and position() has passed since the last
    // call.
    Lost take_lost();

private:
    enum class At : std::uint8_t { kRead, kShaping, kReady, kSent, kDone };
    struct Flight {
        std::uint64_t offset = 0;
        At at = At::kRead;
        std::size_t bytes = 0;
        std::int64_t received_at_us = 0;
        std::string event{};  // the envelope, where the text is another
        SinkText text{};
    };
    struct Part {
        std::uint64_t done = 0;  // everything before is done with
        std::uint64_t kept = 0;  // as it was kept last
        std::uint64_t read = 0;  // what is read next
        std::deque<Flight> flights;
        std::uint64_t first = 0;  // the number of the front one; they are counted on for ever
        std::size_t bytes = 0;
        std::size_t unsent = 0;  // of the flights: the first that was not sent
        // Of what the log has no more: behind it, and how many; what `read` has passed.
        std::deque<std::pair<std::uint64_t, std::uint64_t>> lost;
        // An offset that its peer would not have, and how often.
        std::uint64_t failing = 0;
        std::uint32_t tries = 0;
        std::int64_t again_ns = 0;  // not before
    };
    struct Walker;
    static constexpr unsigned kTicketShardBits = 16;

    LinkStream(store::Database& database, LinkRef link, std::size_t shards);

    void take(Part& part, const store::StoredEvent& event);
    bool wants(const store::StoredEvent& event);
    Part& part_of(std::uint64_t ticket) { return parts_[ticket & ((1u << kTicketShardBits) - 1)]; }
    // Null: it is not on its way any more.
    Flight* sent_flight(std::uint64_t ticket);
    void settle(Part& part);
    void go_back(Part& part);
    std::optional<LinkUnsent> fail(Part& part, Flight& flight, const std::string& error,
                                   std::int64_t now_ns);
    std::uint64_t end_of(std::size_t shard) const;

    store::Database& database_;
    const LinkRef link_;
    const bool shapes_;
    EventChoice choice_;
    core::EventParser parser_;
    core::FieldTable fields_;
    core::FieldPlan no_fields_;
    std::vector<Part> parts_;
    std::size_t turn_ = 0;  // whose next text is sent
    std::vector<LinkUnsent> unsent_;
};

}  // namespace millrace::runtime
