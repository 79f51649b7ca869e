// What: the texts of an event that a delivery may need and mostly does not: its envelope, its id,
//       the ids made of them. Made when they are asked for, kept while neighbours ask again.
// Threads: one lane's. Lifetime: views die with the next event; borrows the hasher.
// Limits: none. Failure: none; a stored event has been parsed before.
#pragma once

#include "core/event_parser.h"
#include "runtime/delivery/delivery_id.h"
#include "runtime/event/event_source.h"
#include "runtime/registry/registry_types.h"
#include "store/ids/hasher.h"
#include "store/log/event_block.h"
#include "store/log/event_id.h"

#include <string>
#include <string_view>

namespace millrace::runtime {

class EventTexts {
public:
    explicit EventTexts(const store::Hasher& hasher) : hasher_(hasher) {}

    const core::Envelope& envelope(const store::StoredEvent& event) {
        if (envelope_of_ != event.raw.data()) {
            envelope_ = {};
            parser_.extract(event.raw, no_fields_, &envelope_, fields_);
            envelope_of_ = event.raw.data();
        }
        return envelope_;
    }
    std::string_view id(const store::StoredEvent& event) {
        if (!event.has(store::EventFlag::kFilledEventId)) return envelope(event).event_id;
        id_.resize(store::kEventIdTextBytes);
        store::encode_event_id_to(hasher_, event.position, id_.data());
        return id_;
    }
    // Of one replay there are many deliveries: its text is made once.
    std::string_view replay_json(const std::string& id) {
        if (id.empty()) return {};
        if (id != replay_id_) {
            replay_id_ = id;
            replay_json_ = "{\"id\":\"" + id + "\"}";
        }
        return replay_json_;
    }
    // Addresses may be used again by another event's text.
    void forget() { envelope_of_ = nullptr; }
    const store::Hasher& hasher() const { return hasher_; }

private:
    const store::Hasher& hasher_;
    core::EventParser parser_;
    core::FieldTable fields_;
    core::FieldPlan no_fields_;
    core::Envelope envelope_;
    const char* envelope_of_ = nullptr;
    std::string id_;
    std::string replay_id_;
    std::string replay_json_;
};

// Texts that cost more to make than a small handler to call: made when somebody asks.
struct DeliveryTexts {
    EventTexts* texts = nullptr;
    const store::StoredEvent* event = nullptr;
    const Subscription* subscription = nullptr;
    std::string_view replay_id = {};

    static std::size_t write_execution_id(const void* self, char* out, std::size_t) {
        const auto& of = *static_cast<const DeliveryTexts*>(self);
        store::encode_execution_id_to(of.texts->hasher(),
                                      {of.event->position, of.subscription->number}, out);
        return store::kExecutionIdTextBytes;
    }
    static std::size_t write_delivery_id(const void* self, char* out, std::size_t) {
        const auto& of = *static_cast<const DeliveryTexts*>(self);
        const core::Envelope& envelope = of.texts->envelope(*of.event);
        const EventSource source = source_of(envelope);
        encode_delivery_id_to(of.texts->hasher(),
                              {of.event->tenant, source.type, source.id, of.texts->id(*of.event),
                               of.subscription->id, of.replay_id},
                              out);
        return kDeliveryIdBytes;
    }
};

}  // namespace millrace::runtime
