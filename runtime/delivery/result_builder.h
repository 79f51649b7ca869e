// What: gathers what came of deliveries (outcomes, kv writes, emitted events, retries, dead
//       letters) into one LaneResult: the unit of atomic effect.
// Threads: one lane's. Lifetime: borrows all of Deps.
// Limits: the lane closes a result by count, bytes and time. Failure: none here.
#pragma once

#include "core/clock.h"
#include "runtime/delivery/attempt_result.h"
#include "runtime/delivery/event_texts.h"
#include "runtime/delivery/kv_pending.h"
#include "runtime/delivery/open_job.h"
#include "runtime/delivery/outcome_writer.h"
#include "runtime/delivery/script_emit.h"
#include "store/log/pool_set.h"

#include <memory>
#include <string>
#include <string_view>

namespace millrace::runtime {

class ResultBuilder {
public:
    struct Deps {
        store::KvStore* kv = nullptr;
        store::PoolSet* pools = nullptr;
        EventTexts* texts = nullptr;
    };
    explicit ResultBuilder(const Deps& deps) : deps_(deps), kv_(*deps.kv) {}

    bool open() const { return result_ != nullptr; }
    core::ShardId shard() const { return result_->shard; }
    void begin(core::ShardId shard);
    // Of an open result. The kv writes of what is in it are seen by later reads.
    LaneResult& result() { return *result_; }
    store::RowBatch& rows() { return result_->rows; }
    KvPending& kv() { return kv_; }
    std::size_t bytes() const { return emits_.size() + result_->rows.bytes(); }

    // Outcomes of this block's deliveries follow; they stand together.
    void open_outcomes(core::LogPosition block);
    // What an attempt that went well wants done. `trace`: what its events belong to, as it is kept
    // beside them (event/trace_context.h); empty: nothing.
    void take(const AttemptEffects& effects, core::TenantId tenant, std::int64_t now_us,
              std::string_view trace = {});
    // An event that was kept out of the log goes in.
    void give_back(std::string_view event, core::TenantId tenant);
    // One event, as a line of JSON without its end.
    void add_event(std::string_view line, core::TenantId tenant, std::uint8_t depth);
    // The event that tells of a new dead letter.
    void alert(const Attempt& attempt, const store::DeadLetterKey& letter);
    // The events that tell of a delivery to the outside.
    void tell(const Attempt& attempt, const WrittenOutcome& written);
    std::unique_ptr<LaneResult> finish(std::int64_t now_us);

private:
    const Deps deps_;
    KvPending kv_;
    std::unique_ptr<LaneResult> result_;
    std::string emits_;  // NDJSON
    bool outcomes_open_ = false;
    core::LogPosition outcomes_block_;  // whose outcomes are open
};

}  // namespace millrace::runtime
