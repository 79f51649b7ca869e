// Goal: the service manager is told in its own words, at a path and at an abstract name; nobody is
// told where nobody asks, and nothing waits for a manager that does not listen.
// Method: a socket of the test's own in the place of the manager's.
#include "runtime/server/service_notify.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace millrace::runtime {
namespace {

class ServiceManager {
public:
    explicit ServiceManager(const std::string& name) : name_(name) {
        socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, name.data(), name.size());
        if (name.front() == '@') address.sun_path[0] = '\0';
        const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size() +
                                                   (name.front() == '/' ? 1 : 0));
        bound_ = ::bind(socket_, reinterpret_cast<const sockaddr*>(&address), length) == 0;
    }
    ~ServiceManager() {
        ::close(socket_);
        if (name_.front() == '/') ::unlink(name_.c_str());
    }
    bool bound() const { return bound_; }
    // The next that came; "" when none has.
    std::string heard() {
        char bytes[512];
        const ssize_t size = ::recv(socket_, bytes, sizeof bytes, 0);
        return size < 0 ? "" : std::string(bytes, static_cast<std::size_t>(size));
    }

private:
    const std::string name_;
    int socket_ = -1;
    bool bound_ = false;
};

std::string manager_name(const char* what) {
    return std::string(what) + "-" + std::to_string(::getpid());
}

void speaks_to(const std::string& name) {
    ServiceManager manager(name);
    ASSERT_TRUE(manager.bound()) << name;
    const ServiceNotify notify(name, 1'000'000);
    EXPECT_TRUE(notify.asked());
    notify.ready("serving 127.0.0.1:7070");
    EXPECT_EQ(manager.heard(), "READY=1\nSTATUS=serving 127.0.0.1:7070");
    notify.reloading(1234);
    EXPECT_EQ(manager.heard(), "RELOADING=1\nMONOTONIC_USEC=1234");
    notify.alive();
    EXPECT_EQ(manager.heard(), "WATCHDOG=1");
    notify.stopping("two\nlines");
    EXPECT_EQ(manager.heard(), "STOPPING=1\nSTATUS=two lines");
    notify.extend(5, "opening");
    EXPECT_EQ(manager.heard(), "EXTEND_TIMEOUT_USEC=5\nSTATUS=opening");
    EXPECT_EQ(manager.heard(), "");
}

TEST(ServiceNotify, SpeaksToAPath) { speaks_to("/tmp/" + manager_name("millrace-notify")); }

TEST(ServiceNotify, SpeaksToAnAbstractName) { speaks_to("@" + manager_name("millrace-notify")); }

TEST(ServiceNotify, NobodyListensAndNothingWaits) {
    for (const char* socket : {"", "/tmp/millrace-nobody", "@millrace-nobody", "vsock:2:1234"}) {
        const ServiceNotify notify(socket, 1'000'000);
        notify.ready("");
        notify.alive();
    }
    ServiceNotify(std::string(200, '/'), 0).ready("");  // longer than an address can be

    const std::string name = "@" + manager_name("millrace-full");
    ServiceManager manager(name);
    const ServiceNotify notify(name);
    for (int i = 0; i < 10'000; ++i) notify.alive();  // more than it has room for
    EXPECT_EQ(manager.heard(), "WATCHDOG=1");
}

TEST(ServiceNotify, TheEnvironmentSaysWhoAsks) {
    const auto read = [](const char* socket, const char* usec, const std::string& pid) {
        ::setenv("NOTIFY_SOCKET", socket, 1);
        ::setenv("WATCHDOG_USEC", usec, 1);
        ::setenv("WATCHDOG_PID", pid.c_str(), 1);
        return ServiceNotify::from_environment();
    };
    const std::string us = std::to_string(::getpid());
    EXPECT_EQ(read("@x", "30000000", us).watchdog_us(), 30'000'000);
    EXPECT_EQ(read("@x", "30000000", "").watchdog_us(), 30'000'000);
    EXPECT_EQ(read("@x", "30000000", "1").watchdog_us(), 0) << "it is another's";
    EXPECT_EQ(read("@x", "often", us).watchdog_us(), 0);
    EXPECT_EQ(read("", "30000000", us).watchdog_us(), 0) << "nobody to tell";
    EXPECT_FALSE(read("", "", "").asked());
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) ::unsetenv(name);
    EXPECT_FALSE(ServiceNotify::from_environment().asked());
}

}  // namespace
}  // namespace millrace::runtime
