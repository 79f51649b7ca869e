// What: what happens when RocksDB meets an error in its own threads (a flush, a compaction, the
//       manifest) or in a commit: nothing runs on. Left to itself it waits for space, flushes what
//       is in memory family by family and goes on; a part of a commit whose sync has failed would
//       be on the disk then and its other part not, and a WAL writer that has failed once ends the
//       process when it is asked to write again (an assertion).
// Threads: RocksDB's; `on_error` is called by them, without RocksDB's lock.
// Lifetime: what `on_error` uses outlives the database. Limits: none.
// Failure: this is it.
#pragma once

#include <rocksdb/listener.h>

#include <functional>
#include <memory>
#include <string>

namespace millrace::store {

std::shared_ptr<rocksdb::EventListener> end_on_error(
    std::function<void(const std::string& what)> on_error);

}  // namespace millrace::store
