// The part of LinkAgent that sends the log to sinks in the mode `stream`.
#include "runtime/links/link_agent.h"

#include <utility>

namespace millrace::runtime {

bool LinkAgent::begin_stream(LinkRun& run) {
    auto made = LinkStream::make(*deps_.database, run.link, deps_.shards, run.state.position);
    if (made) {
        run.stream = std::move(*made);
        return true;
    }
    run.stream = nullptr;
    run.state.stopped = "what was kept of its position does not read (" + made.error().message +
                        "); reset says where to begin";
    return false;
}

// False: the log does not read; it is tried again.
bool LinkAgent::read_log(LinkRun& run) {
    const auto read = run.stream->read();
    if (read) return true;
    note_error(run, read.error().message);
    return false;
}

// With what it has passed that was lost: read again, it is lost again.
void LinkAgent::take_position(LinkRun& run) {
    run.state.position = run.stream->position();
    const LinkStream::Lost lost = run.stream->take_lost();
    if (lost.events == 0) return;
    run.state.missed += lost.events;
    run.state.gaps += lost.gaps;
    run.state.last_error =
        "retention has taken " + std::to_string(lost.events) + " events before they were sent";
    run.state.last_error_at_us = deps_.clock->wall_us();
    deps_.log->warn("link: " + run.state.last_error, {{"link", run.link->id}});
}

// The position, and what is told of those that it passes, are one commit.
void LinkAgent::keep_stream(LinkRun& run, std::vector<LinkUnsent>&& unsent) {
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    const bool due =
        run.stream->has_moved() && (stopping_.load(std::memory_order_relaxed) ||
                                    now_ns - run.position_kept_ns >= LinkRun::kPositionKeptNs);
    if (!due && unsent.empty()) return;
    run.position_kept_ns = now_ns;
    take_position(run);
    run.stream->note_kept();
    auto result = new_result(run);
    lines_.clear();
    for (const LinkUnsent& one : unsent) {
        events_.append_unsent(*run.link, one, lines_, *result);
        ++run.failed;
        run.state.last_error = one.why.substr(0, kLinkReasonBytesMax);
        run.state.last_error_at_us = deps_.clock->wall_us();
    }
    put_lines(*result);
    put_state(run, {}, *result);
    outbox_[result->shard.value].push_back(std::move(result));
}

std::size_t LinkAgent::stream(LinkRun& run) {
    if (!run.stream) return 0;
    if (!may_run(run) || stopping_.load(std::memory_order_relaxed)) {
        run.leave_peer();
        keep_stream(run, {});
        return 0;
    }
    if (!script_waits(run).empty() || (lease_over_ns() && !run.sink) || !open_sink(run)) return 0;
    LinkSink& sink = *run.sink;
    LinkStream& stream = *run.stream;
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    std::size_t done = 0;
    // What a peer was given it may still answer; nothing more begins.
    if (sink.ready() && !lease_over_ns()) {
        if (run.try_at_ns <= now_ns) {
            const std::uint64_t before = stream.lag();
            if (read_log(run)) {
                run.retry_ns = LinkRun::kRetryNsMin;
                run.had_error = false;
            }
            done += stream.lag() != before ? 1 : 0;
        }
        if (run.shaping == 0) {
            if (auto texts = stream.drafts(); !texts.empty()) hand_to_script(run, std::move(texts));
        }
        while (sink.has_room() && !lease_over_ns()) {
            auto text = stream.next(now_ns);
            if (!text) break;
            sink.send(std::move(*text));
            ++done;
        }
    }
    answers_.clear();
    done += sink.turn(answers_);
    std::vector<LinkUnsent> unsent = stream.take_unsent();
    for (SinkAnswer& one : answers_) {
        if (one.error.empty()) {
            ++run.sent;
        } else {
            run.state.last_error = one.error.substr(0, kLinkReasonBytesMax);
            run.state.last_error_at_us = deps_.clock->wall_us();
        }
        auto given_up = one.returned
                            ? stream.returned(one.ticket, std::move(*one.returned), one.error)
                            : stream.answered(one.ticket, one.error, now_ns);
        if (given_up) unsent.push_back(std::move(*given_up));
    }
    keep_stream(run, std::move(unsent));
    if (const auto trouble = sink.trouble()) on_trouble(run, *trouble);
    return done;
}

}  // namespace millrace::runtime
