#include "runtime/graphql/request.h"

#include "core/json_reader.h"
#include "runtime/graphql/parser.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime::graphql {
namespace {

// Lines and columns count from 1, columns in characters as clients count them: UTF-16 units.
void append_location(core::JsonWriter& json, std::string_view text, std::size_t position) {
    position = std::min(position, text.size());
    std::size_t line = 1, column = 1;
    for (std::size_t i = 0; i < position; ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        const bool ends =
            byte == '\n' || (byte == '\r' && (i + 1 == text.size() || text[i + 1] != '\n'));
        if (ends) {
            ++line;
            column = 1;
        } else if (byte < 0x80 || byte >= 0xC0) {
            column += byte >= 0xF0 ? 2 : 1;
        }
    }
    json.key("locations").begin_array().begin_object();
    json.field("line", line).field("column", column).end_object().end_array();
}

// Where in the variables' text it is stands in the message: a position is one of the document.
core::Error of_variables(const core::Error& why) {
    return core::Error(why.code, "variables: " + why.message).in("variables");
}

}  // namespace

core::Result<GraphqlRequest> read_request(std::string_view json) {
    core::JsonDocument document;
    auto in = document.parse_object(json);
    if (!in) return core::fail(std::move(in.error()));
    GraphqlRequest out;
    in->text("query", out.query,
             {.presence = core::Presence::kRequired, .bytes_min = 1, .bytes_max = kQueryBytesMax});
    // Clients send null for what they do not have.
    for (const auto& [name, member] : {std::pair("operationName", &GraphqlRequest::operation_name),
                                       std::pair("variables", &GraphqlRequest::variables)}) {
        const auto sent = in->any(name);
        if (!sent || sent->is_null()) continue;
        std::string_view text;
        if (member == &GraphqlRequest::variables && sent->is_object())
            out.variables = sent->raw();
        else if (member == &GraphqlRequest::operation_name && sent->get(text))
            out.operation_name = text;
        else
            in->refuse(name, member == &GraphqlRequest::variables ? "must be an object"
                                                                  : "must be a string");
    }
    if (const auto sent = in->any("extensions"); sent && !sent->is_null() && !sent->is_object())
        in->refuse("extensions", "must be an object");
    if (auto whole = in->finish(); !whole) return core::fail(std::move(whole.error()));
    return out;
}

core::Result<std::unique_ptr<PreparedOperation>> PreparedOperation::make(GraphqlRequest&& request) {
    std::unique_ptr<PreparedOperation> out(new PreparedOperation);
    out->request_ = std::move(request);
    core::JsonElement variables;
    if (!out->request_.variables.empty()) {
        auto read = out->variables_.parse(out->request_.variables);
        if (read && !read->is_object() && !read->is_null())
            read = core::fail(core::ErrorCode::kValidation, "must be an object");
        if (!read) return core::fail(of_variables(read.error()));
        variables = *read;
    }
    auto document = parse_document(out->request_.query);
    if (!document) return core::fail(std::move(document.error()));
    out->document_ = std::move(*document);
    auto plan = plan_operation(out->document_, out->request_.operation_name, variables);
    if (!plan) return core::fail(std::move(plan.error()));
    out->plan_ = std::move(*plan);
    return out;
}

void append_error(core::JsonWriter& json, const core::Error& error, std::string_view query,
                  std::string_view path) {
    json.begin_object().field("message", error.message);
    if (error.position >= 0 && !query.empty())
        append_location(json, query, static_cast<std::size_t>(error.position));
    if (!path.empty()) json.key("path").begin_array().value(path).end_array();
    json.key("extensions").begin_object();
    json.field("code", core::error_code_text(error.code));
    json.field("statusCode", core::error_code_status(error.code));
    if (!error.field.empty()) json.field("field", error.field);
    if (error.position >= 0 && !query.empty()) json.field("position", error.position);
    if (error.limit >= 0) json.field("limit", error.limit);
    if (error.retry_after_seconds >= 0) json.field("retryAfter", error.retry_after_seconds);
    json.end_object().end_object();
}

std::string errors_document(const core::Error& error, std::string_view query) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().key("errors").begin_array();
    append_error(json, error, query);
    json.end_array().end_object();
    return out;
}

}  // namespace millrace::runtime::graphql
