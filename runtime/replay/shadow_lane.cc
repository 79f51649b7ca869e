#include "runtime/replay/shadow_lane.h"

#include "core/timestamp.h"
#include "runtime/delivery/attempt_record.h"
#include "runtime/delivery/script_emit.h"
#include "store/log/event_id.h"
#include "store/log/log_reader.h"
#include "store/rows/keys.h"
#include "store/rows/registry_store.h"

#include <cstdio>
#include <utility>

namespace millrace::runtime {

using store::DeliveryStatus;

namespace {

// The tenant (a replay has one), then as the log sorts: shard, offset, subscription. Those of
// folders from before format 5 are without the tenant: whoever lists goes by the replay's id.
std::string difference_id(const std::string& replay_id, core::TenantId tenant,
                          core::LogPosition position, core::SubscriptionId subscription) {
    char place[64];
    std::snprintf(place, sizeof place, "/%08x/%04x%016llx%08x", tenant.value,
                  unsigned{position.shard.value},
                  static_cast<unsigned long long>(position.offset.value), subscription.value);
    return replay_id + place;
}

}  // namespace

ShadowLane::ShadowLane(const Deps& deps) : deps_(deps) {}

bool ShadowLane::submit(std::unique_ptr<ShadowJob>& job) {
    if (!jobs_.try_push(std::move(job))) return false;
    wake();
    return true;
}

void ShadowLane::end(const std::string& replay_id) {
    {
        std::lock_guard lock(mutex_);
        ended_.push_back(replay_id);
    }
    wake();
}

void ShadowLane::forget(std::vector<std::string>&& replay_ids) {
    {
        std::lock_guard lock(mutex_);
        for (std::string& id : replay_ids) forgotten_.push_back(std::move(id));
    }
    wake();
}

bool ShadowLane::take_job() {
    {
        std::lock_guard lock(mutex_);
        for (const std::string& id : ended_) sessions_.erase(id);
        ended_.clear();
    }
    return jobs_.try_pop(work_.job);
}

std::size_t ShadowLane::do_work() {
    if (stopping_.load(std::memory_order_relaxed)) return 0;
    if (!work_.job) {
        if (!take_job()) return forget_some();
        work_.next_item = 0;
        work_.totals = {};
        if (auto begun = begin(); !begun) {
            end_job(begun.error().message);
            return 1;
        }
    }
    auto here = session();
    if (!here) {
        end_job(here.error().message);
        return 1;
    }
    Session& session = **here;
    std::size_t done = 0;
    for (; done < kItemsPerStep && work_.next_item < work_.job->items.size(); ++done)
        run_item(session, work_.job->items[work_.next_item++]);
    if (session.now->full() || (session.against && session.against->full())) {
        end_job("the handler writes more than " + std::to_string(ShadowSide::kOverlayKeysMax) +
                " keys; choose a shorter range");
    } else if (work_.next_item >= work_.job->items.size()) {
        end_job("");
    }
    return done + 1;
}

core::Status ShadowLane::begin() {
    work_.recorded.clear();
    if (work_.job->spec->against) return {};
    const store::EventBlock& block = work_.job->block;
    return deps_.database->executions().of_block(
        {block.shard(), block.first_offset()}, [this](store::Execution&& execution) {
            const std::pair<std::uint64_t, std::uint32_t> key{
                execution.delivery.position.offset.value, execution.delivery.subscription.value};
            work_.recorded.insert_or_assign(key, std::move(execution));
        });
}

core::Status ShadowLane::read_baseline(const ShadowSpec& spec, Session& session) {
    session.baseline.closed = spec.kv == ShadowKv::kEmpty;
    if (spec.kv != ShadowKv::kThen) return {};
    std::string tenant_prefix;
    store::put_be(tenant_prefix, spec.tenant.value);
    auto then = deps_.database->kv_history().changed_since(tenant_prefix, {spec.kv_at_us, {}});
    if (!then) return core::fail(std::move(then.error()));
    for (auto& [key, value] : *then) {
        store::KeyReader reader(std::string_view(key).substr(tenant_prefix.size()));
        const std::string space(reader.text());
        session.baseline.values.emplace(std::pair(space, std::string(reader.rest())),
                                        std::move(value));
    }
    return {};
}

core::Result<ShadowLane::Session*> ShadowLane::session() {
    const auto found = sessions_.find(work_.job->replay_id);
    if (found != sessions_.end()) return &found->second;
    const ShadowSpec& spec = *work_.job->spec;
    Session& session = sessions_[work_.job->replay_id];
    if (auto read = read_baseline(spec, session); !read) {
        sessions_.erase(work_.job->replay_id);
        return core::fail(std::move(read.error()));
    }
    const ShadowSide::Deps deps{&deps_.database->kv(), &session.baseline, &deps_.database->hasher(),
                                deps_.watchdog_slot,   deps_.seed,        deps_.schemas,
                                deps_.is_elsewhere};
    session.now = std::make_unique<ShadowSide>(deps);
    if (spec.against) session.against = std::make_unique<ShadowSide>(deps);
    return &session;
}

std::string ShadowLane::event_id_of(const store::StoredEvent& event) {
    if (event.has(store::EventFlag::kFilledEventId)) {
        std::string id(store::kEventIdTextBytes, '\0');
        store::encode_event_id_to(deps_.database->hasher(), event.position, id.data());
        return id;
    }
    core::Envelope envelope;
    parser_.extract(event.raw, no_fields_, &envelope, fields_);
    return std::string(envelope.event_id);
}

void ShadowLane::run_item(Session& session, const DeliveryItem& item) {
    const ShadowJob& job = *work_.job;
    const Subscription* subscription = job.registry->subscription(item.subscription);
    if (!subscription) return;
    const Script* current = job.registry->script(subscription->executor.script);
    const Script* script = job.spec->script ? job.spec->script.get() : current;
    if (!script) return;
    const store::StoredEvent event = job.block.event(item.event_index);
    const std::string event_id = event_id_of(event);
    const ShadowSide::Run run{script, subscription, event, event_id};
    std::vector<std::string> emitted_ids;
    const ShadowOutcome now = session.now->run(run, job.spec->against ? nullptr : &emitted_ids);
    ShadowOutcome against;
    if (job.spec->against) {
        against =
            session.against->run({job.spec->against.get(), subscription, event, event_id}, nullptr);
    } else {
        against = recorded_outcome(event, item, emitted_ids, event_id);
        // A long result is not kept, and then reads as empty.
        against.result_known = !against.result.empty() || now.result.size() <= kResultBytesKeptMax;
    }
    const std::uint8_t differences = compare_outcomes(now, against);
    work_.totals.count(differences);
    if (differences != 0) keep(session, event, event_id, *subscription, differences, now, against);
}

ShadowOutcome ShadowLane::recorded_outcome(const store::StoredEvent& event,
                                           const DeliveryItem& item,
                                           const std::vector<std::string>& emitted_ids,
                                           std::string_view event_id) {
    ShadowOutcome out;
    out.kv_known = false;
    const auto found = work_.recorded.find({event.position.offset.value, item.subscription.value});
    out.there = found != work_.recorded.end() && !found->second.attempts.empty();
    if (!out.there) return out;
    const store::Execution& execution = found->second;
    out.script_version = execution.script_version;
    out.status = execution.status == DeliveryStatus::kCompleted ? "completed" : "failed";
    out.error = execution.attempts.back().error;
    out.result = execution.result;
    // Ids of emitted events follow from their cause: the log is asked for each in turn.
    core::Envelope caused_by;
    parser_.extract(event.raw, no_fields_, &caused_by, fields_);
    const CauseKey cause = cause_key(event.tenant, source_of(caused_by), event_id);
    for (std::uint32_t i = 0; out.status == "completed"; ++i) {
        if (i < emitted_ids.size() && emitted_ids[i].empty()) continue;
        const std::string id(i < emitted_ids.size()
                                 ? std::string_view(emitted_ids[i])
                                 : derive_event_id(cause, item.subscription.value, i).view());
        auto emitted = deps_.database->log_reader().find(event.tenant, id);
        if (!emitted || !*emitted) break;
        core::Envelope envelope;
        parser_.extract((*emitted)->event.raw, no_fields_, &envelope, fields_);
        out.emitted.push_back(emitted_json_of(envelope.pattern, envelope.payload));
    }
    return out;
}

void ShadowLane::keep(Session& session, const store::StoredEvent& event, std::string_view event_id,
                      const Subscription& subscription, std::uint8_t differences,
                      const ShadowOutcome& now, const ShadowOutcome& against) {
    if (session.kept >= kDifferencesKept) return;
    ++session.kept;
    std::string document;
    core::JsonWriter json(document);
    json.begin_object().field("eventId", event_id);
    json.field("shard", event.position.shard.value).field("offset", event.position.offset.value);
    json.field("pattern", event.pattern);
    json.field("receivedAt", core::format_timestamp(event.received_at_us));
    json.field("subscriptionId", subscription.id);
    append_difference(json, differences, now, against);
    json.end_object();
    work_.rows.put_registry(
        kReplayDiffKind,
        difference_id(work_.job->replay_id, event.tenant, event.position, subscription.number), 1,
        event.received_at_us, document);
}

void ShadowLane::end_job(std::string error) {
    if (!work_.rows.empty()) {
        const auto written = deps_.database->write_now(work_.rows, store::Durability::kOs);
        if (!written && error.empty()) error = written.error().message;
        work_.rows.clear();
    }
    work_.job->done(work_.totals, std::move(error));
    work_.job.reset();
}

std::size_t ShadowLane::forget_some() {
    std::string id;
    {
        std::lock_guard lock(mutex_);
        if (forgotten_.empty()) return 0;
        id = forgotten_.front();
    }
    const auto rows =
        deps_.database->registry().list(kReplayDiffKind, id + "/", {}, kForgetPerStep);
    store::RowBatch batch;
    if (rows) {
        for (const store::RegistryDocument& row : *rows)
            batch.erase_registry(kReplayDiffKind, row.id);
    }
    if (batch.empty() || !deps_.database->write_now(batch, store::Durability::kOs)) {
        std::lock_guard lock(mutex_);
        forgotten_.pop_front();
    }
    return 1;
}

}  // namespace millrace::runtime
