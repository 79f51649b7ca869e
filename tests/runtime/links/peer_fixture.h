// What: a peer of the test's for connections that links make: a listener on loopback that says what
//       it is told to, and hears what was said to it. Time is moved by hand.
// Threads: one. Lifetime: of a test. Limits: none. Failure: gtest assertions.
#pragma once

#include "core/clock.h"
#include "runtime/courier/address_rules.h"
#include "runtime/links/file_access.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace millrace::runtime::test {

class PeerTest : public ::testing::Test {
protected:
    void SetUp() override {
        listener_ = OwnedFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in where{};
        where.sin_family = AF_INET;
        where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t bytes = sizeof where;
        auto* const address = reinterpret_cast<sockaddr*>(&where);
        ASSERT_EQ(::bind(listener_.get(), address, bytes), 0);
        ASSERT_EQ(::listen(listener_.get(), 4), 0);
        ASSERT_EQ(::getsockname(listener_.get(), address, &bytes), 0);
        port_ = ntohs(where.sin_port);
    }
    // Waits for bytes of the peer, a moment at most, and does what a turn of the agent does.
    virtual void turn_once(int wait_ms) = 0;

    void accept() { peer_ = OwnedFd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)); }
    void say(std::string_view bytes) {
        ASSERT_EQ(::send(peer_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
                  static_cast<ssize_t>(bytes.size()));
        turn();
    }
    // Until what was said has come, or nothing has for a while.
    void turn() {
        for (int i = 0; i < 4; ++i) turn_once(15);
    }
    // What there is.
    std::string hear() {
        std::string out(65'536, '\0');
        const ssize_t got = ::recv(peer_.get(), out.data(), out.size(), MSG_DONTWAIT);
        out.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
        return out;
    }
    template <typename Waits>
    static void wait_for_bytes(const Waits& waits, int wait_ms) {
        pollfd fd{};
        waits.waits_for(fd);
        fd.events = POLLIN;
        (void)::poll(&fd, 1, wait_ms);
    }

    core::ManualClock clock_;
    courier::AddressRules rules_ = *courier::AddressRules::make("127.0.0.1", "");
    OwnedFd listener_, peer_;
    std::int64_t port_ = 0;
};

}  // namespace millrace::runtime::test
