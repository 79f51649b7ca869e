#include "runtime/executors/rule_scripts.h"

#include "core/buffer.h"
#include "core/json_dom.h"
#include "runtime/delivery/event_input.h"
#include "runtime/delivery/kv_pending.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {

namespace {

constexpr std::size_t kWhyBytesMax = 512;

// Its first line: what stands below are places in the script.
std::string first_line(std::string_view error) {
    return std::string(error.substr(0, std::min(error.find('\n'), kWhyBytesMax)));
}

// What a run that has ended well says.
std::optional<std::string> verdict_of(const Script& script, std::string_view result) {
    if (result.empty() || result == "true" || result == "null") return std::nullopt;
    if (result == "false") return "the script \"" + script.id + "\" refuses it";
    core::JsonDom dom;
    core::JsonElement root;
    std::string_view words;
    if (dom.read(result, root) && root.get(words))
        return std::string(words.substr(0, kWhyBytesMax));
    return "the script \"" + script.id +
           "\" returned neither true, false nor a text, so the event is refused";
}

}  // namespace

// The registry is looked into when it has changed.
const Script* RuleScripts::find(std::uint32_t number) {
    const std::uint64_t version = deps_.registry_version ? deps_.registry_version() : 0;
    if (!registry_ || version == 0 || version != registry_version_) {
        if (!deps_.registry) return nullptr;
        registry_ = deps_.registry();
        registry_version_ = version;
    }
    return registry_->script(ScriptNumber(number));
}

std::optional<std::string> RuleScripts::refuse(const schema::SchemaRule& rule,
                                               const RuleEvent& event) {
    const Script* script = find(rule.script);
    if (!script || script->tenant != event.tenant)
        return "the script \"" + rule.script_id + "\" is not there";
    if (!script->enabled) return std::nullopt;
    const std::int64_t now_us = deps_.clock->monotonic_ns() / 1000;
    if (const auto rest = rests_until_us_.find(rule.script); rest != rests_until_us_.end()) {
        if (now_us < rest->second)
            return "the script \"" + script->id + "\" took longer than " +
                   std::to_string(kRuleTimeoutMs) +
                   " ms a moment ago and is not asked for a second; the event is refused";
        rests_until_us_.erase(rest);
    }
    return run(*script, event);
}

std::optional<std::string> RuleScripts::run(const Script& script, const RuleEvent& event) {
    const std::string who = "the script \"" + script.id + "\" ";
    const std::int64_t timeout_ms = std::min<std::int64_t>(script.timeout_ms, kRuleTimeoutMs);
    if (!scripts_) scripts_.emplace(deps_.add_slot ? deps_.add_slot() : nullptr, deps_.seed);
    ScriptCache::Compiled compiled = scripts_->find(script);
    if (!compiled.vm) {
        Script bounded = script;
        bounded.permissions = static_cast<std::uint8_t>(script.permissions &
                                                        static_cast<std::uint8_t>(Permission::kKv));
        bounded.timeout_ms = timeout_ms;
        auto made = scripts_->get(bounded);
        if (!made) return who + "can not be run: " + first_line(made.error().message);
        compiled = *made;
    }
    tenant_ = event.tenant;
    text_.assign(event.text);
    text_.append(core::kPaddingBytes, ' ');
    const EventInput input = event_input_of(std::string_view(text_).substr(0, event.text.size()),
                                            event.tenant, event.received_at_us);
    InvocationContext context;
    context.script_id = script.id;
    context.execution_id = "rule";
    context.tenant_id = input.tenant_id;
    context.script_version = script.version;
    context.started_at_us = event.received_at_us;

    const LuaTurn turn = compiled.vm->start(compiled.handle, input, context, *this);
    if (!turn.ended) {
        compiled.vm->drop(turn.run);
        return who + "would wait, which a rule may not; the event is refused";
    }
    const InvocationResult& done = compiled.vm->result();
    std::optional<std::string> why;
    if (done.status == InvocationStatus::kTimeout) {
        rests_until_us_[script.number.value] = deps_.clock->monotonic_ns() / 1000 + kRestUs;
        why = who + "took longer than " + std::to_string(timeout_ms) + " ms; the event is refused";
    } else if (!done.completed()) {
        why = who + "failed: " + first_line(done.error);
    } else if (!done.kv_ops.empty()) {
        why = who + "would write to kv, which a rule may not; the event is refused";
    } else if (!done.emitted.empty()) {
        why = who + "would emit an event, which a rule may not; the event is refused";
    } else {
        why = verdict_of(script, done.result_json);
    }
    scripts_->discard_if_poisoned(compiled.vm);
    return why;
}

KvAnswer RuleScripts::kv_get(KvSpace space, std::string_view key, std::string& value_json) {
    if (!deps_.kv) return KvAnswer::kAbsent;
    const KvAddress address = kv_address(space, key);
    const auto found = deps_.kv->get({tenant_, address.space, address.name});
    if (!found) return KvAnswer::kUnavailable;
    const bool there =
        found->has_value() && ((*found)->expires_at_us == 0 || (*found)->expires_at_us > wall_us());
    if (!there) return KvAnswer::kAbsent;
    value_json += (*found)->text();
    return KvAnswer::kFound;
}

KvAnswer RuleScripts::kv_list(KvSpace space, std::string_view prefix, KvVisitor& visitor) {
    if (!deps_.kv) return KvAnswer::kFound;
    const KvAddress address = kv_address(space, prefix);
    const std::string room(prefix.substr(0, prefix.find('\0') + 1));
    const auto items = deps_.kv->list(tenant_, address.space, address.name, kLuaKvListMax);
    if (!items) return KvAnswer::kUnavailable;
    for (const store::KvItem& item : *items) {
        if (!visitor.entry(room + item.key, item.value.text())) break;
    }
    return KvAnswer::kFound;
}

}  // namespace millrace::runtime
