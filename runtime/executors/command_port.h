// What: programs that are run, as whoever runs them sees it: one goes out, its end comes back.
//       Production is a CommandRunner, a test gives a fake.
// Threads: run() and cancel() any; ended() the runner's. Lifetime: a receiver outlives its thread.
// Limits: kCommandOutputBytesKept of each stream; the rest is read and dropped.
// Failure: an end that says so. What was taken ends once, unless it was cancelled.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace millrace::runtime {

inline constexpr std::size_t kCommandOutputBytesKept = 64u << 10;

struct CommandJob {
    std::string path;               // opened, then executed
    std::vector<std::string> args;  // behind argv[0]
    std::vector<std::string> env;   // NAME=value, all of them
    std::string cwd = "/";
    std::string input;
    std::int64_t timeout_ms = 30'000;
};

struct CommandEnd {
    enum class How : std::uint8_t { kExited, kSignalled, kTimeout, kRefused, kNotStarted };
    How how = How::kNotStarted;
    int code = 0;                 // of kExited; the signal of kSignalled
    std::int64_t timeout_ms = 0;  // of kTimeout
    std::string why;              // of kRefused and kNotStarted
    std::string out, err;
    bool out_cut = false, err_cut = false;
};

class CommandReceiver {
public:
    virtual void ended(std::uint64_t ticket, CommandEnd&& end) = 0;

protected:
    ~CommandReceiver() = default;
};

class CommandPort {
public:
    virtual ~CommandPort() = default;
    // False: too many wait.
    virtual bool run(CommandReceiver& receiver, std::uint64_t ticket, CommandJob&& job) = 0;
    // Nobody waits for it any more: it is killed.
    virtual void cancel(CommandReceiver& receiver, std::uint64_t ticket) = 0;
};

}  // namespace millrace::runtime
