// What: cuts bytes that come in pieces into lines. A line that is longer than may be kept is cut
//       off: its first bytes stay, the rest is counted.
// Threads: values. Lifetime: what next() gives lives until the next feed().
// Limits: bytes_max of a line are kept. Failure: none.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::runtime {

class LineCutter {
public:
    explicit LineCutter(std::size_t bytes_max) : bytes_max_(bytes_max) {}

    struct Line {
        std::string_view text;          // without its end
        std::uint64_t whole_bytes = 0;  // in the stream, its end included
    };

    // All lines of the piece before have been taken.
    void feed(std::string_view piece) {
        if (taken_) begin_line();
        piece_ = piece;
    }
    bool next(Line& line) {
        if (taken_) begin_line();
        const std::size_t end = piece_.find('\n');
        if (end == std::string_view::npos) {
            keep(piece_);
            piece_ = {};
            return false;
        }
        // In one piece, as most are: nothing is copied.
        if (whole_bytes_ == 0 && end <= bytes_max_) {
            line.text = piece_.substr(0, end);
            whole_bytes_ = end + 1;
        } else {
            keep(piece_.substr(0, end));
            ++whole_bytes_;
            line.text = carry_;
        }
        line.whole_bytes = whole_bytes_;
        piece_.remove_prefix(end + 1);
        taken_ = true;
        if (line.text.ends_with('\r')) line.text.remove_suffix(1);
        return true;
    }
    // The bytes of a line that has no end yet.
    std::uint64_t open_bytes() const { return taken_ ? 0 : whole_bytes_; }
    // It gets none any more.
    bool last(Line& line) {
        if (open_bytes() == 0) return false;
        line = {carry_, whole_bytes_};
        taken_ = true;
        return true;
    }
    void clear() {
        begin_line();
        piece_ = {};
    }

private:
    void begin_line() {
        carry_.clear();
        whole_bytes_ = 0;
        taken_ = false;
    }
    void keep(std::string_view bytes) {
        whole_bytes_ += bytes.size();
        carry_.append(bytes.substr(0, bytes_max_ - std::min(bytes_max_, carry_.size())));
    }

    const std::size_t bytes_max_;
    std::string_view piece_;
    std::string carry_;
    std::uint64_t whole_bytes_ = 0;
    bool taken_ = false;
};

}  // namespace millrace::runtime
