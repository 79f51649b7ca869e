#include "runtime/executors/command_process.h"

#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace millrace::runtime {
namespace {

constexpr int kProgramFd = 3;

void close_fd(int& fd) {
    if (fd >= 0) ::close(fd);
    fd = -1;
}

tl::unexpected<core::Error> failed(std::string what, int error) {
    return core::fail(core::ErrorCode::kInternal, what + " failed: " + std::strerror(error));
}

// Everything that the child needs, made before it exists: it runs on our memory and may call
// nothing that allocates or locks.
struct Launch {
    int program = -1;
    bool is_script = false;  // its interpreter opens the program again
    int input = -1, output = -1, errors = -1;
    const char* cwd = nullptr;
    const char* path = nullptr;
    char* const* argv = nullptr;
    char* const* env = nullptr;
    bool drop_root = false;
    CommandUser user;
    volatile int error = 0;
    const char* volatile at = "";
};

void limit(int what, rlim_t max) {
    const rlimit both{max, max};
    ::setrlimit(static_cast<__rlimit_resource>(what), &both);
}

// In the child, until it is another program.
[[noreturn]] void become(Launch& launch) {
    const auto give_up = [&](const char* at) {
        launch.at = at;
        launch.error = errno;
        ::_exit(127);
    };
    ::setsid();
    struct sigaction standard {};
    standard.sa_handler = SIG_DFL;
    for (int number = 1; number < 32; ++number) {
        if (number != SIGKILL && number != SIGSTOP) ::sigaction(number, &standard, nullptr);
    }
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    // Out of the way of the places they are to be at.
    const int program = ::fcntl(launch.program, F_DUPFD, 10);
    const int input = ::fcntl(launch.input, F_DUPFD, 10);
    const int output = ::fcntl(launch.output, F_DUPFD, 10);
    const int errors = ::fcntl(launch.errors, F_DUPFD, 10);
    if (::dup2(input, 0) < 0 || ::dup2(output, 1) < 0 || ::dup2(errors, 2) < 0 ||
        ::dup2(program, kProgramFd) < 0)
        give_up("dup2");
    ::syscall(SYS_close_range, kProgramFd + 1, UINT_MAX, 0);
    if (!launch.is_script) ::fcntl(kProgramFd, F_SETFD, FD_CLOEXEC);
    if (::chdir(launch.cwd) != 0) give_up("chdir");
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_NOFILE, CommandProcess::kFilesMax);
    limit(RLIMIT_AS, CommandProcess::kMemoryBytesMax);
    if (launch.drop_root) {
        // By the bare calls: those of the library change every thread of a process.
        if (::syscall(SYS_setgroups, 0, nullptr) != 0) give_up("setgroups");
        limit(RLIMIT_NPROC, CommandProcess::kProcessesMax);
        const gid_t gid = launch.user.gid;
        const uid_t uid = launch.user.uid;
        if (::syscall(SYS_setresgid, gid, gid, gid) != 0) give_up("setresgid");
        if (::syscall(SYS_setresuid, uid, uid, uid) != 0) give_up("setresuid");
    }
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) give_up("no_new_privs");
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::syscall(SYS_execveat, kProgramFd, "", launch.argv, launch.env, AT_EMPTY_PATH);
    if (errno == ENOSYS) ::execve(launch.path, launch.argv, launch.env);
    give_up("execute");
    __builtin_unreachable();
}

__attribute__((noinline)) pid_t start(Launch& launch) {
    // A copy of our page tables would hold up every thread: the child borrows our memory until it
    // is another program, and we wait for that.
    const pid_t pid = ::vfork();
    if (pid == 0) become(launch);
    return pid;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> out;
    for (std::string& text : texts) out.push_back(text.data());
    out.push_back(nullptr);
    return out;
}

struct Pipe {
    int read = -1, write = -1;
    bool open() {
        std::array<int, 2> ends{};
        if (::pipe2(ends.data(), O_CLOEXEC) != 0) return false;
        read = ends[0];
        write = ends[1];
        return true;
    }
    ~Pipe() {
        close_fd(read);
        close_fd(write);
    }
};

void do_not_wait(int fd) { ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK); }

}  // namespace

