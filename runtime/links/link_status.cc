// The part of LinkAgent that tells what links are at, and tries peers out.
#include "runtime/event/tenant_names.h"
#include "runtime/links/link_agent.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

namespace millrace::runtime {
namespace {

constexpr std::array<std::pair<std::string_view, core::Counter LinkRun::Figures::*>, 7> kOutcomes =
    {{{"taken", &LinkRun::Figures::taken},
      {"duplicate", &LinkRun::Figures::duplicates},
      {"rejected", &LinkRun::Figures::rejected},
      {"left_out", &LinkRun::Figures::left_out},
      {"missed", &LinkRun::Figures::missed},
      {"sent", &LinkRun::Figures::sent},
      {"failed", &LinkRun::Figures::failed}}};

void count_up_to(const core::Counter& counter, std::uint64_t& told, std::uint64_t now) {
    if (now > told) counter.add(now - told);
    told = std::max(told, now);
}

}  // namespace

LinkStatus LinkAgent::status_of(const LinkRun& run) const {
    LinkStatus out;
    const LinkPeer* const peer = run.peer();
    if (run.link->paused) {
        out.state = "paused";
    } else if (!run.state.stopped.empty()) {
        out.state = "stopped";
        out.reason = run.state.stopped;
    } else if (is_elsewhere(run)) {
        out.state = "elsewhere";
    } else if (!may_run(run)) {
        out.state = "paused";
        out.reason = "its tenant is suspended";
    } else if (lease_over_ns()) {
        out.state = "waiting";
        out.reason = "NATS has not answered this partition's owner for longer than cluster.lease";
    } else if (run.had_error) {
        out.state = "retrying";
        out.reason = run.state.last_error;
    } else if (std::string why = script_waits(run); !why.empty()) {
        out.state = "waiting";
        out.reason = std::move(why);
    } else if (run.batch_waits) {
        out.state = "waiting";
        out.reason = run.state.last_error;
    } else if (peer && peer->ready()) {
        out.state = "running";
    } else if (peer && !peer->waits_because().empty()) {
        out.state = "waiting";
        out.reason = peer->waits_because();
    }
    out.position = run.state.position;
    if (run.source) {
        out.lag = run.source->lag();
        out.lag_unit = run.source->lag_unit();
    }
    if (run.stream) {
        out.position = run.stream->position();
        out.lag = run.stream->lag();
        out.lag_unit = "events";
    }
    out.taken = run.state.taken;
    // relaxed: figures
    out.duplicates = run.counts->duplicates.load(std::memory_order_relaxed);
    out.rejected = run.counts->rejected.load(std::memory_order_relaxed);
    out.left_out = run.state.left_out;
    out.missed = run.state.missed;
    out.gaps = run.state.gaps;
    out.sent = run.sent;
    out.failed = run.failed;
    out.pending = run.stream ? run.stream->pending() : run.given.size() + run.waiting.size();
    out.last_error = run.state.last_error;
    out.last_error_at_us = run.state.last_error_at_us;
    return out;
}

// Whoever watches them is not told that a link is down which is not there.
void LinkAgent::forget_figures(LinkRun& run) {
    if (!run.figures.taken) return;
    run.figures = {};
    const std::string tenant(tenant_name(run.link->tenant));
    for (const auto& [outcome, counter] : kOutcomes)
        role_.forget(core::Metric::kLinkEntries, {tenant, run.link->id, outcome});
    role_.forget(core::Metric::kLinkLag, {tenant, run.link->id});
    role_.forget(core::Metric::kLinkUp, {tenant, run.link->id});
}

// Counters begin with the process; what is kept of before is not counted again.
void LinkAgent::tell_figures(LinkRun& run, const LinkStatus& status) {
    LinkRun::Figures& figures = run.figures;
    if (!figures.taken) {
        for (const auto& [outcome, counter] : kOutcomes) {
            figures.*counter = role_.counter(
                core::Metric::kLinkEntries, {tenant_name(run.link->tenant), run.link->id, outcome});
        }
        const core::LabelValues of = {tenant_name(run.link->tenant), run.link->id};
        figures.lag = role_.gauge(core::Metric::kLinkLag, of);
        figures.up = role_.gauge(core::Metric::kLinkUp, of);
        figures.told_taken = status.taken;
        figures.told_duplicates = status.duplicates;
        figures.told_rejected = status.rejected;
        figures.told_left_out = status.left_out;
        figures.told_missed = status.missed;
    }
    count_up_to(figures.taken, figures.told_taken, status.taken);
    count_up_to(figures.duplicates, figures.told_duplicates, status.duplicates);
    count_up_to(figures.rejected, figures.told_rejected, status.rejected);
    count_up_to(figures.left_out, figures.told_left_out, status.left_out);
    count_up_to(figures.missed, figures.told_missed, status.missed);
    count_up_to(figures.sent, figures.told_sent, status.sent);
    count_up_to(figures.failed, figures.told_failed, status.failed);
    figures.lag.set(static_cast<std::int64_t>(status.lag.value_or(0)));
    figures.up.set(status.state == "running");
}

void LinkAgent::show(bool now) {
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    if (!now && now_ns - shown_ns_ < kShowNs) return;
    shown_ns_ = now_ns;
    std::map<std::uint32_t, LinkStatus> fresh;
    std::vector<core::LogOffset> floors;
    for (auto& [number, run] : runs_) {
        LinkStatus status = status_of(run);
        status.logs = run.logs.shown();
        // Whoever reads it tells its figures.
        if (!is_elsewhere(run)) tell_figures(run, status);
        const auto before = shown_.find(number);  // nobody else changes it
        status.since_us = before != shown_.end() && before->second.state == status.state
                              ? before->second.since_us
                              : deps_.clock->wall_us();
        fresh.emplace(number, std::move(status));
        if (!run.stream) continue;
        floors.resize(deps_.shards, core::LogOffset(~std::uint64_t{0}));
        for (std::size_t i = 0; i < deps_.shards; ++i)
            floors[i] = std::min(floors[i], run.stream->kept(i));
    }
    const std::lock_guard lock(mutex_);
    shown_.swap(fresh);
    floors_.swap(floors);
}

std::vector<core::LogOffset> LinkAgent::floors() const {
    const std::lock_guard lock(mutex_);
    return floors_;
}

std::optional<LinkStatus> LinkAgent::look(LinkNumber number) const {
    const std::lock_guard lock(mutex_);
    const auto at = shown_.find(number.value);
    if (at == shown_.end()) return std::nullopt;
    return at->second;
}

std::uint64_t LinkAgent::sending() const {
    const std::lock_guard lock(mutex_);
    std::uint64_t sum = 0;
    for (const auto& [number, status] : shown_) sum += status.pending;
    return sum;
}

// ---- trials: a peer beside the link's own, of which nothing is kept

void LinkAgent::test(const LinkRef& link, Tested done) {
    orders_.push_beyond([this, link, done = std::move(done)] {
        if (trials_.size() >= kTrialsMax) return done({"too many links are tested at once", 0});
        auto config = filled_config(*link);
        if (!config) return done({config.error().message, 0});
        PeerDeps deps = peer_deps();
        deps.probes = true;
        Trial trial;
        trial.link = link;
        trial.began_ns = deps_.clock->monotonic_ns();
        trial.done = done;
        if (link->direction == LinkDirection::kIn) {
            config->from = "end";
            trial.source = make_source(deps, *link, *config, {});
        } else {
            trial.sink = make_sink(deps, *link, *config);
        }
        trials_.push_back(std::move(trial));
    });
    wake();
}

bool LinkAgent::trial_over(Trial& trial, LinkTest& out) {
    SourceBatch unread;
    if (trial.source)
        (void)trial.source->turn(unread);
    else
        (void)trial.sink->turn(answers_);
    const LinkPeer& peer = trial.source ? static_cast<const LinkPeer&>(*trial.source)
                                        : static_cast<const LinkPeer&>(*trial.sink);
    const std::int64_t took_ns = deps_.clock->monotonic_ns() - trial.began_ns;
    out.duration_us = took_ns / 1000;
    if (peer.trouble())
        out.error = peer.trouble()->why;
    else if (!peer.waits_because().empty())
        out.error = peer.waits_because();
    else if (peer.ready())
        out.error.clear();
    else if (took_ns > kTrialNs)
        out.error = "no answer in " + std::to_string(kTrialNs / 1'000'000'000) + " s";
    else
        return false;
    return true;
}

std::size_t LinkAgent::work_at_trials() {
    std::size_t done = 0;
    for (auto at = trials_.begin(); at != trials_.end();) {
        LinkTest test;
        if (!trial_over(*at, test)) {
            ++at;
            continue;
        }
        at->done(std::move(test));
        at = trials_.erase(at);
        ++done;
    }
    return done;
}

}  // namespace millrace::runtime
