// What: the process of a partition as its node sees it: a line of settings and orders go into it,
//       lines about its state come out. Its end is told with its exit code; ours ends it, for it
//       reads our end of its input.
// Threads: one owner. Lifetime: its end is asked for by closing its input, then by a signal.
// Limits: kLineBytesMax of a line, kUnwrittenBytesMax of what it has not read.
// Failure: spawn() says why nothing runs.
#pragma once

#include "core/result.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <poll.h>
#include <sys/types.h>

namespace millrace::runtime::node {

struct ChildCommand {
    std::string program = "/proc/self/exe";
    std::vector<std::string> arguments = {"millrace", "partition"};
};

class ChildProcess {
public:
    static constexpr std::size_t kLineBytesMax = 1u << 20;
    static constexpr std::size_t kUnwrittenBytesMax = 1u << 20;

    static core::Result<std::unique_ptr<ChildProcess>> spawn(const ChildCommand& command);
    ChildProcess(const ChildProcess&) = delete;
    ChildProcess& operator=(const ChildProcess&) = delete;
    // Kills what has not ended.
    ~ChildProcess();

    void tell(std::string_view line);  // without its end
    // The next whole line that has come.
    bool next(std::string& line);
    // The exit code when it has ended; 128 and the signal's number where one ended it.
    std::optional<int> over();
    // No more is said to it: it ends by itself.
    void let_end();
    void kill() const;
    pid_t pid() const { return pid_; }
    void append_waits(std::vector<pollfd>& fds) const;

private:
    ChildProcess() = default;
    void read_some();
    void write_some();

    pid_t pid_ = -1;
    int input_ = -1, output_ = -1;
    std::string unwritten_, read_;
    bool reaped_ = false;
    int code_ = 0;
};

}  // namespace millrace::runtime::node
