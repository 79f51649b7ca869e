// What: every key that counts, found by the SHA-256 of its text: immutable tables that the API
//       thread makes and every shard reads.
// Threads: KeyRing: one publisher, any reader; a KeyReader has one owner (a shard's face).
// Lifetime: the ring outlives its readers; grants are shared.
// Limits: a change copies one of kBuckets buckets; a reader remembers kRemembered texts.
// Failure: none; a text that is no key is null.
#pragma once

#include "core/crypto/digest.h"
#include "core/ids.h"
#include "matcher/filter/cidr.h"
#include "runtime/identity/holder.h"
#include "runtime/identity/key_text.h"
#include "runtime/identity/principal.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::runtime::identity {

// What one version of a key gives.
struct KeyGrant {
    core::TenantId tenant;
    ScopeSet scopes;
    std::shared_ptr<const KeyIdentity> key;
    std::vector<matcher::CidrBlock> from;  // where it may be shown; none: everywhere
};
using KeyGrantRef = std::shared_ptr<const KeyGrant>;

class KeyTable {
public:
    static constexpr std::size_t kBuckets = 256;

    struct Entry {
        core::crypto::Digest digest{};
        std::int64_t until_us = 0;  // of a text that was rotated out; 0: it is the current one
        KeyGrantRef grant;
    };

    // A name in a client's certificate stands in the same table, under a digest that no text of a
    // key has.
    static core::crypto::Digest digest_of_name(std::string_view name);

    // Of many at once; of two with one digest the later one counts.
    static std::shared_ptr<KeyTable> of(std::vector<Entry> entries);

    const Entry* find(const core::crypto::Digest& digest) const;
    void put(Entry entry);
    void erase(const core::crypto::Digest& digest);

private:
    using Bucket = std::vector<Entry>;  // sorted
    std::array<std::shared_ptr<const Bucket>, kBuckets> buckets_;
};

class KeyRing {
public:
    // True since the first key was made, whatever became of it.
    bool closed() const { return closed_.load(std::memory_order_acquire); }
    const std::atomic<bool>& closed_flag() const { return closed_; }
    void close() { closed_.store(true, std::memory_order_release); }  // pairs with closed()

    // Whose quotas hold for whoever comes while no key exists. Before the threads.
    void set_local_tenant(std::shared_ptr<TenantHolder> tenant) { local_ = std::move(tenant); }
    TenantHolder* local_tenant() const { return local_.get(); }

    void publish(std::shared_ptr<const KeyTable> table);
    std::uint64_t version() const { return version_.load(std::memory_order_acquire); }
    std::shared_ptr<const KeyTable> table() const;

private:
    std::shared_ptr<TenantHolder> local_;
    std::atomic<bool> closed_{false};
    std::atomic<std::uint64_t> version_{0};
    mutable std::mutex mutex_;  // held for a pointer copy
    std::shared_ptr<const KeyTable> table_ = std::make_shared<const KeyTable>();
};

// Remembers the texts it has seen lately: a request of a known client costs neither a lock nor a
// digest.
class KeyReader {
public:
    explicit KeyReader(const KeyRing& ring) : ring_(ring), memory_(kRemembered) {}

    // Null: no key of that text, or one that was rotated out and whose time is over.
    const KeyGrant* find(std::string_view text, std::int64_t now_us);
    // Of the first of these names that is a key's; null: none is.
    const KeyGrant* find_named(std::span<const std::string> names);

private:
    void follow_ring();

    static constexpr std::size_t kRemembered = 256;
    struct Remembered {
        std::array<char, kKeyTextBytes> text{};
        const KeyTable::Entry* entry = nullptr;  // of table_
    };

    const KeyRing& ring_;
    std::uint64_t version_ = ~std::uint64_t{0};
    std::shared_ptr<const KeyTable> table_;
    std::vector<Remembered> memory_;
};

}  // namespace millrace::runtime::identity
