// The part of DeliveryRun that takes back an event which did not fit a schema: it goes into the log
// under its own id when it fits by now, in the commit in which its dead letter leaves; else the
// letter says why not.
#include "runtime/delivery/attempt_record.h"
#include "runtime/delivery/delivery_run.h"
#include "runtime/delivery/letter_edit.h"
#include "runtime/event/misfit.h"

#include <string>

namespace millrace::runtime {

namespace {

// Written by a server that let the stand-in have the event's own id: it would be its own duplicate.
constexpr std::string_view kIdIsTaken = "what stands for the event in the log has its id";

void keep_letter(store::RowBatch& rows, const store::DeadLetter& before, std::string_view error,
                 std::int64_t now_us) {
    store::DeadLetter row = before;
    const std::string attempts = append_attempt(
        before.attempts, {attempts_made_in(before.attempts) + 1, now_us, 0, "failed", error});
    row.updated_at_us = now_us;
    ++row.retry_count;
    row.error = error.substr(0, kErrorTextBytesMax);
    row.attempts = attempts;
    rows.put_dead_letter(row, store::RowChange::kUpdate);
}

}  // namespace

void DeliveryRun::return_misfit(const LaneJob& job) {
    const store::DeadLetter& letter = job.letter->row;
    const std::int64_t now_us = wall_now_us();
    builder_.rows().erase_retry(job.retry_due_at_us, letter.key.tenant, letter.key.delivery);
    const store::StoredEvent& stand_in = job.single->event;
    const auto stands_for = read_stand_in(stand_in.raw);
    if (!stands_for || texts_.id(stand_in) != misfit_id(letter.event_id))
        return keep_letter(builder_.rows(), letter, kIdIsTaken, now_us);
    guard_.refresh();
    std::string_view event = job.edited.empty() ? stands_for->event : std::string_view(job.edited);
    // One that could not stand inside of another.
    const auto by_bytes = event_by_bytes(event);
    if (by_bytes) event = *by_bytes;
    const auto found =
        guard_.judge_text(event, letter.key.tenant, now_us, SchemaGuard::Asker::kNobody);
    if (!found) return keep_letter(builder_.rows(), letter, found.error().message, now_us);
    if (found->outcome != SchemaGuard::Outcome::kTake)
        return keep_letter(builder_.rows(), letter, found->error.message, now_us);
    builder_.give_back(event, letter.key.tenant);
    builder_.rows().erase_dead_letter(letter.key);
    if (!job.edited.empty())
        builder_.rows().erase_registry(kLetterEditKind, letter_edit_id(letter.key));
}

}  // namespace millrace::runtime
