#include "runtime/registry/earlier_workflows.h"

#include "core/json_reader.h"
#include "runtime/event/snake_names.h"
#include "runtime/registry/document_rows.h"
#include "runtime/registry/workflow.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::runtime {
namespace {

constexpr std::size_t kEarlierDigits = 8;
// Numbers that a damaged row or counter may have given away.
constexpr std::uint32_t kNumbersPassedOver = 1u << 16;

struct EarlierName {
    core::TenantId tenant;
    std::string id;
    std::uint32_t version = 0;
};

bool read_hex(std::string_view digits, std::uint32_t& out) {
    const char* const end = digits.data() + digits.size();
    const auto read = std::from_chars(digits.data(), end, out, 16);
    return read.ec == std::errc() && read.ptr == end;
}

// A document's row has one '/', and so has no document's id.
std::optional<EarlierName> earlier_name(std::string_view row_id) {
    constexpr std::size_t kAround = 2 * kEarlierDigits + 2;
    if (row_id.size() <= kAround || row_id[kEarlierDigits] != '/' ||
        row_id[row_id.size() - kEarlierDigits - 1] != '/')
        return std::nullopt;
    EarlierName out;
    out.id = row_id.substr(kEarlierDigits + 1, row_id.size() - kAround);
    if (out.id.find('/') != std::string::npos ||
        !read_hex(row_id.substr(0, kEarlierDigits), out.tenant.value) ||
        !read_hex(row_id.substr(row_id.size() - kEarlierDigits), out.version) || out.version == 0)
        return std::nullopt;
    return out;
}

// One that was made anew under the same id, before anybody took the older versions over.
struct ThereAlready {
    std::uint32_t number = 0;
    std::uint32_t version = 0;
    std::int64_t created_at_us = 0;
};

std::optional<ThereAlready> read_there(std::string_view json) {
    core::JsonDocument document;
    auto in = document.parse_object(json, "row");
    if (!in) return std::nullopt;
    ThereAlready out;
    in->integer_as("number", out.number, 1, UINT32_MAX);
    in->integer_as("version", out.version, 1, UINT32_MAX);
    in->integer("createdAtUs", out.created_at_us, INT64_MIN, INT64_MAX);
    if (out.number == 0 || out.version == 0) return std::nullopt;
    return out;
}

std::optional<Workflow> read_version(const EarlierName& name, const RegistryRow& row) {
    const DocumentKind<Workflow>& kind = document_kind<Workflow>();
    const std::string body = with_camel_case_names(row.json);
    Workflow out;
    out.tenant = name.tenant;
    if (!kind.read(body, out) || out.id != name.id) return std::nullopt;
    out.version = name.version;
    if (!kind.seal(body, out)) return std::nullopt;
    out.updated_at_us = row.updated_at_us;
    return out;
}

class TakeOver {
public:
    TakeOver(RegistryRows& rows, const core::Clock& clock) : rows_(rows), clock_(clock) {}

    core::Status run() {
        auto all = rows_.load_all(kind_);
        if (!all) return core::fail(std::move(all.error()));
        sort(*all);
        if (earlier_.empty()) return {};
        if (auto counted = find_next_number(); !counted) return counted;
        if (auto found = find_versions(); !found) return found;
        rows_.begin_many();
        core::Status status;
        for (auto& [key, versions] : earlier_) {
            if (status) status = take(key, versions);
        }
        auto ended = rows_.end_many();
        return status ? ended : status;
    }

private:
    using Key = std::pair<std::uint32_t, std::string>;  // tenant, id

    void sort(std::vector<RegistryRow>& all) {
        for (RegistryRow& row : all) {
            if (auto name = earlier_name(row.id)) {
                Key key(name->tenant.value, name->id);
                earlier_[std::move(key)].emplace_back(std::move(*name), std::move(row));
                continue;
            }
            any_document_ = true;
            const auto there = read_there(row.json);
            if (!there) continue;
            number_next_ = std::max(number_next_, there->number + 1);
            there_.emplace(row.id, *there);
        }
    }

    core::Status find_next_number() {
        auto counters = rows_.load_all(kDocumentCounterKind);
        if (!counters) return core::fail(std::move(counters.error()));
        bool found = false;
        for (const RegistryRow& row : *counters) {
            if (row.id != kind_) continue;
            number_next_ = std::max(number_next_, static_cast<std::uint32_t>(row.version));
            found = true;
        }
        if (!found && any_document_) number_next_ += kNumbersPassedOver;
        return {};
    }

    core::Status find_versions() {
        auto versions = rows_.load_all(version_kind<Workflow>());
        if (!versions) return core::fail(std::move(versions.error()));
        for (const RegistryRow& row : *versions) taken_.insert(row.id);
        return {};
    }

    // The newest one is the document, unless there is one.
    core::Status take(const Key& key,
                      const std::vector<std::pair<EarlierName, RegistryRow>>& versions) {
        const auto there = there_.find(document_row_id(core::TenantId(key.first), key.second));
        const bool beside = there != there_.end();
        std::vector<RegistryRow> puts;
        std::vector<RegistryRowName> erases;
        std::optional<Workflow> newest;
        for (const auto& [name, row] : versions) {
            if (beside && name.version >= there->second.version) continue;
            auto read = read_version(name, row);
            if (!read || taken_.contains(version_row_id(*read))) continue;
            read->number.value = beside ? there->second.number : number_next_;
            read->created_at_us = beside   ? there->second.created_at_us
                                  : newest ? newest->created_at_us
                                           : row.updated_at_us;
            puts.push_back({version_kind<Workflow>(), version_row_id(*read), read->version,
                            read->updated_at_us, document_row_text(*read)});
            erases.push_back({row.kind, row.id});
            newest = std::move(*read);
        }
        if (!newest) return {};
        const std::int64_t now_us = clock_.wall_us();
        if (!beside) {
            puts.push_back({std::string(kind_), document_row_id(newest->tenant, newest->id),
                            newest->version, newest->updated_at_us, document_row_text(*newest)});
            const std::uint32_t next = ++number_next_;
            puts.push_back({std::string(kDocumentCounterKind), std::string(kind_), next, now_us,
                            "{\"next\":" + std::to_string(next) + "}"});
        }
        return rows_.commit(puts, erases, now_us, newest->tenant, audit_of(*newest));
    }

    std::string audit_of(const Workflow& newest) const {
        std::string out;
        core::JsonWriter json(out);
        json.begin_object().field("action", "migrate").field("kind", kind_);
        json.field("id", newest.id).field("version", newest.version);
        json.field("by", "server").end_object();
        return out;
    }

    RegistryRows& rows_;
    const core::Clock& clock_;
    const std::string_view kind_ = document_kind<Workflow>().name;
    std::map<Key, std::vector<std::pair<EarlierName, RegistryRow>>> earlier_;  // versions go up
    std::map<std::string, ThereAlready> there_;                                // by row
    std::set<std::string> taken_;                                              // version rows
    std::uint32_t number_next_ = 1;
    bool any_document_ = false;
};

}  // namespace

core::Status take_over_earlier_workflows(RegistryRows& rows, const core::Clock& clock) {
    return TakeOver(rows, clock).run();
}

}  // namespace millrace::runtime
