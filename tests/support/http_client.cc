#include "tests/support/http_client.h"

#include <cstdint>
#include <cstdlib>

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace millrace::test {

HttpClient::HttpClient(const std::string& host_and_port) {
    const std::size_t colon = host_and_port.rfind(':');
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_port =
        htons(static_cast<std::uint16_t>(std::atoi(host_and_port.c_str() + colon + 1)));
    ::inet_pton(AF_INET, host_and_port.substr(0, colon).c_str(), &where.sin_addr);
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (::connect(socket_, reinterpret_cast<sockaddr*>(&where), sizeof where) != 0) {
        ::close(socket_);
        socket_ = -1;
    }
}

HttpClient::~HttpClient() {
    if (socket_ >= 0) ::close(socket_);
}

bool HttpClient::send_all(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

HttpReply HttpClient::exchange(std::string_view head, std::string_view body) {
    HttpReply reply;
    if (socket_ < 0 || !send_all(head) || !send_all(body)) return reply;
    received_.clear();
    std::size_t head_bytes = std::string::npos;
    std::size_t body_bytes = 0;
    char piece[65536];
    for (;;) {
        if (head_bytes == std::string::npos) {
            const std::size_t end = received_.find("\r\n\r\n");
            if (end != std::string::npos) {
                head_bytes = end + 4;
                constexpr std::string_view kLength = "\r\nContent-Length: ";
                const std::size_t at = received_.find(kLength);
                const char* digits = received_.c_str() + at + kLength.size();
                if (at < end) body_bytes = std::strtoull(digits, nullptr, 10);
            }
        }
        if (head_bytes != std::string::npos && received_.size() >= head_bytes + body_bytes) break;
        const ssize_t got = ::recv(socket_, piece, sizeof piece, 0);
        if (got <= 0) return reply;
        received_.append(piece, static_cast<std::size_t>(got));
    }
    reply.status = std::atoi(received_.c_str() + sizeof "HTTP/1.1");
    reply.body = received_.substr(head_bytes, body_bytes);
    return reply;
}

HttpReply HttpClient::get(std::string_view path) {
    head_ = "GET " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
    return exchange(head_, {});
}

HttpReply HttpClient::post(std::string_view path, std::string_view type, std::string_view body) {
    head_ = "POST " + std::string(path) +
            " HTTP/1.1\r\nHost: localhost\r\nContent-Type: " + std::string(type) +
            "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n";
    return exchange(head_, body);
}

}  // namespace millrace::test
