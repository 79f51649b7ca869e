// The part of LinkAgent that reads sources: a batch, its events, its commit.
#include "runtime/links/link_agent.h"
#include "store/database.h"
#include "store/log/pool_set.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace millrace::runtime {

bool LinkAgent::open_source(LinkRun& run) {
    if (run.source) return true;
    if (deps_.clock->monotonic_ns() < run.try_at_ns) return false;
    auto config = filled_config(*run.link);
    if (!config) {
        note_error(run, config.error().message);
        return false;
    }
    // A reset has said where to.
    if (run.link->resets > 0) config->from = run.link->reset_to;
    ++run.sources;
    run.source = make_source(peer_deps(), *run.link, *config, run.state.position);
    return true;
}

std::size_t LinkAgent::read(LinkRun& run) {
    if (!may_run(run) || stopping_.load(std::memory_order_relaxed)) {
        run.leave_peer();
        return 0;
    }
    if (const auto over_ns = lease_over_ns()) {
        // A peer that gives each message to one reader keeps none for one that does not take it.
        if (*over_ns >= kLetGoNs) run.leave_peer();
        return 0;
    }
    if (run.shaping != 0 || !script_waits(run).empty()) return 0;
    const std::size_t shard = run.state.number % deps_.shards;
    if (run.under_way >= LinkRun::kUnderWayMax || !outbox_[shard].empty() || deps_.holds())
        return 0;
    if (run.batch_waits) return take_batch(run) ? 1 : 0;
    if (!open_source(run)) return 0;
    std::size_t done = run.source->turn(run.batch);
    if (run.source->ready()) {
        run.retry_ns = LinkRun::kRetryNsMin;
        run.had_error = false;
    }
    const auto trouble = run.source->trouble();
    if (run.batch.changed()) {
        done += take_batch(run) ? 1 : 0;
        // It comes again, when the tenant may send more.
        if (run.batch_waits || run.shaping != 0) return done;
    }
    if (trouble) on_trouble(run, *trouble);
    if (!run.batch_waits) run.batch.clear();
    return done;
}

// What the tenant may send now may be less than a batch, which is one commit: it waits until all of
// it is paid for, and the next ones are smaller. False: it waits.
bool LinkAgent::pay_for_batch(LinkRun& run) {
    SourceBatch& batch = run.batch;
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    if (run.batch_waits && now_ns < run.try_at_ns) return false;
    std::size_t step = batch.size();
    while (run.batch_paid < batch.size()) {
        const std::size_t count = std::min(step, batch.size() - run.batch_paid);
        std::size_t bytes = 0;
        for (std::size_t i = 0; i < count; ++i) bytes += batch[run.batch_paid + i].text.size();
        const auto may = deps_.may_take(run.link->tenant, count, bytes);
        if (may) {
            run.batch_paid += count;
            continue;
        }
        step = count / 2;
        if (step > 0) continue;
        if (!std::exchange(run.batch_waits, true))
            batch.entries_max = std::max<std::size_t>(1, run.batch_paid);
        run.state.last_error = may.error().message.substr(0, kLinkReasonBytesMax);
        run.state.last_error_at_us = deps_.clock->wall_us();
        run.try_at_ns = now_ns + LinkRun::kRetryNsMin;
        return false;
    }
    if (!std::exchange(run.batch_waits, false) && batch.full())
        batch.entries_max = std::min(2 * batch.entries_max, kBatchEntriesMax);
    run.batch_paid = 0;
    return true;
}

void LinkAgent::put_lines(LaneResult& result) {
    if (lines_.empty()) return;
    result.emitted = deps_.database->pools().acquire(lines_.size());
    std::memcpy(result.emitted.data(), lines_.data(), lines_.size());
    result.emitted.set_size(lines_.size());
}

bool LinkAgent::take_batch(LinkRun& run) {
    if (!pay_for_batch(run)) return false;
    if (!run.link->transform_script_id.empty() && run.batch.size() > 0) {
        hand_to_script(run, events_.drafts(*run.link, run.batch));
        return true;
    }
    auto result = new_result(run);
    lines_.clear();
    const std::size_t letters = events_.append(*run.link, run.batch, lines_, *result);
    commit_batch(run, std::move(result), {letters, 0});
    return true;
}

// ---- the link's script

// Why it can not run; empty: there is none, or it can.
std::string LinkAgent::script_waits(const LinkRun& run) const {
    if (run.link->transform_script_id.empty()) return {};
    const Script* const script = registry_->script(run.link->transform_script);
    if (!deps_.shaper) return "this server runs no scripts of links";
    if (script && !script->enabled) return "script '" + script->id + "' is disabled";
    return {};
}

void LinkAgent::hand_to_script(LinkRun& run, std::vector<LinkShaper::Text>&& texts) {
    auto job = std::make_unique<LinkShaper::Job>();
    job->link = run.link;
    job->texts = std::move(texts);
    run.shaping = ++shapings_;
    job->done = [this, number = run.state.number, id = run.shaping](LinkShaper::Job&& done) {
        const auto kept = std::make_shared<std::vector<LinkShaper::Text>>(std::move(done.texts));
        orders_.push_beyond([this, number, id, kept] { take_shaped(number, id, *kept); });
        wake();
    };
    deps_.shaper->shape(std::move(job));
}

void LinkAgent::take_shaped(std::uint32_t number, std::uint64_t job,
                            const std::vector<LinkShaper::Text>& texts) {
    const auto at = runs_.find(number);
    // What it was made of may be gone meanwhile: it comes again.
    if (at == runs_.end() || at->second.shaping != job) return;
    LinkRun& run = at->second;
    run.shaping = 0;
    // More would not be kept.
    const std::size_t first = texts.size() - std::min(texts.size(), LinkLogs::kRunsMax);
    for (std::size_t i = first; i < texts.size(); ++i)
        run.logs.add(texts[i].id, texts[i].logs_json, deps_.clock->wall_us());
    if (run.stream) return run.stream->shaped(texts);
    auto result = new_result(run);
    lines_.clear();
    const auto counts = events_.append_shaped(*run.link, run.batch, texts, lines_, *result);
    commit_batch(run, std::move(result), counts);
}

// ---- the commit

void LinkAgent::commit_batch(LinkRun& run, std::unique_ptr<LaneResult> result,
                             const LinkEvents::Counts& counts) {
    SourceBatch& batch = run.batch;
    put_lines(*result);
    result->whole = batch.whole;
    run.state.position = batch.position;
    run.state.taken += batch.size() - counts.letters - counts.left_out;
    run.state.left_out += counts.left_out;
    run.state.missed += batch.missed;
    run.state.gaps += batch.gap;
    LinkEntries entries{batch.gap ? 1u : 0u, {}};
    for (const EmittedLetter& letter : result->letters) entries.letters.push_back(letter.entry);
    put_state(run, std::move(entries), *result);
    ++run.under_way;
    result->when_durable.push_back(
        [this, number = run.state.number, source = run.sources, acknowledges = batch.acknowledges] {
            orders_.push_beyond([this, number, source, acknowledges] {
                const auto at = runs_.find(number);
                if (at == runs_.end()) return;
                LinkRun& of = at->second;
                if (of.under_way > 0) --of.under_way;
                // One that was opened since has none of what that one had.
                if (of.source && of.sources == source) of.source->kept(acknowledges);
            });
            wake();
        });
    outbox_[result->shard.value].push_back(std::move(result));
    batch.clear();
    flush();
}

}  // namespace millrace::runtime
