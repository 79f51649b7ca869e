// What: the disk of the simulator. The files are real ones in a scratch folder; what a power cut
//       would take is remembered: writes since a file's last sync, directory entries since the last
//       sync of their folder. The system calls of the whole process come through here
//       (disk_hooks.cc defines open, write, fdatasync, ... in front of libc), so that RocksDB and
//       the store's own files meet the same faults and the product needs no door for them.
// Faults, and why each is survivable:
//       - power cut at any operation: what is acknowledged was synced before
//       - un-synced writes lost, kept, or torn in the middle: recovery takes torn tails
//       - un-synced creations, renames and removals undone, latest first
//       - the process alone ends: what it wrote is still read by the next one, and lost by a later
//         power cut if nobody has synced it: a start syncs what it reads
//       - a sync or write that fails: the store must stop acknowledging; after a restart it goes on
//       - no space left by statvfs(): events are refused, the rest goes on
// Threads: hooks from any; the rest from the simulation's. RocksDB's threads work only while that
//       one waits for them (Database::Options::work_by_hand), so that operations come in one order,
//       the same at every repetition.
// Lifetime: one for the process. Limits: file descriptors below kDescriptorsMax.
// Failure: a refusal of the real disk under it ends the process.
#pragma once

#include "core/random.h"

#include <cerrno>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace millrace::sim {

class Disk {
public:
    static Disk& instance();

    // From now on, files below `folder` are on this disk.
    void mount(std::string folder, std::uint64_t seed);
    void unmount();

    // The power goes at the n-th operation from now; 0: never.
    void cut_power_after(std::uint64_t operations);
    void cut_power_now() { frozen_ = true; }
    // Nothing reaches the disk any more: the calls say "done" and do nothing.
    bool frozen() const { return frozen_; }
    // The n-th sync (of a file whose name ends so) fails with EIO, or ENOSPC; 0: never.
    void fail_sync_after(std::uint64_t syncs, std::string suffix, int error = EIO);
    void fail_write_after(std::uint64_t writes, std::string suffix);
    bool failed_once() const { return failed_; }
    void set_free_bytes(std::uint64_t bytes) { free_bytes_ = bytes; }

    // After everything of the product is closed: the files become what a power cut leaves.
    void restart();
    // The same, but the machine goes on: the page cache stays, with what was not synced.
    void end_process();
    std::uint64_t operations() const { return operations_; }
    std::uint64_t lost_writes() const { return lost_writes_; }

    // The hooks. Each answers what the system call would.
    int open(const char* path, int flags, mode_t mode);
    int close(int fd);
    ssize_t write(int fd, const void* from, std::size_t bytes);
    ssize_t pwrite(int fd, const void* from, std::size_t bytes, off_t at);
    int sync(int fd, bool data_only);
    int truncate(int fd, off_t bytes);
    void drop_cache(int fd);
    int rename(const char* from, const char* to);
    int link(const char* from, const char* to);
    int unlink(const char* path);
    void opened_stream(int fd, const char* path, bool created);
    bool free_bytes(const char* path, std::uint64_t& bytes) const;

private:
    static constexpr int kDescriptorsMax = 1 << 16;

    // One change of a file since its last sync, with what undoes it.
    struct Change {
        off_t at = 0;
        std::string old_bytes;  // what stood there, as far as the file reached
        std::size_t new_bytes = 0;
        off_t old_size = 0;
    };
    struct File {
        std::string path;
        bool folder = false;
        bool stream = false;       // written through stdio: only sizes are known
        off_t synced_size = 0;     // of a stream
        bool sync_failed = false;  // the kernel has dropped the pages: no later sync brings them
        std::vector<Change> changes;
    };
    enum class EntryKind : std::uint8_t { kCreate, kRename, kUnlink };
    struct Entry {
        EntryKind kind = EntryKind::kCreate;
        std::string path;
        std::string from;   // kRename
        std::string trash;  // where what was removed or replaced is kept
    };

    bool ours(std::string_view path) const;
    File& file_at(const std::string& path);
    File* file_of(int fd) { return fd >= 0 && fd < kDescriptorsMax ? open_[fd] : nullptr; }
    bool count_operation(std::string_view path);
    void set_size(File& file, int fd, off_t bytes);
    ssize_t put(File& file, int fd, const void* from, std::size_t bytes, off_t at, bool moves);
    std::string move_to_trash(const std::string& path);
    void commit_entries(std::string_view folder);
    void undo_entries();
    void undo(const Entry& entry);
    void lose_writes(File& file);
    void close_all();
    std::uint64_t draw(std::string_view path, std::uint64_t bound);

    mutable std::mutex mutex_;
    bool mounted_ = false;
    std::string folder_;
    std::string trash_folder_;
    std::uint64_t seed_ = 0;
    bool frozen_ = false;
    bool failed_ = false;
    bool strict_folders_ = false;
    std::uint64_t operations_ = 0;
    std::uint64_t cut_at_ = 0;
    std::uint64_t sync_left_ = 0;
    std::string sync_suffix_;
    int sync_error_ = EIO;
    std::uint64_t write_left_ = 0;
    std::string write_suffix_;
    std::uint64_t free_bytes_ = 0;
    std::uint64_t trash_serial_ = 0;
    std::uint64_t lost_writes_ = 0;
    std::uint64_t restarts_ = 0;
    std::map<std::string, std::unique_ptr<File>> files_;
    std::vector<std::unique_ptr<File>> removed_;  // still open, or in the trash
    std::vector<Entry> entries_;
    std::vector<File*> open_ = std::vector<File*>(kDescriptorsMax);
};

}  // namespace millrace::sim
