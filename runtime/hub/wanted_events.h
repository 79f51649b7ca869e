// What: which of an edge's events its hub wants, by the hub's own subscriptions and the same
//       matcher. Where a filter asks for what is different at the hub (source, eventId, tenantId,
//       x-edge), or is of a kind that is not known here, its pattern alone decides: the hub filters
//       again.
// Threads: one owner. Lifetime: value. Limits: those of a subscription, kWantedMax of them.
// Failure: read() says why the hub's text is none; an event that does not parse is wanted.
#pragma once

#include "core/result.h"
#include "runtime/event/event_choice.h"
#include "store/log/event_block.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace millrace::runtime::hub {

class WantedEvents {
public:
    static constexpr std::size_t kWantedMax = 10'000;
    static constexpr std::size_t kTextBytesMax = 4u << 20;  // of the answer that says so

    // Of GET /v2/edges/{node}/filters.
    static core::Result<std::unique_ptr<WantedEvents>> read(std::string_view json);
    WantedEvents(const WantedEvents&) = delete;
    WantedEvents& operator=(const WantedEvents&) = delete;

    std::uint64_t version() const { return version_; }
    bool all() const { return all_; }
    // The hub reads the traces of events.
    bool takes_traces() const { return takes_traces_; }
    bool wants(const store::StoredEvent& event) { return all_ || choice_.wants(event); }

private:
    WantedEvents() = default;
    core::Status add(std::string_view subscription_json);

    std::uint64_t version_ = 0;
    bool all_ = true;
    bool takes_traces_ = false;
    std::uint32_t count_ = 0;
    EventChoice choice_;
};

}  // namespace millrace::runtime::hub
