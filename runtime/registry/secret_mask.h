// What: hides a tenant's secrets in texts that people get to see (results, errors, logs): where the
//       value of one stands, "****" stands instead. Also where a JSON text had to escape it, and
//       values that a secret had before, for as long as this remembers them: whoever asked for one
//       earlier may still hold it.
// Threads: one owner. Lifetime: holds on to the secrets of the snapshot that it was asked with.
// Limits: values below kHiddenBytesMin are words that stand everywhere, and are left; of a tenant
//       kRememberedMax values. A text costs a look at each of its bytes, however many secrets there
//       are.
// Failure: none.
#pragma once

#include "runtime/registry/executor_specs.h"
#include "runtime/registry/registry_snapshot.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace millrace::runtime {

// The values of one tenant, or of one moment.
class HiddenTexts {
public:
    static constexpr std::size_t kHiddenBytesMin = 4;
    static constexpr std::size_t kRememberedMax = 20'000;

    void add(std::string_view value);
    bool empty() const { return count_ == 0; }
    // False: nothing of it stands there.
    bool hide(std::string& text) const;
    // The text is JSON and stays so; where that can not be, `instead` takes its place.
    bool hide_in_json(std::string& json, std::string_view instead) const;

private:
    static std::uint16_t beginning(std::string_view text) {
        return static_cast<std::uint16_t>(static_cast<unsigned char>(text[0]) << 8 |
                                          static_cast<unsigned char>(text[1]));
    }
    // So few beginnings are compared one by one: most have no table of 8 KiB.
    static constexpr std::size_t kFewMax = 4;
    bool may_begin(std::uint16_t key) const {
        if (!beginnings_.empty()) return beginnings_[key];
        for (const std::uint16_t one : few_) {
            if (one == key) return true;
        }
        return false;
    }
    std::size_t found_at(std::string_view text) const;
    void add_beginning(std::uint16_t key);
    void add_one(std::string value);

    std::size_t count_ = 0;
    std::vector<std::uint16_t> few_;  // the first two bytes of each, while they are few
    std::vector<bool> beginnings_;    // then by those bytes; empty: they are few
    std::unordered_map<std::uint16_t, std::vector<std::string>> by_beginning_;  // longest first
};

class SecretMask {
public:
    // What is hidden of this tenant now.
    const HiddenTexts& of(const RegistrySnapshot& registry, core::TenantId tenant);
    // What is known already.
    const HiddenTexts& known(core::TenantId tenant) { return tenants_[tenant.value]; }
    // One that was just given out: it may be newer than the snapshot.
    void add(core::TenantId tenant, std::string_view value) { tenants_[tenant.value].add(value); }

private:
    NumberedTable<Secret> seen_;
    std::unordered_map<std::uint32_t, HiddenTexts> tenants_;
};

// What a webhook is signed with; null: nothing.
void add_webhook_secrets(const WebhookSecrets* secrets, HiddenTexts& to);
// For a subscription, with what is hidden of them.
std::shared_ptr<const WebhookSecrets> keep_webhook_secrets(WebhookSecrets secrets);

inline constexpr std::string_view kHiddenJson = R"("****")";
inline constexpr std::string_view kHiddenLogs = R"([{"level":"info","text":"****"}])";

}  // namespace millrace::runtime
