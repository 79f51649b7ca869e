#include "runtime/api/explain.h"

#include "matcher/explain.h"
#include "matcher/filter/json_value.h"

namespace millrace::runtime::api {
namespace {

core::Status append_one(core::JsonWriter& json, const Subscription& subscription,
                        const matcher::JsonValue& event) {
    auto explanation = matcher::explain(*subscription.spec, event);
    if (!explanation) return core::fail(std::move(explanation.error()));
    std::string text = "{\"subscriptionId\":";
    core::append_json_string(text, subscription.id);
    if (!subscription.active) {
        text += R"(,"active":false,"wouldMatch":)";
        text += explanation->matches ? "true" : "false";
        text +=
            R"(,"reason":"the subscription is inactive: it matches nothing until it is active")";
        explanation->matches = false;
    }
    text += ',';
    text += to_json(*explanation).substr(1);
    json.raw(text);
    return {};
}

core::Status append_explained(core::JsonWriter& json, Call& call, const matcher::JsonValue& event) {
    json.key("explain");
    if (const std::string id = call.text("subscriptionId"); !id.empty()) {
        const SubscriptionRef subscription =
            call.services.registry().find_subscription(call.tenant(), id);
        if (!subscription) return not_found("subscription", id);
        return append_one(json, *subscription, event);
    }
    core::Status status;
    std::size_t count = 0;
    json.begin_array();
    call.services.registry().list_subscriptions(call.tenant(), "",
                                                [&](const SubscriptionRef& subscription) {
                                                    status = append_one(json, *subscription, event);
                                                    return status && ++count < kExplainedMax;
                                                });
    json.end_array();
    return status;
}

void append_near_misses(core::JsonWriter& json, Call& call, const matcher::JsonValue& event) {
    std::size_t scanned = 0, found = 0;
    json.key("nearMisses").begin_array();
    call.services.registry().list_subscriptions(
        call.tenant(), "", [&](const SubscriptionRef& subscription) {
            const auto near_miss = matcher::is_near_miss(*subscription->spec, event);
            if (near_miss && *near_miss) {
                (void)append_one(json, *subscription, event);
                ++found;
            }
            return ++scanned < kNearMissesScannedMax && found < kNearMissesMax;
        });
    json.end_array();
}

}  // namespace

core::Status append_explanations(core::JsonWriter& json, Call& call,
                                 const core::Envelope& envelope) {
    const auto explain = call.flag("explain");
    if (!explain) return core::fail(explain.error());
    const auto near_misses = call.flag("nearMisses");
    if (!near_misses) return core::fail(near_misses.error());
    if (!*explain && !*near_misses) return {};
    auto event = matcher::event_tree(envelope);
    if (!event) return core::fail(std::move(event.error()));
    if (*explain) {
        if (auto status = append_explained(json, call, *event); !status) return status;
    }
    if (*near_misses) append_near_misses(json, call, *event);
    return {};
}

}  // namespace millrace::runtime::api
