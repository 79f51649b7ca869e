// What: which bytes of RocksDB's WAL are on the disk. RocksDB writes its WAL files through here
//       (a file system laid over the real one), so that syncs beside its own are possible: it does
//       one at a time, whoever asks. Appends are numbered over all files; a sync counts for those
//       that had returned when it began, in the file it synced.
//       Everything up to number n is durable when each file with an append numbered <= n has had a
//       sync that began after that append, and the folder one since the file was made.
// Threads: any. One mutex, held for a few instructions; the disk is waited for without it.
// Lifetime: outlives the file system that over() makes, and so the database.
// Limits: as many syncs of one's own at once as Options::syncs. Each has a descriptor of its own:
//       the kernel tells a failed write-back once to each, and two syncs that share one could give
//       the failure to one and "done" to the other, whose bytes it was.
// Failure: after one failed append or sync of any WAL file, RocksDB's own too, nothing becomes
//       durable any more, and on_fail is told the reason.
#pragma once

#include "core/clock.h"

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace rocksdb {
class FileSystem;
class FSWritableFile;
class IOStatus;
}  // namespace rocksdb

namespace millrace::store {

class WalFiles {
public:
    struct Options {
        std::string folder{};  // of the WAL; a backup's copies elsewhere are files like any other
        std::size_t syncs = 4;
        const core::Clock* clock = nullptr;                        // required
        std::function<void(const std::string& reason)> on_fail{};  // once, by whoever met it
    };
    explicit WalFiles(const Options& options) : options_(options) {}
    WalFiles(const WalFiles&) = delete;
    WalFiles& operator=(const WalFiles&) = delete;

    // What RocksDB is given to work with: `base`, its WAL files known here.
    std::shared_ptr<rocksdb::FileSystem> over(const std::shared_ptr<rocksdb::FileSystem>& base);

    // The number of the last append that has returned.
    std::uint64_t appended() const;
    // Every append up to this number is on the disk.
    std::uint64_t durable_to() const;
    bool failed() const;
    // How long RocksDB's own syncs of the WAL have taken, all together.
    std::int64_t rocks_sync_ns() const;

    struct File;
    // One sync, from its beginning to when it counts. Kept for reuse.
    struct Sync {
        std::uint64_t began_at = 0;  // the last append then
        std::vector<std::shared_ptr<File>> files;
    };
    // Syncs what has something to sync, with descriptors number `index`, and returns when the disk
    // has answered. Nothing counts before end().
    void run(std::size_t index, Sync& sync);
    void end(Sync& sync);

private:
    class Layer;
    class Handle;
    bool is_wal(std::string_view path) const;
    rocksdb::IOStatus append(File& file, const rocksdb::IOStatus& done);
    rocksdb::IOStatus sync_for_rocks(File& file, rocksdb::FSWritableFile& target, bool whole);
    void close(const std::shared_ptr<File>& file, rocksdb::FSWritableFile& target);
    void add(const std::shared_ptr<File>& file);
    void fail(const File& file, const char* operation, const rocksdb::IOStatus& status);
    void sync_one(File& file, std::size_t index);
    // A sync of this file that began at that append has ended well. Under the mutex.
    void count(File& file, std::uint64_t began_at);

    const Options options_;
    mutable std::mutex mutex_;
    std::condition_variable nobody_syncs_;
    std::uint64_t appended_ = 0;
    std::int64_t rocks_sync_ns_ = 0;
    std::vector<std::shared_ptr<File>> files_;  // open, in the order in which they were made
    bool failed_ = false;
};

}  // namespace millrace::store
