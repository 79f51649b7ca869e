// What: secrets by the name that scripts and executors know them by, found in a snapshot: an id
//       first, else a name. The index is made anew when the registry has changed and somebody asks.
// Threads: one owner. Lifetime: holds on to the secrets of the snapshot that it was asked with.
// Limits: those of secrets. Failure: null for a name that nobody has.
#pragma once

#include "runtime/registry/registry_snapshot.h"

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace millrace::runtime {

class SecretNames {
public:
    SecretRef find(const RegistrySnapshot& registry, core::TenantId tenant, std::string_view name);

private:
    std::uint64_t version_ = UINT64_MAX;
    std::map<std::pair<std::uint32_t, std::string>, SecretRef, std::less<>> by_name_;
};

}  // namespace millrace::runtime
