// What: an HTTP client of the simulated server: one connection, one request under way, its bytes in
//       pieces of any size where the run wants that.
// Threads: one. Lifetime: forgets its connection when the server is gone (drop()).
// Limits: none. Failure: Turn::kLost: the connection ended before the answer was whole; what became
//       of the request is unknown.
#pragma once

#include "core/random.h"
#include "io/memory_network.h"
#include "tests/sim/world.h"

#include <string>
#include <string_view>

namespace millrace::sim {

struct HttpReply {
    int status = 0;
    std::string body;
};

class Client {
public:
    enum class Turn : std::uint8_t { kNothing, kReply, kLost };

    Client(World& world, std::uint64_t seed, bool in_pieces, std::size_t tenant)
        : world_(world), random_(seed), in_pieces_(in_pieces), tenant_(tenant) {}

    bool idle() const { return !busy_; }
    void send(std::string_view method, std::string_view path, std::string_view content_type,
              std::string_view body);
    // Moves bytes both ways; kReply fills `reply`.
    Turn turn(HttpReply& reply);
    // The client goes away in the middle of it.
    void reset();
    // The server is gone. True when a request was under way.
    bool drop();

private:
    bool read_reply(HttpReply& reply);

    World& world_;
    core::Random random_;
    const bool in_pieces_;
    const std::size_t tenant_;
    int socket_ = -1;
    bool busy_ = false;
    std::string unsent_;
    std::string received_;
};

}  // namespace millrace::sim
