#include "io/memory_network.h"

#include "core/assert.h"
#include "io/fifo.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

namespace millrace::io {

class MemoryBackend final : public Backend {
public:
    MemoryBackend(MemoryNetwork& network, const ReactorOptions& options)
        : network_(network),
          buffer_bytes_(options.receive_buffer_bytes),
          memory_(std::make_unique<char[]>(std::size_t{options.receive_buffers} *
                                           options.receive_buffer_bytes)) {
        for (std::uint32_t i = options.receive_buffers; i-- > 0;) free_buffers_.push_back(i);
    }
    ~MemoryBackend() override {
        for (auto& [name, port] : network_.ports_) {
            std::erase_if(port.listeners, [&](const auto& entry) { return entry.first == this; });
        }
        for (const auto& stream : network_.streams_) {
            if (stream->owner == this) stream->owner = nullptr;
        }
    }

    std::string_view name() const override { return "memory"; }

    core::Result<Listener> listen(const Address& address, ListenRole role) override {
        Address bound = address;
        if (bound.family != Address::Family::kUnix && bound.port == 0)
            bound.port = network_.next_port_++;
        MemoryNetwork::Port& port = network_.ports_[bound.to_string()];
        if (role == ListenRole::kFirst && !port.listeners.empty()) {
            return core::fail(
                core::ErrorCode::kUnavailable,
                "io: listen " + bound.to_string() + " failed: address in use (EADDRINUSE)");
        }
        port.address = bound;
        const int socket = new_stream();
        port.listeners.emplace_back(this, socket);
        return Listener{socket, bound};
    }
    Peer peer_of(int socket) override {
        Peer peer;
        peer.family = Address::Family::kIpv4;
        peer.ip[0] = 127;
        peer.ip[3] = 1;
        peer.port = static_cast<std::uint16_t>(socket);
        return peer;
    }

    void accept(int socket, OpTag tag) override { stream(socket).receive = tag; }
    void receive(int socket, OpTag tag, ReceiveMode mode) override {
        arm(socket, tag, mode == ReceiveMode::kMany, nullptr, 0);
    }
    void receive_into(int socket, OpTag tag, char* at, std::size_t bytes) override {
        arm(socket, tag, false, at, bytes);
    }
    void send(int socket, OpTag tag, SendVector& vector) override {
        stream(socket).send = tag;
        stream(socket).vector = &vector;
        network_.ready(socket);
    }
    void cancel_receive(int socket, OpTag) override { finish_receive(stream(socket), -ECANCELED); }
    void cancel_all(int socket) override {
        finish_receive(stream(socket), -ECANCELED);
        finish_send(stream(socket), -ECANCELED);
    }
    void shutdown_send(int socket) override { stream(socket).server_done = true; }
    void close(int socket) override {
        MemoryNetwork::Stream& one = stream(socket);
        one.server_done = one.server_gone = true;
        for (auto& [name, port] : network_.ports_) {
            std::erase_if(port.listeners,
                          [&](const auto& entry) { return entry.second == socket; });
        }
    }
    void recycle(std::uint32_t buffer) override { free_buffers_.push_back(buffer); }
    void wait(std::int64_t) override { interrupted_.store(false, std::memory_order_relaxed); }

    std::size_t reap(Completion* out, std::size_t count_max) override {
        for (std::size_t turns = ready_.size(); turns > 0 && done_.size() < count_max; --turns) {
            const int socket = ready_.front();
            ready_.pop_front();
            stream(socket).queued = false;
            turn(socket);
        }
        std::size_t count = 0;
        while (count < count_max && !done_.empty()) {
            out[count++] = done_.front();
            done_.pop_front();
        }
        return count;
    }
    void interrupt() override {
        interrupted_.store(true, std::memory_order_relaxed);
    }  // never sleeps

    int new_stream() {
        network_.streams_.push_back(std::make_unique<MemoryNetwork::Stream>());
        network_.streams_.back()->owner = this;
        return static_cast<int>(network_.streams_.size() - 1);
    }
    void enqueue(int socket) {
        if (stream(socket).queued) return;
        stream(socket).queued = true;
        ready_.push_back(socket);
    }
    void accepted(int listener, int socket) {
        if (stream(listener).receive.kind != OpKind::kAccept) return;
        done_.push_back(Completion{stream(listener).receive, socket, true, nullptr, 0});
    }

private:
    MemoryNetwork::Stream& stream(int socket) { return network_.at(socket); }

    void arm(int socket, OpTag tag, bool many, char* at, std::size_t bytes) {
        MemoryNetwork::Stream& one = stream(socket);
        MR_ASSERT(one.receive.kind == OpKind::kNone);
        one.receive = tag;
        one.many = many;
        one.into = at;
        one.into_bytes = bytes;
        network_.ready(socket);
    }

