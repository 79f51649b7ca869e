#include "runtime/executors/call_record.h"

#include "core/json_writer.h"
#include "core/timestamp.h"
#include "core/utf8.h"

#include <algorithm>

namespace millrace::runtime {
namespace {

// As much of a text as is kept, cut between two characters; false: not all of it.
bool keep_text(std::string_view text, std::string& out) {
    std::size_t bytes = 0;
    while (bytes < text.size()) {
        const std::size_t next = core::utf8_sequence_bytes(text, bytes);
        if (next == 0 || bytes + next > CallRecord::kBodyBytesMax) break;
        bytes += next;
    }
    out = text.substr(0, bytes);
    return bytes == text.size();
}

void append_error(core::JsonWriter& json, std::string_view code, std::string_view message) {
    json.key("error").begin_object().field("code", code).field("message", message).end_object();
}

void append_headers(core::JsonWriter& json, const courier::HttpHeaders& headers) {
    json.key("headers").begin_object();
    for (const auto& [name, value] : headers) {
        if (name != "set-cookie" && name != "set-cookie2") json.field(name, value);
    }
    json.end_object();
}

}  // namespace

void CallRecord::add(std::string_view text, std::string_view fields, bool cut,
                     std::int64_t now_us) {
    if (lines_.size() + fields.size() > kBytesMax) {
        ++left_out_;
        return;
    }
    if (!lines_.empty()) lines_ += ',';
    core::JsonWriter json(lines_);
    json.begin_object().field("level", kCallLevel).field("text", text);
    json.raw_field("fields", fields).field("at", core::format_timestamp(now_us));
    if (cut) json.field("cut", true);
    json.end_object();
}

void CallRecord::answered(const std::vector<courier::HttpAnswer>& answers, std::int64_t now_us) {
    for (std::size_t i = 0; i < calls_.size() && i < answers.size(); ++i) {
        const auto& [method, url] = calls_[i];
        const courier::HttpAnswer& answer = answers[i];
        std::string fields, body;
        core::JsonWriter json(fields);
        json.begin_object().field("method", method).field("url", url);
        bool whole = true;
        if (answer.fault != courier::HttpFault::kNone) {
            append_error(json, courier::http_fault_text(answer.fault), answer.message);
        } else {
            whole = keep_text(answer.body, body);
            json.field("status", answer.status);
            append_headers(json, answer.headers);
            json.field("body", body);
        }
        json.end_object();
        add(method + " " + url, fields, !whole, now_us);
    }
    calls_.clear();
}

void CallRecord::answered(const OutsideAnswer& answer, std::int64_t now_us) {
    if (action_.empty()) return;
    std::string fields;
    core::JsonWriter json(fields);
    json.begin_object().field("action", action_);
    const bool whole = answer.json.size() <= kBodyBytesMax;
    if (!answer.code.empty()) append_error(json, answer.code, answer.message);
    if (whole && !answer.json.empty()) json.raw_field("result", answer.json);
    if (answer.status >= 100 && answer.status < 600) json.field("status", answer.status);
    json.end_object();
    add(action_, fields, !whole, now_us);
    action_.clear();
}

void CallRecord::append_to(std::string& logs_json) const {
    if (lines_.empty() && left_out_ == 0) return;
    if (logs_json.empty())
        logs_json = "[";
    else
        logs_json.back() = ',';
    logs_json += lines_;
    if (left_out_ != 0) {
        if (!lines_.empty()) logs_json += ',';
        core::JsonWriter json(logs_json);
        json.begin_object().field("level", kCallLevel).field("text", "calls that are not kept");
        json.field("linesLeftOut", left_out_).end_object();
    }
    logs_json += ']';
}

}  // namespace millrace::runtime
