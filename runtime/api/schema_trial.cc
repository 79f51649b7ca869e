#include "runtime/api/schema_trial.h"

#include "runtime/registry/kv_references.h"

#include <optional>
#include <utility>

namespace millrace::runtime::api {

std::vector<schema::Failure> SchemaTrial::judge(const core::Envelope& envelope,
                                                core::TenantId tenant, std::int64_t received_at_us,
                                                std::int64_t now_us) {
    steps_.clear();
    std::optional<KvReferences> references;
    if (deps_.kv) references.emplace(*deps_.kv, tenant, now_us);
    auto failures = deps_.contract->judge(envelope, dom_, references ? &*references : nullptr,
                                          deps_.state_of ? &steps_ : nullptr);
    if (!failures.empty()) return failures;
    for (const schema::Step& step : steps_) {
        const schema::Transition& transition = deps_.contract->transitions()[step.transition];
        auto failure = transition.refuse(step, deps_.state_of(transition, step));
        if (failure) failures.push_back(std::move(*failure));
    }
    if (!deps_.scripts || !failures.empty()) return failures;
    for (std::size_t i = 0; i < deps_.rules.size(); ++i) {
        const schema::SchemaRule& rule = deps_.rules[i];
        if (rule.kind != schema::SchemaRule::Kind::kScript) continue;
        auto why = deps_.scripts->refuse(rule, {envelope.raw, tenant, received_at_us});
        if (why) return {script_failure(rule, i, std::move(*why))};
    }
    return failures;
}

}  // namespace millrace::runtime::api
