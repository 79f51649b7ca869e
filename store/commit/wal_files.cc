#include "store/commit/wal_files.h"

#include <rocksdb/file_system.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace millrace::store {

using rocksdb::IOStatus;

struct WalFiles::File {
    std::string path;
    // One for each sync that may run at once.
    std::vector<std::unique_ptr<rocksdb::FSWritableFile>> descriptors;
    rocksdb::FileSystem* system = nullptr;

    // Under the mutex.
    std::uint64_t made_at = 0;  // the last append to any file then
    std::uint64_t last_append = 0;
    std::uint64_t synced_to = 0;  // no append up to this number is missing on the disk
    bool named = false;           // its folder has been synced since it was made
    std::size_t syncing = 0;      // descriptors in use

    bool clean() const { return last_append <= synced_to; }
    bool settled() const { return clean() && named; }
    // A file without a name on the disk is none, whatever of it is there.
    std::uint64_t durable_to() const { return named ? synced_to : made_at; }
};

// A WAL file as RocksDB sees it.
class WalFiles::Handle final : public rocksdb::FSWritableFileOwnerWrapper {
public:
    Handle(WalFiles& wal, std::shared_ptr<File> file,
           std::unique_ptr<rocksdb::FSWritableFile>&& target)
        : FSWritableFileOwnerWrapper(std::move(target)), wal_(wal), file_(std::move(file)) {}
    ~Handle() override { leave(); }

    IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                    rocksdb::IODebugContext* debug) override {
        return wal_.append(*file_, target()->Append(data, options, debug));
    }
    IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                    const rocksdb::DataVerificationInfo& check,
                    rocksdb::IODebugContext* debug) override {
        return wal_.append(*file_, target()->Append(data, options, check, debug));
    }
    IOStatus PositionedAppend(const rocksdb::Slice& data, std::uint64_t offset,
                              const rocksdb::IOOptions& options,
                              rocksdb::IODebugContext* debug) override {
        return wal_.append(*file_, target()->PositionedAppend(data, offset, options, debug));
    }
    IOStatus PositionedAppend(const rocksdb::Slice& data, std::uint64_t offset,
                              const rocksdb::IOOptions& options,
                              const rocksdb::DataVerificationInfo& check,
                              rocksdb::IODebugContext* debug) override {
        return wal_.append(*file_, target()->PositionedAppend(data, offset, options, check, debug));
    }
    IOStatus Sync(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override {
        return wal_.sync_for_rocks(*file_, *target(), false);
    }
    IOStatus Fsync(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override {
        return wal_.sync_for_rocks(*file_, *target(), true);
    }
    IOStatus Close(const rocksdb::IOOptions& options, rocksdb::IODebugContext* debug) override {
        leave();
        return target()->Close(options, debug);
    }

private:
    void leave() {
        if (file_) wal_.close(std::exchange(file_, nullptr), *target());
    }

    WalFiles& wal_;
    std::shared_ptr<File> file_;
};

class WalFiles::Layer final : public rocksdb::FileSystemWrapper {
public:
    Layer(WalFiles& wal, const std::shared_ptr<rocksdb::FileSystem>& base)
        : FileSystemWrapper(base), wal_(wal) {}
    const char* Name() const override { return "MillraceWalFiles"; }

    IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                             std::unique_ptr<rocksdb::FSWritableFile>* out,
                             rocksdb::IODebugContext* debug) override {
        const IOStatus made = target()->NewWritableFile(path, options, out, debug);
        return made.ok() && wal_.is_wal(path) ? know(path, options, out, debug) : made;
    }
    IOStatus ReuseWritableFile(const std::string& path, const std::string& old_path,
                               const rocksdb::FileOptions& options,
                               std::unique_ptr<rocksdb::FSWritableFile>* out,
                               rocksdb::IODebugContext* debug) override {
        const IOStatus made = target()->ReuseWritableFile(path, old_path, options, out, debug);
        return made.ok() && wal_.is_wal(path) ? know(path, options, out, debug) : made;
    }

private:
    // Descriptors are opened before anything is written: what fails later is told to each.
    IOStatus know(const std::string& path, const rocksdb::FileOptions& options,
                  std::unique_ptr<rocksdb::FSWritableFile>* out, rocksdb::IODebugContext* debug) {
        auto file = std::make_shared<File>();
        file->path = path;
        file->system = target();
        for (std::size_t i = 0; i < wal_.options_.syncs; ++i) {
            IOStatus opened = target()->ReopenWritableFile(
                path, options, &file->descriptors.emplace_back(), debug);
            if (!opened.ok()) return opened;
        }
        wal_.add(file);
        *out = std::make_unique<Handle>(wal_, std::move(file), std::move(*out));
        return IOStatus::OK();
    }

    WalFiles& wal_;
};

