// The part of LinkAgent that sends deliveries to sinks.
#include "runtime/links/link_agent.h"

#include <utility>

namespace millrace::runtime {

bool LinkAgent::send(LinkReceiver& receiver, std::uint64_t ticket, LinkSend&& what) {
    // Shared, for the queue's tasks may be copied.
    auto text = std::make_shared<LinkSend>(std::move(what));
    if (!orders_.try_push([this, &receiver, ticket, text] {
            const std::uint64_t id = ++sends_;
            sending_[id] = {&receiver, ticket};
            by_ticket_[{&receiver, ticket}] = id;
            take_send(id, std::move(*text));
        }))
        return false;
    wake();
    return true;
}

void LinkAgent::cancel(LinkReceiver& receiver, std::uint64_t ticket) {
    orders_.push_beyond([this, &receiver, ticket] {
        const auto at = by_ticket_.find({&receiver, ticket});
        if (at == by_ticket_.end()) return;
        sending_.erase(at->second);
        by_ticket_.erase(at);
    });
    wake();
}

void LinkAgent::take_send(std::uint64_t id, LinkSend&& what) {
    const auto at = runs_.find(what.link.value);
    if (at == runs_.end() || at->second.source_wanted())
        return answer(id, "the link is not there any more");
    LinkRun& run = at->second;
    if (run.stream) return answer(id, "the link is a stream: it takes its events from the log");
    if (run.waiting_bytes > LinkRun::kWaitingBytesMax)
        return answer(id, "more waits for the link's peer than is kept in memory");
    run.waiting_bytes += what.envelope.size();
    run.waiting.push_back({id, std::move(what.event_id), std::move(what.pattern),
                           std::move(what.envelope), std::move(what.identity),
                           std::move(what.traceparent), std::move(what.tracestate),
                           std::move(what.key), std::move(what.delivery)});
}

void LinkAgent::answer(std::uint64_t id, std::string&& error) {
    const auto at = sending_.find(id);
    if (at == sending_.end()) return;  // cancelled
    const Sending sending = at->second;
    sending_.erase(at);
    by_ticket_.erase({sending.receiver, sending.ticket});
    sending.receiver->sent(sending.ticket, std::move(error));
}

void LinkAgent::fail_all(LinkRun& run, const std::string& why) {
    run.failed += run.given.size() + run.waiting.size();
    for (const std::uint64_t id : std::exchange(run.given, {}))
        answer(id, why + "; whether it has arrived is not known");
    run.waiting_bytes = 0;
    for (SinkText& text : std::exchange(run.waiting, {})) answer(text.ticket, std::string(why));
}

bool LinkAgent::open_sink(LinkRun& run) {
    if (run.sink) return true;
    if (deps_.clock->monotonic_ns() < run.try_at_ns) {
        fail_all(run, run.state.last_error);
        return false;
    }
    auto config = filled_config(*run.link);
    if (!config) {
        note_error(run, config.error().message);
        fail_all(run, run.state.last_error);
        return false;
    }
    PeerDeps deps = peer_deps();
    deps.sink_memory = &run.sink_memory;
    run.sink = make_sink(deps, *run.link, *config);
    return true;
}

std::size_t LinkAgent::write(LinkRun& run) {
    if (!may_run(run)) {
        fail_all(run, run.link->paused ? "the link is paused" : "its tenant is suspended");
        run.leave_peer();
        return 0;
    }
    // What a peer was given it may still answer; nothing more begins.
    if (lease_over_ns() && !run.sink) return 0;
    if (!open_sink(run)) return 0;
    LinkSink& sink = *run.sink;
    std::size_t done = 0;
    if (sink.ready()) {
        run.retry_ns = LinkRun::kRetryNsMin;
        run.had_error = false;
        while (!run.waiting.empty() && sink.has_room() && !lease_over_ns()) {
            run.given.insert(run.waiting.front().ticket);
            run.waiting_bytes -= run.waiting.front().text.size();
            sink.send(std::move(run.waiting.front()));
            run.waiting.pop_front();
            ++done;
        }
    }
    answers_.clear();
    done += sink.turn(answers_);
    for (SinkAnswer& one : answers_) {
        run.given.erase(one.ticket);
        ++(one.error.empty() ? run.sent : run.failed);
        if (!one.error.empty()) {
            run.state.last_error = one.error.substr(0, kLinkReasonBytesMax);
            run.state.last_error_at_us = deps_.clock->wall_us();
        }
        answer(one.ticket, std::move(one.error));
    }
    if (const auto trouble = sink.trouble()) on_trouble(run, *trouble);
    return done;
}

}  // namespace millrace::runtime
