// What: registry rows that hold secrets, sealed on disk: AES-256-GCM over the whole row, bound to
//       its kind and id, so that a row that was moved to another name does not open. Rows of before
//       are read as they are and sealed as they are read; so are those that an older key has
//       sealed, by the newest.
// Threads: the registry's owner. Lifetime: borrows the rows beneath.
// Limits: none of its own.
// Failure: a row that does not open (another key, damage) is handed on as it stands, and set aside
//       by whoever reads it.
#pragma once

#include "core/clock.h"
#include "core/result.h"
#include "runtime/registry/forwarded_rows.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::runtime {

// The keys in a file, behind one another: base64 of 32 bytes a line, the newest first. kMake: where
// there is no such file, one is made (0600).
inline constexpr std::size_t kSealKeysMax = 8;
enum class MissingKey : std::uint8_t { kRefuse, kMake };
core::Result<std::string> read_seal_keys(const std::string& path, MissingKey missing);

class SealedRegistryRows final : public ForwardedRows {
public:
    // `keys`: as read_seal_keys() gives them; the first one seals.
    SealedRegistryRows(RegistryRows& beneath, const core::Clock& clock, std::string keys)
        : ForwardedRows(beneath), clock_(clock), keys_(std::move(keys)) {}

    core::Result<std::vector<RegistryRow>> load_all(std::string_view kind) override;
    core::Status each(std::string_view kind, const VisitRow& visit) override;
    core::Status commit(std::span<const RegistryRow> puts, std::span<const RegistryRowName> erases,
                        std::int64_t at_us, core::TenantId tenant, std::string_view audit) override;

    // A row as another folder with the same keys keeps it.
    RegistryRow opened(RegistryRow row) const;

private:
    static bool holds_secrets(const RegistryRow& row);
    void seal(RegistryRow& row) const;

    const core::Clock& clock_;
    const std::string keys_;
};

// For those who only look at a folder: what is sealed is opened with the keys, and left out where
// they are elsewhere (empty).
class SealedRowsView final : public RegistryRows {
public:
    SealedRowsView(RegistryRows& beneath, std::string keys)
        : beneath_(beneath), keys_(std::move(keys)) {}

    core::Result<std::vector<RegistryRow>> load_all(std::string_view kind) override;
    core::Status commit(std::span<const RegistryRow> puts, std::span<const RegistryRowName> erases,
                        std::int64_t at_us, core::TenantId tenant, std::string_view audit) override;
    std::uint64_t revision() const override { return beneath_.revision(); }
    void set_aside(std::string_view kind, std::string_view id, const core::Error& why) override {
        beneath_.set_aside(kind, id, why);
    }

private:
    RegistryRows& beneath_;
    const std::string keys_;
};

}  // namespace millrace::runtime
