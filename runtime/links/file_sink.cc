#include "runtime/links/file_sink.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <sys/stat.h>
#include <unistd.h>

namespace millrace::runtime {

FileSink::FileSink(const PeerDeps& deps, const LinkConfig& config)
    : deps_(deps), path_(config.path) {
    open();
}

void FileSink::open() {
    if (deps_.probes) {
        fd_.close();
        auto found = deps_.files->open(path_, FileAccess::For::kRead);
        if (!found && found.error().code == core::ErrorCode::kNotFound)
            found = deps_.files->open_folder(path_);
        if (!found) return fail(found.error().message);
        fd_ = std::move(*found);
        return;
    }
    auto opened = deps_.files->open(path_, FileAccess::For::kAppend);
    if (!opened) return fail(opened.error().message);
    fd_ = std::move(*opened);
    struct stat about {};
    char last = '\n';
    if (::fstat(fd_.get(), &about) == 0 && about.st_size > 0 &&
        ::pread(fd_.get(), &last, 1, about.st_size - 1) == 1 && last != '\n')
        lines_ = "\n";
}

void FileSink::send(SinkText&& text) {
    tickets_.push_back(text.ticket);
    const std::size_t begin = lines_.size();
    lines_ += text.text;
    // Between the members of an envelope line breaks may stand.
    std::replace_if(
        lines_.begin() + static_cast<std::ptrdiff_t>(begin), lines_.end(),
        [](char c) { return c == '\n' || c == '\r'; }, ' ');
    lines_ += '\n';
}

// False: nothing of it counts.
bool FileSink::write_all(std::string& why) {
    struct stat before {};
    if (::fstat(fd_.get(), &before) != 0 || before.st_nlink == 0) {
        why = path_ + " is gone";
        return false;
    }
    std::string_view left = lines_;
    while (!left.empty()) {
        const ssize_t wrote = ::write(fd_.get(), left.data(), left.size());
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) {
            why = "write to " + path_ + " failed: " + std::strerror(errno);
            return false;
        }
        left.remove_prefix(static_cast<std::size_t>(wrote));
    }
    if (::fdatasync(fd_.get()) == 0) return true;
    why = "sync of " + path_ + " failed: " + std::strerror(errno);
    return false;
}

std::size_t FileSink::turn(std::vector<SinkAnswer>& answers) {
    // The file that has its name now, after a rotation.
    struct stat named {
    }, held{};
    if (!tickets_.empty() && fd_ &&
        (::stat(path_.c_str(), &named) != 0 || ::fstat(fd_.get(), &held) != 0 ||
         named.st_ino != held.st_ino)) {
        std::string waiting = std::move(lines_);
        lines_.clear();
        open();
        lines_ += waiting;
    }
    if (tickets_.empty() || trouble()) return 0;
    std::string why;
    if (!write_all(why)) fail(why);
    for (const std::uint64_t ticket : tickets_) answers.push_back({ticket, why});
    const std::size_t done = tickets_.size();
    tickets_.clear();
    lines_.clear();
    return done;
}

}  // namespace millrace::runtime
