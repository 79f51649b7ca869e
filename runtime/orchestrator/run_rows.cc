#include "runtime/orchestrator/run_rows.h"

#include "core/base64.h"
#include "core/crypto/secret_bytes.h"
#include "core/json_dom.h"
#include "core/json_reader.h"
#include "core/json_writer.h"

#include <xxhash.h>

#include <cstdlib>

namespace millrace::runtime {
namespace {

constexpr std::size_t kRowBytesUsual = 512;

std::string hex(std::uint64_t value, std::size_t digits) {
    std::string text(digits, '0');
    for (std::size_t at = digits; at-- > 0; value >>= 4) text[at] = "0123456789abcdef"[value & 15];
    return text;
}

std::string about_entry(const RunHead& head, std::string_view step, std::uint32_t number) {
    std::string about = std::to_string(head.run.tenant.value);
    about.append("|").append(head.workflow_id).append("|").append(head.run.id).append("|");
    return about.append(step).append("|").append(std::to_string(number));
}

}  // namespace

std::size_t RunNameHash::operator()(const RunName& run) const {
    return XXH3_64bits_withSeed(run.id.data(), run.id.size(), run.tenant.value);
}

std::string tenant_prefix(core::TenantId tenant) { return hex(tenant.value, 8) + "/"; }
std::string run_row_id(const RunName& run) { return tenant_prefix(run.tenant) + run.id; }
std::string journal_prefix(const RunName& run) { return run_row_id(run) + "/"; }

RunName run_of_row(std::string_view row_id) {
    RunName run;
    run.tenant.value = static_cast<std::uint32_t>(
        std::strtoul(std::string(row_id.substr(0, 8)).c_str(), nullptr, 16));
    run.id = row_id.substr(row_id.rfind('/') + 1);
    return run;
}

std::string order_row_id(const RunHead& head) {
    return tenant_prefix(head.run.tenant) + hex(~static_cast<std::uint64_t>(head.started_us), 16) +
           "/" + head.run.id;
}

void put_head(store::RowBatch& rows, const RunHead& head) {
    std::string text;
    text.reserve(kRowBytesUsual);
    core::JsonWriter json(text);
    json.begin_object().field("workflowId", head.workflow_id).field("version", head.version);
    json.field("status", workflow::run_status_text(head.status))
        .field("startedUs", head.started_us);
    json.field("updatedUs", head.updated_us).field("endedUs", head.ended_us);
    if (head.depth != 0) json.field("depth", head.depth);
    if (!head.event_id.empty()) json.field("eventId", head.event_id);
    if (!head.correlation_id.empty()) json.field("correlationId", head.correlation_id);
    if (!head.subscription_id.empty()) json.field("subscriptionId", head.subscription_id);
    if (!head.code.empty()) json.field("code", head.code);
    if (!head.key.empty()) json.field("key", head.key);
    if (head.code_made_us >= 0) json.field("codeMadeUs", head.code_made_us);
    if (head.differs) {
        json.key("differs").begin_object().field("index", head.differs->index);
        json.field("expected", head.differs->expected).field("found", head.differs->found);
        json.end_object();
    }
    if (!head.parent.run_id.empty()) {
        json.field("parentRun", head.parent.run_id).field("parentStep", head.parent.step);
        json.field("parentIteration", head.parent.iteration);
        json.field("parentAttempt", head.parent.attempt);
    }
    json.key("ends").begin_array();
    for (const std::uint64_t end : head.log_ends) json.value(end);
    json.end_array().end_object();
    rows.put_registry(kRunHeadKind, run_row_id(head.run), 1, head.updated_us, text);
}

core::Result<RunHead> read_head(const RunName& run, std::string_view text) {
    core::JsonDocument document;
    auto in = document.parse_object(text, "head of a run");
    if (!in) return core::fail(std::move(in.error()));
    RunHead head;
    head.run = run;
    std::string status;
    in->text("workflowId", head.workflow_id, {.presence = core::Presence::kRequired});
    in->integer_as("version", head.version, 1, UINT32_MAX, core::Presence::kRequired);
    in->text("status", status);
    if (!workflow::parse_run_status(status, head.status)) in->refuse("status", "is damaged");
    in->integer("startedUs", head.started_us, 0, INT64_MAX);
    in->integer("updatedUs", head.updated_us, 0, INT64_MAX);
    in->integer("endedUs", head.ended_us, 0, INT64_MAX);
    in->integer_as("depth", head.depth, 0, UINT32_MAX);
    constexpr core::TextRules kAnyLength{.bytes_max = SIZE_MAX};
    in->text("eventId", head.event_id, kAnyLength);
    in->text("correlationId", head.correlation_id, kAnyLength);
    in->text("subscriptionId", head.subscription_id, kAnyLength);
    in->text("code", head.code);
    in->text("key", head.key);
    in->integer("codeMadeUs", head.code_made_us, 0, INT64_MAX);
    if (auto differs = in->object("differs")) {
        workflow::Difference& what = head.differs.emplace();
        differs->integer_as("index", what.index, 0, UINT32_MAX);
        differs->text("expected", what.expected, kAnyLength);
        differs->text("found", what.found, kAnyLength);
        (void)differs->finish();
        in->join(*differs);
    }
    in->text("parentRun", head.parent.run_id);
    in->text("parentStep", head.parent.step);
    in->integer_as("parentIteration", head.parent.iteration, 0, UINT32_MAX);
    in->integer_as("parentAttempt", head.parent.attempt, 0, UINT32_MAX);
    core::JsonArray ends;
    if (const auto element = in->any("ends"); element && element->get(ends)) {
        for (const core::JsonElement end : ends) {
            if (!end.get(head.log_ends.emplace_back())) in->refuse("ends", "is damaged");
        }
    }
    if (auto status_of = in->finish(); !status_of) return core::fail(status_of.error());
    return head;
}

void put_mark(store::RowBatch& rows, const RunName& run, const RunMark& mark) {
    std::string text;
    text.reserve(kRowBytesUsual);
    core::JsonWriter json(text);
    json.begin_object().field("due", mark.due_us).field("busy", mark.busy);
    json.field("waits", mark.waits).field("workflowId", mark.workflow_id);
    if (mark.differs) json.field("differs", true);
    json.end_object();
    rows.put_registry(kRunActiveKind, run_row_id(run), 1, mark.due_us, text);
}

core::Result<RunMark> read_mark(std::string_view text) {
    core::JsonDocument document;
    auto in = document.parse_object(text, "mark of a run");
    if (!in) return core::fail(std::move(in.error()));
    RunMark mark;
    in->integer("due", mark.due_us, 0, INT64_MAX);
    in->boolean("busy", mark.busy);
    in->boolean("waits", mark.waits);
    in->text("workflowId", mark.workflow_id);
    in->boolean("differs", mark.differs);
    if (auto status = in->finish(); !status) return core::fail(status.error());
    return mark;
}

void put_order(store::RowBatch& rows, const RunHead& head) {
    rows.put_registry(kRunOrderKind, order_row_id(head), 1, head.started_us, "{}");
}

void put_ended(store::RowBatch& rows, const RunHead& head, std::size_t entries) {
    std::string text;
    text.reserve(kRowBytesUsual);
    core::JsonWriter json(text);
    json.begin_object().field("tenant", head.run.tenant.value).field("run", head.run.id);
    json.field("startedUs", head.started_us).field("entries", entries).end_object();
    rows.put_registry(
        kRunEndedKind,
        hex(static_cast<std::uint64_t>(head.ended_us), 16) + "/" + run_row_id(head.run), 1,
        head.ended_us, text);
}

std::int64_t ended_us_of(std::string_view row_id) {
    return static_cast<std::int64_t>(
        std::strtoull(std::string(row_id.substr(0, 16)).c_str(), nullptr, 16));
}

core::Status erase_ended(store::RowBatch& rows, std::string_view row_id, std::string_view text) {
    core::JsonDocument document;
    auto in = document.parse_object(text, "end of a run");
    if (!in) return core::fail(std::move(in.error()));
    RunHead head;
    std::uint32_t entries = 0;
    in->integer_as("tenant", head.run.tenant.value, 0, UINT32_MAX, core::Presence::kRequired);
    in->text("run", head.run.id, {.presence = core::Presence::kRequired});
    in->integer("startedUs", head.started_us, 0, INT64_MAX);
    in->integer_as("entries", entries, 0, UINT32_MAX);
    if (auto status = in->finish(); !status) return status;
    for (std::uint32_t i = 0; i < entries; ++i)
        rows.erase_registry(kRunJournalKind, journal_prefix(head.run) + hex(i, 8));
    rows.erase_registry(kRunHeadKind, run_row_id(head.run));
    rows.erase_registry(kRunOrderKind, order_row_id(head));
    rows.erase_registry(kRunEndedKind, row_id);
    return {};
}

void put_entry(store::RowBatch& rows, const RunHead& head, const std::string& key,
               std::uint32_t number, std::string_view step, std::string_view input) {
    const std::string row = journal_prefix(head.run) + hex(number, 8);
    if (key.empty()) return rows.put_registry(kRunJournalKind, row, 1, 0, input);
    const std::string sealed = core::crypto::seal(key, input, about_entry(head, step, number));
    std::string text;
    text.reserve(sealed.size() * 4 / 3 + step.size() + 64);
    text += R"({"step":)";
    core::append_json_string(text, step);
    text += R"(,"sealed":")";
    core::append_base64(text, sealed);
    text += "\"}";
    rows.put_registry(kRunJournalKind, row, 1, 0, text);
}

