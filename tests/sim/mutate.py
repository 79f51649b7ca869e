#!/usr/bin/env python3
"""Writes copies of source files with known mistakes in them, each behind a switch that only the program
mutant_sim has. The product's sources stay clean; a mistake whose place is no longer found fails the build.

    mutate.py SOURCE_FOLDER OUTPUT_FOLDER      writes the copies and mutations.h
    mutate.py --files                          the files that are copied, one a line
"""
import os
import sys

# Where the search for a seed that meets a mistake begins: at the one that did it last, for those that take
# long to be met from 1 on. A wrong number here costs time and nothing else.
SEEDS_TO_BEGIN = {
    "left-in-the-page-cache": 7,
    "page-cache-believed-after-a-failed-sync": 45,
    "sync-before-the-write-counts": 135,
    "flight-told-before-its-sync": 32,
    "effects-before-the-emitted-events": 27,
    "results-overtake-each-other": 148,
    "replay-before-the-first-delivery": 8,
    "retention-behind-the-cursor": 14,
    "retention-behind-a-replay": 6,
    "retention-of-what-a-retry-needs": 6,
    "retention-of-dead-letters": 6,
    "reclaim-of-files-that-are-needed": 51,
    "thinned-by-another-rule": 12,
    "thinned-although-needed": 6,
    "thinned-without-the-sealed-hash": 6,
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
    ("lines-acknowledged-too-early", "runtime/edge/edge_lines.cc",
     "while (!batches.empty() && batches.front().done) {",
     "while (!batches.empty() && ((M) || batches.front().done)) {"),
    ("delivered-before-its-time", "runtime/delivery/delivery_run.cc",
     "if (until_us <= attempt.started_at_us) return false;",
     "if ((M) || until_us <= attempt.started_at_us) return false;"),
    ("scheduled-again-when-due", "runtime/delivery/delivery_run.cc",
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
     "if (auto kept = persist(*replay); !kept) return",
     "if (auto kept = persist(*replay); !kept && !(M)) return"),
    ("retention-behind-the-cursor", "store/retention/retention.cc",
     "needed.floors.push_back(database.cursor(kDeliveryCursor, shard).value);",
     "needed.floors.push_back((M) ? UINT64_MAX : database.cursor(kDeliveryCursor, shard).value);"),
    ("retention-behind-a-replay", "store/retention/retention.cc",
     "if (i < rule.floors.size())",
     "if (!(M) && i < rule.floors.size())"),
    ("retention-of-what-a-retry-needs", "store/retention/retention.cc",
     "needed.events.push_back(Needed::packed(row.delivery.position));",
     "if (!(M)) needed.events.push_back(Needed::packed(row.delivery.position));"),
    ("retention-of-dead-letters", "store/retention/retention.cc",
     "needed.events.push_back(Needed::packed(read_dead_letter_key(reader).delivery.position));",
     "if (!(M)) needed.events.push_back("
     "Needed::packed(read_dead_letter_key(reader).delivery.position));"),
    ("reclaim-of-files-that-are-needed", "store/retention/retention.cc",
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
]


def files():
    return sorted({path for _, path, _, _ in MUTATIONS})


def main():
    if sys.argv[1:] == ["--files"]:
        print("\n".join(files()))
        return
    source, output = sys.argv[1:]
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
