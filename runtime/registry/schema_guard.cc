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
    const bool told = asker != Asker::kNobody && asker != Asker::kReturned;
    return mode == SchemaMode::kReject && told ? Outcome::kReject : Outcome::kDeadLetter;
}

}  // namespace

void SchemaGuard::note(const SchemaSet::Entry& entry, std::vector<schema::Failure>& failures,
                       std::string_view event_id, std::string_view pattern, std::int64_t now_us,
                       Asker asker, Finding& finding) const {
    const Outcome outcome = outcome_of(entry.schema->mode, asker);
    SchemaViolation violation;
    violation.at_us = now_us;
    violation.outcome = outcome_text(outcome);
    violation.event_id = event_id;
    violation.pattern = pattern;
    schema::append_failures(violation.errors, failures);
    if (outcome != Outcome::kTake) {
        finding.outcome = outcome;
        finding.error = misfit(*entry.schema, failures.front());
        finding.errors = violation.errors;
        finding.schema_id = entry.schema->id;
    }
    if (asker != Asker::kTrial && asker != Asker::kReturned) entry.ring->add(std::move(violation));
}

bool SchemaGuard::passes(const core::Envelope& envelope, core::TenantId tenant,
                         const core::EventParser& reader) {
    if (!set_) return true;
    const SchemaLists::List& list = lists_.of(*set_, tenant, envelope.pattern);
    if (list.entries.empty()) return true;
    core::JsonPlace payload;
    if (!list.schemas_alone || !reader.payload(envelope, payload)) return false;
    for (const SchemaSet::Entry* entry : list.entries) {
        if (!entry->schema->contract->fits_quickly(payload)) return false;
    }
    return true;
}

SchemaGuard::Finding SchemaGuard::judge(const core::Envelope& envelope, core::TenantId tenant,
                                        std::int64_t now_us, Asker asker,
                                        std::vector<LateRule>* late,
                                        const core::EventParser* reader) {
    Finding finding;
    if (!set_) return finding;
    const bool emits = asker == Asker::kHandler || asker == Asker::kTrial;
    const core::JsonElement* payload = nullptr;  // parsed once, however many schemas ask
    core::JsonElement parsed;
    core::JsonPlace place;
    const bool placed = reader && reader->payload(envelope, place);
    core::Envelope whole = envelope;
    defaults_.fill_envelope(tenant, now_us, whole);
    for (const SchemaSet::Entry* one : lists_.of(*set_, tenant, envelope.pattern).entries) {
        const SchemaSet::Entry& entry = *one;
        if (finding.outcome == Outcome::kReject) break;
        if (emits && entry.schema->mode != SchemaMode::kReject) continue;
        const schema::Contract& contract = *entry.schema->contract;
        const bool fits = placed && contract.fits_quickly(place);
        std::vector<schema::Step> steps;
        if (fits && late && contract.steps_quickly(whole, place, steps)) {
            if (!steps.empty() || entry.schema->asks_scripts())
                late->push_back({entry, std::move(steps)});
            continue;
        }
        steps.clear();
        std::optional<KvReferences> references;
        if (sources_.kv) references.emplace(*sources_.kv, tenant, now_us);
        std::vector<schema::Failure> failures;
        if (!payload && reader && reader->payload(envelope, dom_, parsed)) payload = &parsed;
        if (!payload) {
            auto read = dom_.parse(envelope.payload.empty() ? "{}" : envelope.payload);
            if (read) payload = &(parsed = *read);
            if (!read) failures = {{"", "", "#", read.error().message}};
        }
        if (payload) {
            const schema::ReferenceData* const data = references ? &*references : nullptr;
            std::vector<schema::Step>* const to = late ? &steps : nullptr;
            failures = fits ? contract.judge_fitting(whole, *payload, data, to)
                            : contract.judge_parsed(whole, *payload, data, to);
        }
        if (!failures.empty()) {
            note(entry, failures, envelope.event_id, envelope.pattern, now_us, asker, finding);
            continue;
        }
        if (late && (!steps.empty() || entry.schema->asks_scripts()))
            late->push_back({entry, std::move(steps)});
    }
    return finding;
}

