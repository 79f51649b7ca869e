// What: which schemas of a set an event of a pattern must fit, remembered by pattern: senders come
//       back with few of them, and in the same order again and again.
// Threads: one owner. Lifetime: entries are of the set that it was asked with; clear() before
//       another one.
// Limits: kListsMax patterns; another one takes the place of one of the kWays that its hash says.
// Failure: none.
//
// Hot: an event of a shard with a schema asks once. What came behind the last one is looked at
// before any hash is made; with kWays places a hash some hundred patterns that take turns do not
// push each other out, which costs the whole question again (bench/schemas.py).
#pragma once

#include "core/key_hash.h"
#include "runtime/registry/schema_book.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

class SchemaLists {
public:
    static constexpr std::size_t kWays = 4;
    static constexpr std::size_t kListsMax = 256 * kWays;

    struct List {
        bool is_known = false;
        core::TenantId tenant;
        std::string pattern;
        std::vector<const SchemaSet::Entry*> entries;
        bool schemas_alone = true;  // there is no rule among them
        List* behind = nullptr;     // the one that was asked for after it; a guess
    };

    void clear() {
        for (List& list : lists_) list.is_known = false;
    }

    // Until the next call.
    const List& of(const SchemaSet& set, core::TenantId tenant, std::string_view pattern) {
        // Within a batch it is mostly the same one again, or what came behind it before.
        if (last_ && is_of(*last_, tenant, pattern)) [[likely]]
            return *last_;
        if (last_ && last_->behind && is_of(*last_->behind, tenant, pattern))
            return *(last_ = last_->behind);
        List& list = look_up(set, tenant, pattern);
        if (last_) last_->behind = &list;
        last_ = &list;
        return list;
    }

private:
    static bool is_of(const List& list, core::TenantId tenant, std::string_view pattern) {
        return list.is_known && list.tenant == tenant && list.pattern.size() == pattern.size() &&
               core::equal_bytes(list.pattern.data(), pattern.data(), pattern.size());
    }

    List& look_up(const SchemaSet& set, core::TenantId tenant, std::string_view pattern) {
        if (lists_.empty()) [[unlikely]]
            lists_.resize(kListsMax);
        List* const ways =
            &lists_[(core::hash_key(pattern) + tenant.value) % (kListsMax / kWays) * kWays];
        List* const known = std::find_if(
            ways, ways + kWays, [&](const List& one) { return is_of(one, tenant, pattern); });
        if (known != ways + kWays) return *known;
        List* const free =
            std::find_if(ways, ways + kWays, [](const List& one) { return !one.is_known; });
        List& list = free != ways + kWays ? *free : ways[next_way_++ % kWays];
        list.is_known = true;
        list.tenant = tenant;
        list.pattern = pattern;
        list.entries.clear();
        list.schemas_alone = true;
        set.for_each(tenant, pattern, [&list](const SchemaSet::Entry& entry) {
            list.entries.push_back(&entry);
            list.schemas_alone = list.schemas_alone && entry.schema->rules.empty();
        });
        return list;
    }

    std::vector<List> lists_;
    List* last_ = nullptr;  // the one that was asked for last
    std::size_t next_way_ = 0;
};

}  // namespace millrace::runtime
