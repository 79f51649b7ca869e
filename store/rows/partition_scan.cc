#include "store/rows/partition_scan.h"

#include "store/engine.h"
#include "store/rows/keys.h"

namespace millrace::store {
namespace {

std::unique_ptr<rocksdb::Iterator> iterate_between(Engine& engine, ColumnFamily family,
                                                   const rocksdb::Slice& first,
                                                   const rocksdb::Slice& end) {
    if (!engine.family(family)) return engine.iterate(family);
    rocksdb::ReadOptions read;
    read.iterate_lower_bound = &first;
    read.iterate_upper_bound = &end;
    return std::unique_ptr<rocksdb::Iterator>(engine.db().NewIterator(read, engine.family(family)));
}

}  // namespace

PartitionScan::PartitionScan(Engine& engine, ColumnFamily family, Order order) : order_(order) {
    const std::size_t partitions = engine.options.shards;
    for (std::size_t i = 0; i <= partitions; ++i)
        borders_.push_back(partition_key(core::ShardId{static_cast<std::uint16_t>(i)}));
    for (const std::string& border : borders_) bounds_.push_back(slice(border));
    for (std::size_t i = 0; i < partitions; ++i)
        rows_.push_back(iterate_between(engine, family, bounds_[i], bounds_[i + 1]));
    head_ = rows_.size();
}

PartitionScan::~PartitionScan() = default;

bool PartitionScan::there(std::size_t partition) const {
    const rocksdb::Iterator& row = *rows_[partition];
    return row.Valid() &&
           KeyReader(view(row.key())).be<std::uint16_t>() == static_cast<std::uint16_t>(partition);
}

void PartitionScan::step(std::size_t partition) {
    if (order_ == Order::kForward)
        rows_[partition]->Next();
    else
        rows_[partition]->Prev();
}

void PartitionScan::seek_one(std::size_t partition, std::string_view rest) {
    const std::string key =
        partition_key(core::ShardId{static_cast<std::uint16_t>(partition)}).append(rest);
    if (order_ == Order::kForward)
        rows_[partition]->Seek(key);
    else
        rows_[partition]->SeekForPrev(key);
}

void PartitionScan::choose() {
    head_ = rows_.size();
    std::string_view best;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
        if (!there(i)) continue;
        const std::string_view rest = without_partition(view(rows_[i]->key()));
        const bool first =
            head_ == rows_.size() || (order_ == Order::kForward ? rest < best : rest >= best);
        if (!first) continue;
        head_ = i;
        best = rest;
    }
}

void PartitionScan::seek(std::string_view rest) {
    for (std::size_t i = 0; i < rows_.size(); ++i) seek_one(i, rest);
    choose();
}

std::string PartitionScan::place_of(std::string_view key) {
    const std::size_t bytes = std::min(key.size(), sizeof(std::uint16_t));
    return std::string(key.substr(bytes)).append(key.substr(0, bytes));
}

bool PartitionScan::seek_place(std::string_view place) {
    if (place.size() < sizeof(std::uint16_t)) return false;
    const std::string_view rest = place.substr(0, place.size() - sizeof(std::uint16_t));
    const std::size_t of = KeyReader(place.substr(rest.size())).be<std::uint16_t>();
    for (std::size_t i = 0; i < rows_.size(); ++i) {
        seek_one(i, rest);
        // Of rows with the same rest those of the partitions before it were passed.
        const bool passed = order_ == Order::kForward ? i < of : i > of;
        if (passed && there(i) && without_partition(view(rows_[i]->key())) == rest) step(i);
    }
    choose();
    return true;
}

void PartitionScan::skip_to(std::string_view rest) {
    for (std::size_t i = 0; i < rows_.size(); ++i) {
        if (there(i) && without_partition(view(rows_[i]->key())) < rest) seek_one(i, rest);
    }
    choose();
}

void PartitionScan::next() {
    step(head_);
    choose();
}

std::string_view PartitionScan::key() const { return view(rows_[head_]->key()); }
std::string_view PartitionScan::value() const { return view(rows_[head_]->value()); }

core::Status PartitionScan::status(std::string_view operation) const {
    for (const auto& rows : rows_) {
        if (!rows->status().ok()) return core::fail(rocks_error(operation, rows->status()));
    }
    return {};
}

}  // namespace millrace::store
