// What: turns the outcome of one attempt into the rows of its commit: the outcome entry, and where
//       it failed the retry row or the dead letter. The decision itself is decide_delivery().
// Threads: one lane's. Lifetime: borrows what Attempt points to, for the call.
// Limits: texts are cut as attempt_record.h says. Failure: none.
#pragma once

#include "core/random.h"
#include "runtime/delivery/attempt_result.h"
#include "runtime/delivery/delivery.h"
#include "runtime/delivery/lane_job.h"
#include "runtime/registry/registry_types.h"
#include "store/rows/row_batch.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::runtime {

struct Attempt {
    const LaneJob* job = nullptr;
    const EarlierAttempts* earlier = nullptr;
    const Subscription* subscription = nullptr;
    store::StoredEvent event;
    std::uint32_t event_index = 0;  // in its block
    const AttemptResult* result = nullptr;
    std::int64_t started_at_us = 0;
    std::uint32_t duration_us = 0;
    std::int64_t ended_due_us = 0;  // by the clock of due times
    bool cancelled = false;         // its event was: no further attempt, and no dead letter
    bool keyed = false;  // while it waits for a retry, later events of its key are parked
};

// What the caller still has to tell the world.
struct WrittenOutcome {
    store::DeliveryStatus status = store::DeliveryStatus::kCompleted;
    std::optional<store::DeadLetterKey> dead_letter;  // newly dead
    std::int64_t retry_at_us = 0;                     // kRetrying
};

class OutcomeWriter {
public:
    explicit OutcomeWriter(std::uint64_t seed) : random_(seed) {}

    WrittenOutcome write(const Attempt& attempt, std::string_view event_id, store::RowBatch& rows);
    // Of one whose event was cancelled: it has ended without an attempt.
    WrittenOutcome write_cancelled(const Attempt& attempt, store::RowBatch& rows);
    // Until when a delivery is put off, without an attempt: to a time that the event's sender
    // named, until its executor may run it, or (kParkedDueUs) behind another one of its key.
    struct Wait {
        std::int64_t until_us = 0;
        bool by_wall_clock = false;
        bool ends_event = false;  // the event's outcome is counted with this one's
    };
    void put_off(const Attempt& attempt, const Wait& wait, store::RowBatch& rows);

    // The row that the delivery waited in goes.
    static void erase_waiting(const LaneJob& job, const store::StoredEvent& event,
                              core::SubscriptionId subscription, store::RowBatch& rows);

private:
    void write_failure(const Attempt& attempt, std::string_view event_id, store::RowBatch& rows,
                       store::OutcomeEntry& entry, WrittenOutcome& written);
    void put_retry(const Attempt& attempt, const EarlierAttempts& so_far, std::int64_t due_at_us,
                   store::RowBatch& rows);
    void put_dead_letter(const Attempt& attempt, const EarlierAttempts& so_far,
                         const store::DeadLetterKey& key, std::string_view event_id,
                         store::RowChange change, store::RowBatch& rows);

    core::Random random_;
    std::string state_;
};

// What a retry row keeps: "counted[ k<key hash>][ w][ e] LF replay-id LF history". `key_hash` is
// written when the row is its key's head, so that the lanes' KeyOrder can be filled at start; w
// says that it waits for a time by the wall clock.
std::string encode_retry_state(const EarlierAttempts& earlier, std::uint32_t key_hash);
bool waits_for_wall_clock(std::string_view state);
// What a row keeps that brings back a dead letter: "0 d<when it was made>".
std::string encode_redrive(std::int64_t letter_created_at_us);
std::optional<std::int64_t> redrive_of(std::string_view state);
// The key hash of a row that holds its key.
std::optional<std::uint32_t> held_key_of(std::string_view state);
// What a dead letter keeps as `extra`: the replay's id as JSON text; nothing of an own delivery.
std::string encode_letter_extra(const EarlierAttempts& earlier);
std::string decode_letter_replay(std::string_view extra);
EarlierAttempts decode_retry_state(std::string_view state, std::uint32_t attempts_made,
                                   std::int64_t created_at_us);

}  // namespace millrace::runtime
