// What: from an event's pattern to the groups of subscriptions it concerns. A group is a tenant and
//       one statement about the pattern (any, exact, prefix, ...).
// Threads: built by one; then read by any number.
// Lifetime: borrows the pattern store. Limits: none of its own. Failure: none.
#pragma once

#include "core/ids.h"
#include "matcher/index/intern_table.h"
#include "matcher/index/pattern_store.h"
#include "matcher/index/pivot_table.h"
#include "matcher/index/text_probes.h"
#include "matcher/regex/regex_bank.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::matcher {

using GroupId = std::uint32_t;

class PatternGroups {
public:
    explicit PatternGroups(const PatternStore& patterns) : patterns_(patterns) {}

    GroupId group(core::TenantId tenant, PatternId pattern);
    void build(bool thorough);  // see Index::Sealing

    bool has_tenant(core::TenantId tenant) const;
    std::size_t size() const { return groups_.size(); }
    // Appends the groups of this tenant whose statement the pattern satisfies.
    void find(core::TenantId tenant, std::string_view pattern, EvalScratch& scratch,
              std::vector<GroupId>& out) const;
    // find() costs no more than remembering what it found.
    bool is_cheap() const { return is_cheap_; }
    std::size_t loose_regexes() const { return loose_regexes_; }
    std::size_t bytes() const;

private:
    struct Group {
        std::uint32_t tenant = 0;
        PatternId pattern = 0;
    };
    static std::uint64_t hash_of(std::uint32_t tenant, PatternId pattern);
    void add_if_there(core::TenantId tenant, PatternId pattern, std::vector<GroupId>& out) const;
    void hang(PatternId pattern);

    const PatternStore& patterns_;
    std::vector<Group> groups_;
    InternTable by_key_;
    InternTable tenants_;
    std::vector<std::uint32_t> tenant_numbers_;
    // Statements hang on their literals just like conditions on fields do.
    PivotTable table_;
    TextProbes probes_;
    GramFilter filter_;
    std::vector<PatternId> unhung_;  // asked one by one
    RegexBank bank_;                 // expressions without literals, asked together
    std::vector<PatternId> banked_;  // by expression
    std::size_t loose_regexes_ = 0;
    bool all_exact_ = true;
    bool is_cheap_ = false;
};

}  // namespace millrace::matcher
