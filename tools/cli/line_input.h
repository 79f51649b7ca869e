// What: the lines of a file or of standard input, unpacked when it is gzip or zstd (by its first
//       bytes, whatever it is called), with the place of each.
// Threads: one. Lifetime: owns what it has open.
// Limits: a line of at most kLineBytesMax; of a longer one the beginning is given and told.
// Failure: open() says what can't be opened; next() ends, and error() says why it ended early.
#pragma once

#include "core/result.h"

#include <cstdint>
#include <memory>
#include <string>

namespace millrace::tools {

class LineInput {
public:
    static constexpr std::size_t kLineBytesMax = 4u << 20;
    class Unpacker;

    // "-" is standard input.
    static core::Result<std::unique_ptr<LineInput>> open(const std::string& file);
    LineInput(const LineInput&) = delete;
    LineInput& operator=(const LineInput&) = delete;
    ~LineInput();

    // The next line, without its end. False: there is none.
    bool next(std::string& line);
    bool too_long() const { return too_long_; }  // the line was; the rest of it is passed over

    std::uint64_t line() const { return line_; }   // the number of the last one, from 1
    std::uint64_t byte() const { return begin_; }  // where it begins, in the unpacked text
    std::uint64_t bytes_read() const { return bytes_read_; }    // of the file as it lies there
    std::uint64_t bytes_total() const { return bytes_total_; }  // 0: unknown
    const std::string& error() const { return error_; }

private:
    LineInput(int fd, std::string name);
    // More unpacked text behind what there is. False at the end.
    bool fill();
    bool read_raw();

    const int fd_;
    const std::string name_;
    std::uint64_t bytes_total_ = 0;
    std::uint64_t bytes_read_ = 0;
    std::string raw_;           // as read, not yet unpacked
    std::size_t raw_used_ = 0;  // of it
    bool raw_ended_ = false;
    bool begun_ = false;
    std::unique_ptr<Unpacker> unpacker_;  // none: plain
    std::string text_;
    std::size_t text_used_ = 0;
    std::uint64_t line_ = 0;
    std::uint64_t begin_ = 0;
    std::uint64_t end_ = 0;  // one past the last line and its end
    bool too_long_ = false;
    std::string error_;
};

}  // namespace millrace::tools
