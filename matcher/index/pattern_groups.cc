#include "matcher/index/pattern_groups.h"

#include "matcher/index/pivot_chooser.h"

#include <algorithm>
#include <bit>

namespace millrace::matcher {

std::uint64_t PatternGroups::hash_of(std::uint32_t tenant, PatternId pattern) {
    return core::mix_u64((std::uint64_t{tenant} << 32 | pattern) ^ core::kHashSeedA,
                         core::kHashSeedB);
}

GroupId PatternGroups::group(core::TenantId tenant, PatternId pattern) {
    const std::uint64_t hash = hash_of(tenant.value, pattern);
    const GroupId known = by_key_.find(hash, [&](std::uint32_t id) {
        return groups_[id].tenant == tenant.value && groups_[id].pattern == pattern;
    });
    if (known != InternTable::kNone) return known;
    const auto id = static_cast<GroupId>(groups_.size());
    groups_.push_back({tenant.value, pattern});
    by_key_.insert(hash, id);
    if (!has_tenant(tenant)) {
        tenants_.insert(hash_of(tenant.value, 0),
                        static_cast<std::uint32_t>(tenant_numbers_.size()));
        tenant_numbers_.push_back(tenant.value);
    }
    return id;
}

bool PatternGroups::has_tenant(core::TenantId tenant) const {
    return tenants_.find(hash_of(tenant.value, 0), [&](std::uint32_t i) {
        return tenant_numbers_[i] == tenant.value;
    }) != InternTable::kNone;
}

void PatternGroups::hang(PatternId id) {
    using Kind = PatternStore::Kind;
    const PatternStore::Record& record = patterns_.record(id);
    std::vector<TextPivot> pivots(1);
    bool found = false;
    switch (record.kind) {
        case Kind::kAny: break;
        case Kind::kExact:
            found = text_pivot(Op::kEquals, patterns_.text(record), pivots[0]);
            break;
        case Kind::kPrefix:
            found = text_pivot(Op::kPrefix, patterns_.text(record), pivots[0]);
            break;
        case Kind::kSuffix:
            found = text_pivot(Op::kSuffix, patterns_.text(record), pivots[0]);
            break;
        case Kind::kWildcard: {
            const auto& pieces = patterns_.wildcard(record).pieces;
            found = wildcard_pivot({pieces.begin(), pieces.end()}, false, pivots[0]);
            break;
        }
        case Kind::kRegex: found = patterns_.regexes().pivots(record.extra, pivots); break;
    }
    if (!found && record.kind == Kind::kRegex) {
        bank_.add(record.extra);
        banked_.resize(std::max<std::size_t>(banked_.size(), record.extra + 1));
        banked_[record.extra] = id;
        return;
    }
    if (!found) {
        unhung_.push_back(id);
        return;
    }
    for (const TextPivot& pivot : pivots) {
        Entry entry;
        entry.number = id;
        entry.id = core::SubscriptionId(id);
        entry.residual = pivot.is_exact ? Residual::kNone : Residual::kProgram;
        all_exact_ = all_exact_ && pivot.is_exact;
        probes_.note(pivot.kind, pivot.text.size());
        if (pivot.kind == PivotKind::kContains) filter_.add(pivot.text);
        table_.add(PivotKey::of_text(0, 0, pivot.kind, pivot.text), core::hash_key(pivot.text),
                   entry);
    }
}

void PatternGroups::build(bool thorough) {
    for (PatternId id = 0; id < patterns_.size(); ++id) hang(id);
    if (thorough) {
        bank_.compile(patterns_.regexes());
    } else {
        loose_regexes_ = bank_.loose();
    }
    table_.build();
    filter_.build();
    // "Any" is asked one by one and costs nothing.
    const int affixes = std::popcount(probes_.prefixes) + std::popcount(probes_.suffixes);
    is_cheap_ = unhung_.size() <= 1 && affixes <= 2 && probes_.grams == 0 && all_exact_ &&
                bank_.size() == 0;
}

void PatternGroups::add_if_there(core::TenantId tenant, PatternId pattern,
                                 std::vector<GroupId>& out) const {
    const GroupId id = by_key_.find(hash_of(tenant.value, pattern), [&](std::uint32_t candidate) {
        return groups_[candidate].tenant == tenant.value && groups_[candidate].pattern == pattern;
    });
    if (id != InternTable::kNone && std::find(out.begin(), out.end(), id) == out.end())
        out.push_back(id);
}

void PatternGroups::find(core::TenantId tenant, std::string_view pattern, EvalScratch& scratch,
                         std::vector<GroupId>& out) const {
    const auto visit = [&](PivotKind kind, std::string_view literal) {
        const auto entries =
            table_.find(PivotKey::of_text(0, 0, kind, literal), core::hash_key(literal));
        for (const Entry& entry : entries) {
            if (entry.residual == Residual::kNone ||
                patterns_.holds(entry.number, pattern, scratch)) {
                add_if_there(tenant, entry.number, out);
            }
        }
    };
    if (probes_.equals) visit(PivotKind::kEquals, pattern);
    visit_parts(probes_, pattern, false, filter_, visit);
    for (const PatternId id : unhung_) {
        if (patterns_.holds(id, pattern, scratch)) add_if_there(tenant, id, out);
    }
    if (bank_.size() == 0) return;
    scratch.found.clear();
    bank_.find(patterns_.regexes(), pattern, scratch, scratch.found);
    for (const std::uint32_t regex : scratch.found) add_if_there(tenant, banked_[regex], out);
}

std::size_t PatternGroups::bytes() const {
    return groups_.capacity() * sizeof(Group) + by_key_.bytes() + tenants_.bytes() +
           table_.bytes() + bank_.bytes() + filter_.bytes() + tenant_numbers_.capacity() * 4 +
           unhung_.capacity() * 4 + sizeof *this;
}

}  // namespace millrace::matcher
