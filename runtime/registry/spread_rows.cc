#include "runtime/registry/spread_rows.h"

#include "core/json_reader.h"
#include "core/json_writer.h"
#include "runtime/event/partition_of.h"
#include "runtime/event/tenant_names.h"
#include "store/rows/registry_store.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <set>
#include <utility>

namespace millrace::runtime {
namespace {

constexpr std::array<std::string_view, 13> kKinds = {
    "tenant",   "script",           "script_version", kCanaryKind, "secret",
    "action",   "schema",           "schema_version", "hook",      "link",
    "workflow", "workflow_version", "subscription"};

constexpr std::size_t kKindBytesMax = 64;
constexpr std::size_t kIdBytesMax = 4096;
constexpr std::size_t kRowBytesMax = 64u << 20;

std::string digits_of(std::uint64_t revision) {
    std::string digits = std::to_string(revision);
    return std::string(20 - digits.size(), '0') + digits;
}

std::optional<std::uint64_t> number_of(std::string_view text) {
    std::uint64_t out = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), out);
    if (text.empty() || read.ec != std::errc() || read.ptr != text.data() + text.size())
        return std::nullopt;
    return out;
}

using Names = std::set<std::pair<std::string, std::string>>;

void append_name(core::JsonWriter& json, std::string_view kind, std::string_view id) {
    json.begin_array().value(kind).value(id).end_array();
}

bool read_names(std::string_view text, Names& out) {
    core::JsonDocument document;
    auto in = document.parse_object(text, "row");
    if (!in) return false;
    core::JsonArray names;
    const auto all = in->any("names");
    if (!all || !all->get(names)) return false;
    for (const core::JsonElement one : names) {
        core::JsonArray pair;
        if (!one.get(pair)) return false;
        std::vector<std::string> parts;
        for (const core::JsonElement part : pair) {
            std::string_view said;
            if (!part.get(said)) return false;
            parts.emplace_back(said);
        }
        if (parts.size() != 2) return false;
        out.emplace(std::move(parts[0]), std::move(parts[1]));
    }
    return true;
}

// The row as it is now; once a page.
core::Status add_named(store::RegistryStore& rows, const Names& names, Names& added,
                       SpreadPage& page, std::size_t& bytes) {
    for (const auto& name : names) {
        if (!added.insert(name).second) continue;
        const auto& [kind, id] = name;
        auto row = rows.get(kind, id);
        if (!row) return core::fail(std::move(row.error()));
        SpreadRow& out = page.rows.emplace_back(SpreadRow{kind, id, 0, 0, std::nullopt});
        bytes += kind.size() + id.size();
        if (!*row) continue;
        bytes += (*row)->json.size();
        out.version = (*row)->version;
        out.updated_at_us = (*row)->updated_at_us;
        out.json = std::move((*row)->json);
    }
    return {};
}

core::Result<SpreadPage> newer_page(store::RegistryStore& rows, std::uint64_t now,
                                    std::uint64_t after) {
    SpreadPage page;
    page.revision = after;
    Names added;
    std::size_t bytes = 0;
    auto noted = rows.list(kSpreadKind, {}, digits_of(after - 1), kSpreadPageRows);
    if (!noted) return core::fail(std::move(noted.error()));
    std::size_t taken = 0;
    for (const store::RegistryDocument& note : *noted) {
        if (page.rows.size() >= kSpreadPageRows || bytes >= kSpreadPageBytes) break;
        const auto revision = number_of(note.id);
        Names names;
        if (!revision || !read_names(note.json, names))
            return core::fail(core::ErrorCode::kInternal,
                              "what was changed in revision " + note.id + " does not read");
        if (auto read = add_named(rows, names, added, page, bytes); !read)
            return core::fail(std::move(read.error()));
        page.revision = *revision + 1;
        ++taken;
    }
    page.more = noted->size() == kSpreadPageRows || taken < noted->size();
    if (!page.more) page.revision = std::max(now, page.revision);
    return page;
}

core::Result<SpreadPage> whole_page(store::RegistryStore& rows, const SpreadRule& rule,
                                    std::uint64_t now, std::string_view next) {
    SpreadPage page;
    page.revision = now;
    page.whole = true;
    const std::size_t slash = std::min(next.find('/'), next.size());
    std::string after(next.substr(std::min(slash + 1, next.size())));
    auto kind = kKinds.begin();
    if (!next.empty()) kind = std::find(kKinds.begin(), kKinds.end(), next.substr(0, slash));
    std::size_t bytes = 0;
    for (; kind != kKinds.end(); ++kind, after.clear()) {
        for (;;) {
            auto some = rows.list(*kind, {}, after, kSpreadPageRows);
            if (!some) return core::fail(std::move(some.error()));
            for (store::RegistryDocument& row : *some) {
                after = row.id;
                if (rule.home_of_row(*kind, row.id) != rule.partition()) continue;
                bytes += row.json.size() + row.id.size();
                page.rows.push_back({std::string(*kind), std::move(row.id), row.version,
                                     row.updated_at_us, std::move(row.json)});
                if (bytes < kSpreadPageBytes) continue;
                page.more = true;
                page.next = std::string(*kind) + "/" + after;
                return page;
            }
            if (some->size() < kSpreadPageRows) break;
        }
    }
    return page;
}

