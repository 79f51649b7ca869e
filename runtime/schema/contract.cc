#include "runtime/schema/contract.h"

#include "core/json_writer.h"
#include "matcher/filter/dialects.h"
#include "runtime/schema/compiler.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime::schema {

namespace {

std::string or_else(const std::string& message, std::string otherwise) {
    return message.empty() ? std::move(otherwise) : message;
}

core::Error placed(core::Error&& error, const std::string& place) {
    error.message = place + ": " + error.message;
    return std::move(error).in(place);
}

// "$.lines[*].sku" of the payload as a pointer into it: "/lines/*/sku".
std::string pointer_of(const matcher::Path& path) {
    std::string out;
    for (std::size_t i = 1; i < path.steps.size(); ++i) {
        const matcher::PathStep& step = path.steps[i];
        out += '/';
        if (step.kind == matcher::PathStep::Kind::kName)
            out += step.name;
        else if (step.kind == matcher::PathStep::Kind::kIndex)
            out += std::to_string(step.index);
        else
            out += '*';
    }
    return out;
}

}  // namespace

core::Status Contract::add(const SchemaRule& rule, std::size_t number) {
    const std::string place = "rules[" + std::to_string(number) + "]";
    if (rule.field.empty()) {
        auto made = Assertion::compile(rule.expression);
        if (!made) return core::fail(placed(std::move(made.error()), place + ".assert"));
        asserts_.push_back(
            {number, std::move(*made), or_else(rule.message, "must hold: " + rule.expression)});
        return {};
    }
    // A path alone is no expression: it is read as one that asks for it.
    auto read = matcher::parse_expression("exists(" + rule.field + ")", "");
    const std::string field = place + ".in.field";
    if (!read || read->kind != matcher::Predicate::Kind::kLeaf || !is_plain_path(read->leaf.path)) {
        return core::fail(
            core::Error(core::ErrorCode::kValidation, field + " is \"" + rule.field.substr(0, 128) +
                                                          "\"; expected a path like $.currency")
                .in(field));
    }
    references_.push_back(
        {number, read->leaf.path, pointer_of(read->leaf.path), rule.space,
         or_else(rule.message, "must be a key of kv namespace \"" + rule.space + "\"")});
    return {};
}

core::Result<std::shared_ptr<const Contract>> Contract::make(std::string_view schema,
                                                             const std::vector<SchemaRule>& rules) {
    auto made = std::make_shared<Contract>();
    if (!schema.empty()) {
        auto program = compile_schema(schema);
        if (!program) return core::fail(std::move(program.error()));
        made->program_ = std::move(*program);
    }
    for (std::size_t i = 0; i < rules.size(); ++i) {
        if (auto added = made->add(rules[i], i); !added) return core::fail(added.error());
    }
    return std::shared_ptr<const Contract>(std::move(made));
}

std::vector<Failure> Contract::judge(const core::Envelope& envelope, core::JsonDom& dom,
                                     const ReferenceData* references) const {
    std::vector<Failure> failures;
    const auto payload =
        dom.parse(envelope.payload.empty() ? std::string_view("{}") : envelope.payload);
    if (!payload) return {{"", "", "#", payload.error().message}};
    if (program_) failures = validate(*program_, *payload);
    if (!failures.empty()) return failures;
    for (const Assert& rule : asserts_) {
        if (!rule.assertion.holds(envelope, *payload))
            failures.push_back(
                {"", "assert", "rules/" + std::to_string(rule.number), rule.message});
    }
    if (!failures.empty() || !references) return failures;
    std::vector<EventScalar> values;
    for (const Reference& rule : references_) {
        values.clear();
        collect_scalars(envelope, *payload, rule.path, values);
        const bool all = std::all_of(values.begin(), values.end(), [&](const EventScalar& value) {
            const bool is_key =
                value.type == core::JsonType::kString || value.type == core::JsonType::kNumber;
            return is_key && references->has(rule.space, value.text);
        });
        if (!all)
            failures.push_back(
                {rule.pointer, "in", "rules/" + std::to_string(rule.number), rule.message});
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
