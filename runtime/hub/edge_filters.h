// What: what a hub wants of its edges: the subscriptions with `"edges":"*"` of a tenant, as its
//       edges are told. Where there is none, everything is wanted; one that is
//       switched off wants nothing.
// Threads: the API thread's. Lifetime: texts live until the next follow().
// Limits: a text is made anew when one of its subscriptions has changed. More than an edge reads
//       (WantedEvents) is told as everything.
// Failure: none.
#pragma once

#include "core/ids.h"
#include "runtime/registry/registry_snapshot.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>

namespace millrace::runtime::hub {

class EdgeFilters {
public:
    struct Told {
        std::uint64_t version = 0;  // of the text; 0: everything is wanted
        std::string json;           // {"version","all","patterns","filters"}
    };

    void load(const RegistrySnapshot& registry);
    void follow(const DocumentChange<Subscription>& change);
    const Told& of(core::TenantId tenant) const;
    // What a version was, among the last kRecentMax of a tenant; null: not known any more.
    const std::string* text_of(core::TenantId tenant, std::uint64_t version) const;
    static constexpr std::size_t kRecentMax = 4;

private:
    using Wanted = std::map<std::uint32_t, std::string>;  // by number: what concerns matching

    void take(const Subscription& subscription);
    void tell(core::TenantId tenant);

    std::map<std::uint32_t, Wanted> wanted_;  // by tenant
    std::map<std::uint32_t, Told> told_;
    std::map<std::uint32_t, std::deque<Told>> recent_;
};

}  // namespace millrace::runtime::hub
