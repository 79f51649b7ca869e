// What: the rows of a family over all partitions, in the order of what stands behind the partition
//       in their keys (time, tenant, ...), and where that is equal, of the partition.
// Threads: one. Lifetime: borrows the Engine; keys and values until the next step.
// Limits: one iterator a partition, each touched only when its row is next. Each partition is seen
//       as it is at some moment of the constructor, not all of them at the same.
// Failure: status() after the last row: Errors from the disk.
#pragma once

#include "core/ids.h"
#include "core/result.h"
#include "store/log/format.h"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace rocksdb {
class Iterator;
class Slice;
}  // namespace rocksdb

namespace millrace::store {

class Engine;

class PartitionScan {
public:
    enum class Order : std::uint8_t { kForward, kBackward };
    PartitionScan(Engine& engine, ColumnFamily family, Order order);
    ~PartitionScan();
    PartitionScan(const PartitionScan&) = delete;
    PartitionScan& operator=(const PartitionScan&) = delete;

    // To the first row that is not before (backward: not behind) this rest of a key.
    void seek(std::string_view rest);
    // The same from a row's place() on; false: it is none.
    bool seek_place(std::string_view place);
    // Forward only: over all rows whose rest is before this one.
    void skip_to(std::string_view rest);
    void next();

    bool valid() const { return head_ < rows_.size(); }
    std::string_view key() const;
    std::string_view value() const;
    // Names the row for a later scan.
    std::string place() const { return place_of(key()); }
    static std::string place_of(std::string_view key);
    core::Status status(std::string_view operation) const;

private:
    bool there(std::size_t partition) const;
    void step(std::size_t partition);
    void seek_one(std::size_t partition, std::string_view rest);
    void choose();

    const Order order_;
    // Where each partition's rows begin, and those of the last one end. An iterator that went on
    // into its neighbour would walk over everything that was ever erased there.
    std::vector<std::string> borders_;
    std::vector<rocksdb::Slice> bounds_;  // of the iterators, which keep pointers to them
    std::vector<std::unique_ptr<rocksdb::Iterator>> rows_;  // by partition
    std::size_t head_ = 0;                                  // whose row is next; rows_.size(): none
};

}  // namespace millrace::store
