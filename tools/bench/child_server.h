// What: a server of this very binary as a child process: started on a folder, killed or stopped.
// Threads: one owner. Lifetime: the child dies with this process, whatever ends it.
// Limits: a start takes kStartSeconds at most, a clean stop kStopSeconds.
// Failure: start() and stop() say what happened; the log file holds the rest.
#pragma once

#include "core/result.h"

#include <string>
#include <vector>

#include <sys/types.h>

namespace millrace::tools {

class ChildServer {
public:
    static constexpr int kStartSeconds = 60;
    static constexpr int kStopSeconds = 40;

    ChildServer(std::string data_folder, std::string log_path)
        : data_folder_(std::move(data_folder)), log_path_(std::move(log_path)) {}
    ~ChildServer() { kill(); }
    ChildServer(const ChildServer&) = delete;
    ChildServer& operator=(const ChildServer&) = delete;

    // `more` are further arguments of `serve`.
    core::Status start(const std::vector<std::string>& more = {});
    // SIGKILL, and waits until it is gone.
    void kill();
    // SIGTERM; an exit code other than 0 is an error.
    core::Status stop();
    bool alive();
    // http://127.0.0.1:PORT of the running one.
    const std::string& address() const { return address_; }
    // Runs `verify` of this binary on the folder; the exit code.
    int verify();

private:
    core::Status read_ready_line(int fd);
    std::string last_words() const;

    const std::string data_folder_;
    const std::string log_path_;
    std::string address_;
    pid_t pid_ = -1;
};

}  // namespace millrace::tools
