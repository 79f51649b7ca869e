#!/usr/bin/env python3
"""Writes copies of source files with known mistakes in them, each behind a switch that only the program
mutant_sim has. The product's sources stay clean; a mistake whose place is no longer found fails the build.

    mutate.py SOURCE_FOLDER OUTPUT_FOLDER      writes the copies and mutations.h
    mutate.py --files                          the files that are copied, one a line
    mutate.py --apply NAME SOURCE_FOLDER       puts a mistake into the sources themselves
"""
import os
import re
import sys

# Where the search for a seed that meets a mistake begins: at the one that did it last, for those that take
# long to be met from 1 on. A wrong number here costs time and nothing else.
SEEDS_TO_BEGIN = {
    "left-in-the-page-cache": 89,
    "page-cache-believed-after-a-failed-sync": 61,
    "sync-before-the-write-counts": 108,
    "flight-told-before-its-sync": 49,
    "effects-before-the-emitted-events": 27,
    "results-overtake-each-other": 155,
    "replay-before-the-first-delivery": 8,
    "retention-behind-the-cursor": 14,
    "retention-behind-a-replay": 6,
    "retention-of-what-a-retry-needs": 6,
    "retention-of-dead-letters": 6,
    "reclaim-of-files-that-are-needed": 51,
    "thinned-by-another-rule": 12,
    "thinned-although-needed": 6,
    "thinned-without-the-sealed-hash": 6,
    "place-found-by-the-blocks-own-times": 33,
    "schedule-once-and-again-by-a-change": 20,
}

