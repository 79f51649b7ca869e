#include "runtime/edge/edge_lines.h"

#include "runtime/edge/what_fits.h"
#include "runtime/event/error_place.h"
#include "store/log/durability_text.h"

#include <algorithm>
#include <string>
#include <utility>

namespace millrace::runtime {

namespace {

// Where lines begin; those that are asked for in their order are walked over once.
class LineBegins {
public:
    explicit LineBegins(std::string_view lines) : lines_(lines) {}
    std::size_t of(std::uint32_t line) {
        if (line < line_) line_ = 0, begin_ = 0;
        for (; line_ < line && begin_ < lines_.size(); ++line_)
            begin_ = std::min(lines_.find('\n', begin_), lines_.size() - 1) + 1;
        return begin_;
    }

private:
    const std::string_view lines_;
    std::uint32_t line_ = 0;
    std::size_t begin_ = 0;
};

// Which lines were read at once is no business of the client's: bytes count from the line's begin.
core::Error within_line(core::Error error, LineBegins& begins, std::uint32_t line) {
    if (error.position < 0) return error;
    const std::int64_t position = error.position - static_cast<std::int64_t>(begins.of(line));
    if (position >= 0) tell_place(error, position);
    return error;
}

}  // namespace

core::Status EdgeLines::on_hello(io::LineToken connection, const io::LineHello& hello,
                                 const io::Peer& peer) {
    auto principal = identity_.of(hello, peer);
    const auto refuse = [&](core::Error&& error, const identity::Principal& who) -> core::Status {
        identity_.note(error, who, peer, "line socket", host_.clock().monotonic_ns());
        return core::fail(std::move(error));
    };
    if (!principal) return refuse(std::move(principal.error()).in("hello"), {});
    if (auto may = principal->require(identity::Scope::kEventsWrite); !may)
        return refuse(std::move(may.error()), *principal);
    auto held = identity::HeldConnection::take(*principal);
    if (!held) return refuse(std::move(held.error()), *principal);
    Line& line = open_[connection];
    line.principal = std::move(*principal);
    line.held = std::move(*held);
    return {};
}

// A key may have been revoked since the hello.
core::Status EdgeLines::take(IngestRequest& request, const identity::Principal& principal) {
    if (auto admitted = host_.admit(); !admitted) return admitted;
    if (auto holds = principal.still_holds(host_.clock().wall_us()); !holds) return holds;
    request.sender = principal.key.get();
    const std::string_view lines = request.body.view();
    if (auto read =
            host_.ingestor().read(request, lines, core::BatchFormat::kNdjson, HomeRule::kByKey);
        !read)
        return read;
    const std::int64_t now_ns = host_.clock().monotonic_ns();
    if (const auto last = take_what_fits(request, principal, now_ns))
        identity_.note(*last, principal, principal.peer, "line socket", now_ns);
    return {};
}

void EdgeLines::on_lines(io::LineBatch&& batch) {
    IngestRequest& request = host_.take_request();
    request.origin = IngestOrigin::kLine;
    request.line = batch.connection;
    request.line_first = batch.first_line;
    request.line_count = batch.line_count;
    request.durability = host_.default_durability();
    request.body = std::move(batch.lines);
    Line& line = open_[batch.connection];
    request.tenant = line.principal.tenant;
    line.batches.push_back({batch.first_line, batch.first_line + batch.line_count - 1, 0, false});
    auto read = take(request, line.principal);
    if (!read && !request.body.view().empty() &&
        request.body.view().find_first_not_of(" \t\r\n") != std::string_view::npos) {
        // Not one event in all of it: every line gets the reason.
        request.drop_items();
        request.rejected.clear();
        for (std::uint64_t i = 0; i < batch.line_count; ++i) {
            request.rejected.push_back({static_cast<std::uint32_t>(i), read.error()});
        }
    }
    host_.start(request);
}

void EdgeLines::on_line_close(io::LineToken connection) { open_.erase(connection); }

void EdgeLines::acknowledge(io::LineToken connection, store::Durability durability) {
    const auto it = open_.find(connection);
    if (it == open_.end()) return;
    std::uint64_t lines = 0;
    std::uint64_t duplicates = 0;
    std::deque<Batch>& batches = it->second.batches;
    while (!batches.empty() && batches.front().done) {
        lines = batches.front().last_line;
        duplicates += batches.front().duplicates;
        batches.pop_front();
    }
    if (lines != 0) server_->ack(connection, lines, store::durability_text(durability), duplicates);
}

void EdgeLines::finish(IngestRequest& request) {
    if (request.failed()) return;  // nothing is acknowledged any more
    LineBegins begins(request.body.view());
    for (const RejectedEntry& entry : request.rejected) {
        server_->reject(request.line, request.line_first + entry.entry,
                        within_line(entry.error, begins, entry.entry), entry.errors);
    }
    std::uint64_t duplicates = 0;
    for (const IngestItem& item : request.items) {
        duplicates += item.duplicate;
        if (!item.refused) continue;
        server_->reject(request.line, request.line_first + item.entry,
                        core::Error(core::ErrorCode::kRateLimited,
                                    "the identity index is catching up; send it again")
                            .retry_after(host_.drain_seconds()));
    }
    const auto it = open_.find(request.line);
    if (it == open_.end()) return;
    for (Batch& batch : it->second.batches) {
        if (batch.first_line != request.line_first) continue;
        batch.done = true;
        batch.duplicates = duplicates;
    }
    acknowledge(request.line, request.told_durability());
}

}  // namespace millrace::runtime
