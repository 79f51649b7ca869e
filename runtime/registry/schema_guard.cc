#include "runtime/registry/schema_guard.h"

#include "runtime/registry/kv_references.h"
#include "runtime/schema/contract.h"

#include <optional>
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

using Outcome = SchemaGuard::Outcome;
using Asker = SchemaGuard::Asker;

std::string_view outcome_text(Outcome outcome) {
    return outcome == Outcome::kTake     ? "warned"
           : outcome == Outcome::kReject ? "rejected"
                                         : "dead-lettered";
}

Outcome outcome_of(SchemaMode mode, Asker asker) {
    if (mode == SchemaMode::kWarn) return Outcome::kTake;
    return mode == SchemaMode::kReject && asker != Asker::kNobody ? Outcome::kReject
                                                                  : Outcome::kDeadLetter;
}

}  // namespace

SchemaGuard::Finding SchemaGuard::judge(const core::Envelope& envelope, core::TenantId tenant,
                                        std::int64_t now_us, Asker asker) {
    Finding finding;
    if (!set_) return finding;
    const bool emits = asker == Asker::kHandler || asker == Asker::kTrial;
    set_->for_each(tenant, envelope.pattern, [&](const SchemaSet::Entry& entry) {
        if (finding.outcome == Outcome::kReject) return;
        if (emits && entry.schema->mode != SchemaMode::kReject) return;
        core::Envelope whole = envelope;
        defaults_.fill_envelope(tenant, now_us, whole);
        std::optional<KvReferences> references;
        if (kv_) references.emplace(*kv_, tenant, now_us);
        const auto failures =
            entry.schema->contract->judge(whole, dom_, references ? &*references : nullptr);
        if (failures.empty()) return;
        const Outcome outcome = outcome_of(entry.schema->mode, asker);
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
        if (asker != Asker::kTrial) entry.ring->add(std::move(violation));
    });
    return finding;
}

core::Result<SchemaGuard::Finding> SchemaGuard::judge_text(std::string_view text,
                                                           core::TenantId tenant,
                                                           std::int64_t now_us, Asker asker) {
    text_.assign(text);
    text_.append(core::kPaddingBytes, ' ');
    core::Envelope envelope;
    auto read = parser_.parse_one(std::string_view(text_).substr(0, text.size()), nullptr, envelope,
                                  nullptr);
    if (!read) return core::fail(std::move(read.error()));
    return judge(envelope, tenant, now_us, asker);
}

bool SchemaGuard::takes_emitted(std::string_view pattern, std::string_view text,
                                core::TenantId tenant, std::int64_t now_us, Asker asker,
                                std::string& why) {
    refresh();
    if (!set_ || !set_->rejects(tenant, pattern)) [[likely]]
        return true;
    auto finding = judge_text(text, tenant, now_us, asker);
    if (finding && finding->outcome != Outcome::kReject) return true;
    why = finding ? std::move(finding->error.message) : std::move(finding.error().message);
    return false;
}

}  // namespace millrace::runtime
