#include "runtime/delivery/delivery_log.h"

#include "core/timestamp.h"

#include <string>

namespace millrace::runtime {
namespace {

constexpr std::array<std::string_view, 3> kLeftOutTexts = {
    "attempts failed that no line tells of",
    "handlers were stopped at their limits that no line tells of",
    "deliveries became dead letters that no line tells of",
};

std::string_view message_of(const AttemptResult& result, const WrittenOutcome& written) {
    if (written.status == store::DeliveryStatus::kDead)
        return "a delivery is given up: it is a dead letter now";
    if (result.outcome_text == "memory")
        return "a handler was stopped at its memory limit; it is tried again";
    if (result.stopped()) return "a handler was stopped at its deadline; it is tried again";
    return "an attempt failed; it is tried again";
}

}  // namespace

bool DeliveryLog::Gate::turn(std::int64_t now_ns) {
    const std::int64_t second = now_ns / 1'000'000'000;
    if (second_.load(std::memory_order_relaxed) != second) {
        second_.store(second, std::memory_order_relaxed);
        lines_.store(0, std::memory_order_relaxed);
    }
    return lines_.load(std::memory_order_relaxed) < kLinesPerSecond;
}

std::size_t DeliveryLog::tell_left_out(std::int64_t now_ns) {
    std::size_t lines = 0;
    for (std::size_t kind = 0; kind < kKinds; ++kind) {
        if (gates_[kind].turn(now_ns)) lines += write_left_out(static_cast<Kind>(kind));
    }
    return lines;
}

std::size_t DeliveryLog::write_left_out(Kind kind) {
    const auto number = static_cast<std::size_t>(kind);
    const std::uint64_t left_out = gates_[number].take_left_out();
    if (left_out == 0) return 0;
    log_.warn(kLeftOutTexts[number], {{"count", left_out}});
    return 1;
}

// Kept out of tell(): what is beyond the limit does not pay for texts.
void DeliveryLog::write(const Attempt& attempt, std::string_view event_id,
                        const WrittenOutcome& written) {
    const AttemptResult& result = *attempt.result;
    const Subscription& subscription = *attempt.subscription;
    const std::string next = written.retry_at_us != 0
                                 ? core::format_timestamp(due_.to_wall_us(written.retry_at_us))
                                 : "none";
    log_.warn(message_of(result, written),
              {{"error", std::string_view(result.error).substr(0, kErrorBytesShown)},
               {"event", event_id},
               {"pattern", attempt.event.pattern},
               {"subscription", subscription.id},
               {"script", subscription.executor.script_id},
               {"attempt", attempt.earlier->made + 1},
               {"outcome", result.outcome_text},
               {"next", next}});
}

}  // namespace millrace::runtime
