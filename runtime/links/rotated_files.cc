#include "runtime/links/rotated_files.h"

#include <algorithm>
#include <memory>
#include <string_view>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace millrace::runtime {
namespace {

std::int64_t written_ns(const struct stat& about) {
    return std::int64_t{about.st_mtim.tv_sec} * 1'000'000'000 + about.st_mtim.tv_nsec;
}

OwnedFd open_in(int folder, const std::string& name, std::uint64_t inode) {
    OwnedFd fd(
        ::openat(folder, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
    struct stat about {};
    if (!fd || ::fstat(fd.get(), &about) != 0 || !S_ISREG(about.st_mode) || about.st_ino != inode)
        return {};
    return fd;
}

struct CloseFolder {
    void operator()(DIR* folder) const { ::closedir(folder); }
};

}  // namespace

bool is_rotated_name(std::string_view name, std::string_view base) {
    if (!name.starts_with(base)) return false;
    const std::string_view rest = name.substr(base.size());
    return rest.size() >= 2 && (rest[0] == '.' || rest[0] == '-') &&
           rest.find_first_not_of(".-_0123456789") == std::string_view::npos;
}

// Calls visit(folder's descriptor, name, stat) for the file itself and those that it was.
template <typename Visit>
void RotatedFiles::visit(Visit&& visit) const {
    auto folder = access_.open_folder(path_);
    if (!folder) return;
    const std::string base = path_.substr(path_.rfind('/') + 1);
    const int fd = folder->get();
    const int listed = ::dup(fd);
    const std::unique_ptr<DIR, CloseFolder> names(listed < 0 ? nullptr : ::fdopendir(listed));
    if (!names) return;
    int left = kFilesMax;
    while (const dirent* const entry = ::readdir(names.get())) {
        if (--left < 0) return;
        const std::string name = entry->d_name;
        if (name != base && !is_rotated_name(name, base)) continue;
        struct stat about {};
        if (::fstatat(fd, name.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(about.st_mode))
            continue;
        visit(fd, name, about);
    }
}

OwnedFd RotatedFiles::find(std::uint64_t inode) const {
    OwnedFd found;
    visit([&](int folder, const std::string& name, const struct stat& about) {
        if (!found && about.st_ino == inode) found = open_in(folder, name, inode);
    });
    return found;
}

OwnedFd RotatedFiles::behind(int fd) const {
    struct stat of {};
    if (::fstat(fd, &of) != 0) return {};
    const std::string base = path_.substr(path_.rfind('/') + 1);
    OwnedFd found;
    std::int64_t found_ns = 0;
    bool found_itself = false;
    visit([&](int folder, const std::string& name, const struct stat& about) {
        const bool itself = name == base;
        if (about.st_ino == of.st_ino || (!itself && written_ns(about) <= written_ns(of))) return;
        // The file itself comes when no other does, whatever its time: it may be empty.
        const bool sooner = !found || found_itself || (!itself && written_ns(about) < found_ns);
        if (!sooner || (itself && found)) return;
        if (OwnedFd opened = open_in(folder, name, about.st_ino)) {
            found = std::move(opened);
            found_ns = written_ns(about);
            found_itself = itself;
        }
    });
    return found;
}

}  // namespace millrace::runtime
