#include "matcher/index/live_sample.h"

#include "matcher/index/leaf_store.h"

#include <algorithm>
#include <cstring>

namespace millrace::matcher {

class LiveSample::Guard {
public:
    // acquire and release: what the one before wrote under the flag is seen.
    explicit Guard(std::atomic_flag& busy, bool waits) : busy_(busy) {
        do {
            owns_ = !busy_.test_and_set(std::memory_order_acquire);
        } while (!owns_ && waits);
    }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    ~Guard() {
        if (owns_) busy_.clear(std::memory_order_release);
    }
    bool owns() const { return owns_; }

private:
    std::atomic_flag& busy_;
    bool owns_ = false;
};

void LiveSample::add(const core::FieldValue& value) {
    Record& record = ring_[next_++ % kRecords];
    record.hash = hash_of_value(value.type, value.number_approx, value.text());
    record.number = value.number_approx;
    record.slot = value.slot;
    record.type = value.type;
    record.bytes = static_cast<std::uint8_t>(std::min<std::size_t>(value.bytes, kTextMax));
    std::memcpy(record.text, value.data, record.bytes);
}

void LiveSample::note(const core::FieldTable& fields, std::size_t met, std::size_t matched) {
    const Guard guard(busy_, false);
    if (!guard.owns()) return;
    ++events_;
    ++noted_;
    met_ += met;
    matched_ += matched;
    std::size_t values = 0;
    for (const core::FieldValue& value : fields.values()) {
        if (!value.is_scalar()) continue;
        if (++values > kValuesPerEvent) break;
        add(value);
    }
}

LiveSample::Content LiveSample::figures() const {
    const Guard guard(busy_, false);
    Content content;
    if (!guard.owns()) return content;
    content.noted = noted_;
    content.met = met_;
    content.matched = matched_;
    return content;
}

LiveSample::Content LiveSample::take() const {
    const Guard guard(busy_, true);
    Content content;
    const std::uint64_t kept = std::min<std::uint64_t>(next_, kRecords);
    content.records.assign(ring_.begin(), ring_.begin() + static_cast<std::ptrdiff_t>(kept));
    content.noted = noted_;
    content.met = met_;
    content.matched = matched_;
    // Events are about equally large.
    content.events = next_ == 0 ? 0 : static_cast<std::size_t>(events_ * kept / next_);
    return content;
}

void LiveSample::forget() {
    const Guard guard(busy_, true);
    next_ = events_ = noted_ = met_ = matched_ = 0;
}

void LiveSample::restart_figures() {
    const Guard guard(busy_, true);
    noted_ = met_ = matched_ = 0;
}

}  // namespace millrace::matcher
