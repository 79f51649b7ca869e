// epoll as the backend, for where io_uring is refused. It acts like a ring: an operation is armed,
// tried at once if the socket may be ready, and completes from reap(). Sockets are registered once,
// edge- triggered; two flags per socket say whether the next try can work.
#include "core/assert.h"
#include "io/backend.h"
#include "io/fifo.h"
#include "io/socket.h"

#include <cerrno>
#include <vector>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace millrace::io {

namespace {

constexpr int kEventsPerWait = 256;
constexpr int kAcceptsPerTurn = 64;  // so that a flood of connections leaves room for the open ones

struct SocketState {
    std::uint32_t registration =
        0;  // events of an earlier owner of the descriptor are told apart by it
    bool registered = false;
    bool readable = false;
    bool writable = false;
    bool hung_up = false;    // an end or an error waits behind the bytes
    bool queued = false;     // in the list of sockets to try
    bool cancelled = false;  // the armed receive is to complete with what is there, or -ECANCELED
    bool many = false;
    OpTag receive;  // kAccept, kReceive, kReceiveInto or kNone
    char* into = nullptr;
    std::size_t into_bytes = 0;
    OpTag send;
    SendVector* vector = nullptr;
};

class EpollBackend final : public Backend {
public:
    explicit EpollBackend(const ReactorOptions& options)
        : buffer_bytes_(options.receive_buffer_bytes),
          send_buffer_bytes_(options.send_buffer_bytes),
          memory_(std::make_unique<char[]>(std::size_t{options.receive_buffers} *
                                           options.receive_buffer_bytes)) {
        for (std::uint32_t i = options.receive_buffers; i-- > 0;) free_buffers_.push_back(i);
    }
    ~EpollBackend() override {
        if (epoll_ >= 0) ::close(epoll_);
        if (wake_socket_ >= 0) ::close(wake_socket_);
    }

    core::Result<std::unique_ptr<Backend>> open(std::unique_ptr<Backend> self) {
        epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
        wake_socket_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.u64 = kWakeData;
        if (epoll_ < 0 || wake_socket_ < 0 ||
            ::epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_socket_, &event) != 0) {
            return core::fail(core::ErrorCode::kUnavailable,
                              "io: epoll_create failed: " + errno_name(errno) +
                                  "; is the limit of open files too low?");
        }
        return self;
    }

    std::string_view name() const override { return "epoll"; }
    core::Result<Listener> listen(const Address& address, ListenRole role) override {
        return open_listener(address, role, send_buffer_bytes_);
    }
    Peer peer_of(int socket) override { return read_peer(socket); }

    void accept(int socket, OpTag tag) override { arm_receive(socket, tag, true, nullptr, 0); }
    void receive(int socket, OpTag tag, ReceiveMode mode) override {
        arm_receive(socket, tag, mode == ReceiveMode::kMany, nullptr, 0);
    }
    void receive_into(int socket, OpTag tag, char* at, std::size_t bytes) override {
        arm_receive(socket, tag, false, at, bytes);
    }

    void send(int socket, OpTag tag, SendVector& vector) override {
        SocketState& state = registered(socket);
        state.send = tag;
        state.vector = &vector;
        if (state.writable) enqueue(socket, state);
    }

    void cancel_receive(int socket, OpTag) override {
        SocketState& state = registered(socket);
        if (state.receive.kind == OpKind::kNone) return;
        state.cancelled = true;
        enqueue(socket, state);
    }

    void cancel_all(int socket) override {
        SocketState& state = registered(socket);
        finish_receive(state, -ECANCELED);
        if (state.send.kind != OpKind::kNone) finish_send(state, -ECANCELED);
    }

    void shutdown_send(int socket) override { ::shutdown(socket, SHUT_WR); }
    void close(int socket) override {
        SocketState& state = registered(socket);
        const std::uint32_t next = state.registration + 1;
        const bool queued = state.queued;
        state = SocketState{};
        state.registration = next;
        state.queued = queued;
        ::close(socket);
    }
    void recycle(std::uint32_t buffer) override { free_buffers_.push_back(buffer); }

    void wait(std::int64_t timeout_us) override {
        if (!done_.empty() || !ready_.empty()) timeout_us = 0;
        const int timeout_ms = static_cast<int>((timeout_us + 999) / 1000);
        epoll_event events[kEventsPerWait];
        const int count = ::epoll_wait(epoll_, events, kEventsPerWait, timeout_ms);
        for (int i = 0; i < count; ++i) note(events[i]);
    }

    std::size_t reap(Completion* out, std::size_t count_max) override {
        // Each socket gets one turn per reap; those with more to do queue up behind the others.
        for (std::size_t turns = ready_.size(); turns > 0 && done_.size() < count_max; --turns) {
            const int socket = ready_.front();
            ready_.pop_front();
            SocketState& state = states_[static_cast<std::size_t>(socket)];
            state.queued = false;
            if (state.registered) turn(socket, state);
        }
        std::size_t count = 0;
        while (count < count_max && !done_.empty()) {
            out[count++] = done_.front();
            done_.pop_front();
        }
        return count;
    }

    void interrupt() override {
        const std::uint64_t one = 1;
        // A full counter means that a wake-up is already under way.
        if (::write(wake_socket_, &one, sizeof one) < 0) return;
    }

private:
    static constexpr std::uint64_t kWakeData = ~std::uint64_t{0};

