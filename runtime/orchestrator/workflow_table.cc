#include "runtime/orchestrator/workflow_table.h"

#include <algorithm>

namespace millrace::runtime {

void WorkflowTable::show(core::TenantId tenant, std::string_view id,
                         std::span<const WorkflowRef> versions) {
    std::vector<WorkflowRef> there(versions.begin(), versions.end());
    const Key key(tenant.value, std::string(id));
    std::lock_guard lock(mutex_);
    if (there.empty())
        workflows_.erase(key);
    else
        workflows_[key].swap(there);  // the old ones die outside the lock
}

WorkflowRef WorkflowTable::find(core::TenantId tenant, std::string_view id,
                                std::uint32_t version) const {
    std::lock_guard lock(mutex_);
    const auto at = workflows_.find({tenant.value, std::string(id)});
    if (at == workflows_.end()) return nullptr;
    if (version == 0) return at->second.back();
    const auto one = std::lower_bound(
        at->second.begin(), at->second.end(), version,
        [](const WorkflowRef& each, std::uint32_t number) { return each->version < number; });
    return one == at->second.end() || (*one)->version != version ? nullptr : *one;
}

}  // namespace millrace::runtime
