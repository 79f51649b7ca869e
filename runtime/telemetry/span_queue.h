// What: spans on their way from one lane to the exporter, in batches that go there and come back.
//       The lane's: add(), and offer() when a result of its ends and whenever it has nothing to do;
//       the exporter's: take(), give_back(). Small results share a batch while that is behind.
// Threads: one lane's and the exporter's; nobody waits for the other, or takes a lock.
// Lifetime: outlives both. Texts of a Span are copied.
// Limits: kBatches of kBatchSpans each. Overflow policy: drop the newest and count it, when every
//         batch is with the exporter. Once batches have grown nothing is allocated.
// Failure: none.
#pragma once

#include "core/metrics.h"
#include "core/spsc_ring.h"
#include "runtime/event/trace_context.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::telemetry {

// One attempt to deliver an event.
struct Span {
    runtime::AttemptTrace trace;
    std::int64_t started_at_us = 0;
    std::uint32_t duration_us = 0;
    std::uint32_t attempt = 1;
    std::uint16_t shard = 0;
    std::uint64_t offset = 0;
    bool failed = false;
    std::string_view status;    // a static text: completed, retrying, dead, failed
    std::string_view executor;  // likewise: script, webhook, ...
    std::string_view pattern;
    std::string_view event_id;
    std::string_view correlation_id;
    std::string_view subscription_id;
    std::string_view delivery_id;
    std::string_view replay_id;
    std::string_view tenant;
    std::string_view error;
};

class SpanBatch {
public:
    void add(const Span& span) {
        Kept& kept = spans_.emplace_back();
        kept.span = span;
        each_text(kept.span, [&](std::string_view& text, std::size_t i) {
            kept.ends[i] = static_cast<std::uint32_t>(texts_.append(text).size());
            text = {};
        });
    }
    std::size_t size() const { return spans_.size(); }
    // Calls visit(span); its texts live until clear().
    template <typename Visit>
    void each(Visit&& visit) const {
        std::size_t begin = 0;
        for (const Kept& kept : spans_) {
            Span span = kept.span;
            each_text(span, [&](std::string_view& text, std::size_t i) {
                text = std::string_view(texts_).substr(begin, kept.ends[i] - begin);
                begin = kept.ends[i];
            });
            visit(span);
        }
    }
    void clear() {
        spans_.clear();
        texts_.clear();
    }

private:
    static constexpr std::size_t kTexts = 9;
    struct Kept {
        Span span;
        std::uint32_t ends[kTexts] = {};  // in texts_
    };
    // Those that live elsewhere.
    template <typename Visit>
    static void each_text(Span& span, Visit&& visit) {
        std::string_view* const all[kTexts] = {
            &span.pattern,         &span.event_id,    &span.correlation_id,
            &span.subscription_id, &span.delivery_id, &span.replay_id,
            &span.tenant,          &span.error,       &span.trace.own.state};
        for (std::size_t i = 0; i < kTexts; ++i) visit(*all[i], i);
    }

    std::vector<Kept> spans_;
    std::string texts_;
};

class SpanQueue {
public:
    static constexpr std::size_t kBatches = 32;
    static constexpr std::size_t kBatchSpans = 256;
    using BatchRef = std::unique_ptr<SpanBatch>;

    explicit SpanQueue(core::Counter dropped) : dropped_(dropped) {
        for (std::size_t i = 0; i < kBatches; ++i)
            (void)empty_.try_push(std::make_unique<SpanBatch>());
    }

    // ---- the lane's
    void add(const Span& span) {
        if (!filling_ && !empty_.try_pop(filling_)) return dropped_.add();
        filling_->add(span);
        if (filling_->size() >= kBatchSpans) hand_over();
    }
    // What was added goes on its way, or waits for more while the exporter is behind.
    void offer() {
        if (full_.size() < kBatches / 2) hand_over();
    }
    // There is room for every batch that there is.
    void hand_over() {
        if (filling_ && filling_->size() > 0) (void)full_.try_push(std::move(filling_));
    }

    // ---- the exporter's
    bool take(BatchRef& out) { return full_.try_pop(out); }
    void give_back(BatchRef&& batch) {
        batch->clear();
        (void)empty_.try_push(std::move(batch));
    }
    bool idle() const { return full_.empty(); }

private:
    const core::Counter dropped_;
    BatchRef filling_;
    core::SpscRing<BatchRef> full_{kBatches};
    core::SpscRing<BatchRef> empty_{kBatches};
};

}  // namespace millrace::telemetry
