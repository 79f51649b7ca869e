// From envelopes to CloudEvents.
#include "core/json_writer.h"
#include "core/timestamp.h"
#include "runtime/event/cloudevent_attributes.h"
#include "runtime/event/cloudevents.h"
#include "runtime/event/event_defaults.h"
#include "runtime/event/json_scan.h"

#include <string>
#include <unordered_set>

namespace millrace::runtime {
namespace {

// Writes attributes, each name once: what the envelope says wins over what x-ce keeps.
class AttributeWriter {
public:
    explicit AttributeWriter(core::JsonWriter& json) : json_(json) {}

    void text(std::string_view name, std::string_view value) {
        if (!value.empty() && begin(name)) json_.field(name, value);
    }
    void token(std::string_view name, std::string_view value) {
        if (!value.empty() && begin(name)) json_.raw_field(name, value);
    }

private:
    bool begin(std::string_view name) { return written_.emplace(name).second; }
    core::JsonWriter& json_;
    std::unordered_set<std::string> written_;
};

// What x-ce keeps: attributes without a place in the envelope. Returns the form of the data.
std::string_view append_kept(AttributeWriter& out, std::string_view own) {
    std::string_view form;
    scan_members(own, [&](std::string_view key, std::string_view value) {
        const std::string name = string_of(key);
        if (name == "data")
            form = value;
        else if (is_attribute_name(name) && name != "recordedtime" && is_extension_value(value))
            out.token(name, value);
        return true;
    });
    return form;
}

// The members of the sender's own, whole as one extension and each as its twin.
void append_x_members(AttributeWriter& out, std::string_view raw) {
    std::string all;
    scan_members(raw, [&](std::string_view key, std::string_view value) {
        const std::string name = string_of(key);
        if (!name.starts_with("x-") || name == "x-ce") return true;
        all.append(all.empty() ? "{" : ",").append(key).append(":").append(value);
        if (is_extension_value(value)) out.token(twin_name(name), value);
        return true;
    });
    if (!all.empty()) out.text("xmembers", all + "}");
}

void append_data(core::JsonWriter& json, std::string_view payload, std::string_view form) {
    if (payload.empty()) return;
    if (form == "\"value\"") {
        if (const auto data = member_of(payload, "\"data\""); !data.empty())
            json.raw_field("data", data);
    } else if (form == "\"base64\"") {
        if (const auto data = member_of(payload, "\"data_base64\""); !data.empty())
            json.raw_field("data_base64", data);
    } else {
        json.raw_field("data", payload);
    }
}

}  // namespace

void append_cloud_event(const core::Envelope& envelope, const CloudEventStamps& stamps,
                        std::string& out) {
    using Field = core::EnvelopeField;
    const std::string_view own = member_of(envelope.raw, "\"x-ce\"");
    const bool came_as_cloud_event = !own.empty() && own[0] == '{';
    const std::string_view type =
        envelope.source_type.empty() ? kDefaultSourceType : envelope.source_type;
    const std::string_view source =
        envelope.source_id.empty() ? kDefaultSourceId : envelope.source_id;
    core::JsonWriter json(out);
    json.begin_object();
    AttributeWriter attributes(json);
    attributes.text("specversion", "1.0");
    attributes.text("id", envelope.has(Field::kEventId) ? envelope.event_id : stamps.event_id);
    attributes.text("source", came_as_cloud_event
                                  ? std::string(source)
                                  : "/" + std::string(type) + "/" + std::string(source));
    attributes.text("type", envelope.pattern);
    if (envelope.has(Field::kTimestamp))
        attributes.text("time", envelope.timestamp);
    else if (!came_as_cloud_event)
        attributes.text("time", core::format_timestamp(stamps.received_at_us));
    attributes.text("correlationid", envelope.correlation_id);
    attributes.text("causationid", envelope.causation_id);
    attributes.text("partitionkey", envelope.partition_key);
    attributes.token("priority", member_of(envelope.raw, "\"priority\""));
    attributes.token("scheduledat", member_of(envelope.raw, "\"scheduledAt\""));
    std::string_view form;
    if (came_as_cloud_event)
        form = append_kept(attributes, own);
    else if (!envelope.payload.empty())
        attributes.text("datacontenttype", "application/json");
    attributes.text("contexttype", envelope.context_type);
    attributes.text("contextid", envelope.context_id);
    append_x_members(attributes, envelope.raw);
    attributes.text("traceparent", stamps.traceparent);
    attributes.text("tracestate", stamps.tracestate);
    attributes.text("recordedtime", core::format_timestamp(stamps.received_at_us));
    append_data(json, envelope.payload, form);
    json.end_object();
}

}  // namespace millrace::runtime
