#include "runtime/registry/quota_members.h"

namespace millrace::runtime {

using identity::Quota;

std::span<const Quota> all_quotas() {
    static constexpr Quota kAll[] = {
#define X(enumerator, text) Quota::enumerator,
        MILLRACE_QUOTAS(X)
#undef X
    };
    return kAll;
}

void read_quotas(core::JsonObject& in, std::span<const Quota> known, identity::Quotas& quotas) {
    auto given = in.object("quotas");
    if (!given) return;
    for (const Quota quota : known) {
        std::int64_t most = 0;
        if (given->integer(quota_name(quota), most, 1, kQuotaMax)) quotas.set(quota, most);
    }
    if (auto status = given->finish(); !status) in.join(*given);
}

void append_quotas(core::JsonWriter& json, const identity::Quotas& quotas) {
    json.key("quotas").begin_object();
    for (const Quota quota : all_quotas()) {
        if (quotas.of(quota) != 0) json.field(quota_name(quota), quotas.of(quota));
    }
    json.end_object();
}

}  // namespace millrace::runtime
