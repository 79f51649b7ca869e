#include "tests/tools/fake_http_server.h"

#include "core/assert.h"

#include <cstdlib>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace millrace::tools {

FakeHttpServer::FakeHttpServer(Answer answer) : answer_(std::move(answer)) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    const bool bound = listener_ >= 0 &&
                       bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                       listen(listener_, 8) == 0 &&
                       getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0;
    if (!bound) std::abort();
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
}

FakeHttpServer::~FakeHttpServer() {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        stopping_ = true;
        shutdown(listener_, SHUT_RDWR);
        if (connection_ >= 0) shutdown(connection_, SHUT_RDWR);
    }
    thread_.join();
    close(listener_);
}

std::vector<FakeRequest> FakeHttpServer::requests() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return requests_;
}

void FakeHttpServer::serve() {
    for (;;) {
        const int connection = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            connection_ = connection;
            if (stopping_ || connection < 0) {
                if (connection >= 0) close(connection);
                return;
            }
        }
        serve_connection(connection);
        const std::lock_guard<std::mutex> lock(mutex_);
        connection_ = -1;
        close(connection);
    }
}

bool FakeHttpServer::read_request(int connection, std::string& buffer, FakeRequest& request) {
    std::size_t head_end = std::string::npos;
    std::size_t body_bytes = 0;
    for (;;) {
        head_end = buffer.find("\r\n\r\n");
        if (head_end != std::string::npos) {
            const std::size_t at = buffer.find("Content-Length: ");
            body_bytes = at < head_end ? std::strtoull(buffer.c_str() + at + 16, nullptr, 10) : 0;
            if (buffer.size() >= head_end + 4 + body_bytes) break;
        }
        char piece[65536];
        const ssize_t got = recv(connection, piece, sizeof piece, 0);
        if (got <= 0) return false;
        buffer.append(piece, static_cast<std::size_t>(got));
    }
    const std::size_t first = buffer.find(' ');
    const std::size_t second = buffer.find(' ', first + 1);
    request.method = buffer.substr(0, first);
    request.target = buffer.substr(first + 1, second - first - 1);
    request.head = buffer.substr(0, head_end);
    request.body = buffer.substr(head_end + 4, body_bytes);
    buffer.erase(0, head_end + 4 + body_bytes);
    return true;
}

void FakeHttpServer::serve_connection(int connection) {
    std::string buffer;
    FakeRequest request;
    while (read_request(connection, buffer, request)) {
        const FakeReply reply = answer_(request);
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            requests_.push_back(request);
        }
        const std::string text = "HTTP/1.1 " + std::to_string(reply.status) +
                                 " X\r\nContent-Type: " + reply.content_type +
                                 "\r\nContent-Length: " + std::to_string(reply.body.size()) +
                                 "\r\n\r\n" + reply.body;
        if (send(connection, text.data(), text.size(), MSG_NOSIGNAL) < 0) return;
    }
}

}  // namespace millrace::tools
