#include "runtime/graphql/subscription.h"

#include "runtime/event/event_defaults.h"

namespace millrace::runtime::graphql {
namespace {

bool agrees(const PlannedField& field, std::string_view argument, const core::JsonElement& of,
            std::string_view member) {
    const std::string_view wanted = field.argument(argument);
    if (wanted.empty()) return true;
    core::JsonElement found;
    std::string_view text;
    return of.find(member, found) && found.get(text) && text == wanted;
}

// What the log's filter can not know.
bool is_asked_for(const PlannedField& field, const core::JsonElement& of) {
    if (field.field->name == "events") return true;
    if (!agrees(field, "subscriptionId", of, "subscriptionId") ||
        !agrees(field, "scriptId", of, "scriptId"))
        return false;
    if (field.field->name == "executions") return agrees(field, "status", of, "status");
    return agrees(field, "pattern", of, "eventType");
}

}  // namespace

identity::Scope scope_of(std::string_view root_field) {
    if (root_field.starts_with("deadLetter")) return identity::Scope::kDeadLettersRead;
    if (root_field.starts_with("execution")) return identity::Scope::kExecutionsRead;
    if (root_field.starts_with("__")) return identity::Scope::kApiRead;
    return identity::Scope::kEventsRead;
}

core::Status follow(const PreparedOperation& operation, StreamRequest& request) {
    if (operation.plan().fields.empty()) {
        return core::fail(core::ErrorCode::kValidation,
                          "the subscription's field is left out: there is nothing to tell");
    }
    const PlannedField& field = operation.plan().fields.front();
    if (auto may = request.principal.require(scope_of(field.field->name)); !may) return may;
    request.from = field.argument("after");
    if (field.field->name == "deadLetters") {
        request.kind = StreamKind::kDeadLetters;
        request.pattern = kDeadLetterAddedPattern;
        return {};
    }
    if (field.field->name == "executions") request.kind = StreamKind::kExecutions;
    request.pattern = field.argument("pattern");
    request.pattern_prefix = field.argument("patternPrefix");
    request.filter = field.argument("filter");
    return {};
}

bool append_told(std::string& out, const PreparedOperation& operation, std::string_view data,
                 const ResultContext& context) {
    const PlannedField& field = operation.plan().fields.front();
    core::JsonDom dom;
    core::JsonElement root;
    if (!dom.read(data, root) || !is_asked_for(field, root)) return false;
    std::string result;
    const bool whole = write_result(field, root, context, result);
    core::JsonWriter json(out);
    json.begin_object().key("data").begin_object();
    json.raw_field(field.key, whole ? std::string_view(result) : "null").end_object();
    if (!whole) {
        const core::Error error =
            core::Error(core::ErrorCode::kPayloadTooLarge, "what came is larger than a message")
                .bound(static_cast<std::int64_t>(context.bytes_max));
        json.key("errors").begin_array();
        append_error(json, error, {}, field.key);
        json.end_array();
    }
    json.end_object();
    return true;
}

void append_reset_told(std::string& out, std::string_view data) {
    core::JsonWriter json(out);
    json.begin_object().key("data").value(nullptr).key("extensions").begin_object();
    json.raw_field("reset", data).end_object().end_object();
}

}  // namespace millrace::runtime::graphql
