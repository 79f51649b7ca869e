// What: a file system for RocksDB that lets a test or a benchmark have a word in each sync of a WAL
//       file, whoever asks for it: let it take its time, or fail.
// Threads: on_sync is called by whoever syncs, several at once. Lifetime: outlives the database;
//       env() too. Limits: none. Failure: what on_sync returns.
#pragma once

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace millrace::test {

class WalDisk final : public rocksdb::FileSystemWrapper {
public:
    using OnSync = std::function<rocksdb::IOStatus()>;  // not ok: the sync fails so

    WalDisk() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
    const char* Name() const override { return "WalDisk"; }

    static std::unique_ptr<rocksdb::Env> make_env(const std::shared_ptr<WalDisk>& disk) {
        return rocksdb::NewCompositeEnv(disk);
    }

    OnSync on_sync = [] { return rocksdb::IOStatus::OK(); };

    rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSWritableFile>* out,
                                      rocksdb::IODebugContext* debug) override {
        return watch(path, target()->NewWritableFile(path, options, out, debug), out);
    }
    rocksdb::IOStatus ReopenWritableFile(const std::string& path,
                                         const rocksdb::FileOptions& options,
                                         std::unique_ptr<rocksdb::FSWritableFile>* out,
                                         rocksdb::IODebugContext* debug) override {
        return watch(path, target()->ReopenWritableFile(path, options, out, debug), out);
    }

private:
    class Watched final : public rocksdb::FSWritableFileOwnerWrapper {
    public:
        Watched(WalDisk& disk, std::unique_ptr<rocksdb::FSWritableFile>&& file)
            : FSWritableFileOwnerWrapper(std::move(file)), disk_(disk) {}
        rocksdb::IOStatus Sync(const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override {
            auto told = disk_.on_sync();
            return told.ok() ? target()->Sync(options, debug) : told;
        }

    private:
        WalDisk& disk_;
    };

    rocksdb::IOStatus watch(std::string_view path, rocksdb::IOStatus made,
                            std::unique_ptr<rocksdb::FSWritableFile>* out) {
        if (made.ok() && path.ends_with(".log"))
            *out = std::make_unique<Watched>(*this, std::move(*out));
        return made;
    }
};

}  // namespace millrace::test
