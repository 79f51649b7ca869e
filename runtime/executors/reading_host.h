// What: what a script sees that runs outside a lane and changes nothing: kv as it is, its tenant's
//       secrets, the time.
// Threads: the one that runs the script. Lifetime: of a run; borrows all that it is made with.
// Limits: none. Failure: a secret that is not there is none.
#pragma once

#include "core/clock.h"
#include "core/random.h"
#include "runtime/delivery/kv_pending.h"
#include "runtime/delivery/script_host.h"
#include "runtime/executors/webhook_call.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::runtime {

class ReadingHost final : public LuaHost {
public:
    struct Deps {
        const core::Clock* clock = nullptr;
        core::Random* random = nullptr;
        store::KvStore* kv = nullptr;
    };
    ReadingHost(const Deps& deps, core::TenantId tenant, const FindSecret& find_secret)
        : deps_(deps), tenant_(tenant), find_secret_(find_secret), kv_(*deps.kv) {}

    KvAnswer kv_get(KvSpace space, std::string_view key, std::string& value) override {
        return kv_.read(tenant_, space, key, deps_.clock->wall_us(), value);
    }
    KvAnswer kv_list(KvSpace space, std::string_view prefix, KvVisitor& visitor) override {
        return kv_.list(tenant_, space, prefix, deps_.clock->wall_us(), visitor);
    }
    bool secret(std::string_view name, std::string& value) override {
        std::string found;
        if (!find_secret_(name, found)) return false;
        value += found;
        return true;
    }
    std::int64_t wall_us() override { return deps_.clock->wall_us(); }
    std::int64_t monotonic_ns() override { return deps_.clock->monotonic_ns(); }
    std::uint64_t random() override { return deps_.random->next(); }

private:
    const Deps deps_;
    const core::TenantId tenant_;
    const FindSecret& find_secret_;
    KvPending kv_;
};

}  // namespace millrace::runtime