    void turn(int socket) {
        MemoryNetwork::Stream& one = stream(socket);
        if (one.client_gone) {
            finish_send(one, -EPIPE);
            return finish_receive(one, -ECONNRESET);
        }
        if (one.send.kind != OpKind::kNone) try_send(one);
        if (one.receive.kind != OpKind::kNone && one.receive.kind != OpKind::kAccept)
            try_receive(socket, one);
    }

    void try_send(MemoryNetwork::Stream& one) {
        const std::size_t room =
            one.window > one.to_client.size() ? one.window - one.to_client.size() : 0;
        if (room == 0) return;
        std::size_t left =
            std::min(room, network_.fault_size(room, network_.faults.send_bytes_max));
        std::size_t sent = 0;
        for (std::size_t i = 0; i < one.vector->count && left > 0; ++i) {
            const iovec& piece = one.vector->pieces[i];
            const std::size_t part = std::min(left, piece.iov_len);
            one.to_client.append(static_cast<const char*>(piece.iov_base), part);
            sent += part;
            left -= part;
        }
        finish_send(one, static_cast<std::int32_t>(sent));
    }

    void try_receive(int socket, MemoryNetwork::Stream& one) {
        if (one.to_server.empty()) {
            if (one.client_done) finish_receive(one, 0);
            return;
        }
        const bool into = one.receive.kind == OpKind::kReceiveInto;
        if (!into && free_buffers_.empty()) return finish_receive(one, -ENOBUFS);
        const std::size_t room =
            std::min(one.to_server.size(), into ? one.into_bytes : std::size_t{buffer_bytes_});
        const std::size_t bytes = network_.fault_size(room, network_.faults.receive_bytes_max);
        Completion done{one.receive, static_cast<std::int32_t>(bytes), one.many, nullptr, 0};
        char* at = one.into;
        if (!into) {
            done.buffer = free_buffers_.back();
            free_buffers_.pop_back();
            done.data = at = memory_.get() + std::size_t{done.buffer} * buffer_bytes_;
        }
        std::memcpy(at, one.to_server.data(), bytes);
        one.to_server.erase(0, bytes);
        if (!one.many) one.receive = OpTag{};
        done_.push_back(done);
        if (one.receive.kind != OpKind::kNone) enqueue(socket);
    }

    void finish_receive(MemoryNetwork::Stream& one, std::int32_t result) {
        if (one.receive.kind == OpKind::kNone) return;
        done_.push_back(Completion{one.receive, result, false, nullptr, 0});
        one.receive = OpTag{};
    }
    void finish_send(MemoryNetwork::Stream& one, std::int32_t result) {
        if (one.send.kind == OpKind::kNone) return;
        done_.push_back(Completion{one.send, result, false, nullptr, 0});
        one.send = OpTag{};
    }

    MemoryNetwork& network_;
    const std::uint32_t buffer_bytes_;
    const std::unique_ptr<char[]> memory_;
    std::vector<std::uint32_t> free_buffers_;
    Fifo<int> ready_;
    Fifo<Completion> done_;
    std::atomic<bool> interrupted_{false};
};

MemoryNetwork::MemoryNetwork(std::uint64_t seed) : random_(seed) {}
MemoryNetwork::~MemoryNetwork() = default;

std::unique_ptr<Backend> MemoryNetwork::make_backend(const ReactorOptions& options) {
    return std::make_unique<MemoryBackend>(*this, options);
}

int MemoryNetwork::connect(const Address& to) {
    const auto found = ports_.find(to.to_string());
    if (found == ports_.end() || found->second.listeners.empty()) return -1;
    Port& port = found->second;
    const auto [backend, listener] = port.listeners[port.next++ % port.listeners.size()];
    const int socket = backend->new_stream();
    backend->accepted(listener, socket);
    return socket;
}

void MemoryNetwork::write(int client, std::string_view bytes) {
    at(client).to_server.append(bytes);
    ready(client);
}

std::string MemoryNetwork::read(int client) {
    std::string text = std::move(at(client).to_client);
    at(client).to_client.clear();
    ready(client);
    return text;
}

std::size_t MemoryNetwork::readable(int client) const { return at(client).to_client.size(); }

void MemoryNetwork::set_window(int client, std::size_t bytes) {
    at(client).window = bytes;
    ready(client);
}

void MemoryNetwork::finish(int client) {
    at(client).client_done = true;
    ready(client);
}

void MemoryNetwork::reset(int client) {
    at(client).client_done = at(client).client_gone = true;
    ready(client);
}

bool MemoryNetwork::ended(int client) const { return at(client).server_done; }

void MemoryNetwork::ready(int socket) {
    Stream& one = at(socket);
    if (one.owner) one.owner->enqueue(socket);
}

std::size_t MemoryNetwork::fault_size(std::size_t wanted, std::size_t bound) {
    const std::size_t bytes = std::min(wanted, bound);
    return faults.random_sizes && bytes > 1 ? 1 + static_cast<std::size_t>(random_.below(bytes))
                                            : bytes;
}

}  // namespace millrace::io