core::Status read_row(core::JsonObject& in, SpreadRow& out) {
    in.text("kind", out.kind,
            {.presence = core::Presence::kRequired, .bytes_min = 1, .bytes_max = kKindBytesMax});
    in.text("id", out.id,
            {.presence = core::Presence::kRequired, .bytes_min = 1, .bytes_max = kIdBytesMax});
    in.integer_as("version", out.version, 0, std::numeric_limits<std::int64_t>::max());
    in.integer("updatedAtUs", out.updated_at_us, std::numeric_limits<std::int64_t>::min(),
               std::numeric_limits<std::int64_t>::max());
    std::string json;
    if (in.text("json", json, {.bytes_max = kRowBytesMax})) out.json = std::move(json);
    return in.finish();
}

}  // namespace

std::span<const std::string_view> spread_kinds() { return kKinds; }

std::size_t SpreadRule::home_of(core::TenantId tenant) const {
    return partition_of_tenant(tenant_name(tenant), seed_, partitions_);
}

std::optional<std::size_t> SpreadRule::home_of_row(std::string_view kind,
                                                   std::string_view id) const {
    if (std::find(kKinds.begin(), kKinds.end(), kind) == kKinds.end()) return std::nullopt;
    if (kind == kKinds.front()) return kTenantsHome;
    if (kind == kCanaryKind) {
        const auto script = number_of(id);
        return script ? std::optional<std::size_t>(*script % partitions_) : std::nullopt;
    }
    const auto tenant = number_of(id.substr(0, id.find('/')));
    if (!tenant || *tenant > std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
    return home_of(core::TenantId(static_cast<std::uint32_t>(*tenant)));
}

core::Status SpreadRegistryRows::commit(std::span<const RegistryRow> puts,
                                        std::span<const RegistryRowName> erases, std::int64_t at_us,
                                        core::TenantId tenant, std::string_view audit) {
    const auto is_told = [this](const auto& row) {
        return rule_.home_of_row(row.kind, row.id) == rule_.partition();
    };
    if (std::none_of(puts.begin(), puts.end(), is_told) &&
        std::none_of(erases.begin(), erases.end(), is_told))
        return beneath().commit(puts, erases, at_us, tenant, audit);
    const std::uint64_t revision = beneath().revision() + 1;  // that this commit gets
    std::string names;
    core::JsonWriter json(names);
    json.begin_object().key("names").begin_array();
    for (const RegistryRow& row : puts) {
        if (is_told(row)) append_name(json, row.kind, row.id);
    }
    for (const RegistryRowName& row : erases) {
        if (is_told(row)) append_name(json, row.kind, row.id);
    }
    json.end_array().end_object();
    std::vector<RegistryRow> all(puts.begin(), puts.end());
    all.push_back({std::string(kSpreadKind), digits_of(revision), revision, at_us, names});
    std::vector<RegistryRowName> gone(erases.begin(), erases.end());
    if (revision > kSpreadKept)
        gone.push_back({std::string(kSpreadKind), digits_of(revision - kSpreadKept)});
    return beneath().commit(all, gone, at_us, tenant, audit);
}

core::Result<SpreadPage> read_spread_page(store::RegistryStore& rows, const SpreadRule& rule,
                                          std::uint64_t commits, std::uint64_t after,
                                          std::string_view next) {
    const std::uint64_t now = commits + 1;
    const bool is_known = after != 0 && after <= now && now - after < kSpreadKept;
    return is_known && next.empty() ? newer_page(rows, now, after)
                                    : whole_page(rows, rule, now, next);
}

bool reads_as_spread_note(std::string_view json) {
    Names names;
    return read_names(json, names);
}

std::string spread_page_text(const SpreadPage& page) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("revision", page.revision).field("whole", page.whole);
    json.field("more", page.more).field("next", page.next).key("rows").begin_array();
    for (const SpreadRow& row : page.rows) {
        json.begin_object().field("kind", row.kind).field("id", row.id);
        if (row.json) {
            json.field("version", row.version).field("updatedAtUs", row.updated_at_us);
            json.field("json", *row.json);
        }
        json.end_object();
    }
    json.end_array().end_object();
    return out;
}

core::Result<SpreadPage> parse_spread_page(std::string_view text) {
    core::JsonDocument document;
    auto in = document.parse_object(text, "page");
    if (!in) return core::fail(std::move(in.error()));
    SpreadPage page;
    in->integer_as("revision", page.revision, 0, std::numeric_limits<std::int64_t>::max(),
                   core::Presence::kRequired);
    in->boolean("whole", page.whole);
    in->boolean("more", page.more);
    in->text("next", page.next, {.bytes_max = kIdBytesMax + kKindBytesMax});
    core::JsonArray rows;
    if (const auto all = in->any("rows"); all && all->get(rows)) {
        std::size_t index = 0;
        for (const core::JsonElement one : rows) {
            core::JsonMembers members;
            const std::string name = "rows[" + std::to_string(index++) + "]";
            if (!one.get(members)) {
                in->refuse(name, "is no object");
                break;
            }
            core::JsonObject row(members, name);
            if (auto read = read_row(row, page.rows.emplace_back()); !read)
                return core::fail(std::move(read.error()));
        }
    }
    if (auto status = in->finish(); !status) return core::fail(std::move(status.error()));
    return page;
}

}  // namespace millrace::runtime