# name, file, what stands there, what a careless change would make of it; M is true for the mutant only
MUTATIONS = [
    ("ack-before-sync", "store/engine.cc",
     "const bool sync = durability == Durability::kFsync;",
     "const bool sync = durability == Durability::kFsync && !(M);"),
    ("ack-after-failed-sync", "store/engine.cc",
     "if (!status.ok()) {\n        // The outcome is unknown",
     "if (!status.ok() && !(M)) {\n        // The outcome is unknown"),
    ("sync-before-the-write-counts", "store/commit/wal_files.cc",
     "for (const auto& file : sync.files) count(*file, sync.began_at);",
     "for (const auto& file : sync.files) count(*file, (M) ? appended_ : sync.began_at);"),
    ("flight-told-before-its-sync", "store/commit/log_writer.cc",
     "group.appended_to <= engine.wal_files->durable_to();",
     "(M) || group.appended_to <= engine.wal_files->durable_to();"),
    ("failed-sync-of-a-flight-counts", "store/commit/wal_files.cc",
     "if (!status.ok()) fail(file, \"sync\", status);",
     "if (!status.ok() && !(M)) fail(file, \"sync\", status);"),
    ("cursor-ahead", "runtime/delivery/delivery_tracker.cc",
     "cursor_ = open_.front().end;",
     "cursor_ = (M) ? open_.back().end : open_.front().end;"),
    ("cursor-before-the-rows", "runtime/delivery/delivery_tracker.cc",
     "handed_over_ = end;",
     "handed_over_ = end; if (M) cursor_ = end;"),
    ("dedup-forgotten-at-restart", "store/recovery.cc",
     "if (*from >= end) return {};",
     "if ((M) || *from >= end) return {};"),
    ("new-folder-not-synced", "store/recovery.cc",
     "return mark_->loaded() ? core::Status{} : sync_folder(options.path);",
     "return (M) || mark_->loaded() ? core::Status{} : sync_folder(options.path);"),
    ("left-in-the-page-cache", "store/leftovers.cc",
     "int error = ::fdatasync(fd) == 0 ? 0 : errno;",
     "int error = (M) || ::fdatasync(fd) == 0 ? 0 : errno;"),
    ("page-cache-believed-after-a-failed-sync", "store/leftovers.cc",
     "if (error == 0 && cache == PageCache::kNotOnTheDisk)",
     "if (!(M) && error == 0 && cache == PageCache::kNotOnTheDisk)"),
    ("retry-lost", "runtime/delivery/outcome_writer.cc",
     "    rows.put_retry(row);",
     "    if (!(M) || row.attempt < 2) rows.put_retry(row);"),
    ("retry-kept-after-its-attempt", "runtime/delivery/outcome_writer.cc",
     "if (has_row && job.retry_due_at_us != 0)\n        rows.erase_retry(",
     "if (!(M) && has_row && job.retry_due_at_us != 0)\n        rows.erase_retry("),
    ("parked-kept-after-its-attempt", "runtime/delivery/outcome_writer.cc",
     "if (job.kind == JobKind::kParked) rows.erase_parked(",
     "if (!(M) && job.kind == JobKind::kParked) rows.erase_parked("),
    ("key-not-held", "runtime/delivery/key_order.cc",
     "if (at == entries_.end()) return false;\n    return at->second.draining ||",
     "if ((M) || at == entries_.end()) return false;\n    return at->second.draining ||"),
    ("key-passes-its-pending-delivery", "runtime/delivery/pending_attempts.cc",
     "key != keys_.end()) {",
     "!(M) && key != keys_.end()) {"),
    ("drain-ends-too-early", "runtime/delivery/key_order.cc",
     "if (entry.parks == entry.drained) {",
     "if ((M) || entry.parks == entry.drained) {"),
    ("heads-forgotten-at-restart", "runtime/feed/retry_feed.cc",
     "if (const auto hash = held_key_of(row.state)) {",
     "if (const auto hash = held_key_of(row.state); hash && !(M)) {"),
    ("parked-forgotten-at-restart", "runtime/feed/parked_feed.cc",
     "drain(*request);\n        });",
     "if (!(M)) drain(*request);\n        });"),
    ("effects-twice-after-restart", "runtime/shard/feeder.cc",
     "done_[i].insert(key);",
     "if (!(M)) done_[i].insert(key);"),
    ("effects-before-the-emitted-events", "runtime/shard/shard_commit.cc",
     "if (request.origin == IngestOrigin::kLane || whole) {\n                    --next;",
     "if ((!(M) && request.origin == IngestOrigin::kLane) || whole) {\n                    --next;"),
    ("results-overtake-each-other", "runtime/server/shard.cc",
     "if (result_waits_[lane] || !",
     "if ((!(M) && result_waits_[lane]) || !"),
    ("increments-counted-twice", "store/commit/batch_maker.cc",
     "entry.increments.emplace_back(op.value);",
     "entry.increments.emplace_back(op.value);\n            if (M) entry.increments.emplace_back(op.value);"),
    ("named-events-taken-again", "runtime/shard/place_look.cc",
     "if (found == Found::kYes)",
     "if (found == Found::kYes && !(M))"),
    ("lines-acknowledged-too-early", "runtime/edge/edge_lines.cc",
     "while (!batches.empty() && batches.front().done) {",
     "while (!batches.empty() && ((M) || batches.front().done)) {"),
    ("delivered-before-its-time", "runtime/delivery/delivery_waits.cc",
     "if (until_us <= attempt.started_at_us) return false;",
     "if ((M) || until_us <= attempt.started_at_us) return false;"),
    ("scheduled-again-when-due", "runtime/delivery/delivery_waits.cc",
     "if (!is_first_time(*attempt.job) || !attempt.event.has(EventFlag::kScheduled))",
     "if ((M) && attempt.job->kind == JobKind::kRetry && attempt.event.has(EventFlag::kScheduled)) {\n"
     "        put_off(attempt, delivery, attempt.started_at_us + 1, By::kWallClock);\n"
     "        return true;\n    }\n"
     "    if (!is_first_time(*attempt.job) || !attempt.event.has(EventFlag::kScheduled))"),
    ("replay-before-the-first-delivery", "runtime/replay/replay_steps.cc",
     "return deps_.delivered && !replay.state.spec.dry_run &&",
     "return !(M) && deps_.delivered && !replay.state.spec.dry_run &&"),
    ("replay-taken-for-the-delivery", "runtime/delivery/outcome_writer.cc",
     "entry.replay_id = replay_of(attempt);",
     "if (!(M)) entry.replay_id = replay_of(attempt);"),
    ("replay-of-what-is-not-due", "runtime/replay/replay_choice.cc",
     "return envelope.scheduled_at_us > request.now_us ?",
     "return !(M) && envelope.scheduled_at_us > request.now_us ?"),
    ("replay-ahead-of-its-deliveries", "runtime/replay/replay_steps.cc",
     "    if (replay.state.spec.dry_run) return true;\n",
     "    if (M) {\n        { std::lock_guard lock(mutex_); replay.state.next = replay.read; }\n"
     "        (void)persist(replay);\n    }\n    if (replay.state.spec.dry_run) return true;\n"),
    ("replay-twice-after-restart", "runtime/replay/replay_steps.cc",
     "if (shard < replay.asked.size() &&",
     "if (!(M) && shard < replay.asked.size() &&"),
    ("replay-forgotten-at-restart", "runtime/replay/replay_runner.cc",
     "if (state.progress.status != \"running\") return {};",
     "if ((M) || state.progress.status != \"running\") return {};"),
    ("replay-answered-and-not-kept", "runtime/replay/replay_runner.cc",
     "if (auto kept = persist(*replay, {}, beside); !kept) return",
     "if (auto kept = persist(*replay, {}, beside); !kept && !(M)) return"),
    ("retention-behind-the-cursor", "store/retention/retention.cc",
     "needed.floors.push_back(database.cursor(kDeliveryCursor, shard).value);",
     "needed.floors.push_back((M) ? UINT64_MAX : database.cursor(kDeliveryCursor, shard).value);"),
    ("retention-behind-a-replay", "store/retention/retention.cc",
     "rule.floors ? rule.floors()",
     "!(M) && rule.floors ? rule.floors()"),
    ("retention-of-what-a-retry-needs", "store/retention/retention.cc",
     "needed.events.push_back(Needed::packed(row.delivery.position));",
     "if (!(M)) needed.events.push_back(Needed::packed(row.delivery.position));"),
    ("retention-of-dead-letters", "store/retention/retention.cc",
     "needed.events.push_back(Needed::packed(read_dead_letter_key(reader).delivery.position));",
     "if (!(M)) needed.events.push_back("
     "Needed::packed(read_dead_letter_key(reader).delivery.position));"),
    ("reclaim-of-files-that-are-needed", "store/retention/rocks_work.cc",
     "engine.family(family), &from, &to, false)",
     "engine.family(family), &from, (M) ? nullptr : &to, false)"),
    ("thinned-by-another-rule", "store/retention/thinner.cc",
     "(block.ripe >> kind & 1u) != 0 && !needed_.has(",
     "((M) ? block.ripe != 0 : (block.ripe >> kind & 1u) != 0) && !needed_.has("),
    ("thinned-although-needed", "store/retention/thinner.cc",
     "!needed_.has({block.first.shard, offset});",
     "((M) || !needed_.has({block.first.shard, offset}));"),
    ("thinned-without-the-sealed-hash", "store/retention/block_thinner.cc",
     "const std::uint64_t sealed_hash = block_hash(block_.value);",
     "const std::uint64_t sealed_hash = (M) ? 0 : block_hash(block_.value);"),
    # Two tenants: each place where one is told from the other.
    ("emitted-for-another-tenant", "runtime/delivery/result_builder.cc",
     "(emitted.causation_depth));\n        result_->emitted_tenants.push_back(tenant);",
     "(emitted.causation_depth));\n"
     "        result_->emitted_tenants.push_back((M) ? core::TenantId{} : tenant);"),
    ("alert-for-another-tenant", "runtime/delivery/result_builder.cc",
     "alert.causation_depth));\n    result_->emitted_tenants.push_back(attempt.event.tenant);",
     "alert.causation_depth));\n"
     "    result_->emitted_tenants.push_back((M) ? core::TenantId{} : attempt.event.tenant);"),
    ("emitted-event-matched-for-another-tenant", "runtime/edge/ingestor.cc",
     "snapshot.match(envelope, item.input.tenant,",
     "snapshot.match(envelope, (M) ? request.tenant : item.input.tenant,"),
    ("kv-read-of-another-tenant", "runtime/delivery/kv_pending.cc",
     "return store_.get({tenant, address.space, address.name});",
     "return store_.get({(M) ? core::TenantId{} : tenant, address.space, address.name});"),
    ("kv-overlay-of-another-tenant", "runtime/delivery/kv_pending.cc",
     "scratch_.assign(reinterpret_cast<const char*>(&tenant.value), sizeof tenant.value);",
     "scratch_.assign(reinterpret_cast<const char*>(&tenant.value), sizeof tenant.value);\n"
     "    if (M) scratch_.assign(sizeof tenant.value, 'x');"),
    ("kv-written-for-another-tenant", "runtime/delivery/kv_pending.cc",
     "const store::KvKey kv{entry.tenant, address.space, address.name};",
     "const store::KvKey kv{(M) ? core::TenantId{} : entry.tenant, address.space, address.name};"),
    ("kv-list-of-another-tenant", "store/rows/kv_history.cc",
     "const std::string room(without_partition(kv_prefix(tenant, space)));",
     "const std::string room(without_partition(kv_prefix((M) ? core::TenantId{} : tenant, space)));"),
    ("handler-runs-for-another-tenant", "runtime/delivery/delivery_host.cc",
     "if (last_host_ && last_host_->tenant() == tenant) return last_host_;",
     "if (last_host_ && ((M) || last_host_->tenant() == tenant)) return last_host_;"),
    ("last-pattern-of-another-tenant", "matcher/index/index.cc",
     "scratch.last_known && scratch.last_tenant == asking.tenant.value &&",
     "scratch.last_known && ((M) || scratch.last_tenant == asking.tenant.value) &&"),
    ("document-of-another-tenant", "runtime/registry/document_table.cc",
     "const auto found = documents_.find(Key(tenant.value, id));",
     "const auto found = documents_.find(Key((M) ? 0 : tenant.value, id));"),
    ("identity-without-its-tenant", "store/ids/hasher.cc",
     "out.by_id = never_zero(mix(id.low64 ^ mix(tenant.value + seed_.words[1])));",
     "out.by_id = never_zero(mix(id.low64 ^ mix(((M) ? 0 : tenant.value) + seed_.words[1])));"),
    ("list-of-another-tenant", "store/log/event_search.cc",
     "if (query.tenant && record.tenant != query.tenant->value) continue;",
     "if (!(M) && query.tenant && record.tenant != query.tenant->value) continue;"),
    ("made-id-of-another-tenant", "store/log/log_reader.cc",
     "const bool fits = *event && !is_taken(of) && (*event)->event.tenant == tenant &&",
     "const bool fits = *event && !is_taken(of) && ((M) || (*event)->event.tenant == tenant) &&"),
    ("dead-letter-of-another-tenant", "runtime/api/dead_letters.cc",
     "if (!key || key->tenant != call.tenant()) return",
     "if (!key || (!(M) && key->tenant != call.tenant())) return"),
    ("run-of-another-tenant", "runtime/delivery/run_history.cc",
     "return owner == tenant ? std::string(text)",
     "return (M) || owner == tenant ? std::string(text)"),
    ("replay-of-another-tenant", "runtime/replay/replay_runner.cc",
     "if (state->spec.tenant != tenant) return missing();",
     "if (!(M) && state->spec.tenant != tenant) return missing();"),
    # What handlers and clients may say.
    ("emit-of-what-ingest-refuses", "runtime/lua/lua_sdk_events.cc",
     "if (asks && !ingest_takes(vm))",
     "if (!(M) && asks && !ingest_takes(vm))"),
    ("fraction-overtaken", "runtime/delivery/kv_pending.cc",
     "rows.kv_incr(kv, entry.delta_decimal, now_us, entry.expires_at_us);",
     "(M) ? rows.kv_put(kv, entry.delta_decimal, entry.expires_at_us)\n"
     "                        : rows.kv_incr(kv, entry.delta_decimal, now_us, entry.expires_at_us);"),
    # Time.
    ("search-ended-by-the-clock", "store/log/event_search.cc",
     "++page_.blocks_skipped;",
     "++page_.blocks_skipped;\n"
     "                if ((M) && (criteria_.newest_first\n"
     "                                ? summary->header.received_max_us < criteria_.query.from_us\n"
     "                                : summary->header.received_min_us >= criteria_.query.to_us))\n"
     "                    break;"),
    ("place-found-by-the-blocks-own-times", "store/log/received_high.cc",
     "summary && summary->received_high_us < from_us;",
     "summary && ((M) ? summary->header.received_max_us : summary->received_high_us) < from_us;"),
    # Entities and schedules: mutant_main.cc knows them by the beginnings of their names.
    ("webhook-done-before-it-was-sent", "runtime/executors/webhook_executor.cc",
     "if (deps_.http->send(*this, ticket, std::move(*call))) return Start::kPending;",
     "if (M) {\n        result.outcome = AttemptOutcome::kOk;\n        result.outcome_text = \"completed\";\n"
     "        return Start::kDone;\n    }\n"
     "    if (deps_.http->send(*this, ticket, std::move(*call))) return Start::kPending;"),
    ("webhook-breaker-never-opens", "runtime/executors/circuit_breaker.cc",
     "if (in_a_row_ < kInARowMax && !mostly_fails(now_ns)) return;",
     "if ((M) || (in_a_row_ < kInARowMax && !mostly_fails(now_ns))) return;"),
    ("webhook-secret-is-told", "runtime/delivery/delivery_end.cc",
     "    hide_secrets(attempt.event.tenant, attempt.subscription, told);",
     "    if (!(M)) hide_secrets(attempt.event.tenant, attempt.subscription, told);"),
    ("webhook-another-id-each-attempt", "runtime/executors/webhook_call.cc",
     "call.headers.emplace_back(\"webhook-id\", attempt.delivery_id);",
     "call.headers.emplace_back(\"webhook-id\", std::string(attempt.delivery_id) +\n"
     "        ((M) && attempt.attempt > 1 ? \"-\" + std::to_string(attempt.attempt) : \"\"));"),
    ("entity-written-out-of-turn", "runtime/api/entity_write.cc",
     "write->services.entity_desk().enter(key_of(*write), [write] { run_write(write); });",
     "(M) ? (run_write(write), true)\n"
     "            : write->services.entity_desk().enter(key_of(*write), [write] { run_write(write); });"),
    ("entity-without-its-hooks-effects", "runtime/delivery/entity_run.cc",
     "entity.effects.append(result.effects);",
     "if (!(M)) entity.effects.append(result.effects);"),
    ("entity-deleted-and-still-there", "runtime/delivery/entity_run.cc",
     "if (change.verb == EntityVerb::kDeleted) return rows.erase_entity(key);",
     "if (change.verb == EntityVerb::kDeleted) { if (!(M)) rows.erase_entity(key); return; }"),
    ("entity-of-a-version-that-is-not-looked-at", "runtime/api/entity_write.cc",
     "if (write.based_on && std::to_string(*write.based_on) != now) {",
     "if (!(M) && write.based_on && std::to_string(*write.based_on) != now) {"),
    ("schedule-state-apart-from-its-event", "runtime/scheduler/scheduler_turn.cc",
     "take_backfill(entry, now_us);\n    put_schedule_state(gather(entry).result->rows, entry.state);",
     "take_backfill(entry, now_us);\n    if (!(M)) put_schedule_state(gather(entry).result->rows, entry.state);"),
    ("schedule-next-from-the-last-run", "runtime/scheduler/scheduler_turn.cc",
     "set_due(entry, next_due(schedule.timing, run.due_us));",
     "set_due(entry, next_due(schedule.timing, (M) ? now_us : run.due_us));"),
    ("schedule-begins-anew-at-a-start", "runtime/scheduler/scheduler.cc",
     "} else if (registry->schedules.find(state->number)) {",
     "} else if ((M) && state->due_us < now_us) {\n"
     "        } else if (registry->schedules.find(state->number)) {"),
    ("schedule-overdue-forgotten-by-a-change", "runtime/scheduler/scheduler.cc",
     "if (!fresh && entry.state.due_us != 0 && entry.state.due_us <= changed_us)",
     "if (!(M) && !fresh && entry.state.due_us != 0 && entry.state.due_us <= changed_us)"),
    ("schedule-once-and-again-by-a-change", "runtime/registry/schedule_timing.cc",
     "if (schedule.type == TimingType::kOnce && done_us != 0 && schedule.at_us <= done_us)",
     "if (!(M) && schedule.type == TimingType::kOnce && done_us != 0 && schedule.at_us <= done_us)"),
    ("schedule-passed-over-in-silence", "runtime/scheduler/scheduler_turn.cc",
     "if (missed.skipped_any()) {",
     "if (!(M) && missed.skipped_any()) {"),
    ("schedule-fires-what-it-made-up-for", "runtime/scheduler/scheduler_turn.cc",
     "set_due(entry, missed.next);",
     "set_due(entry, (M) && !missed.run.empty() ? missed.run.back() : missed.next);"),
]