std::shared_ptr<rocksdb::FileSystem> WalFiles::over(
    const std::shared_ptr<rocksdb::FileSystem>& base) {
    return std::make_shared<Layer>(*this, base);
}

bool WalFiles::is_wal(std::string_view path) const {
    return path.ends_with(".log") && path.substr(0, path.rfind('/')) == options_.folder;
}

void WalFiles::add(const std::shared_ptr<File>& file) {
    std::lock_guard lock(mutex_);
    file->made_at = file->last_append = file->synced_to = appended_;
    files_.push_back(file);
}

std::uint64_t WalFiles::appended() const {
    std::lock_guard lock(mutex_);
    return appended_;
}

std::uint64_t WalFiles::durable_to() const {
    std::lock_guard lock(mutex_);
    std::uint64_t to = appended_;
    for (const auto& file : files_) {
        if (!file->settled()) to = std::min(to, file->durable_to());
    }
    return to;
}

bool WalFiles::failed() const {
    std::lock_guard lock(mutex_);
    return failed_;
}

std::int64_t WalFiles::rocks_sync_ns() const {
    std::lock_guard lock(mutex_);
    return rocks_sync_ns_;
}

IOStatus WalFiles::append(File& file, const IOStatus& done) {
    if (failed()) return IOStatus::IOError("the WAL has failed before");
    if (!done.ok()) {
        fail(file, "append to", done);
        return done;
    }
    std::lock_guard lock(mutex_);
    file.last_append = ++appended_;
    return done;
}

void WalFiles::count(File& file, std::uint64_t began_at) {
    if (!failed_) file.synced_to = std::max(file.synced_to, began_at);
}

IOStatus WalFiles::sync_for_rocks(File& file, rocksdb::FSWritableFile& target, bool whole) {
    // A second sync would say "done": the kernel drops what a first one could not write.
    if (failed()) return IOStatus::IOError("the WAL has failed before");
    const std::uint64_t began_at = appended();
    const std::int64_t begin_ns = options_.clock->monotonic_ns();
    const rocksdb::IOOptions options;
    IOStatus status = whole ? target.Fsync(options, nullptr) : target.Sync(options, nullptr);
    if (!status.ok()) {
        fail(file, "sync", status);
        return status;
    }
    std::lock_guard lock(mutex_);
    rocks_sync_ns_ += options_.clock->monotonic_ns() - begin_ns;
    count(file, began_at);
    return status;
}

void WalFiles::run(std::size_t index, Sync& sync) {
    {
        std::lock_guard lock(mutex_);
        sync.began_at = appended_;
        for (const auto& file : files_) {
            if (file->settled()) continue;
            ++file->syncing;
            sync.files.push_back(file);
        }
    }
    for (const auto& file : sync.files) sync_one(*file, index);
}

void WalFiles::sync_one(File& file, std::size_t index) {
    bool named = false;
    {
        std::lock_guard lock(mutex_);
        named = file.named;
    }
    const rocksdb::IOOptions options;
    IOStatus status = file.descriptors[index]->Sync(options, nullptr);
    if (status.ok() && !named) {
        std::unique_ptr<rocksdb::FSDirectory> folder;
        const std::string path = file.path.substr(0, file.path.rfind('/'));
        status = file.system->NewDirectory(path, options, &folder, nullptr);
        if (status.ok()) status = folder->FsyncWithDirOptions(options, nullptr, {});
    }
    if (!status.ok()) fail(file, "sync", status);
    std::lock_guard lock(mutex_);
    file.named = file.named || status.ok();
    --file.syncing;
    nobody_syncs_.notify_all();
}

void WalFiles::end(Sync& sync) {
    std::lock_guard lock(mutex_);
    for (const auto& file : sync.files) count(*file, sync.began_at);
    sync.files.clear();
}

// RocksDB closes a file when it has synced it and its folder or nothing needs it any more, or with
// the database, when nobody is told anything any more. A file that leaves the list has nothing to
// sync whichever it was, so that the rule of durable_to() need not know.
void WalFiles::close(const std::shared_ptr<File>& file, rocksdb::FSWritableFile& target) {
    bool to_sync = false;
    {
        std::unique_lock lock(mutex_);
        nobody_syncs_.wait(lock, [&] { return file->syncing == 0; });
        to_sync = !file->clean() && !failed_;
    }
    if (to_sync) static_cast<void>(sync_for_rocks(*file, target, false).ok());
    std::lock_guard lock(mutex_);
    std::erase(files_, file);
    file->descriptors.clear();
}

void WalFiles::fail(const File& file, const char* operation, const IOStatus& status) {
    {
        std::lock_guard lock(mutex_);
        if (std::exchange(failed_, true)) return;
    }
    if (options_.on_fail)
        options_.on_fail(std::string(operation) + " " + file.path +
                         " failed: " + status.ToString());
}

}  // namespace millrace::store
