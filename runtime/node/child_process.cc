#include "runtime/node/child_process.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace millrace::runtime::node {
namespace {

void close_fd(int& fd) {
    if (fd >= 0) ::close(fd);
    fd = -1;
}

// Of ours: these settings are in the line that it is told.
std::vector<char*> environment_without_settings() {
    std::vector<char*> out;
    for (char** one = environ; *one; ++one) {
        if (std::string_view(*one).substr(0, 9) != "MILLRACE_" &&
            std::string_view(*one).substr(0, 14) != "NOTIFY_SOCKET=" &&
            std::string_view(*one).substr(0, 13) != "WATCHDOG_USEC")
            out.push_back(*one);
    }
    out.push_back(nullptr);
    return out;
}

}  // namespace

core::Result<std::unique_ptr<ChildProcess>> ChildProcess::spawn(const ChildCommand& command) {
    std::array<int, 2> in{-1, -1}, out{-1, -1};
    if (::pipe2(in.data(), O_CLOEXEC) != 0 || ::pipe2(out.data(), O_CLOEXEC) != 0) {
        const int error = errno;
        for (int* fd : {&in[0], &in[1], &out[0], &out[1]}) close_fd(*fd);
        return core::fail(core::ErrorCode::kInternal,
                          std::string("a pipe to a partition: ") + std::strerror(error));
    }
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    ::posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    ::posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    sigset_t none;
    ::sigemptyset(&none);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    std::vector<std::string> texts = command.arguments;
    std::vector<char*> arguments;
    for (std::string& text : texts) arguments.push_back(text.data());
    arguments.push_back(nullptr);
    std::vector<char*> environment = environment_without_settings();
    pid_t pid = -1;
    const int error = ::posix_spawn(&pid, command.program.c_str(), &actions, &attributes,
                                    arguments.data(), environment.data());
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
    close_fd(in[0]);
    close_fd(out[1]);
    if (error != 0) {
        close_fd(in[1]);
        close_fd(out[0]);
        return core::fail(core::ErrorCode::kInternal,
                          "the process of a partition: " + std::string(std::strerror(error)));
    }
    std::unique_ptr<ChildProcess> child(new ChildProcess);
    child->pid_ = pid;
    child->input_ = in[1];
    child->output_ = out[0];
    for (const int fd : {child->input_, child->output_})
        ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
    return child;
}

ChildProcess::~ChildProcess() {
    if (!reaped_ && pid_ > 0) {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    close_fd(input_);
    close_fd(output_);
}

void ChildProcess::tell(std::string_view line) {
    if (input_ < 0 || unwritten_.size() + line.size() > kUnwrittenBytesMax) return;
    unwritten_.append(line).append("\n");
    write_some();
}

void ChildProcess::write_some() {
    while (input_ >= 0 && !unwritten_.empty()) {
        const ssize_t done = ::write(input_, unwritten_.data(), unwritten_.size());
        if (done < 0 && errno == EINTR) continue;
        if (done < 0 && errno == EAGAIN) return;
        if (done <= 0) return close_fd(input_);
        unwritten_.erase(0, static_cast<std::size_t>(done));
    }
}

void ChildProcess::read_some() {
    std::array<char, 16'384> room;
    while (output_ >= 0 && read_.size() <= kLineBytesMax) {
        const ssize_t bytes = ::read(output_, room.data(), room.size());
        if (bytes < 0 && errno == EINTR) continue;
        if (bytes < 0 && errno == EAGAIN) return;
        if (bytes <= 0) return close_fd(output_);
        read_.append(room.data(), static_cast<std::size_t>(bytes));
    }
}

bool ChildProcess::next(std::string& line) {
    write_some();
    std::size_t end = read_.find('\n');
    if (end == std::string::npos) {
        read_some();
        end = read_.find('\n');
    }
    if (end == std::string::npos) {
        if (read_.size() > kLineBytesMax) read_.clear();  // that is none of ours
        return false;
    }
    line = read_.substr(0, end);
    read_.erase(0, end + 1);
    return true;
}

std::optional<int> ChildProcess::over() {
    if (reaped_) return code_;
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
    reaped_ = true;
    code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return code_;
}

void ChildProcess::let_end() { close_fd(input_); }

void ChildProcess::kill() const {
    if (!reaped_) ::kill(pid_, SIGKILL);
}

void ChildProcess::append_waits(std::vector<pollfd>& fds) const {
    if (output_ >= 0) fds.push_back({output_, POLLIN, 0});
    if (input_ >= 0 && !unwritten_.empty()) fds.push_back({input_, POLLOUT, 0});
}

}  // namespace millrace::runtime::node
