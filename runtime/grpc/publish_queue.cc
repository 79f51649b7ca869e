#include "runtime/grpc/publish_queue.h"

#include "core/limits.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime::grpc {

core::Status PublishQueue::add(std::string_view publish_request, std::size_t wire_bytes) {
    const std::size_t lines_bytes = gathered_.lines.size();
    const std::size_t refused = gathered_.refused.size();
    // Nothing of a message that does not count is left.
    const auto take_back = [&] {
        gathered_.lines.resize(lines_bytes);
        gathered_.refused.resize(refused);
    };
    auto events =
        append_lines(publish_request, gathered_.events, gathered_.lines, gathered_.refused);
    if (!events) {
        take_back();
        return core::fail(std::move(events.error()));
    }
    const auto beyond = [&](std::string what, std::size_t limit) {
        take_back();
        return core::fail(core::Error(core::ErrorCode::kPayloadTooLarge,
                                      std::move(what) + " exceeds " + std::to_string(limit))
                              .bound(static_cast<std::int64_t>(limit)));
    };
    if (*events > kMessageEventsMax)
        return beyond("a message of " + std::to_string(*events) + " events", kMessageEventsMax);
    // Small when it came, compressed.
    if (gathered_.events + *events > core::kBatchEventsMax)
        return beyond("what came at once, in events,", core::kBatchEventsMax);
    if (gathered_.lines.size() > kGatheredBytesMax)
        return beyond("what came at once, in bytes,", kGatheredBytesMax);
    gathered_.events += *events;
    gathered_.counts.push_back(*events);
    gathered_.wire_bytes += wire_bytes;
    held_bytes_ += wire_bytes;
    return {};
}

PublishQueue::Batch& PublishQueue::take() {
    gathered_.number = next_number_++;
    gathered_.first_index = next_index_;
    next_index_ += gathered_.events;
    under_way_.push_back(std::exchange(gathered_, {}));
    return under_way_.back();
}

PublishQueue::Batch* PublishQueue::find(std::uint64_t number) {
    const auto found =
        std::find_if(under_way_.begin(), under_way_.end(),
                     [number](const Batch& batch) { return batch.number == number; });
    return found == under_way_.end() ? nullptr : &*found;
}

std::size_t PublishQueue::finish(Batch& batch, std::string& out) {
    batch.done = true;
    std::size_t bytes = 0;
    while (!under_way_.empty() && under_way_.front().done) {
        out += under_way_.front().acks;
        bytes += under_way_.front().wire_bytes;
        under_way_.pop_front();
    }
    held_bytes_ -= bytes;
    return bytes;
}

}  // namespace millrace::runtime::grpc
