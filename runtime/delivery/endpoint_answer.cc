#include "runtime/delivery/endpoint_answer.h"

#include "core/json_reader.h"
#include "core/json_writer.h"

#include <algorithm>

namespace millrace::runtime {
namespace {

using core::JsonObject;

constexpr std::string_view kJsonType = "application/json";
constexpr std::string_view kTextType = "text/plain; charset=utf-8";
// The server's own.
constexpr std::string_view kRefusedHeaders[] = {"content-length", "transfer-encoding", "connection",
                                                "keep-alive",     "upgrade",           "trailer"};

bool is_token(std::string_view text) {
    constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
    return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               kMarks.find(c) != std::string_view::npos;
    });
}

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    return out;
}

std::string value_text(const core::JsonElement& element) {
    std::string_view text;
    if (element.get(text)) return std::string(text);
    std::string out;
    core::append_json(out, element);
    return out;
}

void add_header(JsonObject& in, const core::JsonMember& member, EndpointAnswer& out) {
    const std::string value = value_text(member.value);
    const std::string name = lower(member.key);
    const bool refused = std::find(std::begin(kRefusedHeaders), std::end(kRefusedHeaders), name) !=
                         std::end(kRefusedHeaders);
    if (!is_token(member.key) || refused)
        return in.refuse("headers", "has the name \"" + name.substr(0, 64) + "\"");
    if (value.size() > kAnswerHeaderBytesMax ||
        value.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos)
        return in.refuse("headers", "has a value of " + name + " that no header can have");
    if (out.headers.size() >= kAnswerHeadersMax)
        return in.refuse("headers", "are more than " + std::to_string(kAnswerHeadersMax));
    if (name == "content-type")
        out.content_type = value;
    else
        out.headers.emplace_back(std::string(member.key), value);
}

void read_answer(JsonObject& in, EndpointAnswer& out) {
    const auto body = in.any("body");
    out.status = body && !body->is_null() ? 200 : 204;
    in.integer_as("status", out.status, 200, 599);
    if (const auto headers = in.any("headers"); headers && !headers->is_null()) {
        core::JsonMembers members;
        core::JsonArray none;
        if (headers->get(members)) {
            for (const core::JsonMember member : members) add_header(in, member, out);
        } else if (!headers->get(none)) {  // an empty table of Lua is an empty list
            in.refuse("headers", "must be a table of names and values");
        }
    }
    if (!body || body->is_null()) return;
    std::string_view text;
    const bool plain = body->get(text);
    if (plain)
        out.body = text;
    else
        core::append_json(out.body, *body);
    if (out.content_type.empty()) out.content_type = plain ? kTextType : kJsonType;
}

}  // namespace

core::Result<EndpointAnswer> make_endpoint_answer(std::string_view respond_json,
                                                  std::string_view result_json) {
    EndpointAnswer answer;
    if (respond_json.empty()) {
        if (result_json.empty() || result_json == "null") return answer;
        answer.status = 200;
        answer.content_type = kJsonType;
        answer.body = result_json;
        return answer;
    }
    core::JsonDocument document;
    auto in = document.parse_object(respond_json, "sdk.http.respond");
    if (!in) return core::fail(std::move(in.error()));
    read_answer(*in, answer);
    if (auto status = in->finish(); !status) {
        return core::fail(core::ErrorCode::kInternal,
                          "sdk.http.respond: " + status.error().message);
    }
    return answer;
}

std::string write_kept_answer(const KeptAnswer& kept) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("hash", std::to_string(kept.request_hash));
    json.field("atUs", kept.at_us).field("status", kept.answer.status);
    json.field("contentType", kept.answer.content_type).key("headers").begin_object();
    for (const auto& [name, value] : kept.answer.headers) json.field(name, value);
    json.end_object().field("body", kept.answer.body).end_object();
    return out;
}

core::Result<KeptAnswer> read_kept_answer(std::string_view text) {
    constexpr std::size_t kBodyBytesMax = 64u << 20;
    core::JsonDocument document;
    auto in = document.parse_object(text, "kept answer");
    if (!in) return core::fail(std::move(in.error()));
    KeptAnswer out;
    std::string hash;
    in->text("hash", hash);
    for (const char c : hash) out.request_hash = out.request_hash * 10 + (c - '0');
    in->integer("atUs", out.at_us, INT64_MIN, INT64_MAX);
    in->integer_as("status", out.answer.status, 200, 599, core::Presence::kRequired);
    in->text("contentType", out.answer.content_type);
    core::JsonMembers headers;
    if (const auto element = in->any("headers"); element && element->get(headers)) {
        for (const core::JsonMember member : headers)
            out.answer.headers.emplace_back(std::string(member.key), value_text(member.value));
    }
    in->text("body", out.answer.body, {.bytes_max = kBodyBytesMax});
    if (auto status = in->finish(); !status) return core::fail(std::move(status.error()));
    return out;
}

}  // namespace millrace::runtime
