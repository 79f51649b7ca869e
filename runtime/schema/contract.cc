#include "runtime/schema/contract.h"

#include "core/json_writer.h"
#include "matcher/subscription_spec.h"
#include "runtime/schema/compiler.h"

#include <utility>

namespace millrace::runtime::schema {

core::Result<std::shared_ptr<const Contract>> Contract::make(std::string_view schema,
                                                             const std::vector<AssertRule>& rules) {
    auto made = std::make_shared<Contract>();
    if (!schema.empty()) {
        auto program = compile_schema(schema);
        if (!program) return core::fail(std::move(program.error()));
        made->program_ = std::move(*program);
    }
    for (const AssertRule& rule : rules) {
        const std::string place = "rules[" + std::to_string(made->rules_.size()) + "].assert";
        std::string filter;
        core::append_json_string(filter, rule.expression);
        auto spec = matcher::parse_subscription(
            {.pattern = R"("*")", .filters = {}, .filter = filter, .form = {}, .priority = {}});
        if (!spec) {
            core::Error error = std::move(spec.error());
            error.message = place + ": " + error.message;
            return core::fail(std::move(error).in(place));
        }
        auto compiled = matcher::ReferenceMatcher::compile(*spec);
        if (!compiled) return core::fail(std::move(std::move(compiled.error()).in(place)));
        made->rules_.push_back({std::move(*compiled), rule.message.empty()
                                                          ? "must hold: " + rule.expression
                                                          : rule.message});
    }
    return std::shared_ptr<const Contract>(std::move(made));
}

std::vector<Failure> Contract::judge(const core::Envelope& envelope, core::JsonDom& dom) const {
    std::vector<Failure> failures;
    if (program_) {
        const auto payload =
            dom.parse(envelope.payload.empty() ? std::string_view("{}") : envelope.payload);
        if (!payload) return {{"", "", "#", payload.error().message}};
        failures = validate(*program_, *payload);
    }
    if (!failures.empty() || rules_.empty()) return failures;
    const auto event = matcher::event_tree(envelope);
    if (!event) return {{"", "", "rules", event.error().message}};
    std::lock_guard lock(turn_);
    for (std::size_t i = 0; i < rules_.size(); ++i) {
        if (!rules_[i].matcher.matches(*event))
            failures.push_back({"", "assert", "rules/" + std::to_string(i), rules_[i].message});
    }
    return failures;
}

void append_failures(std::string& out, const std::vector<Failure>& failures) {
    core::JsonWriter json(out);
    json.begin_array();
    for (const Failure& one : failures) {
        json.begin_object().field("pointer", one.pointer).field("keyword", one.keyword);
        json.field("schemaPath", one.schema_path).field("message", one.message).end_object();
    }
    json.end_array();
}

}  // namespace millrace::runtime::schema
