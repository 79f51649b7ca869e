// What: sockets without a kernel: a network in memory, the backend that puts a reactor on it, and
//       the clients' side by hand. For the simulator and for tests that cut streams at every byte.
// Threads: one, for the network, its backends and its clients.
// Lifetime: the network outlives its backends.
// Limits: none but the faults below.
// Failure: like real sockets: -ECONNRESET after a reset, 0 at the end, EADDRINUSE for a taken port.
#pragma once

#include "core/random.h"
#include "io/backend.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::io {

class MemoryBackend;

struct NetworkFaults {
    std::size_t receive_bytes_max = ~std::size_t{0};  // one receive never gives more
    std::size_t send_bytes_max = ~std::size_t{0};     // one send never takes more
    bool random_sizes = false;                        // ...and any size up to these, by the seed
};

class MemoryNetwork {
public:
    explicit MemoryNetwork(std::uint64_t seed = 1);
    ~MemoryNetwork();
    MemoryNetwork(const MemoryNetwork&) = delete;
    MemoryNetwork& operator=(const MemoryNetwork&) = delete;

    std::unique_ptr<Backend> make_backend(const ReactorOptions& options);
    NetworkFaults faults;

    // Clients. -1 when nobody listens there.
    int connect(const Address& to);
    void write(int client, std::string_view bytes);
    std::string read(int client);  // all that has arrived
    std::size_t readable(int client) const;
    void set_window(int client,
                    std::size_t bytes);  // what may wait unread before the server's sends block
    void finish(int client);             // the client's side ends (FIN)
    void reset(int client);              // the client is gone (RST)
    bool ended(int client) const;        // the server's side has ended

private:
    friend class MemoryBackend;

    struct Stream {
        std::string to_server, to_client;
        std::size_t window = ~std::size_t{0};
        bool client_done = false, client_gone = false;
        bool server_done = false, server_gone = false;
        MemoryBackend* owner = nullptr;
        OpTag receive, send;
        bool many = false;
        char* into = nullptr;
        std::size_t into_bytes = 0;
        SendVector* vector = nullptr;
        bool queued = false;
    };
    struct Port {
        Address address;
        std::vector<std::pair<MemoryBackend*, int>> listeners;
        std::size_t next = 0;  // accepts go round
    };

    Stream& at(int socket) { return *streams_[static_cast<std::size_t>(socket)]; }
    const Stream& at(int socket) const { return *streams_[static_cast<std::size_t>(socket)]; }
    void ready(int socket);
    std::size_t fault_size(std::size_t wanted, std::size_t bound);

    core::Random random_;
    std::vector<std::unique_ptr<Stream>> streams_;
    std::map<std::string, Port> ports_;
    std::uint16_t next_port_ = 40000;
};

}  // namespace millrace::io
