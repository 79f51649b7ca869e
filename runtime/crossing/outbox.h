// What: events that handlers here have made and whose key is of another partition: rows in the
//       commit of what caused them, one after the other for each destination. Whoever sends them
//       (outbox_sender.h) erases them when they are durable there. Rows of the registry's family:
//           crossing  destination, 4 digits / serial, 20 digits      see crossing_event.h
// Threads: keep() and full() the shard's; sent() the sender's; figures any.
// Lifetime: load() before the threads start. Borrows the store in load() alone.
// Limits: kOutboxRowsMax rows, kOutboxBytesMax; beyond them full(): the shard takes no results of
//         lanes any more until some have gone (overflow policy: the lanes wait, and the log does).
// Failure: load(): Errors of the store.
#pragma once

#include "core/result.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::store {
class RegistryStore;
class RowBatch;
}  // namespace millrace::store

namespace millrace::runtime::crossing {

inline constexpr std::string_view kCrossingKind = "crossing";
inline constexpr std::uint64_t kOutboxRowsMax = 100'000;
inline constexpr std::uint64_t kOutboxBytesMax = 256u << 20;

std::string crossing_row_id(std::size_t destination, std::uint64_t serial);
std::string crossing_row_prefix(std::size_t destination);
// 0: it is none.
std::uint64_t serial_of(std::string_view row_id);
std::size_t destination_of(std::string_view row_id);

class Outbox {
public:
    explicit Outbox(std::size_t partitions) : waiting_(partitions) {}

    core::Status load(store::RegistryStore& rows);

    void keep(store::RowBatch& rows, std::size_t destination, std::int64_t at_us,
              std::string_view text);
    bool full() const { return this->rows() >= kOutboxRowsMax || bytes() >= kOutboxBytesMax; }
    // On a shard's thread: some that were kept are durable.
    void committed() {
        // release: whoever sees it finds the rows
        commits_.fetch_add(1, std::memory_order_release);
        if (wake_) wake_();
    }
    // Before the threads start.
    void wake_by(std::function<void()> wake) { wake_ = std::move(wake); }
    std::uint64_t commits() const { return commits_.load(std::memory_order_acquire); }
    // Of those that were kept for it, so many are erased.
    void sent(std::size_t destination, std::uint64_t rows, std::uint64_t bytes) {
        waiting_[destination].fetch_sub(rows, std::memory_order_relaxed);
        rows_.fetch_sub(rows, std::memory_order_relaxed);
        bytes_.fetch_sub(bytes, std::memory_order_relaxed);
    }
    // relaxed: bounds and figures; the rows themselves come by the store
    std::uint64_t rows() const { return rows_.load(std::memory_order_relaxed); }
    std::uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
    std::uint64_t waiting_for(std::size_t destination) const {
        return waiting_[destination].load(std::memory_order_relaxed);
    }
    std::size_t partitions() const { return waiting_.size(); }

private:
    std::uint64_t next_serial_ = 1;
    std::function<void()> wake_;
    std::atomic<std::uint64_t> commits_{0};
    std::vector<std::atomic<std::uint64_t>> waiting_;  // rows, by destination
    std::atomic<std::uint64_t> rows_{0};
    std::atomic<std::uint64_t> bytes_{0};
};

}  // namespace millrace::runtime::crossing
