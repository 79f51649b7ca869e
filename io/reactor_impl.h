// What: the reactor as the servers of this folder see it: streams with their operations, deadlines,
//       and a list of streams with answers to send at the end of the cycle.
// Threads: the reactor's, but wake().
// Lifetime: a handler stays valid from open() until its on_closed().
// Limits: one receive and one send under way per stream; deadlines fire at most one tick late
//       (deadline_wheel.h).
// Failure: on_receive_end and on_send_failed carry the errno.
#pragma once

#include "core/clock.h"
#include "io/backend.h"
#include "io/client_room.h"
#include "io/deadline_wheel.h"
#include "io/reactor.h"
#include "io/sized_pools.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace millrace::io {

struct StreamId {
    std::uint32_t slot = 0;
    std::uint32_t generation = 0;
    bool operator==(const StreamId&) const = default;
};

class StreamHandler {
public:
    virtual ~StreamHandler() = default;
    virtual void on_bytes(char* data, std::size_t bytes) = 0;  // receive(): valid during the call
    virtual void on_filled(std::size_t bytes) = 0;             // receive_into(): bytes are in place
    virtual void on_receive_end(int error) = 0;                // 0: the peer has closed its side
    virtual void
    on_receive_idle() = 0;  // no receive is under way any more: start the next if wanted
    virtual void on_sent(std::size_t bytes) = 0;
    virtual void on_send_failed(int error) = 0;
    virtual void on_deadline() = 0;
    virtual void on_flush() = 0;   // after mark_dirty(): once, before the next system call
    virtual void on_closed() = 0;  // nothing of the stream is under way; the last call
};

class AcceptHandler {
public:
    virtual ~AcceptHandler() = default;
    virtual void on_accept(int socket, const Peer& peer) = 0;
};

class ReactorImpl {
public:
    ReactorImpl(std::unique_ptr<Backend> backend, const ReactorOptions& options,
                const core::Clock& clock);
    ~ReactorImpl();

    std::size_t poll(std::int64_t timeout_us);
    void wake();
    Backend& backend() { return *backend_; }
    std::int64_t now_ns() const { return now_ns_; }  // as of this duty cycle
    const core::Clock& clock() const { return clock_; }
    std::size_t open_streams() const { return open_streams_; }

    core::Result<Address> listen(const Address& address, ListenRole role, AcceptHandler& handler);
    void close_listeners(AcceptHandler& handler);

    // False when streams_max are open: the caller closes the socket.
    bool open(int socket, StreamHandler& handler, StreamId& id);
    void receive(StreamId id, ReceiveMode mode);
    void receive_into(StreamId id, char* at, std::size_t bytes);
    void stop_receive(StreamId id);  // data may still come until on_receive_idle()
    bool receiving(StreamId id) const;
    bool receiving_into(StreamId id) const;  // memory of the caller is in the kernel's hands
    void send(StreamId id, SendVector& vector);
    void shutdown_send(StreamId id);
    void mark_dirty(StreamId id);
    void set_deadline(StreamId id, std::int64_t at_ns);  // 0: none
    void close(StreamId id);                             // on_closed() follows in a later cycle

    std::string fallback_reason;
    // Shared by the servers of the reactor; bodies handed to other threads come back here.
    SizedPools pools;
    ClientRoom room;

private:
    static constexpr std::int64_t kAcceptPauseNs = 100'000'000;  // after EMFILE and the like

    enum class ReceiveState : std::uint8_t { kIdle, kOnce, kMany, kInto, kStopping };

    struct Slot {
        StreamHandler* handler = nullptr;
        AcceptHandler* acceptor = nullptr;
        int socket = -1;
        std::uint32_t generation = 1;
        std::uint32_t under_way = 0;
        ReceiveState receive = ReceiveState::kIdle;
        bool open = false;
        bool closing = false;
        bool into = false;  // the receive under way is a receive_into
        bool dirty = false;
        bool release_queued = false;
    };

    Slot& at(StreamId id);
    const Slot& at(StreamId id) const;
    std::uint32_t take_slot();
    OpTag tag(OpKind kind, std::uint32_t slot) const;
    void dispatch(const Completion& done);
    void on_accepted(std::uint32_t index, const Completion& done);
    void on_received(std::uint32_t index, const Completion& done);
    void finish_closing();
    void release(std::uint32_t index);
    void flush();
    std::size_t fire_deadlines();
    std::int64_t sleep_limit_us(std::int64_t timeout_us) const;

    const std::unique_ptr<Backend> backend_;
    const ReactorOptions options_;
    const core::Clock& clock_;
    std::int64_t now_ns_;
    DeadlineWheel deadlines_;  // by slot
    std::size_t open_streams_ = 0;
    std::vector<Slot> slots_;
    std::vector<std::uint32_t> free_;
    std::vector<StreamId> dirty_, dirty_now_;
    std::vector<std::uint32_t> closing_, closing_now_;
    std::vector<std::uint32_t> starved_;  // listeners whose accept has to be started again
    std::int64_t starved_until_ns_ = 0;
    std::vector<Completion> completions_;

    // Written by any thread: a line of its own.
    alignas(64) std::atomic<bool> wake_pending_{false};
    std::atomic<bool> sleeping_{false};
};

}  // namespace millrace::io
