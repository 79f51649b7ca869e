#include "runtime/server/service_notify.h"

#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace millrace::runtime {

namespace {

std::string from_environ(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

std::int64_t number_of(const std::string& text) {
    std::int64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    return error == std::errc() && stop == end && number > 0 ? number : 0;
}

// A status is one line.
std::string status_line(std::string_view status) {
    std::string line = "STATUS=";
    for (const char c : status) line += c == '\n' ? ' ' : c;
    return line;
}

}  // namespace

ServiceNotify ServiceNotify::from_environment() {
    // Under a process in between, such as a shell, the watchdog is meant for that one.
    const std::int64_t watched = number_of(from_environ("WATCHDOG_PID"));
    const bool ours = watched == 0 || watched == ::getpid();
    return ServiceNotify(from_environ("NOTIFY_SOCKET"),
                         ours ? number_of(from_environ("WATCHDOG_USEC")) : 0);
}

void ServiceNotify::extend(std::int64_t us, std::string_view status) const {
    tell("EXTEND_TIMEOUT_USEC=" + std::to_string(us) + "\n" + status_line(status));
}

void ServiceNotify::ready(std::string_view status) const {
    tell("READY=1\n" + status_line(status));
}

void ServiceNotify::reloading(std::int64_t monotonic_us) const {
    tell("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(monotonic_us));
}

void ServiceNotify::stopping(std::string_view status) const {
    tell("STOPPING=1\n" + status_line(status));
}

void ServiceNotify::alive() const { tell("WATCHDOG=1"); }

void ServiceNotify::tell(const std::string& text) const {
    sockaddr_un address{};
    if (socket_.empty() || socket_.size() >= sizeof(address.sun_path)) return;
    if (socket_.front() != '/' && socket_.front() != '@') return;
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, socket_.data(), socket_.size());
    // An abstract name begins with a zero, and every byte of its length is part of it.
    if (socket_.front() == '@') address.sun_path[0] = '\0';
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size() +
                                               (socket_.front() == '/' ? 1 : 0));
    const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (socket < 0) return;
    // Refused or without room: nobody is told, which the header says.
    static_cast<void>(!::sendto(socket, text.data(), text.size(), MSG_NOSIGNAL,
                                reinterpret_cast<const sockaddr*>(&address), length));
    ::close(socket);
}

}  // namespace millrace::runtime
