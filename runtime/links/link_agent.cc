#include "runtime/links/link_agent.h"

#include "core/assert.h"
#include "runtime/registry/executor_body.h"
#include "store/database.h"
#include "store/rows/registry_store.h"

#include <algorithm>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace millrace::runtime {

namespace {

constexpr std::string_view kPositionDamaged =
    "what was kept of its position does not read; reset says where to begin";

}  // namespace

LinkAgent::LinkAgent(Deps deps)
    : deps_(std::move(deps)),
      wake_fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      role_(deps_.metrics->role()),
      events_(deps_.event_bytes_max),
      outbox_(deps_.shards) {
    MR_ASSERT(wake_fd_ >= 0);
}

LinkAgent::~LinkAgent() { ::close(wake_fd_); }

core::Status LinkAgent::load(SetAside& aside) {
    auto rows = deps_.database->registry().load_all(kLinkStateKind);
    if (!rows) return core::fail(std::move(rows.error()));
    registry_ = deps_.registry();
    store::RowBatch leftovers;
    std::set<std::string> damaged;
    for (const store::RegistryDocument& row : *rows) {
        auto state = read_link_state(row.json);
        if (!state) {
            aside.add(kLinkStateKind, row.id, state.error());
            damaged.insert(row.id);
        } else if (registry_->links.find(state->number)) {
            LinkRun& run = runs_[state->number];
            run.counts->duplicates = state->duplicates;
            run.counts->rejected = state->rejected;
            run.state = std::move(*state);
        } else if (!aside.any_of(document_kind<Link>().name)) {
            erase_link_state(leftovers, *state);
        }
    }
    registry_->links.for_each([&](const LinkRef& link) {
        take_up(link);
        LinkState& state = runs_.at(link->number.value).state;
        if (damaged.contains(link_state_id(state))) state.stopped = kPositionDamaged;
    });
    show(true);
    return leftovers.empty() ? core::Status{} : deps_.database->write_now(leftovers);
}

// ---- documents

void LinkAgent::take_up(const LinkRef& link) {
    LinkRun& run = runs_[link->number.value];
    const bool known = run.link != nullptr || run.state.number != 0;
    if (run.stream) take_position(run);
    run.link = link;
    run.begin_anew();
    fail_all(run, "the link was changed");
    run.leave_peer();
    const bool resumed = known && run.state.resumes != link->resumes;
    run.state.resumes = link->resumes;
    if (!known) {
        run.state.tenant = link->tenant;
        run.state.number = link->number.value;
        run.state.resets = link->resets;
    } else if (run.state.resets != link->resets) {
        run.state.resets = link->resets;
        run.sink_memory = nullptr;  // what is sent again is to arrive again
        run.state.position.clear();
        run.state.stopped.clear();
        keep_state(run);
    } else if (resumed) {
        run.state.stopped.clear();
        keep_state(run);
    }
    if (is_stream(*link)) (void)begin_stream(run);
}

void LinkAgent::forget(std::uint32_t number) {
    const auto at = runs_.find(number);
    if (at == runs_.end()) return;
    fail_all(at->second, "the link was removed");
    forget_figures(at->second);
    auto result = new_result(at->second);
    erase_link_state(result->rows, at->second.state);
    outbox_[result->shard.value].push_back(std::move(result));
    runs_.erase(at);
}

void LinkAgent::changed(const DocumentChange<Link>& change) {
    orders_.push_beyond([this, change] {
        if (change.after)
            take_up(change.after);
        else
            forget(change.before->number.value);
    });
    wake();
}

void LinkAgent::resume(LinkNumber number) {
    orders_.push_beyond([this, number] {
        const auto at = runs_.find(number.value);
        if (at == runs_.end()) return;
        at->second.begin_anew();
        if (at->second.state.stopped.empty()) return;
        at->second.state.stopped.clear();
        keep_state(at->second);
    });
    wake();
}

// ---- what goes to shards

std::unique_ptr<LaneResult> LinkAgent::new_result(const LinkRun& run) const {
    auto result = std::make_unique<LaneResult>();
    result->shard = core::ShardId(static_cast<std::uint16_t>(run.state.number % deps_.shards));
    return result;
}

// What the shard counts for it is in its row: what an earlier commit is about to count, too.
void LinkAgent::put_state(const LinkRun& run, LinkEntries&& entries, LaneResult& result) const {
    result.when_counted = [state = run.state, counts = run.counts, entries = std::move(entries),
                           now_us = deps_.clock->wall_us()](
                              store::RowBatch& rows, std::span<const std::uint32_t> there) mutable {
        count_entries(*counts, entries, there);
        state.duplicates = counts->duplicates;
        state.rejected = counts->rejected;
        put_link_state(rows, state, now_us);
    };
}

void LinkAgent::keep_state(LinkRun& run) {
    auto result = new_result(run);
    put_state(run, {}, *result);
    outbox_[result->shard.value].push_back(std::move(result));
}

// In their order: what a row says later stands.
bool LinkAgent::flush() {
    bool any = false;
    for (auto& results : outbox_) {
        while (!results.empty() && deps_.submit(results.front()->shard, results.front())) {
            results.pop_front();
            any = true;
        }
    }
    return any;
}

// ---- peers

bool LinkAgent::may_run(const LinkRun& run) const {
    return !run.link->paused && run.state.stopped.empty() && !is_elsewhere(run) &&
           !registry_->is_suspended(run.link->tenant);
}

