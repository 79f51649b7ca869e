// What: what the checks of model.h find in a store: its log, and single values of kv.
// Threads: one. Lifetime: owns its copies. Limits: none. Failure: none.
#pragma once

#include "core/ids.h"
#include "store/rows/kv_store.h"
#include "tests/sim/model.h"

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::sim {

inline std::string at(core::LogPosition position) {
    return "shard " + std::to_string(position.shard.value) + " offset " +
           std::to_string(position.offset.value);
}

// The number behind "n": in a payload of ours.
inline std::uint64_t number_in(std::string_view text) {
    static constexpr std::string_view kName = "\"n\":";
    const std::size_t begin = text.find(kName);
    std::uint64_t number = 0;
    if (begin == std::string_view::npos) return number;
    std::from_chars(text.data() + begin + kName.size(), text.data() + text.size(), number);
    return number;
}

inline std::int64_t counter(store::Database& database, std::size_t tenant, const std::string& key) {
    const auto value = database.kv().get({tenant_id(tenant), "kv", key});
    if (!value || !*value) return 0;
    return (*value)->type == store::KvType::kInt64
               ? (*value)->integer
               : std::strtoll((*value)->json.c_str(), nullptr, 10);
}

struct Model::Found {
    struct Event {
        core::LogPosition position;
        core::TenantId tenant;
        std::string raw;
        std::string pattern;
    };
    std::vector<Event> events;                                    // in log order, shard by shard
    std::map<std::uint64_t, std::vector<std::size_t>> by_number;  // sent ones
    std::map<std::uint64_t, std::uint32_t> derived;               // by number of the cause
    std::map<std::uint64_t, std::uint32_t> edges;                 // the same
    PerTenant<std::uint64_t> alerts{};
    std::vector<core::LogOffset> first_kept;                    // by shard
    std::set<std::pair<std::uint16_t, std::uint64_t>> thinned;  // shard, offset

    bool gone(core::LogPosition position) const {
        return position.offset < first_kept[position.shard.value] ||
               thinned.contains({position.shard.value, position.offset.value});
    }
};

}  // namespace millrace::sim
