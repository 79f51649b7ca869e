#include "runtime/graphql/schema.h"

namespace millrace::runtime::graphql {
namespace {

// ---- what is asked for, and followed

constexpr SchemaArgument kEventsArguments[] = {
    {"pattern", "String", "As of a subscription: stars are wildcards"},
    {"patternPrefix", "String", "What patterns begin with"},
    {"filter", "String", "Any form of filter"},
    {"from", "String", "Received then or later: a time, or how long ago (1h)"},
    {"to", "String", "Received earlier than that"},
    {"eventTimeFrom", "String", "The same of the event's own timestamp"},
    {"eventTimeTo", "String", "The same of the event's own timestamp"},
    {"sourceType", "String", "workflow, task, integration or external"},
    {"sourceId", "String", ""},
    {"correlationId", "String", ""},
    {"causationId", "String", ""},
    {"contextId", "String", ""},
    {"order", "Order", "By time of receipt", "desc"},
    {"limit", "Int", "1 to 1000", "100"},
    {"cursor", "String", "The next of the page before"},
};
constexpr SchemaArgument kEventCountArguments[] = {
    {"pattern", "String", "As of a subscription: stars are wildcards"},
    {"patternPrefix", "String", "What patterns begin with"},
    {"filter", "String", "Any form of filter"},
    {"from", "String", "Received then or later: a time, or how long ago (1h)"},
    {"to", "String", "Received earlier than that"},
    {"eventTimeFrom", "String", "The same of the event's own timestamp"},
    {"eventTimeTo", "String", "The same of the event's own timestamp"},
    {"sourceType", "String", "workflow, task, integration or external"},
    {"sourceId", "String", ""},
    {"correlationId", "String", ""},
    {"causationId", "String", ""},
    {"contextId", "String", ""},
    {"cursor", "String", "The next of the count before"},
};
constexpr SchemaArgument kEventArguments[] = {
    {"id", "ID!", ""},
    {"sourceType", "String", "Of an id that several sources have used"},
    {"sourceId", "String", "Of an id that several sources have used"},
};
constexpr SchemaArgument kDeadLettersArguments[] = {
    {"scriptId", "ID", ""},
    {"subscriptionId", "ID", ""},
    {"pattern", "String", "Of the event, exactly"},
    {"errorFingerprint", "String", ""},
    {"from", "String", "Given up then or later: a time, or how long ago (1h)"},
    {"to", "String", "Given up earlier than that"},
    {"limit", "Int", "1 to 1000", "100"},
    {"cursor", "String", "The next of the page before"},
};
constexpr SchemaArgument kIdArguments[] = {{"id", "ID!", ""}};
constexpr SchemaArgument kExecutionsArguments[] = {
    {"scriptId", "ID", ""},
    {"subscriptionId", "ID", ""},
    {"eventId", "ID", ""},
    {"sourceType", "String", "Of an eventId that several sources have used"},
    {"sourceId", "String", "Of an eventId that several sources have used"},
    {"status", "ExecutionStatus", ""},
    {"from", "String", "Begun then or later: a time, or how long ago (1h)"},
    {"to", "String", "Begun earlier than that"},
    {"limit", "Int", "1 to 1000", "100"},
    {"cursor", "String", "The next of the page before"},
};
constexpr SchemaField kQueryFields[] = {
    {"events", "EventPage", "Events, newest first", kEventsArguments},
    {"eventCount", "EventCount", "How many events there are", kEventCountArguments},
    {"event", "Event", "One event; null where there is none", kEventArguments},
    {"deadLetters", "DeadLetterPage", "Deliveries that were given up", kDeadLettersArguments},
    {"deadLetter", "DeadLetter", "One of them; null where there is none", kIdArguments},
    {"executions", "ExecutionPage", "What handlers did", kExecutionsArguments},
    {"execution", "Execution", "One of them; null where there is none", kIdArguments},
    {"position", "String", "Where the log ends: the after of what comes from now on"},
};

constexpr std::string_view kAfterDoc =
    "Where to go on: the position of what came last, a time, how long ago (1h), beginning, or now";
constexpr SchemaArgument kFollowEventsArguments[] = {
    {"pattern", "String", "As of a subscription: stars are wildcards"},
    {"patternPrefix", "String", "What patterns begin with"},
    {"filter", "String", "Any form of filter"},
    {"after", "String", kAfterDoc, "\"now\""},
};
constexpr SchemaArgument kFollowDeadLettersArguments[] = {
    {"scriptId", "ID", ""},
    {"subscriptionId", "ID", ""},
    {"pattern", "String", "Of the event, exactly"},
    {"after", "String", kAfterDoc, "\"now\""},
};
constexpr SchemaArgument kFollowExecutionsArguments[] = {
    {"scriptId", "ID", ""},
    {"subscriptionId", "ID", ""},
    {"status", "ExecutionStatus", ""},
    {"pattern", "String", "Of the event: stars are wildcards"},
    {"filter", "String", "Of the event: any form of filter"},
    {"after", "String", kAfterDoc, "\"now\""},
};
constexpr SchemaField kSubscriptionFields[] = {
    {"events", "Event", "Each event, from history through to live", kFollowEventsArguments},
    {"deadLetters", "DeadLetter", "Each delivery that is given up", kFollowDeadLettersArguments},
    {"executions", "Execution",
     "Each delivery, when its event has been handled: first outcomes, and what waits",
     kFollowExecutionsArguments},
};

// ---- what comes of it

constexpr SchemaField kEventFields[] = {
    {"eventId", "ID", ""},
    {"pattern", "String", ""},
    {"version", "String", ""},
    {"source", "EventSource", ""},
    {"timestamp", "String", "The event's own time"},
    {"payload", "JSON", ""},
    {"metadata", "EventMetadata", ""},
    {"partitionKey", "String", ""},
    {"priority", "JSON", "A number, or its name"},
    {"scheduledAt", "String", ""},
    {"tenantId", "ID", ""},
    {"receivedAt", "String", ""},
    {"shard", "Int", ""},
    {"offset", "Long", "In its shard's log"},
    {"position", "String", "Behind this event: the after that goes on there"},
    {"rejected", "JSON", "Of an event that no schema let in: which, and why"},
    {"envelope", "JSON", "All of it, with members of the sender's own"},
};
constexpr SchemaField kSourceFields[] = {{"type", "String", ""}, {"id", "String", ""}};
constexpr SchemaField kMetadataFields[] = {
    {"correlationId", "String", ""},
    {"causationId", "String", ""},
    {"context", "EventContext", ""},
};
constexpr SchemaField kContextFields[] = {{"type", "String", ""}, {"id", "String", ""}};
constexpr SchemaField kEventPageFields[] = {
    {"items", "[Event!]!", ""},
    {"next", "String", "The cursor of the next page; null: there is none"},
    {"scanned", "Long", "Events that were looked at"},
    {"searched", "Float", "Of the log, with the pages before: 1 is all"},
};
constexpr SchemaField kEventCountFields[] = {
    {"count", "Long", "Those of this part of the log: with next, add up the parts"},
    {"next", "String", "The cursor that counts on; null: all has been looked at"},
    {"scanned", "Long", "Events that were looked at"},
    {"searched", "Float", "Of the log, with the parts before: 1 is all"},
};
constexpr SchemaField kDeadLetterFields[] = {
    {"id", "ID!", ""},
    {"tenantId", "ID", ""},
    {"subscriptionId", "ID", ""},
    {"scriptId", "ID", ""},
    {"eventType", "String", "The event's pattern"},
    {"eventId", "ID", ""},
    {"event", "Event", "As it will be delivered"},
    {"edited", "JSON", "When and by whom the event was corrected, and what it was"},
    {"error", "String", ""},
    {"errorFingerprint", "String", ""},
    {"retryCount", "Int", ""},
    {"maxRetries", "Int", ""},
    {"nextRetryAt", "String", ""},
    {"attempts", "JSON", ""},
    {"replayId", "ID", ""},
    {"createdAt", "String", ""},
    {"updatedAt", "String", ""},
    {"position", "String", "In a subscription: the after that goes on behind it"},
};
constexpr SchemaField kDeadLetterPageFields[] = {
    {"items", "[DeadLetter!]!", ""},
    {"next", "String", "The cursor of the next page; null: there is none"},
};
constexpr SchemaField kExecutionFields[] = {
    {"id", "ID!", ""},
    {"eventId", "ID", ""},
    {"subscriptionId", "ID", ""},
    {"scriptId", "ID", ""},
    {"scriptVersion", "Long", ""},
    {"status", "ExecutionStatus", ""},
    {"attempts", "[ExecutionAttempt!]", ""},
    {"logs", "JSON", ""},
    {"result", "JSON", ""},
    {"replayId", "ID", ""},
    {"replays", "JSON", ""},
    {"workflowRun", "JSON", ""},
    {"position", "String", "In a subscription: the after that goes on behind it"},
};
constexpr SchemaField kAttemptFields[] = {
    {"at", "String", ""},
    {"durationUs", "Long", ""},
    {"error", "String", ""},
};
constexpr SchemaField kExecutionPageFields[] = {
    {"items", "[Execution!]!", ""},
    {"next", "String", "The cursor of the next page; null: there is none"},
};
constexpr SchemaValue kOrders[] = {{"asc", "Oldest first"}, {"desc", "Newest first"}};
constexpr SchemaValue kStatuses[] = {
    {"completed", ""},
    {"failed", ""},
    {"retrying", ""},
    {"dead", "Given up"},
    {"waiting", "Put off: nothing of it has run yet"},
};

// ---- what the schema says of itself (spec, 4.2)

constexpr SchemaArgument kDeprecatedArguments[] = {{"includeDeprecated", "Boolean", "", "false"}};
constexpr SchemaField kSchemaFields[] = {
    {"description", "String", ""},      {"types", "[__Type!]!", ""},
    {"queryType", "__Type!", ""},       {"mutationType", "__Type", ""},
    {"subscriptionType", "__Type", ""}, {"directives", "[__Directive!]!", ""},
};
constexpr SchemaField kTypeFields[] = {
    {"kind", "__TypeKind!", ""},
    {"name", "String", ""},
    {"description", "String", ""},
    {"specifiedByURL", "String", ""},
    {"fields", "[__Field!]", "", kDeprecatedArguments},
    {"interfaces", "[__Type!]", ""},
    {"possibleTypes", "[__Type!]", ""},
    {"enumValues", "[__EnumValue!]", "", kDeprecatedArguments},
    {"inputFields", "[__InputValue!]", "", kDeprecatedArguments},
    {"ofType", "__Type", ""},
};
constexpr SchemaField kFieldFields[] = {
    {"name", "String!", ""},
    {"description", "String", ""},
    {"args", "[__InputValue!]!", "", kDeprecatedArguments},
    {"type", "__Type!", ""},
    {"isDeprecated", "Boolean!", ""},
    {"deprecationReason", "String", ""},
};
constexpr SchemaField kInputFields[] = {
    {"name", "String!", ""},          {"description", "String", ""},
    {"type", "__Type!", ""},          {"defaultValue", "String", ""},
    {"isDeprecated", "Boolean!", ""}, {"deprecationReason", "String", ""},
};
constexpr SchemaField kValueFields[] = {
    {"name", "String!", ""},
    {"description", "String", ""},
    {"isDeprecated", "Boolean!", ""},
    {"deprecationReason", "String", ""},
};
constexpr SchemaField kDirectiveFields[] = {
    {"name", "String!", ""},
    {"description", "String", ""},
    {"isRepeatable", "Boolean!", ""},
    {"locations", "[__DirectiveLocation!]!", ""},
    {"args", "[__InputValue!]!", "", kDeprecatedArguments},
};
constexpr SchemaValue kKinds[] = {
    {"SCALAR", ""}, {"OBJECT", ""},       {"INTERFACE", ""}, {"UNION", ""},
    {"ENUM", ""},   {"INPUT_OBJECT", ""}, {"LIST", ""},      {"NON_NULL", ""},
};
constexpr SchemaValue kLocations[] = {
    {"QUERY", ""},
    {"MUTATION", ""},
    {"SUBSCRIPTION", ""},
    {"FIELD", ""},
    {"FRAGMENT_DEFINITION", ""},
    {"FRAGMENT_SPREAD", ""},
    {"INLINE_FRAGMENT", ""},
    {"VARIABLE_DEFINITION", ""},
    {"SCHEMA", ""},
    {"SCALAR", ""},
    {"OBJECT", ""},
    {"FIELD_DEFINITION", ""},
    {"ARGUMENT_DEFINITION", ""},
    {"INTERFACE", ""},
    {"UNION", ""},
    {"ENUM", ""},
    {"ENUM_VALUE", ""},
    {"INPUT_OBJECT", ""},
    {"INPUT_FIELD_DEFINITION", ""},
};

constexpr SchemaType kTypes[] = {
    {SchemaKind::kObject, kQueryType, "What there is", kQueryFields},
    {SchemaKind::kObject, kSubscriptionType, "What comes", kSubscriptionFields},
    {SchemaKind::kObject, "Event", "An event, as it was sent, and where it stands", kEventFields},
    {SchemaKind::kObject, "EventSource", "", kSourceFields},
    {SchemaKind::kObject, "EventMetadata", "", kMetadataFields},
    {SchemaKind::kObject, "EventContext", "", kContextFields},
    {SchemaKind::kObject, "EventPage", "", kEventPageFields},
    {SchemaKind::kObject, "EventCount", "", kEventCountFields},
    {SchemaKind::kObject, "DeadLetter", "A delivery that was given up", kDeadLetterFields},
    {SchemaKind::kObject, "DeadLetterPage", "", kDeadLetterPageFields},
    {SchemaKind::kObject, "Execution", "What a delivery came to", kExecutionFields},
    {SchemaKind::kObject, "ExecutionAttempt", "", kAttemptFields},
    {SchemaKind::kObject, "ExecutionPage", "", kExecutionPageFields},
    {SchemaKind::kEnum, "Order", "", {}, kOrders},
    {SchemaKind::kEnum, "ExecutionStatus", "", {}, kStatuses},
    {SchemaKind::kScalar, "ID", "A name of one thing"},
    {SchemaKind::kScalar, "String", "A text"},
    {SchemaKind::kScalar, "Int", "A whole number of 32 bits"},
    {SchemaKind::kScalar, "Long", "A whole number of 64 bits"},
    {SchemaKind::kScalar, "Float", "A number"},
    {SchemaKind::kScalar, "Boolean", "true or false"},
    {SchemaKind::kScalar, "JSON", "Any JSON, as it stands"},
    {SchemaKind::kObject, "__Schema", "", kSchemaFields},
    {SchemaKind::kObject, "__Type", "", kTypeFields},
    {SchemaKind::kObject, "__Field", "", kFieldFields},
    {SchemaKind::kObject, "__InputValue", "", kInputFields},
    {SchemaKind::kObject, "__EnumValue", "", kValueFields},
    {SchemaKind::kObject, "__Directive", "", kDirectiveFields},
    {SchemaKind::kEnum, "__TypeKind", "", {}, kKinds},
    {SchemaKind::kEnum, "__DirectiveLocation", "", {}, kLocations},
};

constexpr SchemaArgument kIfArguments[] = {{"if", "Boolean!", ""}};
constexpr SchemaArgument kReasonArguments[] = {{"reason", "String", "", "\"No longer supported\""}};
constexpr SchemaArgument kUrlArguments[] = {{"url", "String!", ""}};
constexpr std::string_view kSelections[] = {"FIELD", "FRAGMENT_SPREAD", "INLINE_FRAGMENT"};
constexpr std::string_view kDefinitions[] = {"FIELD_DEFINITION", "ARGUMENT_DEFINITION",
                                             "INPUT_FIELD_DEFINITION", "ENUM_VALUE"};
constexpr std::string_view kScalars[] = {"SCALAR"};
constexpr SchemaDirective kDirectives[] = {
    {"include", "Only if that is true", kIfArguments, kSelections},
    {"skip", "Only if that is false", kIfArguments, kSelections},
    {"deprecated", "Of a schema: not to be used any more", kReasonArguments, kDefinitions},
    {"specifiedBy", "Of a schema: where a scalar is described", kUrlArguments, kScalars},
};

constexpr SchemaArgument kNameArguments[] = {{"name", "String!", ""}};
constexpr SchemaField kMetaFields[] = {
    {"__schema", "__Schema!", ""},
    {"__type", "__Type", "", kNameArguments},
    {"__typename", "String!", ""},
};

template <typename Row>
const Row* find(std::span<const Row> rows, std::string_view name) {
    for (const Row& row : rows) {
        if (row.name == name) return &row;
    }
    return nullptr;
}

}  // namespace

const SchemaField* SchemaType::field(std::string_view wanted) const { return find(fields, wanted); }

std::span<const SchemaType> schema_types() { return kTypes; }
const SchemaType* schema_type(std::string_view name) { return find(schema_types(), name); }

std::span<const SchemaDirective> schema_directives() { return kDirectives; }
const SchemaDirective* schema_directive(std::string_view name) {
    return find(schema_directives(), name);
}

const SchemaField* meta_field(std::string_view name) {
    return find(std::span<const SchemaField>(kMetaFields), name);
}

}  // namespace millrace::runtime::graphql
