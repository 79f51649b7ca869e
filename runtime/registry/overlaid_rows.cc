#include "runtime/registry/overlaid_rows.h"

namespace millrace::runtime {

core::Result<std::vector<RegistryRow>> OverlaidRows::load_all(std::string_view kind) {
    auto rows = beneath_.load_all(kind);
    if (!rows) return rows;
    std::map<std::string, RegistryRow> by_id;
    for (RegistryRow& row : *rows) {
        std::string id = row.id;
        by_id.emplace(std::move(id), std::move(row));
    }
    for (auto at = changed_.lower_bound({std::string(kind), {}});
         at != changed_.end() && at->first.first == kind; ++at) {
        if (at->second)
            by_id.insert_or_assign(at->first.second, *at->second);
        else
            by_id.erase(at->first.second);
    }
    std::vector<RegistryRow> out;
    out.reserve(by_id.size());
    for (auto& [id, row] : by_id) out.push_back(std::move(row));
    return out;
}

core::Status OverlaidRows::commit(std::span<const RegistryRow> puts,
                                  std::span<const RegistryRowName> erases, std::int64_t,
                                  core::TenantId, std::string_view) {
    for (const RegistryRow& row : puts) changed_[{row.kind, row.id}] = row;
    for (const RegistryRowName& name : erases) changed_[{name.kind, name.id}] = std::nullopt;
    return {};
}

}  // namespace millrace::runtime