core::Result<std::string> open_entry(const RunHead& head, const std::string& key,
                                     std::uint32_t number, std::string_view json) {
    if (key.empty()) return std::string(json);
    core::JsonDocument document;
    auto in = document.parse_object(json, "journal");
    if (!in) return core::fail(std::move(in.error()));
    std::string step;
    std::string sealed;
    constexpr core::TextRules kAnyLength{.bytes_max = SIZE_MAX};
    in->text("step", step, kAnyLength);  // of one commit: any number of them
    in->text("sealed", sealed, kAnyLength);
    const auto bytes = core::decode_base64(sealed, core::Base64Form::kPaddingOrNone);
    if (bytes) {
        auto plain = core::crypto::open_sealed(key, *bytes, about_entry(head, step, number));
        if (plain) return std::move(*plain);
    }
    return core::fail(core::ErrorCode::kInternal,
                      "entry " + std::to_string(number) + " of run " + head.run.id +
                          " does not open: it was made for another place, or with another key");
}

void put_entries(store::RowBatch& rows, const RunHead& head, const std::string& key,
                 std::uint32_t first, std::string_view steps, std::span<const std::string> inputs) {
    if (inputs.size() == 1) return put_entry(rows, head, key, first, steps, inputs.front());
    std::string text;
    text.reserve(kRowBytesUsual * inputs.size());
    for (const std::string& input : inputs) text.append(text.empty() ? "[" : ",").append(input);
    put_entry(rows, head, key, first, steps, text + "]");
}

core::Status open_entries(const RunHead& head, const std::string& key, std::string_view json,
                          std::vector<std::string>& journal) {
    auto plain = open_entry(head, key, static_cast<std::uint32_t>(journal.size()), json);
    if (!plain) return core::fail(std::move(plain.error()));
    if (!plain->starts_with('[')) {
        journal.push_back(std::move(*plain));
        return {};
    }
    core::JsonDom dom;
    core::JsonElement root;
    core::JsonArray entries;
    if (!dom.read(*plain, root) || !root.get(entries)) {
        return core::fail(core::ErrorCode::kInternal,
                          "entries from " + std::to_string(journal.size()) + " on of run " +
                              head.run.id + " do not read");
    }
    for (const core::JsonElement entry : entries) journal.emplace_back(entry.raw());
    return {};
}

}  // namespace millrace::runtime
