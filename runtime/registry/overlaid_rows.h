// What: the rows of another as they would be after changes that are kept here: for those who only
//       look at a folder, and want to see it as a start would make it.
// Threads: one. Lifetime: borrows the rows beneath.
// Limits: what is changed is held in memory. Failure: none of its own.
#pragma once

#include "core/result.h"
#include "runtime/registry/registry_rows.h"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::runtime {

class OverlaidRows final : public RegistryRows {
public:
    explicit OverlaidRows(RegistryRows& beneath) : beneath_(beneath) {}

    core::Result<std::vector<RegistryRow>> load_all(std::string_view kind) override;
    core::Status commit(std::span<const RegistryRow> puts, std::span<const RegistryRowName> erases,
                        std::int64_t at_us, core::TenantId tenant, std::string_view audit) override;
    std::uint64_t revision() const override { return beneath_.revision(); }
    void set_aside(std::string_view kind, std::string_view id, const core::Error& why) override {
        beneath_.set_aside(kind, id, why);
    }

private:
    RegistryRows& beneath_;
    // By kind and id; nullopt: erased.
    std::map<std::pair<std::string, std::string>, std::optional<RegistryRow>> changed_;
};

}  // namespace millrace::runtime
