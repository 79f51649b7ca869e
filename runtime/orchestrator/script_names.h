// What: documents by the name that a workflow's steps know them by, found in a snapshot: an id
//       first, else a name. The index is made anew when the registry has changed and somebody asks.
// Threads: one owner. Lifetime: holds on to the documents of the snapshot that it was asked with.
// Limits: those of the kind. Failure: null for a name that nobody has.
#pragma once

#include "runtime/registry/registry_snapshot.h"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace millrace::runtime {

template <typename T, NumberedTable<T> RegistrySnapshot::*kTable>
class DocumentNames {
public:
    std::shared_ptr<const T> find(const RegistrySnapshot& registry, core::TenantId tenant,
                                  std::string_view name) {
        if (registry.version != version_) {
            version_ = registry.version;
            by_name_.clear();
            (registry.*kTable).for_each([&](const std::shared_ptr<const T>& one) {
                by_name_.emplace(std::pair(one->tenant.value, one->name), one);
            });
            (registry.*kTable).for_each([&](const std::shared_ptr<const T>& one) {
                by_name_[{one->tenant.value, one->id}] = one;
            });
        }
        const auto at = by_name_.find(std::pair(tenant.value, std::string(name)));
        return at == by_name_.end() ? nullptr : at->second;
    }

private:
    std::uint64_t version_ = UINT64_MAX;
    std::map<std::pair<std::uint32_t, std::string>, std::shared_ptr<const T>> by_name_;
};

using ScriptNames = DocumentNames<Script, &RegistrySnapshot::scripts>;
using ActionNames = DocumentNames<Action, &RegistrySnapshot::actions>;

}  // namespace millrace::runtime