core::Result<CommandUser> CommandUser::find(const std::string& name) {
    CommandUser out;
    std::vector<char> room(16'384);
    passwd entry{};
    passwd* found = nullptr;
    if (::getpwnam_r(name.c_str(), &entry, room.data(), room.size(), &found) == 0 && found) {
        out.uid = found->pw_uid;
        out.gid = found->pw_gid;
    } else if (name != "nobody") {
        return core::fail(
            core::Error(core::ErrorCode::kValidation,
                        "config: executors.command.user is \"" + name + "\"; there is no such user")
                .in("executors.command.user"));
    }
    if (out.uid == 0 || out.gid == 0) {
        return core::fail(
            core::Error(core::ErrorCode::kValidation, "config: executors.command.user is \"" +
                                                          name + "\"; commands never run as root")
                .in("executors.command.user"));
    }
    return out;
}

core::Result<std::unique_ptr<CommandProcess>> CommandProcess::spawn(const CommandJob& job,
                                                                    const CommandUser& user) {
    Launch launch;
    launch.program = ::open(job.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (launch.program < 0) launch.program = ::open(job.path.c_str(), O_PATH | O_CLOEXEC);
    if (launch.program < 0) return failed(job.path + ": open", errno);
    struct Closer {
        int& fd;
        ~Closer() { close_fd(fd); }
    } closer{launch.program};
    struct stat found {};
    if (::fstat(launch.program, &found) != 0) return failed(job.path + ": stat", errno);
    if (!S_ISREG(found.st_mode) || (found.st_mode & 0111) == 0)
        return core::fail(core::ErrorCode::kInternal, job.path + " is no program");
    std::array<char, 2> first{};
    launch.is_script =
        ::pread(launch.program, first.data(), 2, 0) == 2 && first[0] == '#' && first[1] == '!';
    Pipe input, output, errors;
    if (!input.open() || !output.open() || !errors.open()) return failed("pipe", errno);
    std::vector<std::string> argv = {job.path};
    argv.insert(argv.end(), job.args.begin(), job.args.end());
    std::vector<std::string> env = job.env;
    const std::vector<char*> argv_pointers = pointers(argv);
    const std::vector<char*> env_pointers = pointers(env);
    launch.input = input.read;
    launch.output = output.write;
    launch.errors = errors.write;
    launch.cwd = job.cwd.c_str();
    launch.path = job.path.c_str();
    launch.argv = argv_pointers.data();
    launch.env = env_pointers.data();
    launch.drop_root = ::geteuid() == 0 || ::getuid() == 0;
    launch.user = user;
    // No handler of ours may run in the child on our memory.
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    const pid_t pid = start(launch);
    const int error = errno;
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (pid < 0) return failed("fork", error);
    if (launch.error != 0) {
        ::waitpid(pid, nullptr, 0);
        return failed(job.path + ": " + launch.at, launch.error);
    }
    std::unique_ptr<CommandProcess> process(new CommandProcess);
    process->pid_ = pid;
    process->input_ = std::exchange(input.write, -1);
    process->output_ = std::exchange(output.read, -1);
    process->errors_ = std::exchange(errors.read, -1);
    process->exit_ = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    process->unread_ = job.input;
    for (const int fd : {process->input_, process->output_, process->errors_}) do_not_wait(fd);
    process->feed();
    return process;
}

CommandProcess::~CommandProcess() {
    if (!reaped_) {
        signal_group(SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    close_fd(input_);
    close_fd(output_);
    close_fd(errors_);
    close_fd(exit_);
}

void CommandProcess::signal_group(int number) const {
    if (!reaped_) ::kill(-pid_, number);
}

void CommandProcess::feed() {
    while (input_ >= 0 && fed_ < unread_.size()) {
        const ssize_t done = ::write(input_, unread_.data() + fed_, unread_.size() - fed_);
        if (done < 0 && errno == EAGAIN) return;
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) break;  // it reads no more
        fed_ += static_cast<std::size_t>(done);
    }
    close_fd(input_);
}

void CommandProcess::drain(int& from, std::string& to, bool& cut) {
    constexpr int kReadsMax = 16;
    std::array<char, 16'384> room;
    for (int i = 0; from >= 0 && i < kReadsMax; ++i) {
        const ssize_t bytes = ::read(from, room.data(), room.size());
        if (bytes < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (bytes <= 0) return close_fd(from);
        const std::size_t kept =
            std::min(kCommandOutputBytesKept - to.size(), static_cast<std::size_t>(bytes));
        to.append(room.data(), kept);
        cut |= kept < static_cast<std::size_t>(bytes);
    }
}

void CommandProcess::pump(CommandEnd& end) {
    feed();
    drain(output_, end.out, end.out_cut);
    drain(errors_, end.err, end.err_cut);
}

bool CommandProcess::over(CommandEnd& end) {
    if (reaped_) return true;
    siginfo_t info{};
    if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
        info.si_pid == 0)
        return false;
    // While it is not reaped its number, and so its group's, is nobody else's.
    signal_group(SIGKILL);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    reaped_ = true;
    end.how = WIFEXITED(status) ? CommandEnd::How::kExited : CommandEnd::How::kSignalled;
    end.code = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
    return true;
}

}  // namespace millrace::runtime