std::optional<std::int64_t> LinkAgent::lease_over_ns() const {
    if (!deps_.lease_until_ns) return std::nullopt;
    // relaxed: a time, no data behind it
    const std::int64_t over_ns =
        deps_.clock->monotonic_ns() - deps_.lease_until_ns->load(std::memory_order_relaxed);
    return over_ns < 0 ? std::nullopt : std::optional(over_ns);
}

PeerDeps LinkAgent::peer_deps() {
    // Shared out among all links, since any of them may read.
    const std::size_t ahead =
        std::clamp(deps_.read_ahead_bytes / std::max<std::size_t>(1, runs_.size()),
                   kReadAheadBytesMin, kReadAheadBytesMax);
    PeerDeps out{deps_.clock, &deps_.rules, &deps_.files, false, &closing_, ahead};
    out.server_mark = deps_.database->hasher().text("links");
    out.partition = deps_.partition;
    return out;
}

core::Result<LinkConfig> LinkAgent::filled_config(const Link& link) {
    LinkConfig config = link.config;
    for (std::string* const text : {&config.user, &config.password, &config.token}) {
        auto filled = fill_secrets(*text, [&](std::string_view name) -> core::Result<std::string> {
            const SecretRef secret = secrets_.find(*registry_, link.tenant, name);
            if (secret) return secret->value;
            return core::fail(core::ErrorCode::kNotFound,
                              "no secret has the name \"" + std::string(name) + "\"");
        });
        if (!filled) return core::fail(std::move(filled.error()));
        *text = std::move(*filled);
    }
    if (link.type == LinkType::kPostgres) {
        // As sdk.db finds it.
        const SecretRef secret = secrets_.find(*registry_, link.tenant, "db." + config.connection);
        if (!secret)
            return core::fail(core::ErrorCode::kNotFound,
                              "no secret has the name \"db." + config.connection +
                                  "\": it holds the connection's conninfo");
        config.conninfo = secret->value;
    }
    return config;
}

void LinkAgent::note_error(LinkRun& run, const std::string& why) {
    run.state.last_error = why.substr(0, kLinkReasonBytesMax);
    run.state.last_error_at_us = deps_.clock->wall_us();
    // Once for all tries that fail alike.
    if (!std::exchange(run.had_error, true))
        deps_.log->warn("link: " + run.state.last_error, {{"link", run.link->id}});
    run.try_at_ns = deps_.clock->monotonic_ns() + run.retry_ns;
    run.retry_ns = std::min(2 * run.retry_ns, LinkRun::kRetryNsMax);
}

void LinkAgent::on_trouble(LinkRun& run, const PeerTrouble& trouble) {
    const std::string why = trouble.why;  // goes with the peer
    const bool stops = trouble.stops;
    note_error(run, why);
    fail_all(run, why);
    run.leave_peer();
    if (!stops) return;
    run.state.stopped = run.state.last_error;
    keep_state(run);
    deps_.log->error("link: stopped until somebody resumes or resets it",
                     {{"link", run.link->id}, {"reason", run.state.stopped}});
}

// ---- the agent

std::size_t LinkAgent::do_work() {
    std::size_t done = 0;
    std::function<void()> order;
    registry_ = deps_.registry();
    for (; done < kOrdersPerTurn && orders_.try_pop(order); ++done) order();
    const bool ordered = done > 0;
    done += flush();
    for (auto& [number, run] : runs_)
        done += run.source_wanted() ? read(run) : is_stream(*run.link) ? stream(run) : write(run);
    done += flush();
    done += work_at_trials();
    show(ordered);
    return done;
}

// One write for all that comes while it works: a call of the system for each delivery was a good
// part of what a delivery cost.
void LinkAgent::wake() {
    // acq_rel: what was pushed before is seen by whoever takes the word back (wait())
    if (woken_.exchange(true, std::memory_order_acq_rel)) return;
    const std::uint64_t one = 1;
    (void)!::write(wake_fd_, &one, sizeof one);
}

void LinkAgent::wait(std::int64_t timeout_us) {
    if (!orders_.empty()) return;
    std::vector<pollfd> fds = {{wake_fd_, POLLIN, 0}};
    const auto add = [&](const LinkPeer* peer) {
        pollfd fd{};
        if (peer && peer->waits_for(fd)) fds.push_back(fd);
    };
    const bool rests = deps_.holds() || lease_over_ns();
    for (const auto& [number, run] : runs_) {
        // What could not be taken does not wake us.
        if (run.source && rests) continue;
        if (run.under_way < LinkRun::kUnderWayMax && !run.batch_waits) add(run.peer());
    }
    for (const Trial& trial : trials_) {
        add(trial.source.get());
        add(trial.sink.get());
    }
    const bool full = std::any_of(outbox_.begin(), outbox_.end(),
                                  [](const auto& results) { return !results.empty(); });
    constexpr std::int64_t kFullUs = 2'000;
    if (full) timeout_us = std::min(timeout_us, kFullUs);
    // Nobody tells of a new event.
    const bool streams = std::any_of(runs_.begin(), runs_.end(), [](const auto& run) {
        return run.second.stream && run.second.sink;
    });
    if (streams) timeout_us = std::min(timeout_us, kStreamPollUs);
    ::poll(fds.data(), fds.size(), static_cast<int>((timeout_us + 999) / 1000));
    std::uint64_t count = 0;
    (void)!::read(wake_fd_, &count, sizeof count);
    woken_.exchange(false, std::memory_order_acq_rel);  // pairs with wake()
}

}  // namespace millrace::runtime