// A script's word is the last one.
void SchemaGuard::ask_script(const LateRule& rule, const RuleEvent& event,
                             std::vector<schema::Failure>& failures) const {
    if (!sources_.scripts || !failures.empty()) return;
    const std::vector<schema::SchemaRule>& rules = rule.entry.schema->rules;
    for (std::size_t i = 0; i < rules.size(); ++i) {
        if (rules[i].kind != schema::SchemaRule::Kind::kScript) continue;
        auto why = sources_.scripts->refuse(rules[i], event);
        if (!why) continue;
        failures.push_back(script_failure(rules[i], i, std::move(*why)));
        return;
    }
}

SchemaGuard::Finding SchemaGuard::judge_late(std::vector<LateRule>& rules, const RuleEvent& event,
                                             std::string_view event_id, std::string_view pattern,
                                             Asker asker, std::vector<StateChange>& changes) {
    Finding finding;
    changes.clear();
    for (const LateRule& rule : rules) {
        std::vector<schema::Failure> failures;
        const auto& transitions = rule.entry.schema->contract->transitions();
        for (std::size_t i = 0; i < rule.steps.size(); ++i) {
            const schema::Step& step = rule.steps[i];
            if (auto failure = transitions[step.transition].refuse(step, rule.slots[i]->state))
                failures.push_back(std::move(*failure));
        }
        if (asker != Asker::kReturned) ask_script(rule, event, failures);
        if (!failures.empty())
            note(rule.entry, failures, event_id, pattern, event.received_at_us, asker, finding);
        if (finding.outcome == Outcome::kReject) break;
    }
    if (finding.outcome != Outcome::kTake) return finding;
    for (const LateRule& rule : rules) {
        for (std::size_t i = 0; i < rule.steps.size(); ++i) {
            StateSlot& slot = *rule.slots[i];
            slot.state = rule.steps[i].to;
            changes.push_back({&slot, ++slot.step, slot.state});
        }
    }
    return finding;
}

SchemaGuard::Finding SchemaGuard::judge_by_current(std::vector<LateRule>& rules,
                                                   const RuleEvent& event,
                                                   const core::Envelope& envelope, Asker asker) {
    std::deque<StateSlot> slots;
    for (LateRule& rule : rules) {
        const auto& transitions = rule.entry.schema->contract->transitions();
        for (const schema::Step& step : rule.steps) {
            StateSlot& slot = slots.emplace_back();
            slot.state =
                sources_.states
                    ? sources_.states->current(sources_.states->key_of(
                          *rule.entry.schema, transitions[step.transition].hash(), step.key))
                    : std::string(schema::kNoState);
            rule.slots.push_back(&slot);
        }
    }
    std::vector<StateChange> changes;
    return judge_late(rules, event, envelope.event_id, envelope.pattern, asker, changes);
}

// By the states of keys that nothing on its way may change. A step whose key is on its way is not
// judged: it may be allowed when it is taken in, and is judged then.
SchemaGuard::Finding SchemaGuard::judge_emitted(std::vector<LateRule>& rules,
                                                const RuleEvent& event,
                                                const core::Envelope& envelope, Asker asker) {
    std::deque<StateSlot> slots;
    std::vector<StateKey> keys;
    for (LateRule& rule : rules) {
        const auto& transitions = rule.entry.schema->contract->transitions();
        std::vector<schema::Step> judged;
        for (schema::Step& step : rule.steps) {
            if (!sources_.states || !sources_.emitted) continue;
            const StateKey& key = keys.emplace_back(sources_.states->key_of(
                *rule.entry.schema, transitions[step.transition].hash(), step.key));
            if (sources_.emitted->holds(key)) continue;
            auto state = sources_.states->settled(key);
            if (!state) continue;
            StateSlot& slot = slots.emplace_back();
            slot.state = std::move(*state);
            rule.slots.push_back(&slot);
            judged.push_back(std::move(step));
        }
        rule.steps = std::move(judged);
    }
    std::vector<StateChange> changes;
    Finding finding = judge_late(rules, event, envelope.event_id, envelope.pattern, asker, changes);
    if (finding.outcome == Outcome::kTake) {
        for (const StateKey& key : keys) sources_.emitted->add(key);
    }
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
    std::vector<LateRule> late;
    Finding finding =
        judge(envelope, tenant, now_us, asker, asker == Asker::kTrial ? nullptr : &late, &parser_);
    if (finding.outcome != Outcome::kTake || late.empty()) return finding;
    const RuleEvent event{text, tenant, now_us};
    return asker == Asker::kHandler ? judge_emitted(late, event, envelope, asker)
                                    : judge_by_current(late, event, envelope, asker);
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
