// What: how RocksDB adds kv_incr operands up: the same rule as apply_increment().
// Threads: RocksDB's. Lifetime: shared with RocksDB. Limits: none.
// Failure: a damaged operand fails the merge (RocksDB then reports corruption).
#pragma once

#include <memory>

namespace rocksdb {
class MergeOperator;
}

namespace millrace::store {

std::shared_ptr<rocksdb::MergeOperator> make_kv_merge_operator();

}  // namespace millrace::store
