// What a delivery's script asks for: kv, secrets, whether an event may go in, who its cause is.
#include "runtime/delivery/delivery_run.h"
#include "runtime/delivery/script_emit.h"

#include <utility>

namespace millrace::runtime {

KvAnswer DeliveryRun::Host::kv_get(KvSpace space, std::string_view key, std::string& value_json) {
    run_.kv_was_read_ = true;
    return run_.builder_.kv().read(tenant_, space, key, wall_us(), value_json);
}

KvAnswer DeliveryRun::Host::kv_list(KvSpace space, std::string_view prefix, KvVisitor& visitor) {
    run_.kv_was_read_ = true;
    return run_.builder_.kv().list(tenant_, space, prefix, wall_us(), visitor);
}

bool DeliveryRun::Host::secret(std::string_view name, std::string& value) {
    if (!run_.deps_.registry) return false;
    const RegistrySnapshotRef registry = run_.deps_.registry();
    const SecretRef found = run_.secrets_.find(*registry, tenant_, name);
    if (!found) return false;
    value += found->value;
    run_.mask_.add(tenant_, found->value);
    return true;
}

bool DeliveryRun::Host::takes_event(std::string_view pattern, std::string_view envelope,
                                    std::string& why) {
    run_.guard_.refresh();
    if (run_.deps_.may_store) {
        if (auto may = run_.deps_.may_store(tenant_, envelope.size()); !may) {
            why = std::move(may.error().message);
            return false;
        }
    }
    if (!run_.guard_.any()) return true;
    return run_.guard_.takes_emitted(pattern, envelope, tenant_, wall_us(),
                                     SchemaGuard::Asker::kHandler, why);
}

bool DeliveryRun::Host::hide_secrets(std::string& text) {
    return run_.mask_.known(tenant_).hide(text);
}

EmitCause DeliveryRun::Host::emit_cause() {
    EmitCause cause;
    if (const store::StoredEvent* event = run_.running_) {
        cause = emit_cause_of(tenant_, run_.texts_.envelope(*event), run_.texts_.id(*event),
                              run_.emit_context_);
    } else {
        cause.key = cause_key(tenant_, {}, run_.running_call_);
        cause.event_id = run_.running_call_;
    }
    cause.now_us = run_.wall_now_us();
    return cause;
}

DeliveryRun::Host* DeliveryRun::host_of(core::TenantId tenant) {
    if (last_host_ && last_host_->tenant() == tenant) return last_host_;
    for (Host& host : hosts_) {
        if (host.tenant() == tenant) return last_host_ = &host;
    }
    return last_host_ = &hosts_.emplace_back(*this, tenant);
}

}  // namespace millrace::runtime
