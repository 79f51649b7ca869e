// What: how large the next batch is and how long a failure waits: a line that takes a batch in time
//       gets one of twice the size, one that does not, or breaks, gets half. Waits are drawn from
//       zero to twice as long each time (full jitter), so that edges that lost their hub together
//       come back apart.
// Threads: values. Lifetime: values.
// Limits: kBatchBytesMin to what the hub can take at once; kWaitMsFirst to kWaitMsMax.
// Failure: none.
#pragma once

#include "core/random.h"
#include "runtime/hub/hub_batch.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace millrace::runtime::hub {

class SendPace {
public:
    static constexpr std::size_t kBytesFirst = 64u << 10;
    static constexpr std::int64_t kWaitMsFirst = 500;
    static constexpr std::int64_t kWaitMsMax = 300'000;
    static constexpr std::int64_t kWaitMsMin = 20;  // so that zero is no busy loop

    std::size_t bytes() const { return bytes_; }
    // What the hub can take at once.
    void set_window(std::size_t bytes) {
        window_ = std::clamp(bytes, kBatchBytesMin, kBatchBytesMax);
        bytes_ = std::min(bytes_, window_);
    }
    // It was taken; one that was full says that the line carries that much.
    void took(bool full) {
        if (full) bytes_ = std::min(2 * bytes_, window_);
        tries_ = 0;
    }
    void timed_out() { bytes_ = std::max(bytes_ / 2, kBatchBytesMin); }
    // For how long nothing is sent now; `at_least` as the hub has asked for.
    std::int64_t wait_ms(core::Random& random, std::int64_t at_least = 0) {
        const std::int64_t most =
            std::min(kWaitMsMax, kWaitMsFirst << std::min(tries_, kTriesTold));
        ++tries_;
        const auto drawn =
            static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(most) + 1));
        return std::max({drawn, at_least, kWaitMsMin});
    }

private:
    static constexpr unsigned kTriesTold = 10;  // kWaitMsFirst << 10 is beyond kWaitMsMax

    std::size_t bytes_ = kBytesFirst;
    std::size_t window_ = kBatchBytesMax;
    unsigned tries_ = 0;
};

}  // namespace millrace::runtime::hub
