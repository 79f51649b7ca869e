// What: which files links may read and append to: those in folders that the settings list, as the
//       file system has them after all its links are followed.
// Threads: immutable after make(); opening is system calls. Lifetime: value.
// Limits: core::kListedPathsMax folders. Failure: make() names the entry that is no absolute
//       path; open says why not, as a text.
#pragma once

#include "core/result.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

// A descriptor that is closed with it.
class OwnedFd {
public:
    OwnedFd() = default;
    explicit OwnedFd(int fd) : fd_(fd) {}
    OwnedFd(OwnedFd&& other) noexcept : fd_(other.release()) {}
    OwnedFd& operator=(OwnedFd&& other) noexcept {
        if (this != &other) {
            close();
            fd_ = other.release();
        }
        return *this;
    }
    ~OwnedFd() { close(); }
    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }
    void close();

private:
    int release() {
        const int fd = fd_;
        fd_ = -1;
        return fd;
    }
    int fd_ = -1;
};

class FileAccess {
public:
    FileAccess() = default;
    // Folders with commas between them (links.file_allow).
    static core::Result<FileAccess> make(std::string_view allow);

    // Whether the text of a path lies in one of them; where it leads is looked at when it is
    // opened.
    core::Status check(std::string_view path) const;

    enum class For : std::uint8_t { kRead, kAppend };
    // The folder of the path, checked; kNotFound: it is not there.
    core::Result<OwnedFd> open_folder(const std::string& path) const;
    // A regular file; of kAppend it is made when it is missing. kNotFound: it is not there.
    core::Result<OwnedFd> open(const std::string& path, For purpose) const;

private:
    bool holds(std::string_view path) const;

    std::vector<std::string> folders_;  // without a slash at the end
};

}  // namespace millrace::runtime
