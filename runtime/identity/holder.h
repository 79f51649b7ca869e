// What: what of a tenant and of a key changes while they are in use, shared by all versions of
//       their documents and by every principal: whether they still count, what they may spend, when
//       a key was used last.
// Threads: any. Lifetime: shared by those who hold a principal.
// Limits: none. Failure: none.
#pragma once

#include "runtime/identity/peer_text.h"
#include "runtime/identity/token_bucket.h"

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>

namespace millrace::runtime::identity {

struct Meter {
    TokenBucket events;
    TokenBucket bytes;
};

// What is there at once. 0 of `most`: no limit.
struct Count {
    std::atomic<std::int64_t> held{0};
    std::atomic<std::int64_t> most{0};
};

class TenantHolder {
public:
    Meter meter;
    Count connections;
    std::atomic<std::int64_t> streams_max{0};  // 0: no limit of its own
    // Bytes of events in the log, as the store counts them; null: nobody does.
    std::atomic<const std::atomic<std::int64_t>*> stored{nullptr};
    std::atomic<std::int64_t> stored_most{0};  // 0: no limit

    bool suspended() const { return suspended_.load(std::memory_order_acquire); }
    void suspend(bool now, std::string reason) {
        const std::lock_guard lock(mutex_);
        reason_ = std::move(reason);
        suspended_.store(now, std::memory_order_release);  // pairs with suspended()
    }
    std::string reason() const {
        const std::lock_guard lock(mutex_);
        return reason_;
    }

private:
    std::atomic<bool> suspended_{false};
    mutable std::mutex mutex_;
    std::string reason_;
};

class KeyHolder {
public:
    static constexpr std::int64_t kNotedEveryUs = 60'000'000;

    Meter meter;
    Count connections;
    std::atomic<std::int64_t> streams_max{0};  // as TenantHolder's
    std::atomic<bool> revoked{false};
    // Grows with each change of what the key gives, so that who came before that asks again.
    std::atomic<std::uint32_t> grant{0};

    // Once a minute at most something is written; else it is one load.
    void note_use(std::int64_t now_us, const io::Peer& peer) {
        std::int64_t before = used_us_.load(std::memory_order_relaxed);
        if (now_us - before < kNotedEveryUs && now_us >= before) return;
        if (!used_us_.compare_exchange_strong(before, now_us, std::memory_order_relaxed)) return;
        const std::lock_guard lock(mutex_);
        peer_ = peer_address(peer);
    }
    // As it was kept by an earlier process.
    void restore_use(std::int64_t at_us, std::string peer) {
        used_us_.store(at_us, std::memory_order_relaxed);
        written_us = at_us;
        const std::lock_guard lock(mutex_);
        peer_ = std::move(peer);
    }
    std::int64_t used_us() const { return used_us_.load(std::memory_order_relaxed); }
    std::string used_from() const {
        const std::lock_guard lock(mutex_);
        return peer_;
    }

    std::int64_t written_us = 0;  // the API thread's: what the store knows

private:
    std::atomic<std::int64_t> used_us_{0};
    mutable std::mutex mutex_;
    std::string peer_;
};

}  // namespace millrace::runtime::identity
