#include "runtime/registry/audit_chain.h"

#include "core/crypto/digest.h"
#include "core/json_reader.h"
#include "core/json_writer.h"
#include "store/database.h"
#include "store/rows/audit_log.h"
#include "store/rows/registry_store.h"
#include "store/rows/row_batch.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

namespace millrace::runtime {
namespace {

constexpr std::string_view kHashMember = ",\"hash\":\"";
constexpr std::size_t kHashDigits = 64;
constexpr std::size_t kTailBytes = kHashMember.size() + kHashDigits + 2;  // and "}

std::string hex_of(const core::crypto::Digest& digest) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    for (const std::uint8_t byte : digest) {
        text += kDigits[byte >> 4];
        text += kDigits[byte & 15u];
    }
    return text;
}

// `row` without its hash and without the closing brace. Tenant and time stand outside of it.
std::string hash_of(core::TenantId tenant, std::int64_t at_us, std::string_view row) {
    std::string text = std::to_string(tenant.value) + "/" + std::to_string(at_us) + "\n";
    text += row;
    return hex_of(core::crypto::sha256(text));
}

struct ReadRow {
    std::string_view body;  // what is hashed
    std::string_view hash;
    std::string prev_hash;
    std::uint64_t number = 0;
};

// Nothing: it has no place in a chain.
std::optional<ReadRow> read_row(std::string_view row) {
    if (row.size() <= kTailBytes) return std::nullopt;
    const std::string_view tail = row.substr(row.size() - kTailBytes);
    if (!tail.starts_with(kHashMember) || !tail.ends_with("\"}")) return std::nullopt;
    ReadRow out{row.substr(0, row.size() - kTailBytes),
                tail.substr(kHashMember.size(), kHashDigits),
                {},
                0};
    // The members before it are the chain's too.
    constexpr std::string_view kNumber = ",\"chain\":", kPrev = ",\"prevHash\":\"";
    const std::size_t number = out.body.rfind(kNumber), prev = out.body.rfind(kPrev);
    if (number == std::string_view::npos || prev == std::string_view::npos || prev < number)
        return std::nullopt;
    const std::string_view digits = out.body.substr(number + kNumber.size());
    std::from_chars(digits.data(), digits.data() + digits.size(), out.number);
    out.prev_hash = out.body.substr(prev + kPrev.size());
    if (!out.prev_hash.empty()) out.prev_hash.pop_back();
    return out;
}

core::Result<std::map<std::uint32_t, AuditHead>> load_heads(
    store::Database& database, std::string_view kind = kAuditHeadKind) {
    auto rows = database.registry().load_all(kind);
    if (!rows) return core::fail(std::move(rows.error()));
    std::map<std::uint32_t, AuditHead> heads;
    for (const store::RegistryDocument& row : *rows) {
        core::JsonDocument document;
        auto in = document.parse_object(row.json, "row");
        if (!in) continue;
        AuditHead head;
        in->integer_as("number", head.number, 0, INT64_MAX);
        in->integer("atUs", head.at_us, INT64_MIN, INT64_MAX);
        in->text("hash", head.hash);
        // One that does not read is as good as missing: check_audit() tells.
        if (!in->finish()) continue;
        std::uint32_t tenant = 0;
        std::from_chars(row.id.data(), row.id.data() + row.id.size(), tenant);
        heads[tenant] = std::move(head);
    }
    return heads;
}

// From the newest row to the oldest.
class Walk {
public:
    // `base`: of the last row that was let go.
    Walk(const AuditHead& head, AuditHead base) : expected_(head), base_(std::move(base)) {
        report_.head = head.hash;
        report_.let_go = base_.number;
    }

