#include "runtime/links/file_source.h"

#include "runtime/event/misfit.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <sys/stat.h>
#include <unistd.h>

namespace millrace::runtime {
namespace {

// Behind the last whole line.
std::uint64_t end_of_lines(int fd, std::uint64_t bytes) {
    char piece[4'096];
    while (bytes > 0) {
        const std::size_t wanted =
            static_cast<std::size_t>(std::min<std::uint64_t>(bytes, sizeof piece));
        const ssize_t got = ::pread(fd, piece, wanted, static_cast<off_t>(bytes - wanted));
        if (got != static_cast<ssize_t>(wanted)) return 0;
        const std::size_t at = std::string_view(piece, wanted).rfind('\n');
        if (at != std::string_view::npos) return bytes - wanted + at + 1;
        bytes -= wanted;
    }
    return 0;
}

}  // namespace

FileSource::FileSource(const PeerDeps& deps, const LinkConfig& config, std::string_view position)
    : deps_(deps),
      path_(config.path),
      from_end_(config.from == "end"),
      rotated_(*deps_.files, path_),
      cutter_(kPoisonBytesKept) {
    if (position.empty()) return;
    auto place = FilePlace::read(position);
    if (!place) {
        stop("its position does not read: " + place.error().message);
        return;
    }
    place_ = *place;
    has_place_ = true;
}

void FileSource::open_first() {
    auto opened = deps_.files->open(path_, FileAccess::For::kRead);
    const bool missing = !opened && opened.error().code == core::ErrorCode::kNotFound;
    if (!opened && !missing) {
        if (opened.error().code == core::ErrorCode::kForbidden) return stop(opened.error().message);
        return fail(opened.error().message);
    }
    if (!has_place_) {
        if (missing) return;  // it is waited for
        go_on_in(std::move(*opened));
        struct stat about {};
        if (from_end_ && ::fstat(fd_.get(), &about) == 0) {
            place_.begin_hash = begin_hash_of(fd_.get());
            place_.offset = end_of_lines(fd_.get(), static_cast<std::uint64_t>(about.st_size));
        }
        return;
    }
    OwnedFd found = rotated_.find(place_.inode);
    if (!found && missing) return;
    if (!found) {
        return stop(path_ + " is another file than the one that was read to byte " +
                    std::to_string(place_.offset) + ", which is not to be found beside it");
    }
    if (const std::string why = differs_because(found.get(), place_); !why.empty())
        return stop(path_ + ": " + why);
    fd_ = std::move(found);
}

// From its beginning.
void FileSource::go_on_in(OwnedFd fd) {
    fd_ = std::move(fd);
    struct stat about {};
    if (::fstat(fd_.get(), &about) != 0) return fail("look at " + path_ + " failed");
    place_ = {};
    place_.inode = about.st_ino;
    has_place_ = true;
    moved_ = true;
    at_end_ = false;
    gone_ns_ = 0;
    cutter_.clear();
}

std::size_t FileSource::turn(SourceBatch& batch) {
    if (trouble()) return 0;
    if (!fd_) open_first();
    if (!fd_ || trouble()) return 0;
    while (!batch.full() && read_piece(batch)) {
    }
    // Also of what has stopped it: that was read before.
    if (!moved_) return 0;
    moved_ = false;
    place_.tail_hash = tail_hash_of(fd_.get(), place_.offset);
    batch.position = place_.json();
    return std::max<std::size_t>(1, batch.size());
}

// False: there is no more now.
bool FileSource::read_piece(SourceBatch& batch) {
    piece_.resize(kPieceBytes);
    const std::uint64_t from = place_.offset + cutter_.open_bytes();
    const ssize_t got = ::pread(fd_.get(), piece_.data(), piece_.size(), static_cast<off_t>(from));
    if (got < 0) {
        fail("read of " + path_ + " failed: " + std::strerror(errno));
        return false;
    }
    if (got == 0) {
        look_at_end(batch);
        return false;
    }
    // It has grown: behind what was read, and not in its place.
    if (at_end_ && place_.offset > 0) {
        if (const std::string why = differs_because(fd_.get(), place_); !why.empty()) {
            stop(path_ + ": " + why);
            return false;
        }
    }
    at_end_ = false;
    gone_ns_ = 0;
    take_lines(std::string_view(piece_).substr(0, static_cast<std::size_t>(got)), batch);
    return static_cast<std::size_t>(got) == piece_.size();
}

void FileSource::take_lines(std::string_view piece, SourceBatch& batch) {
    cutter_.feed(piece);
    LineCutter::Line line;
    while (cutter_.next(line)) {
        add(line, batch);
        if (!batch.full()) continue;
        cutter_.clear();  // the rest is read once more
        return;
    }
}

void FileSource::add(const LineCutter::Line& line, SourceBatch& batch) {
    if (place_.begin_hash == 0) place_.begin_hash = begin_hash_of(fd_.get());
    if (!line.text.empty()) {
        id_.clear();
        append_line_id(id_, place_, place_.offset);
        batch.add(id_, line.text, line.whole_bytes, 0);
    }
    place_.offset += line.whole_bytes;
    moved_ = true;
}

bool FileSource::is_still_there() const {
    struct stat about {};
    return ::stat(path_.c_str(), &about) == 0 && about.st_ino == place_.inode;
}

void FileSource::look_at_end(SourceBatch& batch) {
    if (!at_end_) place_.tail_hash = tail_hash_of(fd_.get(), place_.offset);
    at_end_ = true;
    struct stat about {};
    if (::fstat(fd_.get(), &about) != 0) return fail("look at " + path_ + " failed");
    if (static_cast<std::uint64_t>(about.st_size) < place_.offset + cutter_.open_bytes()) {
        const std::string why = differs_because(fd_.get(), place_);
        return stop(path_ + ": " + (why.empty() ? "a part of its last line was cut off" : why));
    }
    if (is_still_there()) {
        gone_ns_ = 0;
        return;
    }
    // Whoever writes may still have the old one open.
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    if (gone_ns_ == 0) gone_ns_ = now_ns;
    if (now_ns - gone_ns_ < kGraceNs) return;
    OwnedFd next = rotated_.behind(fd_.get());
    if (!next) return;
    LineCutter::Line line;
    if (cutter_.last(line)) add(line, batch);
    go_on_in(std::move(next));
}

std::optional<std::uint64_t> FileSource::lag() const {
    struct stat about {};
    if (!fd_ || ::fstat(fd_.get(), &about) != 0) return std::nullopt;
    const auto bytes = static_cast<std::uint64_t>(about.st_size);
    return bytes - std::min(bytes, place_.offset);
}

}  // namespace millrace::runtime
