// What: where a file has been read to, and which file that was: its inode, a hash of its beginning
//       and one of the last bytes before the place. A file that was cut or written anew under the
//       same inode does not pass for it.
// Threads: pure, but for reads. Lifetime: values.
// Limits: kBeginBytesMax and kTailBytesMax are looked at. Failure: as told at each.
#pragma once

#include "core/result.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::runtime {

struct FilePlace {
    static constexpr std::size_t kBeginBytesMax = 1'024;
    static constexpr std::size_t kTailBytesMax = 64;

    std::uint64_t inode = 0;
    std::uint64_t begin_hash = 0;  // of its first line; 0: there is none yet
    std::uint64_t offset = 0;
    std::uint64_t tail_hash = 0;  // of what stands before the offset

    std::string json() const;
    static core::Result<FilePlace> read(std::string_view json);
};

// Of the first line, or of kBeginBytesMax of it; 0: there is no whole line.
std::uint64_t begin_hash_of(int fd);
std::uint64_t tail_hash_of(int fd, std::uint64_t offset);
std::uint64_t hash_of_tail(std::string_view bytes_before);

// Empty: the file goes on where it was left; else why it does not.
std::string differs_because(int fd, const FilePlace& place);

// What the event of the line that begins there is called: the same each time that it is read.
void append_line_id(std::string& out, const FilePlace& place, std::uint64_t offset);

}  // namespace millrace::runtime
