#include "runtime/schema/contract.h"

#include "core/json_writer.h"
#include "runtime/schema/compiler.h"
#include "runtime/schema/quick_check.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime::schema {

namespace {

std::string or_else(const std::string& message, std::string&& otherwise) {
    if (message.empty()) return std::move(otherwise);
    return message;
}

core::Error placed(core::Error&& error, const std::string& place) {
    error.message = place + ": " + error.message;
    return std::move(error).in(place);
}

}  // namespace

core::Status Contract::add(const SchemaRule& rule, std::size_t number) {
    switch (rule.kind) {
        case SchemaRule::Kind::kAssert: return add_assert(rule, number);
        case SchemaRule::Kind::kReference: return add_reference(rule, number);
        case SchemaRule::Kind::kTransition: {
            auto made = Transition::make({rule.key, rule.field, rule.allowed, rule.message}, number,
                                         "rules[" + std::to_string(number) + "].transition");
            if (!made) return core::fail(std::move(made.error()));
            transitions_.push_back(std::move(*made));
            return {};
        }
        case SchemaRule::Kind::kScript: return {};  // whoever has scripts asks it
    }
    return {};
}

core::Status Contract::add_assert(const SchemaRule& rule, std::size_t number) {
    const std::string place = "rules[" + std::to_string(number) + "].assert";
    auto made = Assertion::compile(rule.expression);
    if (!made) return core::fail(placed(std::move(made.error()), place));
    asserts_.push_back(
        {number, std::move(*made), or_else(rule.message, "must hold: " + rule.expression)});
    return {};
}

core::Status Contract::add_reference(const SchemaRule& rule, std::size_t number) {
    auto path = read_rule_path(rule.field, "rules[" + std::to_string(number) + "].in.field");
    if (!path) return core::fail(std::move(path.error()));
    std::string pointer = pointer_of(*path);
    references_.push_back(
        {number, std::move(*path), std::move(pointer), rule.space,
         or_else(rule.message, "must be a key of kv namespace \"" + rule.space + "\"")});
    return {};
}

core::Result<std::shared_ptr<const Contract>> Contract::make(std::string_view schema,
                                                             const std::vector<SchemaRule>& rules,
                                                             const Surroundings& around) {
    auto made = std::make_shared<Contract>();
    if (!schema.empty()) {
        CompileOptions options;
        options.resolver = around.resolver;
        options.uri = around.uri;
        auto program = compile_schema(schema, options);
        if (!program) return core::fail(std::move(program.error()));
        made->program_ = std::move(*program);
        made->quick_ = std::make_unique<const QuickProgram>(*made->program_);
    }
    for (std::size_t i = 0; i < rules.size(); ++i) {
        if (auto added = made->add(rules[i], i); !added) return core::fail(added.error());
    }
    return std::shared_ptr<const Contract>(std::move(made));
}

std::vector<Failure> Contract::judge(const core::Envelope& envelope, core::JsonDom& dom,
                                     const ReferenceData* references,
                                     std::vector<Step>* steps) const {
    const auto payload =
        dom.parse(envelope.payload.empty() ? std::string_view("{}") : envelope.payload);
    if (!payload) return {{"", "", "#", payload.error().message}};
    return judge_parsed(envelope, *payload, references, steps);
}

std::vector<Failure> Contract::judge_parsed(const core::Envelope& envelope,
                                            core::JsonElement payload,
                                            const ReferenceData* references,
                                            std::vector<Step>* steps) const {
    std::vector<Failure> failures;
    if (program_) failures = validate(*program_, payload);
    if (!failures.empty()) return failures;
    return judge_fitting(envelope, payload, references, steps);
}

std::vector<Failure> Contract::judge_fitting(const core::Envelope& envelope,
                                             core::JsonElement payload,
                                             const ReferenceData* references,
                                             std::vector<Step>* steps) const {
    std::vector<Failure> failures;
    for (const Assert& rule : asserts_) {
        if (!rule.assertion.holds(envelope, payload))
            failures.push_back(
                {"", "assert", "rules/" + std::to_string(rule.number), rule.message});
    }
    if (!failures.empty()) return failures;
    std::vector<EventScalar> values;
    for (const Reference& rule : references_) {
        if (!references) break;
        values.clear();
        collect_scalars(envelope, payload, rule.path, values);
        const bool all = std::all_of(values.begin(), values.end(), [&](const EventScalar& value) {
            const bool is_key =
                value.type == core::JsonType::kString || value.type == core::JsonType::kNumber;
            return is_key && references->has(rule.space, value.text);
        });
        if (!all)
            failures.push_back(
                {rule.pointer, "in", "rules/" + std::to_string(rule.number), rule.message});
    }
    if (!failures.empty() || !steps) return failures;
    for (std::size_t i = 0; i < transitions_.size(); ++i) {
        if (auto failure = transitions_[i].read(envelope, payload, i, *steps))
            failures.push_back(std::move(*failure));
    }
    return failures;
}

bool Contract::steps_quickly(const core::Envelope& envelope, const core::JsonPlace& payload,
                             std::vector<Step>& steps) const {
    steps.clear();
    if (!asserts_.empty() || !references_.empty()) return false;
    for (std::size_t i = 0; i < transitions_.size(); ++i) {
        if (!transitions_[i].read_quickly(envelope, payload, i, steps)) return false;
    }
    return true;
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
