#include "tests/io/edge_world.h"

#include "tests/io/tls_client.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace millrace::io {

namespace {

int connect_kernel(const Address& to) {
    if (to.family == Address::Family::kUnix) {
        const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_un un{};
        un.sun_family = AF_UNIX;
        std::memcpy(un.sun_path, to.path.data(), to.path.size());
        if (::connect(socket, reinterpret_cast<sockaddr*>(&un), sizeof un) == 0) return socket;
        ::close(socket);
        return -1;
    }
    const int socket = ::socket(to.family == Address::Family::kIpv6 ? AF_INET6 : AF_INET,
                                SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_storage where{};
    socklen_t bytes = sizeof(sockaddr_in);
    if (to.family == Address::Family::kIpv6) {
        sockaddr_in6 in{};
        in.sin6_family = AF_INET6;
        in.sin6_port = htons(to.port);
        std::memcpy(&in.sin6_addr, to.ip.data(), 16);
        std::memcpy(&where, &in, sizeof in);
        bytes = sizeof in;
    } else {
        sockaddr_in in{};
        in.sin_family = AF_INET;
        in.sin_port = htons(to.port);
        std::memcpy(&in.sin_addr, to.ip.data(), 4);
        std::memcpy(&where, &in, sizeof in);
    }
    if (::connect(socket, reinterpret_cast<sockaddr*>(&where), bytes) == 0) return socket;
    ::close(socket);
    return -1;
}

}  // namespace

EdgeWorld::EdgeWorld(World its_kind, std::size_t client_bytes_max) : kind(its_kind) {
    ReactorOptions options;
    options.client_bytes_max = client_bytes_max;
    if (client_bytes_max < (64u << 20)) options.send_buffer_bytes = 128u << 10;
    options.receive_buffers = 64;
    options.receive_buffer_bytes = 4096;
    if (in_memory()) {
        reactor = Reactor::create_on(network.make_backend(options), options, clock);
        return;
    }
    options.backend = kind == World::kEpoll ? BackendChoice::kEpoll : BackendChoice::kIoUring;
    auto made = Reactor::create(options, clock);
    if (made) reactor = std::move(*made);
    EXPECT_TRUE(reactor) << (made ? "" : made.error().message);
}

EdgeWorld::~EdgeWorld() {
    for (const Client& client : clients_) {
        if (!in_memory() && client.socket >= 0) ::close(client.socket);
    }
}

bool EdgeWorld::pump_until(const std::function<bool()>& condition) {
    for (int i = 0; i < (in_memory() ? 40'000 : 4'000); ++i) {
        if (condition()) return true;
        reactor->poll(in_memory() ? 0 : 500);
        for (Client& client : clients_) pull(client);
    }
    return condition();
}

void EdgeWorld::settle() {
    const int quiet_wanted = in_memory() ? 3 : 6;
    for (int quiet = 0; quiet < quiet_wanted;) {
        const std::size_t handled = reactor->poll(in_memory() ? 0 : 1000);
        for (Client& client : clients_) pull(client);
        quiet = handled == 0 ? quiet + 1 : 0;
    }
}

void EdgeWorld::advance_ms(std::int64_t ms) {
    clock.advance_us(ms * 1000);
    settle();
}

TransformMaker EdgeWorld::transforms(const TlsService& service) const {
    if (kind == World::kTls) {
        // One for all worlds of a test: its keys take longer to make than a handshake.
        static core::ManualClock clock_of_tickets;
        static TicketKeys tickets(clock_of_tickets);
        static const std::shared_ptr<TlsContext> context =
            *TlsContext::make(server_material(), tickets);
        return [&service] { return context->accept(service); };
    }
    if (kind != World::kTransformed) return {};
    return [] { return std::make_unique<FrameTransform>(FrameTransform::Role::kServer); };
}

int EdgeWorld::connect(const Address& to) {
    Client client;
    if (kind == World::kTransformed)
        client.transform = std::make_unique<FrameTransform>(FrameTransform::Role::kClient);
    if (kind == World::kTls) client.transform = std::make_unique<TlsClientTransform>();
    client.socket = in_memory() ? network.connect(to) : connect_kernel(to);
    EXPECT_GE(client.socket, 0) << to.to_string();
    clients_.push_back(std::move(client));
    if (kind == World::kTls) shake_hands(clients_.back());
    return static_cast<int>(clients_.size() - 1);
}

// A client of TLS can say nothing before. One that is not let in stays as it is.
void EdgeWorld::shake_hands(Client& client) {
    constexpr int kCyclesMax = 32;
    for (int i = 0; i < kCyclesMax; ++i) {
        if (client.transform->state() != StreamTransform::State::kHandshake) return;
        reactor->poll(0);
        pull(client);
    }
}

void EdgeWorld::write(int index, std::string_view bytes) {
    Client& client = clients_[static_cast<std::size_t>(index)];
    if (client.transform) {
        client.transform->write(bytes);
        return pull_transformed(client);
    }
    if (in_memory()) return network.write(client.socket, bytes);
    client.unsent.append(bytes);
    pull(client);
}

const std::string& EdgeWorld::received(int index) {
    Client& client = clients_[static_cast<std::size_t>(index)];
    pull(client);
    return client.received;
}

void EdgeWorld::forget(int index) { clients_[static_cast<std::size_t>(index)].received.clear(); }

void EdgeWorld::write_wire(int index, std::string_view bytes) {
    network.write(clients_[static_cast<std::size_t>(index)].socket, bytes);
}

bool EdgeWorld::peer_said_end(int index) const {
    const Client& client = clients_[static_cast<std::size_t>(index)];
    return client.transform && client.transform->state() == StreamTransform::State::kPeerEnded;
}

void EdgeWorld::finish(int index) {
    Client& client = clients_[static_cast<std::size_t>(index)];
    if (client.transform) {
        client.transform->end();
        pull(client);  // what it says of it is on its way before the socket ends
    }
    cut(index);
}

void EdgeWorld::cut(int index) {
    Client& client = clients_[static_cast<std::size_t>(index)];
    pump_until([&] { return client.unsent.empty(); });
    if (in_memory()) return network.finish(client.socket);
    ::shutdown(client.socket, SHUT_WR);
}

void EdgeWorld::reset(int index) {
    Client& client = clients_[static_cast<std::size_t>(index)];
    if (in_memory()) return network.reset(client.socket);
    const linger hard{1, 0};
    ::setsockopt(client.socket, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    ::close(client.socket);
    client.socket = -1;
    client.ended = true;
}

bool EdgeWorld::ended(int index) {
    Client& client = clients_[static_cast<std::size_t>(index)];
    pull(client);
    return client.ended;
}

void EdgeWorld::stop_reading(int index) {
    clients_[static_cast<std::size_t>(index)].reading = false;
    if (in_memory()) network.set_window(clients_[static_cast<std::size_t>(index)].socket, 4096);
}

void EdgeWorld::start_reading(int index) {
    clients_[static_cast<std::size_t>(index)].reading = true;
    if (in_memory())
        network.set_window(clients_[static_cast<std::size_t>(index)].socket, ~std::size_t{0});
}

// The first half of what is to be sent goes now, the rest with the next cycle: records arrive cut.
void EdgeWorld::pull_transformed(Client& client) {
    network.write(client.socket, std::exchange(client.unsent, {}));
    const std::string wire = client.transform->take_wire();
    network.write(client.socket, std::string_view(wire).substr(0, wire.size() / 2));
    client.unsent = wire.substr(wire.size() / 2);
    if (!client.reading) return;
    client.transform->take(network.read(client.socket));
    char plain[4096];
    while (const std::size_t bytes = client.transform->read(plain, sizeof plain))
        client.received.append(plain, bytes);
}

void EdgeWorld::pull(Client& client) {
    if (client.socket < 0) return;
    if (client.transform) {
        pull_transformed(client);
        client.ended = network.ended(client.socket) && network.readable(client.socket) == 0;
        return;
    }
    if (in_memory()) {
        if (client.reading) client.received += network.read(client.socket);
        client.ended = network.ended(client.socket) && network.readable(client.socket) == 0;
        return;
    }
    while (!client.unsent.empty()) {
        const ssize_t sent = ::send(client.socket, client.unsent.data(), client.unsent.size(),
                                    MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent <= 0) {
            if (errno != EAGAIN) client.unsent.clear();  // nobody will read it any more
            break;
        }
        client.unsent.erase(0, static_cast<std::size_t>(sent));
    }
    char buffer[16384];
    while (client.reading && !client.ended) {
        const ssize_t got = ::recv(client.socket, buffer, sizeof buffer, MSG_DONTWAIT);
        if (got > 0) {
            client.received.append(buffer, static_cast<std::size_t>(got));
        } else {
            client.ended = got == 0 || errno != EAGAIN;
            break;
        }
    }
}

}  // namespace millrace::io