    // False: there is nothing more to be learnt.
    bool take(const store::AuditEntry& entry) {
        const auto row = read_row(entry.json);
        if (!row) {
            ++report_.unchained;
            if (expected_.number != base_.number)
                return broken(entry, "a row of the chain is missing, or its place was removed");
            return true;
        }
        if (hash_of(entry.tenant, entry.at_us, row->body) != row->hash)
            return broken(entry, "the row is not what was written");
        if (row->number != expected_.number || row->hash != expected_.hash)
            return broken(entry, "rows behind this one are missing, or were put in");
        ++report_.checked;
        expected_.number = row->number - 1;
        expected_.hash = row->prev_hash;
        return true;
    }
    AuditReport finish() {
        const bool whole = expected_.number == base_.number && expected_.hash == base_.hash;
        if (report_.reason.empty() && !whole) {
            const std::uint64_t missing =
                expected_.number > base_.number ? expected_.number - base_.number : 0;
            report_.reason =
                missing > 0
                    ? "the first " + std::to_string(missing) + " rows are missing"
                    : std::string("the first row does not follow on the last that was let go");
        }
        return std::move(report_);
    }

private:
    bool broken(const store::AuditEntry& entry, std::string_view reason) {
        report_.broken_at_us = entry.at_us;
        report_.reason = reason;
        return false;
    }

    AuditHead expected_;
    const AuditHead base_;
    AuditReport report_;
};

core::Result<AuditReport> walk_audit(store::Database& database, core::TenantId tenant) {
    auto heads = load_heads(database);
    if (!heads) return core::fail(std::move(heads.error()));
    auto bases = load_heads(database, kAuditBaseKind);
    if (!bases) return core::fail(std::move(bases.error()));
    const auto of = [tenant](const std::map<std::uint32_t, AuditHead>& all) {
        const auto found = all.find(tenant.value);
        return found == all.end() ? AuditHead{} : found->second;
    };
    Walk walk(of(*heads), of(*bases));
    store::AuditLog::Query query;
    query.tenant = tenant;
    query.limit = 1000;
    std::string cursor;
    do {
        query.cursor = cursor;
        auto page = database.audit().list(query);
        if (!page) return core::fail(std::move(page.error()));
        for (const store::AuditEntry& entry : page->entries) {
            if (!walk.take(entry)) return walk.finish();
        }
        cursor = page->next;
    } while (!cursor.empty());
    return walk.finish();
}

}  // namespace

core::Result<AuditChain::Link> AuditChain::link(core::TenantId tenant, std::int64_t at_us,
                                                std::string_view entry) {
    if (!loaded_) {
        auto heads = load_heads(database_);
        if (!heads) return core::fail(std::move(heads.error()));
        heads_ = std::move(*heads);
        loaded_ = true;
    }
    const AuditHead& last = heads_[tenant.value];
    Link out{tenant, std::string(entry.substr(0, entry.rfind('}'))), {}};
    out.head.number = last.number + 1;
    out.head.at_us = std::max(at_us, last.at_us);
    out.row += ",\"chain\":" + std::to_string(out.head.number);
    out.row += ",\"prevHash\":\"" + last.hash + "\"";
    out.head.hash = hash_of(tenant, out.head.at_us, out.row);
    out.row.append(kHashMember).append(out.head.hash).append("\"}");
    return out;
}

std::string audit_head_document(const AuditHead& head) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("number", head.number).field("atUs", head.at_us);
    json.field("hash", head.hash).end_object();
    return out;
}

core::Result<AuditReport> check_audit(store::Database& database, core::TenantId tenant) {
    constexpr int kLooks = 5;
    auto report = walk_audit(database, tenant);
    // Rows that came between the look at the head and the one at the rows are no break.
    for (int look = 1; report && !report->reason.empty() && look < kLooks; ++look) {
        auto again = walk_audit(database, tenant);
        if (!again || again->head == report->head) return again;
        report = std::move(again);
    }
    return report;
}

core::Result<std::size_t> prune_audit(store::Database& database, std::int64_t to_us,
                                      std::size_t rows_max) {
    auto old = database.audit().before(to_us, rows_max);
    if (!old) return core::fail(std::move(old.error()));
    if (old->empty()) return 0;
    store::RowBatch batch;
    std::map<std::uint32_t, AuditHead> bases;
    for (const store::AuditLog::Old& one : *old) {
        batch.erase(store::ColumnFamily::kAudit, one.key);
        if (const auto row = read_row(one.entry.json))
            bases[one.entry.tenant.value] = {row->number, one.entry.at_us, std::string(row->hash)};
    }
    for (const auto& [tenant, base] : bases) {
        batch.put_registry(kAuditBaseKind, std::to_string(tenant), base.number, base.at_us,
                           audit_head_document(base));
    }
    if (auto written = database.write_now(batch); !written) return core::fail(written.error());
    return old->size();
}

}  // namespace millrace::runtime
