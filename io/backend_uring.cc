// io_uring as the backend: multishot accept, multishot receive into a ring of provided buffers,
// sends that mostly complete while they are submitted, and one system call per duty cycle for all
// of it.
#include "core/assert.h"
#include "io/backend.h"
#include "io/socket.h"

#include <liburing.h>

#include <bit>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

namespace millrace::io {

namespace {

constexpr int kBufferGroup = 0;
constexpr std::uint64_t kWakeData = ~std::uint64_t{0};
constexpr std::uint64_t kNobodyData = ~std::uint64_t{1};  // completions nobody waits for (cancels)

std::uint64_t pack(OpTag tag) {
    return (static_cast<std::uint64_t>(tag.kind) << 56) |
           (static_cast<std::uint64_t>(tag.generation & kGenerationMask) << 32) | tag.slot;
}

OpTag unpack(std::uint64_t data) {
    return OpTag{static_cast<OpKind>(data >> 56), static_cast<std::uint32_t>(data),
                 static_cast<std::uint32_t>(data >> 32) & kGenerationMask};
}

core::Result<std::unique_ptr<Backend>> refused(const char* what, int error) {
    std::string text = std::string("io: ") + what + " failed: " + errno_name(error);
    text +=
        "; io_uring is refused here: look at `sysctl kernel.io_uring_disabled` (must be 0), at the "
        "container's seccomp profile, and for a kernel of 6.1 or newer; --set io.backend=epoll "
        "works without";
    return core::fail(core::ErrorCode::kUnavailable, std::move(text));
}

class UringBackend final : public Backend {
public:
    explicit UringBackend(const ReactorOptions& options)
        : buffer_count_(std::bit_ceil(options.receive_buffers)),
          buffer_bytes_(options.receive_buffer_bytes),
          send_buffer_bytes_(options.send_buffer_bytes) {}

    ~UringBackend() override {
        if (ring_ready_) io_uring_queue_exit(&ring_);
        if (buffer_ring_) ::munmap(buffer_ring_, ring_bytes());
        if (memory_) ::munmap(memory_, memory_bytes());
        if (wake_socket_ >= 0) ::close(wake_socket_);
    }

    core::Result<std::unique_ptr<Backend>> open(std::uint32_t entries,
                                                std::unique_ptr<Backend> self) {
        io_uring_params params{};
        // Disabled until the first wait(), whose thread becomes the single issuer.
        params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                       IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE |
                       IORING_SETUP_R_DISABLED | IORING_SETUP_CLAMP;
        params.cq_entries = entries * 4;
        if (const int rc = io_uring_queue_init_params(entries, &ring_, &params); rc < 0) {
            return refused("io_uring_setup", -rc);
        }
        ring_ready_ = true;
        if (const int error = map_buffers()) return refused("io_uring_register buffer ring", error);
        wake_socket_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (wake_socket_ < 0) return refused("eventfd", errno);
        return self;
    }

    std::string_view name() const override { return "io_uring"; }
    core::Result<Listener> listen(const Address& address, ListenRole role) override {
        auto listener = open_listener(address, role, send_buffer_bytes_);
        // On a non-blocking file the ring answers EAGAIN at once instead of waiting for a client.
        if (listener)
            ::fcntl(listener->socket, F_SETFL, ::fcntl(listener->socket, F_GETFL) & ~O_NONBLOCK);
        return listener;
    }
    Peer peer_of(int socket) override { return read_peer(socket); }

    void accept(int socket, OpTag tag) override {
        io_uring_sqe* sqe = next();
        io_uring_prep_multishot_accept(sqe, socket, nullptr, nullptr, SOCK_CLOEXEC);
        sqe->user_data = pack(tag);
    }

    void receive(int socket, OpTag tag, ReceiveMode mode) override {
        io_uring_sqe* sqe = next();
        io_uring_prep_recv(sqe, socket, nullptr, 0, 0);
        if (mode == ReceiveMode::kMany) sqe->ioprio |= IORING_RECV_MULTISHOT;
        sqe->flags |= IOSQE_BUFFER_SELECT;
        sqe->buf_group = kBufferGroup;
        sqe->user_data = pack(tag);
    }

    void receive_into(int socket, OpTag tag, char* at, std::size_t bytes) override {
        io_uring_sqe* sqe = next();
        io_uring_prep_recv(sqe, socket, at, bytes, 0);
        sqe->user_data = pack(tag);
    }

    void send(int socket, OpTag tag, SendVector& vector) override {
        io_uring_sqe* sqe = next();
        if (vector.count == 1) {
            io_uring_prep_send(sqe, socket, vector.pieces[0].iov_base, vector.pieces[0].iov_len,
                               MSG_NOSIGNAL);
        } else {
            vector.header = msghdr{};
            vector.header.msg_iov = vector.pieces.data();
            vector.header.msg_iovlen = vector.count;
            io_uring_prep_sendmsg(sqe, socket, &vector.header, MSG_NOSIGNAL);
        }
        sqe->user_data = pack(tag);
    }

    void cancel_receive(int, OpTag tag) override {
        io_uring_sqe* sqe = next();
        io_uring_prep_cancel64(sqe, pack(tag), 0);
        sqe->user_data = kNobodyData;
    }

    void cancel_all(int socket) override {
        io_uring_sqe* sqe = next();
        io_uring_prep_cancel_fd(sqe, socket, IORING_ASYNC_CANCEL_ALL);
        sqe->user_data = kNobodyData;
    }

    void shutdown_send(int socket) override { ::shutdown(socket, SHUT_WR); }
    void close(int socket) override { ::close(socket); }

