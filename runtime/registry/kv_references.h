// What: kv of a tenant as the reference data that a schema's rules look up.
// Threads: any. Lifetime: of a call; borrows the store.
// Limits: one look-up in the store for each value asked about.
// Failure: what can not be read is not there.
#pragma once

#include "core/ids.h"
#include "runtime/schema/contract.h"
#include "store/rows/kv_store.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::runtime {

class KvReferences final : public schema::ReferenceData {
public:
    KvReferences(store::KvStore& kv, core::TenantId tenant, std::int64_t now_us)
        : kv_(kv), tenant_(tenant), now_us_(now_us) {}

    bool has(std::string_view space, std::string_view key) const override {
        const std::string room = "kv/" + std::string(space);
        const auto found = kv_.get({tenant_, room, key});
        if (!found || !*found) return false;
        return (*found)->expires_at_us == 0 || (*found)->expires_at_us > now_us_;
    }

private:
    store::KvStore& kv_;
    const core::TenantId tenant_;
    const std::int64_t now_us_;
};

}  // namespace millrace::runtime