    SocketState& registered(int socket) {
        const auto index = static_cast<std::size_t>(socket);
        if (index >= states_.size()) states_.resize(index + 64);
        SocketState& state = states_[index];
        if (!state.registered) {
            epoll_event event{};
            event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
            event.data.u64 = (static_cast<std::uint64_t>(state.registration) << 32) |
                             static_cast<std::uint32_t>(socket);
            const int rc = ::epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event);
            MR_ASSERT(rc == 0);
            state.registered = state.readable = state.writable = true;
        }
        return state;
    }

    void enqueue(int socket, SocketState& state) {
        if (state.queued) return;
        state.queued = true;
        ready_.push_back(socket);
    }

    void arm_receive(int socket, OpTag tag, bool many, char* at, std::size_t bytes) {
        SocketState& state = registered(socket);
        MR_ASSERT(state.receive.kind == OpKind::kNone);
        state.receive = tag;
        state.many = many;
        state.cancelled = false;
        state.into = at;
        state.into_bytes = bytes;
        if (state.readable) enqueue(socket, state);
    }

    void note(const epoll_event& event) {
        if (event.data.u64 == kWakeData) {
            std::uint64_t value = 0;
            if (::read(wake_socket_, &value, sizeof value) < 0) return;
            return;
        }
        const auto socket = static_cast<int>(event.data.u64 & 0xffffffff);
        SocketState& state = states_[static_cast<std::size_t>(socket)];
        if (!state.registered || state.registration != event.data.u64 >> 32) return;
        if (event.events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) state.readable = true;
        if (event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) state.hung_up = true;
        if (event.events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) state.writable = true;
        enqueue(socket, state);
    }

    void turn(int socket, SocketState& state) {
        if (state.send.kind != OpKind::kNone && state.writable) try_send(socket, state);
        if (state.receive.kind == OpKind::kNone) return;
        if (state.cancelled) return finish_receive(state, -ECANCELED);
        if (!state.readable) return;
        if (state.receive.kind == OpKind::kAccept) return try_accept(socket, state);
        try_receive(socket, state);
        if (state.receive.kind != OpKind::kNone && state.readable) enqueue(socket, state);
    }

    void try_accept(int socket, SocketState& state) {
        for (int i = 0; i < kAcceptsPerTurn; ++i) {
            const int accepted = ::accept4(socket, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
            if (accepted < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
                state.readable = false;
                return;
            }
            if (accepted < 0 && (errno == EINTR || errno == ECONNABORTED)) continue;
            if (accepted < 0) return finish_receive(state, -errno);
            done_.push_back(Completion{state.receive, accepted, true, nullptr, 0});
        }
        enqueue(socket, state);
    }

    void try_receive(int socket, SocketState& state) {
        const bool into = state.receive.kind == OpKind::kReceiveInto;
        if (!into && free_buffers_.empty()) return finish_receive(state, -ENOBUFS);
        char* at =
            into ? state.into : memory_.get() + std::size_t{free_buffers_.back()} * buffer_bytes_;
        const std::size_t room = into ? state.into_bytes : buffer_bytes_;
        const ssize_t got = ::recv(socket, at, room, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
            state.readable = errno == EINTR;
            return;
        }
        if (got <= 0) return finish_receive(state, got == 0 ? 0 : -errno);
        Completion done{state.receive, static_cast<std::int32_t>(got), state.many, nullptr, 0};
        if (!into) {
            done.data = at;
            done.buffer = free_buffers_.back();
            free_buffers_.pop_back();
        }
        if (!state.many) state.receive = OpTag{};
        // Less than there was room for: the socket is empty, and new bytes make a new edge. Saves
        // the call that would only say EAGAIN.
        if (static_cast<std::size_t>(got) < room && !state.hung_up) state.readable = false;
        done_.push_back(done);
    }

    void try_send(int socket, SocketState& state) {
        msghdr header{};
        header.msg_iov = state.vector->pieces.data();
        header.msg_iovlen = state.vector->count;
        const ssize_t sent = ::sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            state.writable = false;
            return;
        }
        finish_send(state, sent < 0 ? -errno : static_cast<std::int32_t>(sent));
    }

    void finish_receive(SocketState& state, std::int32_t result) {
        if (state.receive.kind == OpKind::kNone) return;
        done_.push_back(Completion{state.receive, result, false, nullptr, 0});
        state.receive = OpTag{};
        state.cancelled = false;
    }

    void finish_send(SocketState& state, std::int32_t result) {
        done_.push_back(Completion{state.send, result, false, nullptr, 0});
        state.send = OpTag{};
    }

    const std::uint32_t buffer_bytes_;
    const std::size_t send_buffer_bytes_;
    const std::unique_ptr<char[]> memory_;
    std::vector<std::uint32_t> free_buffers_;
    std::vector<SocketState> states_;  // by descriptor
    Fifo<int> ready_;
    Fifo<Completion> done_;
    int epoll_ = -1;
    int wake_socket_ = -1;
};

}  // namespace

core::Result<std::unique_ptr<Backend>> create_epoll_backend(const ReactorOptions& options) {
    auto backend = std::make_unique<EpollBackend>(options);
    EpollBackend& self = *backend;
    return self.open(std::move(backend));
}

}  // namespace millrace::io
