// A reactor with clients for tests: the same test body runs on memory, epoll and io_uring. Time is
// a ManualClock; on the kernel's backends a pump gives the loopback a bounded chance to carry the
// bytes. In the transformed world server and clients speak through a FrameTransform, in that of TLS
// through the real one, and what a client writes arrives in two pieces.
#pragma once

#include "core/clock.h"
#include "io/memory_network.h"
#include "io/reactor.h"
#include "io/tls/tls_service.h"
#include "tests/io/frame_transform.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace millrace::io {

enum class World : std::uint8_t { kMemory, kEpoll, kIoUring, kTransformed, kTls };

inline std::string world_name(const testing::TestParamInfo<World>& info) {
    constexpr const char* kNames[] = {"memory", "epoll", "io_uring", "transformed", "tls"};
    return kNames[static_cast<std::size_t>(info.param)];
}

class EdgeWorld {
public:
    explicit EdgeWorld(World kind, std::size_t client_bytes_max = 256u << 20);
    ~EdgeWorld();

    // True once the condition holds; false when it did not come true in many cycles.
    bool pump_until(const std::function<bool()>& condition);
    void settle();  // cycles until nothing more can be expected to happen
    void advance_ms(std::int64_t ms);

    // What servers are to listen with.
    TransformMaker transforms(const TlsService& service = http_tls_service()) const;

    int connect(const Address& to);
    void write(int client, std::string_view bytes);
    const std::string& received(int client);              // all so far
    void forget(int client);                              // clears received()
    void finish(int client);                              // the transform's end is said first
    void cut(int client);                                 // without
    void write_wire(int client, std::string_view bytes);  // as it is
    // The server's transform has said that nothing more comes.
    bool peer_said_end(int client) const;
    void reset(int client);
    bool ended(int client);
    void stop_reading(int client);  // from now on what arrives is left in the socket
    void start_reading(int client);

    const World kind;
    core::ManualClock clock;
    MemoryNetwork network;
    std::unique_ptr<Reactor> reactor;

private:
    struct Client {
        int socket = -1;
        std::string received;
        bool ended = false;
        bool reading = true;
        std::string unsent;
        std::unique_ptr<WireTransform> transform;
    };
    bool in_memory() const { return kind != World::kEpoll && kind != World::kIoUring; }
    void pull(Client& client);
    void shake_hands(Client& client);
    void pull_transformed(Client& client);
    std::vector<Client> clients_;
};

}  // namespace millrace::io
