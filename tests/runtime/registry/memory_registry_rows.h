// Registry rows in a map, with a switch for a store that fails.
#pragma once

#include "runtime/registry/registry_rows.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace millrace::runtime {

class MemoryRegistryRows final : public RegistryRows {
public:
    core::Result<std::vector<RegistryRow>> load_all(std::string_view kind) override {
        std::vector<RegistryRow> out;
        for (const auto& [name, row] : rows) {
            if (name.first == kind) out.push_back(row);
        }
        return out;
    }
    core::Status commit(std::span<const RegistryRow> puts, std::span<const RegistryRowName> erases,
                        std::int64_t, core::TenantId, std::string_view audit) override {
        if (failing) return core::fail(core::ErrorCode::kUnavailable, "store: no space");
        for (const RegistryRow& row : puts) rows[{row.kind, row.id}] = row;
        for (const RegistryRowName& name : erases) rows.erase({name.kind, name.id});
        audits.emplace_back(audit);
        return {};
    }
    void set_aside(std::string_view kind, std::string_view id, const core::Error& why) override {
        aside.push_back(std::string(kind) + " " + std::string(id) + ": " + why.message);
    }

    std::vector<std::string> aside;

    std::map<std::pair<std::string, std::string>, RegistryRow> rows;
    std::vector<std::string> audits;
    bool failing = false;
};

}  // namespace millrace::runtime
