#include "runtime/edge/what_fits.h"

#include "runtime/identity/limits.h"

#include <utility>
#include <vector>

namespace millrace::runtime {

std::optional<core::Error> take_what_fits(IngestRequest& request,
                                          const identity::Principal& principal,
                                          std::int64_t now_ns) {
    if (identity::take_quota(principal, static_cast<std::int64_t>(request.items.size()),
                             static_cast<std::int64_t>(request.body.size()), now_ns))
        return std::nullopt;
    std::vector<std::uint32_t> refused;
    std::optional<core::Error> last;
    for (std::uint32_t i = 0; i < request.items.size(); ++i) {
        const auto bytes = static_cast<std::int64_t>(request.items[i].input.raw.size());
        auto taken = identity::take_quota(principal, 1, bytes, now_ns);
        if (taken) continue;
        if (!last) last = taken.error();
        refused.push_back(i);
        request.rejected.push_back({request.items[i].entry, std::move(taken.error())});
    }
    request.leave_out(refused);
    return last;
}

}  // namespace millrace::runtime