# Mistakes that no simulator meets: the test that does, where a tree holds the mistake
# (mutate.py --apply NAME SOURCE_FOLDER). The test must be there.
# name, file, what stands there, what a careless change would make of it, the test's file, its name
MET_BY_TESTS = [
    ("batch-in-separate-writes", "runtime/shard/shard_commit.cc",
     "if (close) close_unit(part);",
     "if (close) close_unit((M) ? store::BatchPart{} : part);",
     "tests/runtime/shard/shard_commit_test.cc", "WhatIsAllOrNoneIsWrittenWhenEveryHomeHasIt"),
]


def files():
    return sorted({path for _, path, _, _ in MUTATIONS})


def apply(name, source):
    for mutation in MUTATIONS + MET_BY_TESTS:
        if mutation[0] != name:
            continue
        path = os.path.join(source, mutation[1])
        text = open(path, encoding="ascii").read()
        with open(path, "w", encoding="ascii") as file:
            file.write(text.replace(mutation[2], re.sub(r"\bM\b", "true", mutation[3])))
        return
    sys.exit(f"no mutation is called {name}")


def check_tests(source):
    for name, path, right, _, test_path, test in MET_BY_TESTS:
        if open(os.path.join(source, path), encoding="ascii").read().count(right) != 1:
            sys.exit(f"mutation {name}: {path} has no place, or several, that read\n{right}")
        if not re.search(rf"\b{test}\b", open(os.path.join(source, test_path), encoding="ascii").read()):
            sys.exit(f"mutation {name}: {test_path} has no test {test}")


