// What: the files that a file was before it was rotated: beside it, called as it is with digits
//       behind (app.log.1, app.log-20260102), found by inode or by the order of their last writes.
// Threads: the links'. Lifetime: value. Limits: kFilesMax names of a folder are looked at.
// Failure: none is found.
#pragma once

#include "runtime/links/file_access.h"

#include <cstdint>
#include <string>

namespace millrace::runtime {

class RotatedFiles {
public:
    static constexpr int kFilesMax = 100'000;

    RotatedFiles(const FileAccess& access, std::string path)
        : access_(access), path_(std::move(path)) {}

    // The file itself, or one that it was.
    OwnedFd find(std::uint64_t inode) const;
    // Of those that were last written later than this one, the one that was so first: it has what
    // came next. The file itself is the last of them.
    OwnedFd behind(int fd) const;

private:
    template <typename Visit>
    void visit(Visit&& visit) const;

    const FileAccess& access_;
    const std::string path_;
};

// Whether a file of this name is what `base` was before: "app.log.1" of "app.log".
bool is_rotated_name(std::string_view name, std::string_view base);

}  // namespace millrace::runtime
