#include "runtime/executors/trial_answers.h"

#include <array>
#include <string>
#include <utility>

namespace millrace::runtime {
namespace {

constexpr std::size_t kBodyBytesMax = 1u << 20;

courier::HttpFault fault_of(std::string_view code) {
    using courier::HttpFault;
    for (const HttpFault fault : {HttpFault::kDns, HttpFault::kConnect, HttpFault::kTls,
                                  HttpFault::kTimeout, HttpFault::kTooLarge, HttpFault::kBlocked}) {
        if (courier::http_fault_text(fault) == code) return fault;
    }
    return HttpFault::kNone;
}

void read_error(core::JsonObject& in, RecordedAnswer& out) {
    auto error = in.object("error");
    if (!error) return;
    std::string code, message;
    error->text("code", code, {.presence = core::Presence::kRequired, .bytes_max = 64});
    error->text("message", message);
    (void)error->finish();
    in.join(*error);
    out.outside.code = code;
    out.outside.message = out.http.message = message;
    out.http.fault = fault_of(code);
    if (out.action.empty() && in.ok() && out.http.fault == courier::HttpFault::kNone)
        in.refuse("error.code",
                  "is \"" + code + "\"; expected DNS, CONNECT, TLS, TIMEOUT, TOO_LARGE, BLOCKED");
}

void read_headers(core::JsonObject& in, courier::HttpHeaders& out) {
    const auto given = in.any("headers");
    if (!given || given->is_null()) return;
    core::JsonMembers members;
    if (!given->get(members)) return in.refuse("headers", "must be an object of texts");
    for (const core::JsonMember member : members) {
        std::string_view value;
        if (!member.value.get(value)) return in.refuse("headers", "must be an object of texts");
        std::string name(member.key);
        for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        out.emplace_back(std::move(name), value);
    }
}

void read_one(core::JsonObject& in, RecordedAnswer& out) {
    in.text("action", out.action, {.bytes_max = kResourceIdBytesMax});
    in.text("method", out.method, {.bytes_max = 16});
    in.text("url", out.url, {.bytes_max = 8192});
    if (out.action.empty() && out.url.empty()) in.refuse("url", "is required, or an action");
    out.http.status = 200;
    in.integer_as("status", out.http.status, 100, 599);
    out.outside.status = out.http.status;
    read_headers(in, out.http.headers);
    if (const auto body = in.any("body")) {
        std::string_view text;
        if (body->get(text))
            out.http.body = text;
        else if (!body->is_null())
            core::append_json(out.http.body, *body);
    }
    if (const auto result = in.any("result"); result && !result->is_null())
        core::append_json(out.outside.json, *result);
    if (out.http.body.size() > kBodyBytesMax || out.outside.json.size() > kBodyBytesMax)
        in.refuse("body", "is longer than 1048576 bytes");
    // What a trial tells of a call may be sent back as an answer to it.
    for (const char* told : {"answered", "input"}) (void)in.any(told);
    read_error(in, out);
    (void)in.finish();
}

}  // namespace

void read_recorded_answers(core::JsonObject& in, std::string_view name,
                           std::vector<RecordedAnswer>& out) {
    const auto given = in.any(name);
    if (!given || given->is_null()) return;
    core::JsonArray list;
    if (!given->get(list)) return in.refuse(name, "must be a list of answers");
    if (list.size() > kRecordedAnswersMax) return in.refuse(name, "has more than 1000 answers");
    for (const core::JsonElement item : list) {
        const std::string place = std::string(name) + "[" + std::to_string(out.size()) + "]";
        core::JsonMembers members;
        if (!item.get(members)) return in.refuse(place, "must be an object");
        core::JsonObject one(members, in.full_name(place));
        read_one(one, out.emplace_back());
        in.join(one);
        if (!in.ok()) return;
    }
}

}  // namespace millrace::runtime
