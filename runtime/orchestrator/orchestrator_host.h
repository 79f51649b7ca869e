// What: what the scripts of one tenant's steps see of the orchestrator.
// Threads: the orchestrator's. Lifetime: of the orchestrator. Limits: none. Failure: none.
#pragma once

#include "runtime/delivery/script_emit.h"
#include "runtime/orchestrator/orchestrator.h"

namespace millrace::runtime {

class Orchestrator::Host final : public LuaHost {
public:
    Host(Orchestrator& of, core::TenantId tenant) : of_(of), tenant_(tenant) {}
    EmitCause emit_cause() override {
        EmitCause cause;
        const std::string_view key = of_.running_ ? std::string_view(of_.running_->key) : "";
        cause.key = cause_key(tenant_, {}, key);
        cause.event_id = of_.running_event_;
        cause.correlation_id = of_.running_correlation_;
        cause.now_us = wall_us();
        return cause;
    }
    KvAnswer kv_get(KvSpace space, std::string_view key, std::string& value_json) override {
        return of_.writer_.builder().kv().read(tenant_, space, key, wall_us(), value_json);
    }
    KvAnswer kv_list(KvSpace space, std::string_view prefix, KvVisitor& visitor) override {
        return of_.writer_.builder().kv().list(tenant_, space, prefix, wall_us(), visitor);
    }
    bool secret(std::string_view name, std::string& value) override {
        const RegistrySnapshotRef registry = of_.deps_.registry();
        const SecretRef found = of_.secrets_.find(*registry, tenant_, name);
        if (found) {
            value += found->value;
            of_.mask_.add(tenant_, found->value);
        }
        return found != nullptr;
    }
    bool hide_secrets(std::string& text) override {
        return of_.mask_.of(*of_.deps_.registry(), tenant_).hide(text);
    }
    bool takes_event(std::string_view pattern, std::string_view envelope,
                     std::string& why) override {
        if (of_.deps_.may_store) {
            if (auto may = of_.deps_.may_store(tenant_, envelope.size()); !may) {
                why = std::move(may.error().message);
                return false;
            }
        }
        of_.guard_.refresh();
        return !of_.guard_.any() || of_.guard_.takes_emitted(pattern, envelope, tenant_, wall_us(),
                                                             SchemaGuard::Asker::kHandler, why);
    }
    std::int64_t wall_us() override { return of_.deps_.clock->wall_us(); }
    std::int64_t monotonic_ns() override { return of_.deps_.clock->monotonic_ns(); }
    std::uint64_t random() override { return of_.random_.next(); }
    core::TenantId tenant() const { return tenant_; }

private:
    Orchestrator& of_;
    const core::TenantId tenant_;
};

}  // namespace millrace::runtime
