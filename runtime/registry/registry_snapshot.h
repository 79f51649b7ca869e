// What: all documents at one moment, found by number. Immutable. A change copies
//       one chunk of 1024 pointers and the list of chunks, so that it costs the same few
//       microseconds with a million subscriptions as with ten.
// Threads: read anywhere. Lifetime: an agent keeps its shared_ptr and swaps it at a batch boundary;
//       raw pointers found in a snapshot live as long as it does. Nothing here is touched per event
//       but two array loads.
// Limits: numbers are 32 bits. Failure: a number that is not there gives nullptr.
#pragma once

#include "runtime/registry/document_kinds.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace millrace::runtime {

template <typename T>
class NumberedTable {
public:
    static constexpr std::size_t kChunkItems = 1024;

    const T* find(std::uint32_t number) const {
        const std::size_t chunk = number / kChunkItems;
        return chunk < chunks_.size() && chunks_[chunk]
                   ? (*chunks_[chunk])[number % kChunkItems].get()
                   : nullptr;
    }
    std::shared_ptr<const T> share(std::uint32_t number) const {
        const std::size_t chunk = number / kChunkItems;
        if (chunk >= chunks_.size() || !chunks_[chunk]) return nullptr;
        return (*chunks_[chunk])[number % kChunkItems];
    }
    std::size_t size() const { return count_; }
    // A copy of the other one, since which neither has changed.
    bool same_as(const NumberedTable& other) const { return chunks_ == other.chunks_; }

    // Visits all in the order of their numbers.
    template <typename F>
    void for_each(F&& visit) const {
        for (const auto& chunk : chunks_) {
            if (!chunk) continue;
            for (const auto& item : *chunk) {
                if (item) visit(item);
            }
        }
    }

    // Only on a copy that nobody else sees yet. nullptr removes.
    void set(std::uint32_t number, std::shared_ptr<const T> item) {
        const std::size_t at = number / kChunkItems;
        if (at >= chunks_.size()) chunks_.resize(at + 1);
        auto chunk =
            chunks_[at] ? std::make_shared<Chunk>(*chunks_[at]) : std::make_shared<Chunk>();
        auto& slot = (*chunk)[number % kChunkItems];
        count_ += (item != nullptr) - (slot != nullptr);
        slot = std::move(item);
        chunks_[at] = std::move(chunk);
    }

    // For loading: changes the chunk in place. Only while no copy of this table exists.
    void load(std::uint32_t number, std::shared_ptr<const T> item) {
        const std::size_t at = number / kChunkItems;
        if (at >= chunks_.size()) chunks_.resize(at + 1);
        if (!chunks_[at]) chunks_[at] = std::make_shared<Chunk>();
        auto& slot = (*chunks_[at])[number % kChunkItems];
        count_ += (item != nullptr) - (slot != nullptr);
        slot = std::move(item);
    }

private:
    using Chunk = std::array<std::shared_ptr<const T>, kChunkItems>;
    std::vector<std::shared_ptr<Chunk>> chunks_;
    std::size_t count_ = 0;
};

struct RegistrySnapshot {
    std::uint64_t version = 0;  // grows by one with each change, over restarts too
#define X(Type, table) NumberedTable<Type> table;
    MILLRACE_DOCUMENT_KINDS(X)
#undef X

    const Subscription* subscription(core::SubscriptionId number) const {
        return subscriptions.find(number.value);
    }
    const Script* script(ScriptNumber number) const { return scripts.find(number.value); }
    // Nothing of it runs. `default` never is.
    bool is_suspended(core::TenantId tenant) const {
        if (tenant.value == 0) [[likely]]
            return false;
        const Tenant* of = tenants.find(tenant.value);
        return of && of->suspended;
    }
    // Deliveries of this one wait: none is begun. Its script may be another reason.
    bool holds(const Subscription& of) const { return of.held() || is_suspended(of.tenant); }
    // Subscriptions that are kept and do not read: their own row, or that of what they run.
    std::vector<core::SubscriptionId> set_aside;
    bool unknown_set_aside = false;  // rows that do not even say which one they are
    // Whether this number, which is nobody's here, is that of one, for all that is known. What
    // waits for it waits until it reads again, or somebody takes it away.
    bool may_be_set_aside(core::SubscriptionId number) const {
        if (set_aside.empty() && !unknown_set_aside) [[likely]]
            return false;
        return !subscription(number) &&
               (unknown_set_aside ||
                std::find(set_aside.begin(), set_aside.end(), number) != set_aside.end());
    }
    // What waits for this number waits on: it does not run, or does not read.
    bool waits(core::SubscriptionId number) const {
        const Subscription* of = subscription(number);
        return of ? !held_because(*of).empty() : may_be_set_aside(number);
    }
    // Why deliveries of this one wait, in words; empty: they do not.
    std::string_view held_because(const Subscription& of) const {
        if (is_suspended(of.tenant)) return "its tenant is suspended";
        const ExecutorSpec& executor = of.executor;
        return runtime::held_because(
            of, script(executor.script.value != 0 ? executor.script : executor.transform));
    }
};

using RegistrySnapshotRef = std::shared_ptr<const RegistrySnapshot>;

}  // namespace millrace::runtime
