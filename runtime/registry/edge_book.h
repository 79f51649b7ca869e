// What: edges by what they are called, over all tenants: they have no key, a token says whose one
//       is. Asked where a request comes in, before its body is read.
// Threads: any; a lock is held for a look-up.
// Lifetime: edges are shared and stay usable when they are gone from here.
// Limits: kEdgesMax a tenant. Failure: none.
#pragma once

#include "runtime/registry/document_kinds.h"
#include "runtime/registry/registry_snapshot.h"

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

class EdgeBook {
public:
    // Before anybody else calls.
    void load(const NumberedTable<EdgeNode>& edges);
    void follow(const DocumentChange<EdgeNode>& change);

    // Whose token this is, among edges of that name; null: nobody's.
    EdgeRef known_by(std::string_view node, std::string_view token, std::int64_t now_us) const;

private:
    mutable std::mutex mutex_;
    std::map<std::string, std::vector<EdgeRef>, std::less<>> by_node_;
};

}  // namespace millrace::runtime
