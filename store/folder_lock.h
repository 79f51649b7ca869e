// What: the lock file of a data folder: who has it open, and one word to the next process: that a
//       sync has failed. The kernel has marked the pages clean then, so that no later sync writes
//       them, though every reader still sees them. The word needs no sync itself: what takes it
//       away, a power cut, takes those pages too.
// Threads: take() and settled() on one; note_sync_failed() from any.
// Lifetime: of the Engine; the lock goes with it, or with the process.
// Limits: none. Failure: take() says who holds the folder; the word is left as well as it can be.
#pragma once

#include "core/result.h"

#include <atomic>
#include <string>

namespace millrace::store {

class FolderLock {
public:
    FolderLock() = default;
    ~FolderLock();
    FolderLock(const FolderLock&) = delete;
    FolderLock& operator=(const FolderLock&) = delete;

    // `read_only`: shared, and nothing is written.
    core::Status take(const std::string& folder, bool read_only);
    // The process before this one met a failed sync: what the cache shows may not be on the disk.
    bool sync_failed_before() const { return sync_failed_before_; }
    // The process that had the folder open for writing last, if it did not close it.
    const std::string& left_by() const { return left_by_; }
    // That was seen to.
    core::Status settled();
    void note_sync_failed();

private:
    core::Status write(std::string_view word) const;

    std::string path_;
    std::string left_by_;
    int fd_ = -1;
    bool owned_ = false;  // taken for writing
    std::atomic<bool> sync_failed_{false};
    bool sync_failed_before_ = false;
};

}  // namespace millrace::store
