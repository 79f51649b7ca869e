#include "core/filled_fields.h"

namespace millrace::core {

namespace {

void add_text(const FieldPlan& plan, std::uint32_t node, std::string_view text,
              FieldTable& fields) {
    if (node == kNoNode || text.empty() || plan.node(node).slot == kNoSlot) return;
    FieldValue& value = fields.add(plan.node(node).slot, FieldType::kString, kNoElement);
    value.data = text.data();
    value.bytes = static_cast<std::uint32_t>(text.size());
}

}  // namespace

void fill_fields(const FieldPlan& plan, const Envelope& envelope, const FilledMembers& filled,
                 FieldTable& fields) {
    const auto fill = [&](EnvelopeField field, EnvelopeMember member, std::string_view text) {
        if (!envelope.has(field)) add_text(plan, plan.envelope_child(member), text, fields);
    };
    fill(EnvelopeField::kEventId, EnvelopeMember::kEventId, filled.event_id);
    fill(EnvelopeField::kVersion, EnvelopeMember::kVersion, filled.version);
    fill(EnvelopeField::kTimestamp, EnvelopeMember::kTimestamp, filled.timestamp);
    fill(EnvelopeField::kTenantId, EnvelopeMember::kTenantId, filled.tenant_id);
    const std::uint32_t source = plan.envelope_child(EnvelopeMember::kSource);
    if (source == kNoNode || envelope.has(EnvelopeField::kSource)) return;
    const FieldPlan::Node& node = plan.node(source);
    if (node.slot != kNoSlot) fields.add(node.slot, FieldType::kObject, kNoElement);
    add_text(plan, plan.child(node, "type"), filled.source_type, fields);
    add_text(plan, plan.child(node, "id"), filled.source_id, fields);
}

}  // namespace millrace::core
