#include "runtime/orchestrator/code_book.h"

#include "core/json_reader.h"
#include "core/json_writer.h"
#include "runtime/workflow/asked.h"
#include "runtime/workflow/journal.h"
#include "store/rows/registry_store.h"

#include <xxhash.h>

#include <charconv>
#include <cstdio>
#include <utility>

namespace millrace::runtime {
namespace {

std::string version_prefix(core::TenantId tenant, std::string_view script_id,
                           std::uint32_t version) {
    char text[16];
    std::snprintf(text, sizeof text, "/%08x-", version);
    return tenant_prefix(tenant).append(script_id) + text;
}

// A script that was removed and made again begins at version 1 again.
std::string code_row_id(core::TenantId tenant, std::string_view script_id, std::uint32_t version,
                        std::int64_t made_us) {
    char text[24];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(made_us));
    return version_prefix(tenant, script_id, version) + text;
}

std::string code_row(const Script& code) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("id", code.id).field("name", code.name);
    json.field("version", code.version).field("source", code.source);
    json.field("timeoutMs", code.timeout_ms).field("memoryBytes", code.memory_bytes);
    json.field("permissions", static_cast<std::uint32_t>(code.permissions));
    json.field("madeUs", code.created_at_us).end_object();
    return out;
}

core::Result<Script> read_code_row(std::string_view row, core::TenantId tenant) {
    core::JsonDocument document;
    auto in = document.parse_object(row, "code of a workflow");
    if (!in) return core::fail(std::move(in.error()));
    Script code;
    code.tenant = tenant;
    code.type = ScriptType::kWorkflow;
    in->text("id", code.id, {.presence = core::Presence::kRequired});
    in->text("name", code.name);
    in->integer_as("version", code.version, 1, UINT32_MAX, core::Presence::kRequired);
    in->text("source", code.source,
             {.presence = core::Presence::kRequired, .bytes_max = kScriptSourceBytesMax});
    in->integer("timeoutMs", code.timeout_ms, 1, kScriptTimeoutMsMax);
    in->integer("memoryBytes", code.memory_bytes, kScriptMemoryBytesMin, kScriptMemoryBytesMax);
    in->integer_as("permissions", code.permissions, 0, 255);
    in->integer("madeUs", code.created_at_us, 0, INT64_MAX);
    if (auto status = in->finish(); !status) return core::fail(status.error());
    code.hash = XXH3_64bits(code.source.data(), code.source.size());
    return code;
}

std::shared_ptr<Workflow> workflow_of(ScriptRef code) {
    auto made = std::make_shared<Workflow>();
    made->tenant = code->tenant;
    made->id = code->id;
    made->name = code->name;
    made->version = code->version;
    made->definition = workflow::code_definition(code->id, code->name, code->version);
    made->code = std::move(code);
    return made;
}

}  // namespace

ScriptRef CodeBook::numbered(const std::string& row_id, const Script& script) const {
    const std::lock_guard lock(mutex_);
    ScriptRef& there = codes_[row_id];
    if (!there) {
        auto made = std::make_shared<Script>(script);
        made->number = ScriptNumber(++last_number_);
        there = std::move(made);
    }
    return there;
}

std::shared_ptr<Workflow> CodeBook::begin(const Script& script) const {
    if (script.type != ScriptType::kWorkflow || !script.enabled) return nullptr;
    const std::string row_id =
        code_row_id(script.tenant, script.id, script.version, script.created_at_us);
    if (is_leaving(row_id)) return nullptr;
    return workflow_of(numbered(row_id, script));
}

core::Result<ScriptRef> CodeBook::load(const std::string& row_id, core::TenantId tenant) const {
    {
        const std::lock_guard lock(mutex_);
        if (const auto at = codes_.find(row_id); at != codes_.end()) return at->second;
    }
    auto row = database_.registry().get(kRunCodeKind, row_id);
    if (!row) return core::fail(std::move(row.error()));
    if (!*row)
        return core::fail(core::ErrorCode::kConflict,
                          "the script of the run is not there any more");
    auto code = read_code_row((*row)->json, tenant);
    if (!code) return core::fail(std::move(code.error()));
    return numbered(row_id, *code);
}

