// POST /v2/subscriptions/match: which subscriptions want an event.
#include "core/event_parser.h"
#include "core/json_validate.h"
#include "matcher/subscription_spec.h"
#include "runtime/api/explain.h"
#include "runtime/api/handlers.h"
#include "runtime/delivery/delivery_events.h"
#include "runtime/event/default_fields.h"
#include "runtime/event/json_scan.h"

namespace millrace::runtime::api {
namespace {

// {"event":{...}}: the event's text as it stands, behind it the padding that parsers need.
core::Result<std::string> read_event(std::string_view body) {
    std::string out;
    bool known_only = true;
    std::string unknown;
    const bool scanned = scan_members(body, [&](std::string_view key, std::string_view value) {
        if (key == "\"event\"")
            out.assign(value);
        else
            unknown = key.substr(1, key.size() - 2), known_only = false;
        return known_only;
    });
    if (!known_only) {
        return core::fail(core::Error(core::ErrorCode::kValidation,
                                      unknown.substr(0, 128) + " is not a known member")
                              .in(unknown));
    }
    const bool is_object = !out.empty() && out.front() == '{';
    if (!scanned || !is_object) {  // the cutter knows no grammar: what is wrong, and where?
        if (auto valid = core::json_validate(body); !valid) return core::fail(valid.error());
    }
    if (!scanned)
        return core::fail(core::ErrorCode::kValidation,
                          "body must be one JSON object {\"event\":{...}}");
    if (out.empty())
        return core::fail(
            core::Error(core::ErrorCode::kValidation, "event is required").in("event"));
    if (!is_object)
        return core::fail(
            core::Error(core::ErrorCode::kValidation, "event must be a JSON object").in("event"));
    return out;
}

// Observes, and lets the matcher free old snapshots again on every way out.
class Observation {
public:
    explicit Observation(matcher::Matcher::Reader& reader)
        : reader_(reader), snapshot_(reader.observe()) {}
    Observation(const Observation&) = delete;
    Observation& operator=(const Observation&) = delete;
    ~Observation() { reader_.offline(); }
    const matcher::Snapshot& snapshot() const { return snapshot_; }

private:
    matcher::Matcher::Reader& reader_;
    const matcher::Snapshot& snapshot_;
};

}  // namespace

Answer match_subscriptions(Call& call) {
    auto text = read_event(call.request.body_view());
    if (!text) return core::fail(std::move(text.error()));
    const std::size_t bytes = text->size();
    text->append(core::kPaddingBytes, ' ');

    const Observation observation(call.services.matcher_reader());
    const matcher::Snapshot& snapshot = observation.snapshot();
    core::EventParser parser;
    core::Envelope envelope;
    core::FieldTable fields;
    core::Error error;
    const auto begun =
        parser.begin(std::string_view(*text).substr(0, bytes), core::BatchFormat::kJson);
    if (!begun) return core::fail(begun.error());
    if (parser.next(&snapshot.plan(), envelope, &fields, error) != core::ParseOutcome::kEvent) {
        if (error.message.empty())
            error = core::Error(core::ErrorCode::kValidation, "event must be one JSON object")
                        .in("event");
        return core::fail(error);
    }
    DefaultFields defaults;
    const std::int64_t now_us = call.services.clock().wall_us();
    if (envelope.has(core::EnvelopeField::kTenantId) &&
        envelope.tenant_id != tenant_name(call.tenant()))
        return core::fail(foreign_tenant(envelope.tenant_id, call.tenant()));
    defaults.fill(snapshot.plan(), envelope, call.tenant(), now_us, fields);
    defaults.fill_envelope(call.tenant(), now_us, envelope);
    matcher::MatchScratch scratch;
    std::vector<core::SubscriptionId> matched;
    snapshot.match(envelope, call.tenant(), fields, scratch, matched);

    const RegistrySnapshotRef registry = call.services.registry().snapshot();
    const std::string only = call.text("subscriptionId");
    if (!only.empty() && !call.services.registry().find_subscription(call.tenant(), only))
        return not_found("subscription", only);
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().key("matched").begin_array();
    for (const core::SubscriptionId id : matched) {
        const Subscription* subscription = registry->subscription(id);
        if (!subscription || (!only.empty() && subscription->id != only)) continue;
        if (is_delivery_event(envelope.pattern) &&
            !asks_for_delivery_events(subscription->spec->pattern))
            continue;  // it gets none of these, whatever its pattern matches
        json.value(subscription->id);
    }
    json.end_array();
    if (auto status = append_explanations(json, call, envelope); !status)
        return core::fail(status.error());
    json.end_object();
    return json_response(200, std::move(body));
}

}  // namespace millrace::runtime::api
