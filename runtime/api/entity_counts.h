// What: how many entities a tenant has, where a quota bounds them. They are counted (aside) when
//       the quota is asked for the first time since the start, and kept from then on by what is
//       made and removed; whoever changes one meanwhile waits.
// Threads: the API thread. Lifetime: outlives what waits in it.
// Limits: a number for each tenant with such a quota; kWaitingMax changes wait for a count.
// Failure: wait() refuses with kRateLimited; a count that failed is told to all who wait, and is
//       made again for the next one.
#pragma once

#include "core/ids.h"
#include "core/result.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

namespace millrace::runtime::api {

class EntityCounts {
public:
    static constexpr std::size_t kWaitingMax = 4'096;
    using GoOn = std::function<void(const core::Status&)>;

    std::optional<std::int64_t> held(core::TenantId tenant) const;

    // Nobody has counted yet: `go_on` is called when somebody has. True: it is the caller who lets
    // them be counted, and says learned().
    core::Result<bool> wait(core::TenantId tenant, GoOn go_on);
    void learned(core::TenantId tenant, core::Result<std::int64_t>&& count);

    // One more; kRateLimited when there are `most` (0: any number). Whoever then does not make it
    // says add(-1). Of a tenant that nobody has counted nothing is kept.
    core::Status take(core::TenantId tenant, std::int64_t most);
    void add(core::TenantId tenant, std::int64_t change);

private:
    std::map<std::uint32_t, std::int64_t> held_;
    std::map<std::uint32_t, std::vector<GoOn>> waiting_;
    std::size_t waiting_count_ = 0;
};

}  // namespace millrace::runtime::api
