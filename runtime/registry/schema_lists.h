// What: which schemas of a set an event of a pattern must fit, remembered by pattern: senders come
//       back with few of them.
// Threads: one owner. Lifetime: entries are of the set that it was asked with; clear() before
//       another one.
// Limits: kListsMax patterns; another one takes the place of one of them.
// Failure: none.
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
    static constexpr std::size_t kListsMax = 256;

    struct List {
        bool is_known = false;
        core::TenantId tenant;
        std::string pattern;
        std::vector<const SchemaSet::Entry*> entries;
        bool schemas_alone = true;  // there is no rule among them
    };

    void clear() {
        for (List& list : lists_) list.is_known = false;
    }

    // Until the next call.
    const List& of(const SchemaSet& set, core::TenantId tenant, std::string_view pattern) {
        // Within a batch it is mostly the same one again.
        if (last_ && is_of(*last_, tenant, pattern)) [[likely]]
            return *last_;
        if (lists_.empty()) [[unlikely]]
            lists_.resize(kListsMax);
        List& list = lists_[(core::hash_key(pattern) + tenant.value) % kListsMax];
        last_ = &list;
        if (is_of(list, tenant, pattern)) return list;
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

private:
    static bool is_of(const List& list, core::TenantId tenant, std::string_view pattern) {
        return list.is_known && list.tenant == tenant && list.pattern.size() == pattern.size() &&
               core::equal_bytes(list.pattern.data(), pattern.data(), pattern.size());
    }

    std::vector<List> lists_;
    const List* last_ = nullptr;  // the one that was asked for last
};

}  // namespace millrace::runtime
