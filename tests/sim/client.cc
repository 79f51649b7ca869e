#include "tests/sim/client.h"

#include "tests/sim/tenants.h"

#include <charconv>

namespace millrace::sim {

void Client::send(std::string_view method, std::string_view path, std::string_view content_type,
                  std::string_view body) {
    if (socket_ >= 0 && world_.network().ended(socket_)) socket_ = -1;
    if (socket_ < 0) socket_ = world_.network().connect(world_.http());
    received_.clear();
    unsent_.assign(method).append(" ").append(path).append(" HTTP/1.1\r\nHost: localhost\r\n");
    unsent_.append(kTenantHeader).append(": ").append(tenant_word(tenant_)).append("\r\n");
    if (!body.empty()) {
        unsent_.append("Content-Type: ").append(content_type).append("\r\n");
        unsent_.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n");
    }
    unsent_.append("\r\n").append(body);
    busy_ = true;
}

Client::Turn Client::turn(HttpReply& reply) {
    if (!busy_) return Turn::kNothing;
    if (socket_ < 0) {
        busy_ = false;
        return Turn::kLost;
    }
    if (!unsent_.empty()) {
        const std::size_t bytes = in_pieces_
                                      ? 1 + static_cast<std::size_t>(random_.below(unsent_.size()))
                                      : unsent_.size();
        world_.network().write(socket_, std::string_view(unsent_).substr(0, bytes));
        unsent_.erase(0, bytes);
    }
    received_ += world_.network().read(socket_);
    if (read_reply(reply)) {
        busy_ = false;
        return Turn::kReply;
    }
    if (!world_.network().ended(socket_)) return Turn::kNothing;
    busy_ = false;
    socket_ = -1;
    return Turn::kLost;
}

bool Client::read_reply(HttpReply& reply) {
    const std::size_t head = received_.find("\r\n\r\n");
    if (head == std::string::npos) return false;
    static constexpr std::string_view kLength = "ontent-Length: ";
    std::size_t length = 0;
    const std::size_t at = received_.find(kLength);
    if (at < head) {
        std::from_chars(received_.data() + at + kLength.size(), received_.data() + head, length);
    }
    if (received_.size() < head + 4 + length) return false;
    std::from_chars(received_.data() + 9, received_.data() + 12, reply.status);
    reply.body = received_.substr(head + 4, length);
    received_.erase(0, head + 4 + length);
    return true;
}

void Client::reset() {
    if (socket_ >= 0) world_.network().reset(socket_);
    socket_ = -1;
    busy_ = false;
    unsent_.clear();
}

bool Client::drop() {
    const bool was_busy = busy_;
    socket_ = -1;
    busy_ = false;
    unsent_.clear();
    received_.clear();
    return was_busy;
}

}  // namespace millrace::sim
