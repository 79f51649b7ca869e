// What: publication of immutable values to threads that never wait (quiescent-state reclamation):
//       a reader says observe() where it holds nothing (its batch boundary); the publisher frees an
//       old value when every reader has observed a later epoch.
// Threads: one publisher; each Reader belongs to one thread. all_observed() from any thread.
// Lifetime: the domain outlives its readers and Published values.
// Limits: kRcuReadersMax readers.
// Failure: a reader that neither observes nor goes offline holds up reclamation, nothing else.
#pragma once

#include "core/assert.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace millrace::core {

inline constexpr std::size_t kRcuReadersMax = 256;

class RcuDomain {
public:
    static constexpr std::uint64_t kOffline = ~0ULL;
    static constexpr std::uint64_t kFree = ~0ULL - 1;

    class Reader {
    public:
        Reader() = default;
        Reader(Reader&& other) noexcept { *this = std::move(other); }
        Reader& operator=(Reader&& other) noexcept {
            std::swap(domain_, other.domain_);
            std::swap(slot_, other.slot_);
            return *this;
        }
        ~Reader() {
            // release: the publisher's acquire in oldest() sees our reads finished.
            if (domain_) domain_->slots_[slot_].seen.store(kFree, std::memory_order_release);
        }
        // At a boundary: nothing acquired before is used any more; acquire() again for the newest.
        void observe() {
            // pairs with advance()
            const std::uint64_t now = domain_->epoch_.load(std::memory_order_acquire);
            auto& seen = domain_->slots_[slot_].seen;
            if (seen.load(std::memory_order_relaxed) == now) return;  // own slot: only we write it
            // seq_cst: coming back online must be visible before the next load of a pointer.
            seen.store(now, std::memory_order_seq_cst);
        }
        // Before a wait of unknown length. observe() comes back.
        void offline() {
            // as in ~Reader
            domain_->slots_[slot_].seen.store(kOffline, std::memory_order_release);
        }

    private:
        friend class RcuDomain;
        Reader(RcuDomain* domain, std::size_t slot) : domain_(domain), slot_(slot) {}
        RcuDomain* domain_ = nullptr;
        std::size_t slot_ = 0;
    };

    RcuDomain() = default;
    RcuDomain(const RcuDomain&) = delete;
    RcuDomain& operator=(const RcuDomain&) = delete;

    Reader register_reader() {
        for (std::size_t i = 0; i < kRcuReadersMax; ++i) {
            std::uint64_t expected = kFree;
            if (slots_[i].seen.compare_exchange_strong(
                    expected, epoch_.load(std::memory_order_acquire), std::memory_order_seq_cst)) {
                return Reader(this, i);
            }
        }
        assert_failed("more rcu readers than kRcuReadersMax", __FILE__, __LINE__);
        return {};
    }

    // After a pointer was stored: readers that observe from now on see it. Returns the new epoch.
    std::uint64_t advance() { return epoch_.fetch_add(1, std::memory_order_seq_cst) + 1; }
    std::uint64_t epoch() const { return epoch_.load(std::memory_order_acquire); }

    // Every reader has observed this epoch or is offline.
    bool all_observed(std::uint64_t epoch) const { return oldest() >= epoch; }
    std::uint64_t oldest() const {
        std::uint64_t oldest = kOffline;
        for (const Slot& slot : slots_) {
            // seq_cst: in one order with the exchange in publish(), the store in observe()
            // and the load in acquire(), so that who is taken for offline here loads the new
            // pointer.
            const std::uint64_t seen = slot.seen.load(std::memory_order_seq_cst);
            if (seen < oldest && seen != kFree) oldest = seen;
        }
        return oldest;
    }

private:
    struct alignas(64) Slot {
        std::atomic<std::uint64_t> seen{kFree};
    };
    alignas(64) std::atomic<std::uint64_t> epoch_{1};
    std::array<Slot, kRcuReadersMax> slots_;
};

// One pointer that the publisher swaps.
template <typename T>
class Published {
public:
    explicit Published(RcuDomain& domain) : domain_(domain) {}
    Published(const Published&) = delete;
    Published& operator=(const Published&) = delete;
    ~Published() {
        delete current_.load(std::memory_order_relaxed);  // readers are gone by contract
        for (auto& [epoch, value] : retired_) delete value;
    }

    // By an online reader: valid until its next observe() or offline().
    const T* acquire() const { return current_.load(std::memory_order_seq_cst); }
    // By the publisher only: what it published last.
    const T* latest() const { return current_.load(std::memory_order_relaxed); }

    // By the publisher. Returns the epoch from which on everybody sees the value.
    std::uint64_t publish(std::unique_ptr<const T> value) {
        const T* old = current_.exchange(value.release(), std::memory_order_seq_cst);
        const std::uint64_t epoch = domain_.advance();
        if (old) retired_.emplace_back(epoch, old);
        return epoch;
    }
    // Old values that wait for readers to pass on.
    std::size_t waiting() const { return retired_.size(); }
    // Frees what nobody can see any more; returns how many old values are still kept.
    std::size_t reclaim() {
        if (retired_.empty()) return 0;
        const std::uint64_t oldest = domain_.oldest();
        std::size_t kept = 0;
        for (auto& entry : retired_) {
            if (entry.first <= oldest) {
                delete entry.second;
            } else {
                retired_[kept++] = entry;
            }
        }
        retired_.resize(kept);
        return kept;
    }

private:
    RcuDomain& domain_;
    std::atomic<const T*> current_{nullptr};
    std::vector<std::pair<std::uint64_t, const T*>> retired_;
};

}  // namespace millrace::core
