// What: rows that go through to others beneath as they are; for those who change something on the
//       way.
// Threads: the registry's owner. Lifetime: borrows the rows beneath. Limits: none of its own.
// Failure: theirs.
#pragma once

#include "runtime/registry/registry_rows.h"

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace millrace::runtime {

class ForwardedRows : public RegistryRows {
public:
    explicit ForwardedRows(RegistryRows& beneath) : beneath_(beneath) {}

    core::Result<std::vector<RegistryRow>> load_all(std::string_view kind) override {
        return beneath_.load_all(kind);
    }
    core::Status each(std::string_view kind, const VisitRow& visit) override {
        return beneath_.each(kind, visit);
    }
    core::Status commit(std::span<const RegistryRow> puts, std::span<const RegistryRowName> erases,
                        std::int64_t at_us, core::TenantId tenant,
                        std::string_view audit) override {
        return beneath_.commit(puts, erases, at_us, tenant, audit);
    }
    void begin_many() override { beneath_.begin_many(); }
    core::Status end_many() override { return beneath_.end_many(); }
    void begin_one() override { beneath_.begin_one(); }
    core::Status end_one() override { return beneath_.end_one(); }
    std::uint64_t revision() const override { return beneath_.revision(); }
    void set_aside(std::string_view kind, std::string_view id, const core::Error& why) override {
        beneath_.set_aside(kind, id, why);
    }

protected:
    RegistryRows& beneath() { return beneath_; }

private:
    RegistryRows& beneath_;
};

}  // namespace millrace::runtime
