// Fuzzes the reader of cron expressions, and the search for what it has read: it ends, goes
// forwards, and what it finds is found again from a second before.
#include "core/assert.h"
#include "runtime/schedule/timing.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
    using namespace millrace::runtime;
    const auto cron = parse_cron({reinterpret_cast<const char*>(data), bytes});
    if (!cron) {
        MR_ASSERT(cron.error().field == "cron" && !cron.error().message.empty());
        return 0;
    }
    Timing timing;
    timing.cron = *cron;
    std::int64_t after_us = 1'700'000'000'000'000;
    for (int i = 0; i < 3; ++i) {
        const auto next = next_due(timing, after_us);
        if (!next) break;
        MR_ASSERT(*next > after_us && next_due(timing, *next - 1) == next);
        after_us = *next;
    }
    return 0;
}
