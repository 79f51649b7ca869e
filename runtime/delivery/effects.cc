#include "runtime/delivery/effects.h"

namespace millrace::runtime {

void AttemptEffects::append(const AttemptEffects& other) {
    for (const EmittedEvent& event : other.emitted) {
        EmittedEvent& copy = emitted.emplace_back();
        copy.envelope = texts.keep(event.envelope);
        copy.event_id = texts.keep(event.event_id);
        copy.pattern = texts.keep(event.pattern);
        copy.payload = texts.keep(event.payload);
        copy.partition_key = texts.keep(event.partition_key);
        copy.causation_depth = event.causation_depth;
    }
    for (const KvOp& op : other.kv_ops) {
        KvOp& copy = kv_ops.emplace_back(op);
        copy.key = texts.keep(op.key);
        copy.value_json = texts.keep(op.value_json);
        copy.delta_text = texts.keep(op.delta_text);
    }
}

}  // namespace millrace::runtime
