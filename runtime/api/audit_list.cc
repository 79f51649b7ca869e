// GET /v2/audit: who changed what. GET /v2/audit/verify: is that all, and as it was written?
#include "runtime/api/event_view.h"
#include "runtime/api/handlers.h"
#include "runtime/event/json_scan.h"
#include "runtime/registry/audit_chain.h"
#include "store/rows/audit_log.h"

#include <algorithm>
#include <array>
#include <memory>

namespace millrace::runtime::api {
namespace {

std::string json_string(std::string_view text) {
    std::string out;
    core::append_json_string(out, text);
    return out;
}

// Compared as they are written: by us, so that equal texts are equal bytes. What else stands there
// (numbers of any size) need not be understood.
bool has_member(std::string_view object, std::string_view name, std::string_view wanted) {
    bool found = false;
    scan_members(object, [&](std::string_view key, std::string_view value) {
        found = key == name && value == wanted;
        return !found;
    });
    return found;
}

// What is the row's own, not the change's.
constexpr std::array<std::string_view, 9> kRowMembers = {
    "\"actor\"",    "\"ip\"",   "\"userAgent\"", "\"requestId\"", "\"via\"",
    "\"prevHash\"", "\"hash\"", "\"before\"",    "\"reason\""};

void append_row(core::JsonWriter& json, const store::AuditEntry& entry) {
    std::string own, rest, kind = "null", id = "null", action = "null", after, number = "null";
    std::string outcome = "\"success\"";
    const auto add = [](std::string& to, std::string_view key, std::string_view value) {
        to.append(to.empty() ? "" : ",").append(key).append(":").append(value);
    };
    scan_members(entry.json, [&](std::string_view key, std::string_view value) {
        if (key == "\"chain\"") {
            number = value;
        } else if (key == "\"outcome\"") {
            outcome = value;
        } else if (std::find(kRowMembers.begin(), kRowMembers.end(), key) != kRowMembers.end()) {
            add(own, key, value);
        } else {
            add(rest, key, value);
            if (key == "\"kind\"") kind = value;
            if (key == "\"id\"") id = value;
            if (key == "\"action\"") action = value;
            if (key == "\"document\"") after = value;
        }
        return true;
    });
    std::string row = "{\"id\":" + number;
    add(row, "\"at\"", json_string(core::format_timestamp(entry.at_us)));
    add(row, "\"tenantId\"", json_string(tenant_name(entry.tenant)));
    add(row, "\"action\"", action);
    add(row, "\"target\"", "{\"type\":" + kind + ",\"id\":" + id + "}");
    add(row, "\"outcome\"", outcome);
    if (!own.empty()) row += "," + own;
    if (!after.empty()) add(row, "\"after\"", after);
    add(row, "\"entry\"", "{" + rest + "}");
    json.raw(row + "}");
}

ApiResponse report_response(const AuditReport& report) {
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().field("valid", report.reason.empty()).field("checked", report.checked);
    json.field("unchained", report.unchained).field("letGo", report.let_go);
    json.field_or_null("head", report.head);
    if (!report.reason.empty()) {
        json.key("broken").begin_object().field("reason", report.reason);
        time_field_or_null(json, "at", report.broken_at_us).end_object();
    }
    json.end_object();
    return json_response(200, std::move(body));
}

}  // namespace

Answer list_audit(Call& call) {
    const auto range = call.list_range();
    if (!range) return core::fail(range.error());
    const std::string kind = call.text("kind"), id = call.text("id");
    const std::string quoted_kind = json_string(kind), quoted_id = json_string(id);
    store::AuditLog::Query query;
    query.tenant = call.tenant();
    query.from_us = range->from_us;
    query.to_us = range->to_us;
    query.cursor = range->cursor;
    query.limit = range->limit;
    query.accept = [&](const store::AuditEntry& entry) {
        return (kind.empty() || has_member(entry.json, "\"kind\"", quoted_kind)) &&
               (id.empty() || has_member(entry.json, "\"id\"", quoted_id));
    };
    auto page = call.services.database().audit().list(query);
    if (!page) return core::fail(std::move(page.error()));
    ListBody body;
    for (const store::AuditEntry& entry : page->entries) append_row(body.json(), entry);
    return body.finish(page->next);
}

void verify_audit(Call& call, const Respond& respond) {
    auto report = std::make_shared<core::Result<AuditReport>>(AuditReport{});
    store::Database& database = call.services.database();
    const bool taken = call.services.run_aside(
        Aside::kLook,
        [&database, tenant = call.tenant(), report] { *report = check_audit(database, tenant); },
        [report, respond] {
            respond(*report ? report_response(**report) : error_response(report->error()));
        });
    if (!taken) respond(error_response(busy_aside(Aside::kLook)));
}

}  // namespace millrace::runtime::api
