#include "runtime/edge/schema_guard.h"

#include "core/json_writer.h"
#include "runtime/event/event_source.h"

#include <utility>

namespace millrace::runtime {

namespace {

core::Error misfit(const EventSchema& schema, const schema::Failure& first) {
    std::string text = "payload: does not fit the schema \"" + schema.id + "\": ";
    if (!first.pointer.empty()) text += "at " + first.pointer.substr(0, 256) + " ";
    text += first.message.substr(0, 512);
    if (!first.keyword.empty()) text += " (" + first.keyword + ")";
    return core::Error(core::ErrorCode::kValidation, std::move(text))
        .in("payload" + first.pointer.substr(0, 256));
}

std::string_view outcome_text(SchemaGuard::Outcome outcome) {
    return outcome == SchemaGuard::Outcome::kTake     ? "warned"
           : outcome == SchemaGuard::Outcome::kReject ? "rejected"
                                                      : "dead-lettered";
}

}  // namespace

SchemaGuard::Finding SchemaGuard::judge(const core::Envelope& envelope, core::TenantId tenant,
                                        std::int64_t now_us, bool nobody_waits) {
    Finding finding;
    set_->for_each(tenant, envelope.pattern, [&](const SchemaSet::Entry& entry) {
        if (finding.outcome == Outcome::kReject) return;
        core::Envelope whole = envelope;
        defaults_.fill_envelope(tenant, now_us, whole);
        const auto failures = entry.schema->contract->judge(whole, dom_);
        if (failures.empty()) return;
        Outcome outcome = entry.schema->mode == SchemaMode::kReject ? Outcome::kReject
                          : entry.schema->mode == SchemaMode::kWarn ? Outcome::kTake
                                                                    : Outcome::kDeadLetter;
        if (nobody_waits && outcome == Outcome::kReject) outcome = Outcome::kDeadLetter;
        SchemaViolation violation;
        violation.at_us = now_us;
        violation.outcome = outcome_text(outcome);
        violation.event_id = envelope.event_id;
        violation.pattern = envelope.pattern;
        schema::append_failures(violation.errors, failures);
        if (outcome != Outcome::kTake) {
            finding.outcome = outcome;
            finding.error = misfit(*entry.schema, failures.front());
            finding.errors = violation.errors;
            finding.schema_id = entry.schema->id;
        }
        entry.ring->add(std::move(violation));
    });
    return finding;
}

std::string SchemaGuard::misfit_event(const core::Envelope& envelope, const Finding& finding) {
    std::string out;
    core::JsonWriter json(out);
    const EventSource source = source_of(envelope);
    json.begin_object();
    if (!envelope.event_id.empty()) json.field("eventId", envelope.event_id);
    json.field("pattern", kMisfitPattern).key("source").begin_object();
    json.field("type", source.type).field("id", source.id).end_object();
    if (!envelope.metadata.empty()) json.raw_field("metadata", envelope.metadata);
    json.key("payload").begin_object().field("schemaId", finding.schema_id);
    json.raw_field("errors", finding.errors).raw_field("event", envelope.raw);
    json.end_object().end_object();
    return out;
}

}  // namespace millrace::runtime