    void recycle(std::uint32_t buffer) override {
        io_uring_buf_ring_add(buffer_ring_, memory_ + std::size_t{buffer} * buffer_bytes_,
                              buffer_bytes_, static_cast<unsigned short>(buffer),
                              io_uring_buf_ring_mask(buffer_count_), recycled_++);
    }

    void wait(std::int64_t timeout_us) override {
        if (!enabled_) enable();
        if (!wake_armed_) arm_wake();
        if (recycled_ > 0) {
            io_uring_buf_ring_advance(buffer_ring_, recycled_);
            recycled_ = 0;
        }
        if (timeout_us > 0 && io_uring_cq_ready(&ring_) == 0) {
            __kernel_timespec limit{timeout_us / 1'000'000, (timeout_us % 1'000'000) * 1000};
            io_uring_cqe* cqe = nullptr;
            io_uring_submit_and_wait_timeout(&ring_, &cqe, 1, &limit, nullptr);
            return;
        }
        // No system call at all when there is nothing to start and nothing to fetch.
        const unsigned flags = IO_URING_READ_ONCE(*ring_.sq.kflags);
        if (io_uring_sq_ready(&ring_) > 0 ||
            (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW))) {
            io_uring_submit_and_get_events(&ring_);
        }
    }

    std::size_t reap(Completion* out, std::size_t count_max) override {
        std::size_t count = 0;
        unsigned seen = 0;
        unsigned head = 0;
        io_uring_cqe* cqe = nullptr;
        io_uring_for_each_cqe(&ring_, head, cqe) {
            if (count == count_max) break;
            ++seen;
            if (cqe->user_data == kWakeData) {
                arm_wake();
                continue;
            }
            if (cqe->user_data == kNobodyData) continue;
            out[count++] = translate(*cqe);
        }
        io_uring_cq_advance(&ring_, seen);
        return count;
    }

    void interrupt() override {
        const std::uint64_t one = 1;
        // A full counter means that a wake-up is already under way.
        if (::write(wake_socket_, &one, sizeof one) < 0) return;
    }

private:
    std::size_t ring_bytes() const { return buffer_count_ * sizeof(io_uring_buf); }
    std::size_t memory_bytes() const { return std::size_t{buffer_count_} * buffer_bytes_; }

    int map_buffers() {
        const int flags = MAP_ANONYMOUS | MAP_PRIVATE;
        void* ring = ::mmap(nullptr, ring_bytes(), PROT_READ | PROT_WRITE, flags, -1, 0);
        if (ring == MAP_FAILED) return errno;
        buffer_ring_ = static_cast<io_uring_buf_ring*>(ring);
        void* memory = ::mmap(nullptr, memory_bytes(), PROT_READ | PROT_WRITE, flags, -1, 0);
        if (memory == MAP_FAILED) return errno;
        memory_ = static_cast<char*>(memory);
        io_uring_buf_reg reg{};
        reg.ring_addr = reinterpret_cast<std::uint64_t>(buffer_ring_);
        reg.ring_entries = buffer_count_;
        reg.bgid = kBufferGroup;
        if (const int rc = io_uring_register_buf_ring(&ring_, &reg, 0); rc < 0) return -rc;
        io_uring_buf_ring_init(buffer_ring_);
        for (std::uint32_t i = 0; i < buffer_count_; ++i) recycle(i);
        io_uring_buf_ring_advance(buffer_ring_, recycled_);
        recycled_ = 0;
        return 0;
    }

    void enable() {
        enabled_ = true;
        // liburing 2.3 declares io_uring_enable_rings() but does not export it.
        const int rc = io_uring_register(static_cast<unsigned>(ring_.ring_fd),
                                         IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
        MR_ASSERT(rc == 0);
    }

    void arm_wake() {
        wake_armed_ = true;
        io_uring_sqe* sqe = next();
        io_uring_prep_read(sqe, wake_socket_, &wake_value_, sizeof wake_value_, 0);
        sqe->user_data = kWakeData;
    }

    io_uring_sqe* next() {
        io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
        if (!sqe) {
            if (!enabled_) enable();
            io_uring_submit(&ring_);
            sqe = io_uring_get_sqe(&ring_);
        }
        MR_ASSERT(sqe != nullptr);
        return sqe;
    }

    Completion translate(const io_uring_cqe& cqe) {
        Completion done;
        done.tag = unpack(cqe.user_data);
        done.result = cqe.res;
        done.more = (cqe.flags & IORING_CQE_F_MORE) != 0;
        if (cqe.flags & IORING_CQE_F_BUFFER) {
            done.buffer = cqe.flags >> IORING_CQE_BUFFER_SHIFT;
            done.data = memory_ + std::size_t{done.buffer} * buffer_bytes_;
        }
        return done;
    }

    const std::uint32_t buffer_count_;
    const std::uint32_t buffer_bytes_;
    const std::size_t send_buffer_bytes_;
    io_uring ring_{};
    bool ring_ready_ = false;
    bool enabled_ = false;
    bool wake_armed_ = false;
    io_uring_buf_ring* buffer_ring_ = nullptr;
    char* memory_ = nullptr;
    int recycled_ = 0;  // given back since the kernel was last told
    int wake_socket_ = -1;
    std::uint64_t wake_value_ = 0;
};

}  // namespace

core::Result<std::unique_ptr<Backend>> create_uring_backend(const ReactorOptions& options) {
    auto backend = std::make_unique<UringBackend>(options);
    UringBackend& self = *backend;
    return self.open(options.ring_entries, std::move(backend));
}

}  // namespace millrace::io
