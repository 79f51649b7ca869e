#include "runtime/delivery/outcome_writer.h"

#include "runtime/delivery/attempt_record.h"
#include "runtime/delivery/letter_edit.h"

#include <charconv>

namespace millrace::runtime {

using store::DeliveryStatus;

namespace {

// The replay whose attempt it is; empty: the delivery's own.
const std::string& replay_of(const Attempt& attempt) {
    const LaneJob& job = *attempt.job;
    return job.kind == JobKind::kReplay ? job.replay_id : attempt.earlier->replay_id;
}

std::string_view first_line(std::string_view state) { return state.substr(0, state.find('\n')); }

}  // namespace

std::string encode_retry_state(const EarlierAttempts& earlier, std::uint32_t key_hash) {
    std::string state = std::to_string(earlier.counted);
    if (earlier.holds_key) state += " k" + std::to_string(key_hash);
    if (earlier.by_wall_clock) state += " w";
    if (earlier.ends_event) state += " e";
    return state + "\n" + earlier.replay_id + "\n" + earlier.history;
}

bool waits_for_wall_clock(std::string_view state) {
    return first_line(state).find(" w") != std::string_view::npos;
}

std::string encode_redrive(std::int64_t letter_created_at_us) {
    return "0 d" + std::to_string(letter_created_at_us) + "\n\n";
}

std::optional<std::int64_t> redrive_of(std::string_view state) {
    const std::string_view line = first_line(state);
    if (!line.starts_with("0 d")) return std::nullopt;
    std::int64_t created_at_us = 0;
    std::from_chars(line.data() + 3, line.data() + line.size(), created_at_us);
    return created_at_us;
}

std::optional<std::uint32_t> held_key_of(std::string_view state) {
    const std::string_view line = first_line(state);
    const std::size_t at = line.find(" k");
    if (at == std::string_view::npos) return std::nullopt;
    std::uint32_t key_hash = 0;
    std::from_chars(line.data() + at + 2, line.data() + line.size(), key_hash);
    return key_hash;
}

EarlierAttempts decode_retry_state(std::string_view state, std::uint32_t attempts_made,
                                   std::int64_t created_at_us) {
    EarlierAttempts earlier;
    earlier.made = attempts_made;
    earlier.created_at_us = created_at_us;
    std::from_chars(state.data(), state.data() + state.size(), earlier.counted);
    earlier.holds_key = held_key_of(state).has_value();
    earlier.ends_event = first_line(state).ends_with(" e");
    earlier.by_wall_clock = waits_for_wall_clock(state);
    const std::size_t first = state.find('\n');
    const std::size_t second =
        first == std::string_view::npos ? first : state.find('\n', first + 1);
    if (second == std::string_view::npos) return earlier;
    earlier.replay_id = state.substr(first + 1, second - first - 1);
    earlier.history = state.substr(second + 1);
    return earlier;
}

std::string encode_letter_extra(const EarlierAttempts& earlier) {
    return earlier.replay_id.empty() ? std::string() : "\"" + earlier.replay_id + "\"";
}

std::string decode_letter_replay(std::string_view extra) {
    return extra.size() < 2 ? std::string() : std::string(extra.substr(1, extra.size() - 2));
}

WrittenOutcome OutcomeWriter::write(const Attempt& attempt, std::string_view event_id,
                                    store::RowBatch& rows) {
    const LaneJob& job = *attempt.job;
    WrittenOutcome written;
    store::OutcomeEntry entry;
    entry.event_index = attempt.event_index;
    entry.subscription = attempt.subscription->number;
    entry.tenant = attempt.event.tenant;
    entry.script_version = attempt.result->version;
    entry.attempt = attempt.earlier->made + 1;
    entry.duration_us = attempt.duration_us;
    entry.started_at_us = attempt.started_at_us;
    entry.logs = attempt.result->logs_json;
    entry.replay_id = replay_of(attempt);

    if (attempt.result->outcome == AttemptOutcome::kOk) {
        const std::string& result = attempt.result->result_json;
        if (result.size() <= kResultBytesKeptMax) entry.result = result;
    } else {
        write_failure(attempt, event_id, rows, entry, written);
    }
    entry.status = written.status;
    rows.add_outcome(entry);
    erase_waiting(job, attempt.event, entry.subscription, rows);
    if (job.redrive && attempt.result->outcome == AttemptOutcome::kOk) {
        rows.erase_dead_letter(*job.redrive);
        if (!job.edited.empty()) rows.erase_registry(kLetterEditKind, letter_edit_id(*job.redrive));
    }
    return written;
}

void OutcomeWriter::write_failure(const Attempt& attempt, std::string_view event_id,
                                  store::RowBatch& rows, store::OutcomeEntry& entry,
                                  WrittenOutcome& written) {
    const LaneJob& job = *attempt.job;
    const std::int64_t ended_at_us = attempt.started_at_us + attempt.duration_us;
    const DeliveryDecision decision = decide_delivery(
        {attempt.earlier->made, attempt.earlier->counted, attempt.result->retry_after_ms},
        attempt.result->outcome, attempt.subscription->retry, attempt.ended_due_us, random_);
    // A redriven dead letter gets one attempt: it leaves, or it stays with a longer history.
    written.status = job.redrive ? DeliveryStatus::kDead : decision.status;
    const std::string_view error = attempt.result->error;
    entry.error = error.substr(0, kErrorTextBytesMax);
    EarlierAttempts so_far;
    so_far.made = entry.attempt;
    so_far.counted = decision.attempts_counted;
    so_far.created_at_us =
        attempt.earlier->created_at_us != 0 ? attempt.earlier->created_at_us : ended_at_us;
    so_far.replay_id = replay_of(attempt);
    so_far.history = append_attempt(attempt.earlier->history,
                                    {entry.attempt, attempt.started_at_us, attempt.duration_us,
                                     attempt.result->outcome_text, error});
    const store::DeliveryKey delivery{attempt.event.position, entry.subscription};
    so_far.holds_key = attempt.keyed;
    if (attempt.cancelled) {
        written.status = DeliveryStatus::kFailed;
        return;
    }
    if (written.status == DeliveryStatus::kRetrying) {
        written.retry_at_us = decision.retry_at_us;
        put_retry(attempt, so_far, decision.retry_at_us, rows);
    } else if (job.redrive) {
        put_dead_letter(attempt, so_far, *job.redrive, event_id, store::RowChange::kUpdate, rows);
    } else {
        written.dead_letter = store::DeadLetterKey{attempt.event.tenant, ended_at_us, delivery};
        put_dead_letter(attempt, so_far, *written.dead_letter, event_id, store::RowChange::kNew,
                        rows);
    }
}

WrittenOutcome OutcomeWriter::write_cancelled(const Attempt& attempt, store::RowBatch& rows) {
    WrittenOutcome written;
    written.status = DeliveryStatus::kFailed;
    store::OutcomeEntry entry;
    entry.event_index = attempt.event_index;
    entry.subscription = attempt.subscription->number;
    entry.tenant = attempt.event.tenant;
    entry.status = written.status;
    entry.attempt = attempt.earlier->made;
    entry.started_at_us = attempt.started_at_us;
    entry.error = attempt.result->error;
    rows.add_outcome(entry);
    erase_waiting(*attempt.job, attempt.event, entry.subscription, rows);
    return written;
}

void OutcomeWriter::put_off(const Attempt& attempt, const Wait& wait, store::RowBatch& rows) {
    const LaneJob& job = *attempt.job;
    EarlierAttempts so_far = *attempt.earlier;
    so_far.replay_id = replay_of(attempt);
    erase_waiting(job, attempt.event, attempt.subscription->number, rows);
    if (job.kind == JobKind::kBlock || job.kind == JobKind::kBehind ||
        job.kind == JobKind::kReplay) {
        store::OutcomeEntry entry;
        entry.event_index = attempt.event_index;
        entry.subscription = attempt.subscription->number;
        entry.tenant = attempt.event.tenant;
        entry.status = DeliveryStatus::kRetrying;
        entry.attempt = 0;
        entry.started_at_us = attempt.started_at_us;
        entry.replay_id = so_far.replay_id;
        rows.add_outcome(entry);
        so_far.created_at_us = attempt.started_at_us;
    }
    so_far.holds_key = attempt.keyed;
    so_far.ends_event |= wait.ends_event;
    so_far.by_wall_clock = wait.by_wall_clock;
    put_retry(attempt, so_far, wait.until_us, rows);
}

void OutcomeWriter::erase_waiting(const LaneJob& job, const store::StoredEvent& event,
                                  core::SubscriptionId subscription, store::RowBatch& rows) {
    const store::DeliveryKey delivery{event.position, subscription};
    const bool has_row = job.kind == JobKind::kRetry || job.kind == JobKind::kRedrive;
    if (has_row && job.retry_due_at_us != 0)
        rows.erase_retry(job.retry_due_at_us, event.tenant, delivery);
    if (job.kind == JobKind::kParked) rows.erase_parked(event.key_hash, event.tenant, delivery);
}

void OutcomeWriter::put_retry(const Attempt& attempt, const EarlierAttempts& so_far,
                              std::int64_t due_at_us, store::RowBatch& rows) {
    state_ = encode_retry_state(so_far, attempt.event.key_hash);
    store::RetryRow row;
    row.due_at_us = due_at_us;
    row.delivery = {attempt.event.position, attempt.subscription->number};
    row.key_hash = attempt.event.key_hash;
    row.tenant = attempt.event.tenant;
    row.attempt = so_far.made;
    row.created_at_us = so_far.created_at_us;
    row.state = state_;
    rows.put_retry(row);
}

void OutcomeWriter::put_dead_letter(const Attempt& attempt, const EarlierAttempts& so_far,
                                    const store::DeadLetterKey& key, std::string_view event_id,
                                    store::RowChange change, store::RowBatch& rows) {
    const std::string& script_id = attempt.subscription->executor.script_id;
    const std::string_view error = attempt.result->error;
    const std::string fingerprint = error_fingerprint(script_id, error);
    store::DeadLetter row;
    row.key = key;
    row.updated_at_us = attempt.started_at_us + attempt.duration_us;
    row.retry_count = so_far.counted == 0 ? 0 : so_far.counted - 1;
    row.retries_max = attempt.subscription->retry.retries_max;
    row.subscription_id = attempt.subscription->id;
    row.script_id = script_id;
    row.pattern = attempt.event.pattern;
    row.event_id = event_id;
    row.error = error.substr(0, kErrorTextBytesMax);
    row.error_fingerprint = fingerprint;
    row.attempts = so_far.history;
    const std::string extra = encode_letter_extra(so_far);
    row.extra = extra;
    rows.put_dead_letter(row, change);
}

}  // namespace millrace::runtime