core::Result<std::shared_ptr<Workflow>> CodeBook::find(const RunHead& head) const {
    auto code = load(row_id_of(head), head.run.tenant);
    if (!code) return core::fail(std::move(code.error()));
    return workflow_of(std::move(*code));
}

ScriptRef CodeBook::version(core::TenantId tenant, std::string_view script_id,
                            std::uint32_t version) const {
    constexpr std::size_t kMadeAgainMax = 100;
    auto rows = database_.registry().list(kRunCodeKind, version_prefix(tenant, script_id, version),
                                          {}, kMadeAgainMax);
    if (!rows) return nullptr;
    for (auto row = rows->rbegin(); row != rows->rend(); ++row) {
        if (is_leaving(row->id)) continue;
        auto code = load(row->id, tenant);
        return code ? *code : nullptr;
    }
    return nullptr;
}

void CodeBook::keep(store::RowBatch& rows, const Script& code) const {
    const std::string id = code_row_id(code.tenant, code.id, code.version, code.created_at_us);
    {
        const std::lock_guard lock(mutex_);
        if (watches_) kept_.insert(id);
    }
    const auto there = database_.registry().get(kRunCodeKind, id);
    if (there && *there) return;
    rows.put_registry(kRunCodeKind, id, code.version, code.created_at_us, code_row(code));
}

// ---- what nobody needs

std::optional<CodeBook::Name> CodeBook::name_of(std::string_view row_id) {
    constexpr std::size_t kTenant = 9, kVersion = 8, kMade = 16;  // 0000001a/ 00000003 - ...
    constexpr std::size_t kTail = 1 + kVersion + 1 + kMade;
    if (row_id.size() <= kTenant + kTail) return std::nullopt;
    const std::string_view tail = row_id.substr(row_id.size() - kTail);
    if (row_id[kTenant - 1] != '/' || tail[0] != '/' || tail[1 + kVersion] != '-')
        return std::nullopt;
    const auto read = [](std::string_view digits, auto& out) {
        const char* const end = digits.data() + digits.size();
        const auto done = std::from_chars(digits.data(), end, out, 16);
        return done.ec == std::errc() && done.ptr == end;
    };
    Name out;
    out.row = row_id;
    out.script_id = row_id.substr(kTenant, row_id.size() - kTenant - kTail);
    if (!read(row_id.substr(0, kTenant - 1), out.tenant.value) ||
        !read(tail.substr(1, kVersion), out.version) ||
        !read(tail.substr(2 + kVersion), out.made_us))
        return std::nullopt;
    return out;
}

std::string CodeBook::row_id_of(const RunHead& head) {
    return code_row_id(head.run.tenant, head.workflow_id, head.version, head.code_made_us);
}

void CodeBook::watch() const {
    const std::lock_guard lock(mutex_);
    watches_ = true;
    kept_.clear();
}

void CodeBook::watch_no_more() const {
    const std::lock_guard lock(mutex_);
    watches_ = false;
    kept_.clear();
}

bool CodeBook::was_kept(const std::string& row_id) const {
    const std::lock_guard lock(mutex_);
    return kept_.contains(row_id);
}

bool CodeBook::is_leaving(const std::string& row_id) const {
    const std::lock_guard lock(mutex_);
    return leaving_.contains(row_id);
}

void CodeBook::leaves(const std::string& row_id) const {
    const std::lock_guard lock(mutex_);
    leaving_.insert(row_id);
}

void CodeBook::has_left(const std::string& row_id) const {
    const std::lock_guard lock(mutex_);
    leaving_.erase(row_id);
    codes_.erase(row_id);
}

core::Status grow_by_journal(workflow::Definition& definition,
                             const std::vector<std::string>& journal) {
    for (const std::string& entry : journal) {
        if (!entry.starts_with(R"({"kind":"asked")")) continue;
        auto input = workflow::read_input(definition, entry);
        if (!input) return core::fail(std::move(input.error()));
        if (auto grown = workflow::grow(definition, input->value); !grown) return grown;
    }
    return {};
}

}  // namespace millrace::runtime