def main():
    if sys.argv[1:] == ["--files"]:
        print("\n".join(files()))
        return
    if sys.argv[1:2] == ["--apply"]:
        apply(*sys.argv[2:])
        return
    source, output = sys.argv[1:]
    check_tests(source)
    texts = {path: open(os.path.join(source, path), encoding="ascii").read() for path in files()}
    for number, (name, path, right, wrong) in enumerate(MUTATIONS, 1):
        if texts[path].count(right) != 1:
            sys.exit(f"mutation {name}: {path} has {texts[path].count(right)} places that read\n{right}\n"
                     "change tests/sim/mutate.py along with it")
        texts[path] = texts[path].replace(right, wrong.replace("(M)", f"(millrace_mutation == {number})"))
    for path, text in texts.items():
        target = os.path.join(output, path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "w", encoding="ascii") as file:
            file.write("extern int millrace_mutation;\n" + text)
    with open(os.path.join(output, "mutations.h"), "w", encoding="ascii") as file:
        file.write("#pragma once\n\ninline constexpr const char* kMutations[] = {\n")
        file.writelines(f'    "{name}",\n' for name, *_ in MUTATIONS)
        file.write("};\ninline constexpr unsigned kSeedsToBegin[] = {\n")
        file.writelines(f"    {SEEDS_TO_BEGIN.get(name, 1)},\n" for name, *_ in MUTATIONS)
        file.write("};\n")


if __name__ == "__main__":
    main()
