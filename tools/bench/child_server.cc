#include "tools/bench/child_server.h"

#include "core/json_dom.h"
#include "tools/cli/json.h"

#include <chrono>
#include <fstream>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace millrace::tools {

namespace {

using Clock = std::chrono::steady_clock;

// Runs this binary with the arguments; its standard output goes to `out`, errors to the log.
pid_t spawn_self(std::vector<std::string> arguments, int out, const std::string& log_path) {
    arguments.insert(arguments.begin(), "millrace");
    std::vector<char*> argv;
    argv.reserve(arguments.size() + 1);
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    // Ctrl-C is for us: a child that took it too would look like one that ended by itself.
    ::setpgid(0, 0);
    const int log = ::open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0640);
    ::dup2(out, STDOUT_FILENO);
    ::dup2(log, STDERR_FILENO);
    ::execv("/proc/self/exe", argv.data());
    ::_exit(127);
}

bool gone(pid_t pid, int& status, int seconds) {
    const auto deadline = Clock::now() + std::chrono::seconds(seconds);
    while (::waitpid(pid, &status, WNOHANG) == 0) {
        if (Clock::now() > deadline) return false;
        ::usleep(2'000);
    }
    return true;
}

}  // namespace

core::Status ChildServer::start(const std::vector<std::string>& more) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
        return core::fail(core::ErrorCode::kInternal, "no pipe could be made");
    std::vector<std::string> arguments = {
        "serve", "--data", data_folder_, "--listen", "127.0.0.1:0", "--socket", ""};
    arguments.insert(arguments.end(), more.begin(), more.end());
    pid_ = spawn_self(std::move(arguments), ends[1], log_path_);
    ::close(ends[1]);
    auto ready = read_ready_line(ends[0]);
    ::close(ends[0]);
    if (!ready) kill();
    return ready;
}

core::Status ChildServer::read_ready_line(int fd) {
    const auto deadline = Clock::now() + std::chrono::seconds(kStartSeconds);
    std::string line;
    while (line.find('\n') == std::string::npos) {
        pollfd wait{fd, POLLIN, 0};
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
        if (left <= 0 || ::poll(&wait, 1, static_cast<int>(left)) == 0) {
            return core::fail(core::ErrorCode::kUnavailable, "the server was not ready in " +
                                                                 std::to_string(kStartSeconds) +
                                                                 " s; see " + log_path_);
        }
        char bytes[512];
        const ssize_t got = ::read(fd, bytes, sizeof bytes);
        if (got <= 0) {
            return core::fail(core::ErrorCode::kUnavailable, last_words());
        }
        line.append(bytes, static_cast<std::size_t>(got));
    }
    core::JsonDom parser;
    core::JsonElement ready;
    if (!parser.read(line, ready))
        return core::fail(core::ErrorCode::kInternal, "no ready line: " + line);
    address_ = "http://" + text_at(ready, "http");
    return {};
}

// Why it did not start, by the last line of its log.
std::string ChildServer::last_words() const {
    std::ifstream log(log_path_);
    if (!log) return "the server refused to start before it had a log";
    std::string line, last;
    while (std::getline(log, line)) last = line;
    core::JsonDom parser;
    core::JsonElement entry;
    std::string said;
    if (parser.read(last, entry)) said = text_at(entry, "message");
    return "the server refused to start" + (said.empty() ? "; see " + log_path_ : ": " + said);
}

bool ChildServer::alive() {
    int status = 0;
    if (pid_ <= 0) return false;
    if (::waitpid(pid_, &status, WNOHANG) == 0) return true;
    pid_ = -1;
    return false;
}

void ChildServer::kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
}

core::Status ChildServer::stop() {
    int status = 0;
    if (pid_ <= 0) return core::fail(core::ErrorCode::kInternal, "no server runs");
    ::kill(pid_, SIGTERM);
    if (!gone(pid_, status, kStopSeconds)) {
        kill();
        return core::fail(core::ErrorCode::kInternal, "the server did not stop");
    }
    pid_ = -1;
    if (status == 0) return {};
    return core::fail(core::ErrorCode::kInternal,
                      "the server stopped with status " + std::to_string(status));
}

int ChildServer::verify() {
    const int null = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    const pid_t pid = spawn_self({"verify", "--data", data_folder_}, null, log_path_);
    ::close(null);
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace millrace::tools
