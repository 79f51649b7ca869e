// What: the order in which changes of one entity are made: one at a time, the others wait for it.
//       So a change is made on what the one before it has left, and of two that want the same
//       version one is refused.
// Threads: the API thread. Lifetime: outlives what waits in it.
// Limits: kWaitingMax changes wait for one entity, kWaitingAllMax for all (overflow: refuse).
// Failure: enter() answers false, and the caller says 429.
#pragma once

#include "core/ids.h"

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

namespace millrace::runtime::api {

class EntityDesk {
public:
    static constexpr std::size_t kWaitingMax = 256;
    static constexpr std::size_t kWaitingAllMax = 4'096;

    struct Key {
        core::TenantId tenant;
        std::string type;
        std::string id;
        bool operator<(const Key& other) const {
            return std::tie(tenant.value, type, id) <
                   std::tie(other.tenant.value, other.type, other.id);
        }
    };

    // Runs it now, or when those before it have left.
    bool enter(const Key& key, std::function<void()> change) {
        const auto [at, free] = at_work_.try_emplace(key);
        if (free) {
            change();
            return true;
        }
        if (at->second.size() >= kWaitingMax || waiting_ >= kWaitingAllMax) return false;
        at->second.push_back(std::move(change));
        ++waiting_;
        return true;
    }
    void leave(const Key& key) {
        const auto at = at_work_.find(key);
        if (at == at_work_.end()) return;
        if (at->second.empty()) {
            at_work_.erase(at);
            return;
        }
        const std::function<void()> next = std::move(at->second.front());
        at->second.pop_front();
        --waiting_;
        next();
    }

private:
    std::map<Key, std::deque<std::function<void()>>> at_work_;
    std::size_t waiting_ = 0;
};

}  // namespace millrace::runtime::api
