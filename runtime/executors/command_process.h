// What: one program as a child of ours: its own session and so its own process group, no file of
//       ours but its three streams, no new privileges, killed with us, and never as root.
// Threads: the runner's; it must live as long as the child. Lifetime: kills and reaps what it has
//       started.
// Limits: kFilesMax open files, kMemoryBytesMax of address space, no core; kProcessesMax of the
//         user that it runs as, where that is another one than ours.
// Failure: spawn() says why nothing runs.
#pragma once

#include "core/result.h"
#include "runtime/executors/command_port.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include <sys/types.h>

namespace millrace::runtime {

// Whom a command runs as, where we are root.
struct CommandUser {
    uid_t uid = 65'534;
    gid_t gid = 65'534;
    static core::Result<CommandUser> find(const std::string& name);
};

class CommandProcess {
public:
    static constexpr std::size_t kFilesMax = 64;
    static constexpr std::size_t kMemoryBytesMax = 512u << 20;
    static constexpr std::size_t kProcessesMax = 1'024;  // a bomb of forks ends there

    static core::Result<std::unique_ptr<CommandProcess>> spawn(const CommandJob& job,
                                                               const CommandUser& user);
    CommandProcess(const CommandProcess&) = delete;
    CommandProcess& operator=(const CommandProcess&) = delete;
    ~CommandProcess();

    // Descriptors to wait for; -1: done with.
    int input() const { return input_; }
    int output() const { return output_; }
    int errors() const { return errors_; }
    int exit() const { return exit_; }  // -1: the kernel has none; ask over() now and then

    // Moves what can be moved without waiting.
    void pump(CommandEnd& end);
    // Whether it has ended; then all of its group is killed, and it is reaped.
    bool over(CommandEnd& end);
    void signal_group(int number) const;

private:
    CommandProcess() = default;
    void feed();
    static void drain(int& from, std::string& to, bool& cut);

    pid_t pid_ = -1;
    int input_ = -1, output_ = -1, errors_ = -1, exit_ = -1;
    std::string unread_;  // of its input
    std::size_t fed_ = 0;
    bool reaped_ = false;
};

}  // namespace millrace::runtime
