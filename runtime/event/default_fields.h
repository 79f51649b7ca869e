// What: shows filters the members that the server fills in (version, source, timestamp, tenantId),
//       as handlers see them. An eventId made by the server is not among them: it names the place
//       in the log that the event gets after matching.
// Threads: one owner. Lifetime: texts live until the next fill().
// Limits: none. Cost: two tests for an event that lacks nothing. Failure: none.
#pragma once

#include "core/filled_fields.h"
#include "core/timestamp.h"
#include "runtime/event/event_defaults.h"
#include "runtime/event/tenant_names.h"

#include <array>
#include <cstdint>
#include <string_view>

namespace millrace::runtime {

class DefaultFields {
public:
    void fill(const core::FieldPlan& plan, const core::Envelope& envelope, core::TenantId tenant,
              std::int64_t received_at_us, core::FieldTable& fields) {
        if (plan.slot_count() == 0) return;
        if (!envelope.has(core::EnvelopeField::kTimestamp)) format(received_at_us);
        core::FilledMembers filled;
        filled.version = kDefaultVersion;
        filled.source_type = kDefaultSourceType;
        filled.source_id = kDefaultSourceId;
        filled.timestamp = {timestamp_.data(), timestamp_bytes_};
        filled.tenant_id = tenant_name(tenant);
        core::fill_fields(plan, envelope, filled, fields);
    }

    // No filter of this plan looks at a member that may have to be filled in: then an event that
    // was checked before can be read without its envelope.
    static bool none_wanted(const core::FieldPlan& plan) {
        using core::EnvelopeMember;
        for (const auto member : {EnvelopeMember::kVersion, EnvelopeMember::kTimestamp,
                                  EnvelopeMember::kTenantId, EnvelopeMember::kSource}) {
            if (plan.envelope_child(member) != core::kNoNode) return false;
        }
        return true;
    }

    // The same in the envelope itself: for the reference matcher and explanations.
    void fill_envelope(core::TenantId tenant, std::int64_t received_at_us,
                       core::Envelope& envelope) {
        using core::EnvelopeField;
        const auto fill = [&envelope](EnvelopeField field, std::string_view& member,
                                      std::string_view text) {
            if (envelope.has(field)) return;
            member = text;
            envelope.present |= 1u << static_cast<unsigned>(field);
        };
        format(received_at_us);
        fill(EnvelopeField::kVersion, envelope.version, kDefaultVersion);
        fill(EnvelopeField::kTimestamp, envelope.timestamp, {timestamp_.data(), timestamp_bytes_});
        fill(EnvelopeField::kTenantId, envelope.tenant_id, tenant_name(tenant));
        if (envelope.has(EnvelopeField::kSource)) return;
        fill(EnvelopeField::kSourceType, envelope.source_type, kDefaultSourceType);
        fill(EnvelopeField::kSourceId, envelope.source_id, kDefaultSourceId);
    }

private:
    void format(std::int64_t us) {
        if (us == timestamp_us_) return;
        timestamp_us_ = us;
        timestamp_bytes_ = core::format_timestamp(us, timestamp_.data());
    }

    std::array<char, core::kTimestampBytesMax> timestamp_{};
    std::size_t timestamp_bytes_ = 0;
    std::int64_t timestamp_us_ = -1;
};

}  // namespace millrace::runtime
