#include "runtime/feed/block_matcher.h"

#include "runtime/delivery/event_input.h"

#include <utility>

namespace millrace::runtime {

BlockMatcher::BlockMatcher(matcher::Matcher::Reader reader) : reader_(std::move(reader)) {}

bool BlockMatcher::envelope_of(std::string_view padded_text, core::Envelope& envelope) {
    return parser_.extract(padded_text, no_fields_, &envelope, fields_);
}

// Only what the filters need: what is in the log was checked when it was taken.
bool BlockMatcher::read(const store::StoredEvent& event, const core::FieldPlan& plan, bool lean,
                        std::uint32_t& payload_at) {
    if (lean && !event.pattern.empty()) {
        if (envelope_.present != 0) envelope_ = {};  // of an event that was read whole
        envelope_.raw = event.raw;
        envelope_.pattern = event.pattern;
        if (!parser_.extract(event.raw, plan, nullptr, fields_)) return false;
        payload_at = parser_.payload_at();
        return true;
    }
    envelope_ = {};
    if (!parser_.extract(event.raw, plan, &envelope_, fields_)) return false;
    payload_at = payload_place(envelope_);
    defaults_.fill(plan, envelope_, event.tenant, event.received_at_us, fields_);
    return true;
}

void BlockMatcher::match_one(const store::StoredEvent& event, const RegistrySnapshot& registry,
                             std::vector<core::SubscriptionId>& out) {
    out.clear();
    const matcher::Snapshot& snapshot = reader_.observe();
    std::uint32_t payload_at = 0;
    if (!snapshot.has_tenant(event.tenant) || !read(event, snapshot.plan(), false, payload_at))
        return;
    snapshot.match(envelope_, event.tenant, fields_, scratch_, out);
    std::erase_if(out, [&](core::SubscriptionId id) {
        const Subscription* subscription = registry.subscription(id);
        return !subscription || !subscription->is_effective_at(event.position);
    });
}

std::size_t BlockMatcher::match(const Request& request, std::vector<DeliveryItem>& items) {
    items.clear();
    const matcher::Snapshot& snapshot = reader_.observe();
    const store::EventBlock& block = *request.block;
    std::size_t unmatched = 0;
    envelope_ = {};
    core::TenantId tenant{};
    bool has_tenant = snapshot.has_tenant(tenant);
    const bool lean = DefaultFields::none_wanted(snapshot.plan());
    const std::uint32_t begin =
        request.from > block.first_offset() ? block.index_of(request.from) : 0;
    for (std::uint32_t index = begin; index < block.count(); ++index) {
        if (block.gone(index)) continue;
        const store::StoredEvent event = block.event(index);
        const std::size_t before = items.size();
        std::uint32_t payload_at = 0;
        if (event.tenant != tenant) {
            tenant = event.tenant;
            has_tenant = snapshot.has_tenant(tenant);
        }
        if (has_tenant && !event.pattern.empty())
            snapshot.expect(event.pattern, event.tenant, scratch_);
        if (has_tenant && read(event, snapshot.plan(), lean, payload_at)) {
            snapshot.match(envelope_, event.tenant, fields_, scratch_, matched_);
            for (const core::SubscriptionId id : matched_) {
                const Subscription* subscription = request.registry->subscription(id);
                if (!subscription) continue;
                if (request.history == History::kSinceMade &&
                    !subscription->is_effective_at(event.position))
                    continue;
                if (request.done && request.done->contains({event.position, id})) continue;
                items.push_back({index, id, payload_at});
            }
        }
        unmatched += items.size() == before;
    }
    return unmatched;
}

}  // namespace millrace::runtime
