#include "store/log/tenant_bytes.h"

#include <cstring>
#include <map>

namespace millrace::store {

std::vector<TenantBytes> tenant_bytes(const EventBlock& events, const std::vector<bool>& left_out) {
    std::map<std::uint32_t, std::uint32_t> bytes;
    auto last = bytes.end();  // neighbours are mostly of one tenant
    for (std::uint32_t i = 0; i < events.count(); ++i) {
        if (events.gone(i) || (!left_out.empty() && left_out[i])) continue;
        const EventRecord& record = events.record(i);
        if (last == bytes.end() || last->first != record.tenant)
            last = bytes.try_emplace(record.tenant, 0).first;
        last->second += record.text_bytes + record.fills_bytes;
    }
    std::vector<TenantBytes> out;
    out.reserve(bytes.size());
    for (const auto& [tenant, sum] : bytes) out.push_back({tenant, sum});
    return out;
}

std::vector<TenantBytes> read_tenant_bytes(std::string_view table) {
    std::vector<TenantBytes> out(table.size() / sizeof(TenantBytes));
    if (!out.empty()) std::memcpy(out.data(), table.data(), out.size() * sizeof(TenantBytes));
    return out;
}

}  // namespace millrace::store
