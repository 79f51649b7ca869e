#include "runtime/api/endpoint_input.h"

#include "core/base64.h"
#include "core/json_reader.h"
#include "core/json_writer.h"
#include "core/utf8.h"
#include "io/http_head.h"
#include "io/query_string.h"
#include "runtime/api/multipart.h"

#include <algorithm>
#include <map>
#include <vector>

namespace millrace::runtime::api {
namespace {

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    return out;
}

using Values = std::map<std::string, std::vector<std::string>>;

// A name that comes twice is a list. `write` writes one value.
template <typename All, typename Write>
void append_lists(core::JsonWriter& json, const All& values, const Write& write) {
    json.begin_object();
    for (const auto& [name, all] : values) {
        json.key(name);
        if (all.size() == 1) {
            write(all[0]);
            continue;
        }
        json.begin_array();
        for (const auto& value : all) write(value);
        json.end_array();
    }
    json.end_object();
}

void append_values(core::JsonWriter& json, const Values& values) {
    append_lists(json, values, [&](const std::string& value) { json.value(value); });
}

// What is no text stands beside it as it is.
void append_bytes(core::JsonWriter& json, const std::string& name, std::string_view bytes) {
    json.field(name, bytes);
    if (!core::is_utf8(bytes)) json.field(name + "Base64", core::encode_base64(bytes));
}

// A field is its text, a file says what it is.
void append_part(core::JsonWriter& json, const FormPart& part) {
    if (!part.file_name) {
        json.value(part.content);
        return;
    }
    json.begin_object().field("filename", *part.file_name);
    json.field("contentType", part.content_type);
    append_bytes(json, "content", part.content);
    json.end_object();
}

core::Status append_form(core::JsonWriter& json, const ApiRequest& request) {
    auto parts = read_form_parts(request.content_type, request.body_view());
    if (!parts) return core::fail(std::move(parts.error()));
    std::map<std::string, std::vector<const FormPart*>> by_name;
    for (const FormPart& part : *parts) by_name[part.name].push_back(&part);
    append_lists(json, by_name, [&](const FormPart* part) { append_part(json, *part); });
    return {};
}

core::Result<Values> read_pairs(std::string_view text, std::string_view what) {
    Values values;
    for (io::QueryString pairs(text); pairs.next();) {
        if (pairs.bad_escape()) {
            return core::fail(core::Error(core::ErrorCode::kValidation,
                                          std::string(what) + ": \"" +
                                              std::string(pairs.name().substr(0, 64)) +
                                              "\" is not well formed")
                                  .in(std::string(what)));
        }
        values[std::string(pairs.name())].emplace_back(pairs.value());
    }
    return values;
}

void append_headers(core::JsonWriter& json, const ApiRequest& request) {
    Values values;
    for (const auto& [name, value] : request.headers) {
        const std::string key = lower(name);
        if (key == "authorization" || key == "x-api-key") continue;
        auto& all = values[key];
        if (all.empty())
            all.push_back(value);
        else
            all[0] += ", " + value;
    }
    append_values(json, values);
}

bool is_json(std::string_view type) {
    return type == "application/json" || type == "text/json" || type.ends_with("+json");
}

core::Status append_body(core::JsonWriter& json, const ApiRequest& request) {
    const std::string_view body = request.body_view();
    const std::string sent = lower(request.content_type);
    std::string_view type = std::string_view(sent).substr(0, sent.find(';'));
    while (type.ends_with(' ')) type.remove_suffix(1);
    json.key("body");
    if (body.empty()) {
        json.value(nullptr);
    } else if (is_json(type)) {
        core::JsonDocument document;
        auto read = document.parse(body);
        if (!read) return core::fail(std::move(read.error()));
        std::string compact;
        core::append_json(compact, *read);
        json.raw(compact);
    } else if (type == "application/x-www-form-urlencoded") {
        auto values = read_pairs(body, "body");
        if (!values) return core::fail(std::move(values.error()));
        append_values(json, *values);
    } else if (type == "multipart/form-data") {
        if (auto read = append_form(json, request); !read) return read;
    } else {
        json.value(body);
    }
    append_bytes(json, "rawBody", body);
    return {};
}

}  // namespace

core::Result<std::string> endpoint_input(const ApiRequest& request, const EndpointMatch& match,
                                         bool authenticated) {
    const Endpoint& endpoint = *match.endpoint;
    auto query = read_pairs(request.query, "query");
    if (!query) return core::fail(std::move(query.error()));
    query->erase("apiKey");
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().key("endpoint").begin_object().field("_id", endpoint.id);
    json.field("endpointCode", endpoint.code.empty() ? endpoint.id : endpoint.code);
    json.field("endpointName", endpoint.name).field("routeName", endpoint.route);
    json.field("url", "/v2/endpoint/" + std::string(request.param("method")) + "/" +
                          std::string(request.param("*")));
    json.field("method", endpoint.method).end_object();
    json.field("authenticated", authenticated).key("headers");
    append_headers(json, request);
    json.key("query");
    append_values(json, *query);
    if (auto status = append_body(json, request); !status) return core::fail(status.error());
    json.key("params").begin_object();
    for (const auto& [name, value] : match.params) json.field(name, value);
    json.end_object().end_object();
    return out;
}

}  // namespace millrace::runtime::api
