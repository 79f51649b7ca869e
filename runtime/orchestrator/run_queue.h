// What: runs that wait for a place. A tenant's own come in their order, those that another run has
//       begun before the others, so that what has begun comes to an end; tenants take turns: none
//       waits behind all that another has.
// Threads: one owner. Lifetime: owns names.
// Limits: whoever fills it bounds it (Orchestrator::kQueuedRunsMax); a start may bring more.
// Failure: none.
#pragma once

#include "core/assert.h"
#include "runtime/orchestrator/run_rows.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <utility>

namespace millrace::runtime {

class RunQueue {
public:
    bool empty() const { return size_ == 0; }
    std::size_t size() const { return size_; }

    enum class Kind : std::uint8_t { kFirst, kChild };
    void push(const RunName& run, Kind kind = Kind::kFirst) {
        OfTenant& of = by_tenant_[run.tenant.value];
        if (of.empty()) turns_.push_back(run.tenant.value);
        (kind == Kind::kChild ? of.children : of.first).push_back(run.id);
        ++size_;
    }
    // There is one.
    RunName pop() {
        MR_DCHECK(size_ != 0);
        const std::uint32_t tenant = turns_.front();
        turns_.pop_front();
        const auto at = by_tenant_.find(tenant);
        std::deque<std::string>& next =
            at->second.children.empty() ? at->second.first : at->second.children;
        RunName run{core::TenantId(tenant), std::move(next.front())};
        next.pop_front();
        if (at->second.empty())
            by_tenant_.erase(at);
        else
            turns_.push_back(tenant);
        --size_;
        return run;
    }

private:
    struct OfTenant {
        std::deque<std::string> children, first;
        bool empty() const { return children.empty() && first.empty(); }
    };
    std::unordered_map<std::uint32_t, OfTenant> by_tenant_;  // none is empty
    std::deque<std::uint32_t> turns_;                        // each tenant that has some once
    std::size_t size_ = 0;
};

}  // namespace millrace::runtime
