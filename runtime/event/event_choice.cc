#include "runtime/event/event_choice.h"

namespace millrace::runtime {

EventChoice::EventChoice()
    : matcher_(matcher::Matcher::Options{.background_thread = false, .samples = false}),
      reader_(matcher_.register_reader()) {}

core::Status EventChoice::add(const matcher::SubscriptionSpec& spec) {
    return matcher_.add(core::SubscriptionId(++count_), core::TenantId{}, spec);
}

bool EventChoice::wants(const store::StoredEvent& event) {
    const matcher::Snapshot& snapshot = reader_.observe();
    envelope_ = {};
    if (!parser_.extract(event.raw, snapshot.plan(), &envelope_, fields_)) return true;
    defaults_.fill(snapshot.plan(), envelope_, event.tenant, event.received_at_us, fields_);
    snapshot.match(envelope_, core::TenantId{}, fields_, scratch_, matched_);
    return !matched_.empty();
}

}  // namespace millrace::runtime
