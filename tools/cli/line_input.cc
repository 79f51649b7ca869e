#include "tools/cli/line_input.h"

#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

namespace millrace::tools {

namespace {
constexpr std::size_t kReadBytes = 256u << 10;
constexpr std::size_t kUnpackBytes = 256u << 10;  // a step; bounds what a small input can become
constexpr std::string_view kGzipMagic = "\x1f\x8b";
constexpr std::string_view kZstdMagic = "\x28\xb5\x2f\xfd";
}  // namespace

// Appends what comes of a piece, a step at a time.
class LineInput::Unpacker {
public:
    virtual ~Unpacker() = default;
    // Takes of `in` from `used` on, and moves it. False, with `why`: it is damaged.
    virtual bool step(std::string_view in, std::size_t& used, std::string& out,
                      std::string& why) = 0;
    virtual bool between_members() const = 0;  // a good place to end
};

namespace {

class Gzip final : public LineInput::Unpacker {
public:
    Gzip() { good_ = inflateInit2(&stream_, 15 + 16) == Z_OK; }
    ~Gzip() override { inflateEnd(&stream_); }
    Gzip(const Gzip&) = delete;
    Gzip& operator=(const Gzip&) = delete;

    bool step(std::string_view in, std::size_t& used, std::string& out, std::string& why) override {
        if (!good_) {
            why = "out of memory";
            return false;
        }
        if (ended_ && used < in.size()) {  // files put behind each other are one
            inflateReset(&stream_);
            ended_ = false;
        }
        const std::size_t before = out.size();
        out.resize(before + kUnpackBytes);
        // zlib's input has no const.
        stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data() + used));
        stream_.avail_in = static_cast<uInt>(in.size() - used);
        stream_.next_out = reinterpret_cast<Bytef*>(out.data() + before);
        stream_.avail_out = static_cast<uInt>(kUnpackBytes);
        const int code = inflate(&stream_, Z_NO_FLUSH);
        used = in.size() - stream_.avail_in;
        out.resize(out.size() - stream_.avail_out);
        ended_ = code == Z_STREAM_END;
        if (code == Z_OK || code == Z_BUF_ERROR || ended_) return true;
        why = std::string("damaged gzip data") +
              (stream_.msg != nullptr ? std::string(": ") + stream_.msg : std::string());
        return false;
    }
    bool between_members() const override { return ended_; }

private:
    z_stream stream_{};
    bool good_ = false;
    bool ended_ = false;
};

class Zstd final : public LineInput::Unpacker {
public:
    Zstd() : stream_(ZSTD_createDStream()) {}
    ~Zstd() override { ZSTD_freeDStream(stream_); }
    Zstd(const Zstd&) = delete;
    Zstd& operator=(const Zstd&) = delete;

    bool step(std::string_view in, std::size_t& used, std::string& out, std::string& why) override {
        if (stream_ == nullptr) {
            why = "out of memory";
            return false;
        }
        const std::size_t before = out.size();
        out.resize(before + kUnpackBytes);
        ZSTD_inBuffer from{in.data(), in.size(), used};
        ZSTD_outBuffer to{out.data() + before, kUnpackBytes, 0};
        const std::size_t code = ZSTD_decompressStream(stream_, &to, &from);
        used = from.pos;
        out.resize(before + to.pos);
        if (ZSTD_isError(code) != 0) {
            why = std::string("damaged zstd data: ") + ZSTD_getErrorName(code);
            return false;
        }
        ended_ = code == 0;
        return true;
    }
    bool between_members() const override { return ended_; }

private:
    ZSTD_DStream* stream_;
    bool ended_ = true;
};

}  // namespace

LineInput::LineInput(int fd, std::string name) : fd_(fd), name_(std::move(name)) {
    struct stat status {};
    if (::fstat(fd_, &status) == 0 && S_ISREG(status.st_mode))
        bytes_total_ = static_cast<std::uint64_t>(status.st_size);
}

LineInput::~LineInput() {
    if (fd_ != STDIN_FILENO) ::close(fd_);
}

core::Result<std::unique_ptr<LineInput>> LineInput::open(const std::string& file) {
    int fd = STDIN_FILENO;
    if (file != "-") {
        fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
            return core::fail(core::ErrorCode::kNotFound,
                              "cannot read file " + file + ": " + std::strerror(errno));
        }
        struct stat status {};
        if (::fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) {
            ::close(fd);
            return core::fail(core::ErrorCode::kValidation,
                              "cannot read " + file + ": it is a folder; name its files");
        }
    }
    return std::unique_ptr<LineInput>(
        new LineInput(fd, file == "-" ? std::string("standard input") : file));
}

bool LineInput::read_raw() {
    if (raw_ended_) return false;
    raw_.erase(0, raw_used_);
    raw_used_ = 0;
    const std::size_t before = raw_.size();
    raw_.resize(before + kReadBytes);
    ssize_t got = 0;
    do {
        got = ::read(fd_, raw_.data() + before, kReadBytes);
    } while (got < 0 && errno == EINTR);
    if (got < 0) error_ = name_ + ": " + std::strerror(errno);
    raw_.resize(before + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    bytes_read_ += static_cast<std::uint64_t>(std::max<ssize_t>(got, 0));
    raw_ended_ = got <= 0;
    return got > 0;
}

bool LineInput::fill() {
    if (!begun_) {
        while (raw_.size() < kZstdMagic.size() && read_raw()) {
        }
        begun_ = true;
        if (raw_.starts_with(kGzipMagic)) unpacker_ = std::make_unique<Gzip>();
        if (raw_.starts_with(kZstdMagic)) unpacker_ = std::make_unique<Zstd>();
    }
    text_.erase(0, text_used_);
    text_used_ = 0;
    const std::size_t before = text_.size();
    while (error_.empty()) {
        if (raw_used_ == raw_.size() && !read_raw()) break;
        if (!unpacker_) {
            text_.append(raw_, raw_used_);
            raw_used_ = raw_.size();
            return true;
        }
        std::string why;
        if (!unpacker_->step(raw_, raw_used_, text_, why)) error_ = name_ + ": " + why;
        if (text_.size() > before) return true;
    }
    // What was unpacked and is not yet handed out may still be in the unpacker.
    std::string why;
    if (error_.empty() && unpacker_ && !unpacker_->between_members()) {
        std::size_t used = raw_.size();
        if (unpacker_->step(raw_, used, text_, why) && text_.size() > before) return true;
        if (!unpacker_->between_members()) error_ = name_ + ": the file ends too early";
    }
    return false;
}

bool LineInput::next(std::string& line) {
    line.clear();
    too_long_ = false;
    begin_ = end_;
    bool any = false;
    bool whole = false;
    for (;;) {
        if (text_used_ == text_.size() && !fill()) break;
        any = true;
        const std::size_t at = text_.find('\n', text_used_);
        const std::size_t stop = at == std::string::npos ? text_.size() : at;
        const std::size_t room = kLineBytesMax - std::min(kLineBytesMax, line.size());
        too_long_ = too_long_ || stop - text_used_ > room;
        line.append(text_, text_used_, std::min(room, stop - text_used_));
        end_ += stop - text_used_ + (at == std::string::npos ? 0 : 1);
        text_used_ = at == std::string::npos ? stop : at + 1;
        whole = at != std::string::npos;
        if (whole) break;
    }
    if (!any || (!whole && !error_.empty())) return false;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    ++line_;
    return true;
}

}  // namespace millrace::tools
