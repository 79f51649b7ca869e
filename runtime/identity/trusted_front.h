// What: who asks, told by the front of a cluster's node (runtime/node) to the process of a
//       partition: the front has asked the partition where the keys are who a client is, and says
//       so with every request. Nobody else reaches that process, and a token proves the front.
// Threads: publish() one; all else any.
// Lifetime: outlives the authenticator that asks it.
// Limits: kRemembered principals are remembered by their texts, and those that are in use.
// Failure: kUnauthorized without the token; kUnavailable for a tenant that this partition does not
//          know yet: the front makes it known, and asks again (unknown_tenant()).
#pragma once

#include "core/result.h"
#include "io/http_types.h"
#include "runtime/identity/holder.h"
#include "runtime/identity/principal.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace millrace::runtime::identity {

// No client gets any of these past a front.
inline constexpr std::string_view kFrontTokenHeader = "Millrace-Cluster-Token";
inline constexpr std::string_view kFrontPrincipalHeader = "Millrace-Principal";
inline constexpr std::string_view kFrontPeerHeader = "Millrace-Peer";
inline constexpr std::string_view kFrontAnswerHeader = "Millrace-Cluster";
inline constexpr std::string_view kFrontOrderHeader = "Millrace-Order";  // api/part_order.h
// What partitions ask each other, by their nodes' fronts (runtime/crossing).
inline constexpr std::string_view kCrossingFolder = "/cluster/";
inline constexpr std::string_view kCrossingPath = ":path";  // no client sends such a header
// DELETE, in the name of a principal that was told and is not so any more: what it has open ends.
inline constexpr std::string_view kTakeBackPath = "/cluster/principal";

// As a header's value, and back. Tenants go by their names: each partition has numbers of its own.
std::string principal_text(const Principal& principal, std::string_view tenant);
struct ToldPrincipal {
    Principal principal;  // without tenant and holders
    std::string tenant;
};
core::Result<ToldPrincipal> read_principal(std::string_view text);
// The same tenant, key and rights; a key's text may be another one where both count for a while.
bool gives_the_same(std::string_view one, std::string_view other);

// The header line of an answer that says: nothing was done, this is not the place any more.
std::string front_not_here();

class TrustedFront {
public:
    struct KnownTenant {
        core::TenantId id;
        std::shared_ptr<TenantHolder> holder;
    };
    using KnownTenants = std::map<std::string, KnownTenant, std::less<>>;

    // `keys_live_here`: requests that name nobody are judged here by what they show.
    // `replicated`: what is told of events that are kept, as members of JSON.
    // `lease_until_ns`: until when the log is known to answer; null: nobody tells.
    TrustedFront(std::string token, bool keys_live_here, std::string replicated,
                 const std::atomic<std::int64_t>* lease_until_ns = nullptr)
        : token_(std::move(token)),
          keys_live_here_(keys_live_here),
          replicated_(std::move(replicated)),
          lease_until_ns_(lease_until_ns) {}

    struct Asked {
        std::optional<Principal> principal;  // none: to be judged here
        io::Peer peer;                       // of the client
    };
    core::Result<Asked> asked(const io::Request& request) const;
    bool is_front(const io::Request& request) const;
    // Header lines that the front reads in the answer: who was found to be asking, where that was
    // judged here, and that a tenant is not known.
    std::string answer_lines(const io::Request& request, const Principal& principal,
                             const core::Status& allowed) const;

    // Whoever was told to be asking by this text is not any more; told again, it is another one.
    void take_back(std::string_view text) const;

    void publish(std::shared_ptr<const KnownTenants> tenants);
    std::string_view replicated() const { return replicated_; }
    // What would be written waits for the log; while that does not answer, who asks is told so
    // instead.
    core::Status takes(io::Method method, std::int64_t now_ns) const;
    // Before the threads start: other partitions may ask this one.
    void take_crossing() { takes_crossing_ = true; }
    bool takes_crossing() const { return takes_crossing_; }

private:
    static constexpr std::size_t kRemembered = 4096;
    using Mark = std::shared_ptr<std::atomic<bool>>;
    core::Result<Principal> principal_of(std::string_view text) const;
    Mark mark_of(std::string_view text) const;

    const std::string token_;
    const bool keys_live_here_;
    const std::string replicated_;
    const std::atomic<std::int64_t>* const lease_until_ns_;
    bool takes_crossing_ = false;
    mutable std::mutex mutex_;
    std::shared_ptr<const KnownTenants> tenants_ = std::make_shared<const KnownTenants>();
    mutable std::unordered_map<std::string, Principal> remembered_;
    // Of the principals that are in use, by their texts.
    mutable std::unordered_map<std::string, std::weak_ptr<std::atomic<bool>>> marks_;
    mutable std::size_t marks_swept_ = 0;  // how many were left then
    // What a key has spent stays with it, whatever version of it is told.
    mutable std::unordered_map<std::string, std::shared_ptr<KeyHolder>> holders_;
};

}  // namespace millrace::runtime::identity
