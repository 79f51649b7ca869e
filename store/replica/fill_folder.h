// What: a data folder that comes over from another copy, file by file, beside the one that it is to
//       replace, and takes its place whole. A crash at any point leaves the old one, or the new:
//
//   <dir>.fill   what has come; ORIGIN says of which database, FILLED that all of it is there and
//                was opened
//   <dir>.old    on its way out
//   <dir>.give   a snapshot that others were given; nobody's after a start
//
// Threads: one. Lifetime: value; settle() before anybody opens the folder.
// Limits: begin() looks for room on the disk first; one file open.
// Failure: Errors; what has come stays for the next begin().
#pragma once

#include "core/result.h"
#include "store/replica/snapshot.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::store {

class FillFolder {
public:
    explicit FillFolder(std::string dir);
    ~FillFolder();
    FillFolder(const FillFolder&) = delete;
    FillFolder& operator=(const FillFolder&) = delete;

    static std::string give_path(const std::string& dir) { return dir + ".give"; }
    // What an earlier process has left half done is finished, or removed. True: a folder that has
    // come whole is in its place now.
    static core::Result<bool> settle(const std::string& dir);
    // The folder leaves its place and is kept: a person has said that another copy counts. Says
    // where it is.
    static core::Result<std::string> set_aside(const std::string& dir, std::string_view name);

    const std::string& path() const { return path_; }
    // Files of the same origin that never change, and are here whole, stay.
    core::Status begin(const Snapshot& snapshot, std::uint64_t reserve_bytes);
    // What is to come next, from where on; false: all is there.
    bool wants(SnapshotFile& file, std::uint64_t& from) const;
    core::Status put(std::string_view bytes);
    // All has come: it is on the disk, and may be opened. Nothing of it serves a later begin().
    core::Status finish();
    // It was opened and is good: the next settle() puts it in place.
    core::Status approve();

    std::uint64_t bytes() const { return bytes_; }  // that are here
    std::uint64_t bytes_all() const { return bytes_all_; }
    std::uint64_t bytes_kept() const { return bytes_kept_; }  // of them from an earlier time

private:
    core::Status open_next();
    core::Status end_file();
    void close_file();

    const std::string dir_, path_;
    std::vector<SnapshotFile> files_;
    std::size_t next_ = 0;
    std::vector<bool> here_;
    std::uint64_t at_ = 0;  // of the file that comes
    int fd_ = -1;
    std::uint64_t bytes_ = 0, bytes_all_ = 0, bytes_kept_ = 0;
};

}  // namespace millrace::store
