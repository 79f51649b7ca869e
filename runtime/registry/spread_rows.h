// What: rows of what is registered, where a tenant's events are spread over the partitions of a
//       cluster (partition_by = "key"): a tenant's home is the truth of them, and notes with each
//       commit what it has changed; the others ask for what is new and keep copies
//       (copied_rows.h). Rows of the registry's family:
//           spread       revision, 20 digits   {"names":[[kind,id],...]}: at home
//           spread_from  number of a home      its version: how far of that home is here
// Threads: SpreadRegistryRows the registry's owner's; the rest pure.
// Lifetime: borrows the rows beneath, and the rule.
// Limits: kSpreadKept revisions are kept; whoever is further behind gets all. A page holds
//         kSpreadPageBytes and a row.
// Failure: a page that does not read is a kValidation error.
#pragma once

#include "core/result.h"
#include "runtime/registry/forwarded_rows.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::store {
class RegistryStore;
}

namespace millrace::runtime {

inline constexpr std::string_view kSpreadKind = "spread";
inline constexpr std::string_view kSpreadFromKind = "spread_from";
// Versions of scripts that are tried: no documents, and the id is the script's number, which is one
// of those that its home gives.
inline constexpr std::string_view kCanaryKind = "script_canary";
inline constexpr std::uint64_t kSpreadKept = 10'000;
inline constexpr std::size_t kSpreadPageRows = 1000;
inline constexpr std::size_t kSpreadPageBytes = 4u << 20;

// Whose rows are whose, and which of them others have copies of.
class SpreadRule {
public:
    SpreadRule(std::size_t partition, std::size_t partitions, std::uint64_t seed)
        : partition_(partition), partitions_(partitions), seed_(seed) {}

    std::size_t partition() const { return partition_; }
    std::size_t partitions() const { return partitions_; }
    std::size_t home_of(core::TenantId tenant) const;
    // Where the tenant's documents of themselves are: the cluster's.
    static constexpr std::size_t kTenantsHome = 0;
    // Of a row by its kind and id; nothing: nobody has copies of such.
    std::optional<std::size_t> home_of_row(std::string_view kind, std::string_view id) const;

private:
    const std::size_t partition_;
    const std::size_t partitions_;
    const std::uint64_t seed_;
};

// Those kinds, in an order in which each needs only those before it; with the kinds of their
// versions.
std::span<const std::string_view> spread_kinds();

class SpreadRegistryRows final : public ForwardedRows {
public:
    SpreadRegistryRows(RegistryRows& beneath, const SpreadRule& rule)
        : ForwardedRows(beneath), rule_(rule) {}

    core::Status commit(std::span<const RegistryRow> puts, std::span<const RegistryRowName> erases,
                        std::int64_t at_us, core::TenantId tenant, std::string_view audit) override;

private:
    const SpreadRule& rule_;
};

// A row as it stands at home; without a text it is gone there.
struct SpreadRow {
    std::string kind;
    std::string id;
    std::uint64_t version = 0;
    std::int64_t updated_at_us = 0;
    std::optional<std::string> json;

    bool operator==(const SpreadRow&) const = default;
};

struct SpreadPage {
    // As of which the rows are the home's, or newer; of a whole copy: as of its first page. One
    // more than the number of commits there, so that 0 is nothing.
    std::uint64_t revision = 0;
    bool whole = false;  // all there are, from `next` of the page before on
    bool more = false;
    std::string next;  // of a whole copy
    std::vector<SpreadRow> rows;

    bool operator==(const SpreadPage&) const = default;
};

// What a home has that is newer than `after`; all of it where that is 0, or too long ago. `next` as
// the page before gave it. `commits`: how many there have been at home (RegistryRows::revision).
core::Result<SpreadPage> read_spread_page(store::RegistryStore& rows, const SpreadRule& rule,
                                          std::uint64_t commits, std::uint64_t after,
                                          std::string_view next);
// Whether what a row of the kind `spread` says reads.
bool reads_as_spread_note(std::string_view json);
std::string spread_page_text(const SpreadPage& page);
core::Result<SpreadPage> parse_spread_page(std::string_view text);

}  // namespace millrace::runtime
