#include "runtime/registry/secret_names.h"

namespace millrace::runtime {

SecretRef SecretNames::find(const RegistrySnapshot& registry, core::TenantId tenant,
                            std::string_view name) {
    if (registry.version != version_) {
        by_name_.clear();
        registry.secrets.for_each([this](const SecretRef& secret) {
            by_name_.insert_or_assign({secret->tenant.value, secret->id}, secret);
        });
        registry.secrets.for_each([this](const SecretRef& secret) {
            by_name_.try_emplace({secret->tenant.value, secret->name}, secret);
        });
        version_ = registry.version;
    }
    const auto found = by_name_.find(std::pair(tenant.value, std::string(name)));
    return found == by_name_.end() ? nullptr : found->second;
}

}  // namespace millrace::runtime
