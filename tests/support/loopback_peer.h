// What: a listener on loopback that the test's own thread serves: HTTP answers of five bytes, as
//       long as the test wants them.
// Threads: one. Lifetime: of a test. Limits: none. Failure: through GoogleTest.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace millrace::courier {

// Answers whatever has come when it is asked to; never waits.
class LoopbackPeer {
public:
    explicit LoopbackPeer(std::uint32_t address = INADDR_LOOPBACK)
        : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
        sockaddr_in name{};
        name.sin_family = AF_INET;
        name.sin_addr.s_addr = htonl(address);
        socklen_t bytes = sizeof name;
        auto* const bound = reinterpret_cast<sockaddr*>(&name);
        EXPECT_EQ(bind(listener_, bound, bytes), 0);
        EXPECT_EQ(listen(listener_, 512), 0);
        EXPECT_EQ(getsockname(listener_, bound, &bytes), 0);
        port_ = ntohs(name.sin_port);
    }
    LoopbackPeer(const LoopbackPeer&) = delete;
    LoopbackPeer& operator=(const LoopbackPeer&) = delete;
    ~LoopbackPeer() {
        for (auto& [connection, text] : heard_) close(connection);
        close(listener_);
    }

    int port() const { return port_; }
    std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/"; }
    std::size_t accepted() const { return accepted_; }

    void serve() {
        for (int one = 0; (one = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK)) >= 0;) {
            heard_[one];
            ++accepted_;
        }
        for (auto at = heard_.begin(); at != heard_.end();) {
            char piece[4096];
            const ssize_t got = recv(at->first, piece, sizeof piece, 0);
            if (got > 0) at->second.append(piece, static_cast<std::size_t>(got));
            const bool whole = at->second.find("\r\n\r\n") != std::string::npos;
            if (whole && answers) {
                requests.push_back(std::move(at->second));
                at->second.clear();
                const std::string answer = std::string("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n") +
                                           (closes ? "Connection: close\r\n" : "") + "\r\nhello";
                EXPECT_EQ(send(at->first, answer.data(), answer.size(), MSG_NOSIGNAL),
                          static_cast<ssize_t>(answer.size()));
            }
            if (got == 0 || (whole && answers && closes)) {
                close(at->first);
                at = heard_.erase(at);
            } else {
                ++at;
            }
        }
    }

    bool answers = true;
    bool closes = false;
    std::vector<std::string> requests;  // that were answered

private:
    const int listener_;
    int port_ = 0;
    std::size_t accepted_ = 0;
    std::map<int, std::string> heard_;
};

}  // namespace millrace::courier
