#include "io/reactor.h"

#include "core/assert.h"
#include "io/reactor_impl.h"

#include <algorithm>
#include <cerrno>

#include <unistd.h>

namespace millrace::io {

// ---- Reactor: the outside

core::Result<BackendChoice> parse_backend_choice(std::string_view text) {
    if (text == "auto") return BackendChoice::kAuto;
    if (text == "io_uring") return BackendChoice::kIoUring;
    if (text == "epoll") return BackendChoice::kEpoll;
    return core::fail(core::ErrorCode::kValidation,
                      "io.backend \"" + std::string(text) + "\" is none of auto, io_uring, epoll");
}

core::Result<std::unique_ptr<Reactor>> Reactor::create(const ReactorOptions& options,
                                                       const core::Clock& clock) {
    std::string reason;
    if (options.backend != BackendChoice::kEpoll) {
        auto ring = create_uring_backend(options);
        if (ring) return create_on(std::move(*ring), options, clock);
        if (options.backend == BackendChoice::kIoUring) return core::fail(std::move(ring.error()));
        reason = std::move(ring.error().message);
    }
    auto epoll = create_epoll_backend(options);
    if (!epoll) return core::fail(std::move(epoll.error()));
    auto reactor = create_on(std::move(*epoll), options, clock);
    reactor->impl().fallback_reason = std::move(reason);
    return reactor;
}

std::unique_ptr<Reactor> Reactor::create_on(std::unique_ptr<Backend> backend,
                                            const ReactorOptions& options,
                                            const core::Clock& clock) {
    auto impl = std::make_unique<ReactorImpl>(std::move(backend), options, clock);
    return std::unique_ptr<Reactor>(new Reactor(std::move(impl)));
}

Reactor::Reactor(std::unique_ptr<ReactorImpl> impl) : impl_(std::move(impl)) {}
Reactor::~Reactor() = default;
std::size_t Reactor::poll(std::int64_t timeout_us) { return impl_->poll(timeout_us); }
void Reactor::wake() { impl_->wake(); }
std::string_view Reactor::backend_name() const { return impl_->backend().name(); }
std::string_view Reactor::fallback_reason() const { return impl_->fallback_reason; }
std::size_t Reactor::open_streams() const { return impl_->open_streams(); }
std::size_t Reactor::client_bytes() const { return impl_->room.held_bytes(); }

// ---- ReactorImpl

ReactorImpl::ReactorImpl(std::unique_ptr<Backend> backend, const ReactorOptions& options,
                         const core::Clock& clock)
    : pools(options.spare_bytes_max),
      room(options.client_bytes_max),
      backend_(std::move(backend)),
      options_(options),
      clock_(clock),
      now_ns_(clock.monotonic_ns()),
      deadlines_(now_ns_),
      completions_(options.completions_per_poll) {
    slots_.reserve(256);
}

ReactorImpl::~ReactorImpl() {
    for (const Slot& slot : slots_) {
        if (slot.open) backend_->close(slot.socket);
    }
}

std::size_t ReactorImpl::poll(std::int64_t timeout_us) {
    now_ns_ = clock_.monotonic_ns();
    flush();
    finish_closing();
    // acquire, pairs with the release in wake(): what the waker queued before is seen by our
    // caller, who looks at its queues after this poll.
    if (wake_pending_.exchange(false, std::memory_order_acq_rel)) timeout_us = 0;
    if (timeout_us > 0) {
        timeout_us = sleep_limit_us(timeout_us);
        // seq_cst with wake(): either we see its flag, or it sees that we sleep.
        sleeping_.store(true, std::memory_order_seq_cst);
        if (wake_pending_.load(std::memory_order_seq_cst)) timeout_us = 0;
        backend_->wait(timeout_us);
        sleeping_.store(false, std::memory_order_relaxed);  // a late interrupt only costs a cycle
        wake_pending_.exchange(false, std::memory_order_acq_rel);
        now_ns_ = clock_.monotonic_ns();
    } else {
        backend_->wait(0);
    }
    const std::size_t count = backend_->reap(completions_.data(), completions_.size());
    for (std::size_t i = 0; i < count; ++i) dispatch(completions_[i]);
    room.look(now_ns_);
    return count + fire_deadlines();
}

void ReactorImpl::wake() {
    // seq_cst with poll(): a reactor that is about to sleep sees the flag or is seen sleeping.
    if (wake_pending_.exchange(true, std::memory_order_seq_cst)) return;
    if (sleeping_.load(std::memory_order_seq_cst)) backend_->interrupt();
}

core::Result<Address> ReactorImpl::listen(const Address& address, ListenRole role,
                                          AcceptHandler& handler) {
    // A path has one listener: the first one's. Whoever joins it gets no connections of his own.
    if (address.family == Address::Family::kUnix && role == ListenRole::kJoin) return address;
    auto listener = backend_->listen(address, role);
    if (!listener) return core::fail(std::move(listener.error()));
    const std::uint32_t index = take_slot();
    Slot& slot = slots_[index];
    slot.socket = listener->socket;
    slot.acceptor = &handler;
    slot.open = true;
    slot.under_way = 1;
    backend_->accept(slot.socket, tag(OpKind::kAccept, index));
    return listener->bound;
}

void ReactorImpl::close_listeners(AcceptHandler& handler) {
    for (std::uint32_t i = 0; i < slots_.size(); ++i) {
        if (slots_[i].open && slots_[i].acceptor == &handler)
            close(StreamId{i, slots_[i].generation});
    }
}

bool ReactorImpl::open(int socket, StreamHandler& handler, StreamId& id) {
    if (open_streams_ >= options_.streams_max) return false;
    const std::uint32_t index = take_slot();
    Slot& slot = slots_[index];
    slot.socket = socket;
    slot.handler = &handler;
    slot.open = true;
    ++open_streams_;
    id = StreamId{index, slot.generation};
    return true;
}

void ReactorImpl::receive(StreamId id, ReceiveMode mode) {
    Slot& slot = at(id);
    MR_ASSERT(slot.receive == ReceiveState::kIdle && !slot.closing);
    slot.receive = mode == ReceiveMode::kMany ? ReceiveState::kMany : ReceiveState::kOnce;
    ++slot.under_way;
    backend_->receive(slot.socket, tag(OpKind::kReceive, id.slot), mode);
}

void ReactorImpl::receive_into(StreamId id, char* memory, std::size_t bytes) {
    Slot& slot = at(id);
    MR_ASSERT(slot.receive == ReceiveState::kIdle && !slot.closing && bytes > 0);
    slot.receive = ReceiveState::kInto;
    slot.into = true;
    ++slot.under_way;
    backend_->receive_into(slot.socket, tag(OpKind::kReceiveInto, id.slot), memory, bytes);
}

void ReactorImpl::stop_receive(StreamId id) {
    Slot& slot = at(id);
    if (slot.receive == ReceiveState::kIdle || slot.receive == ReceiveState::kStopping ||
        slot.closing)
        return;
    const OpKind kind =
        slot.receive == ReceiveState::kInto ? OpKind::kReceiveInto : OpKind::kReceive;
    slot.receive = ReceiveState::kStopping;
    backend_->cancel_receive(slot.socket, tag(kind, id.slot));
}

bool ReactorImpl::receiving(StreamId id) const { return at(id).receive != ReceiveState::kIdle; }

bool ReactorImpl::receiving_into(StreamId id) const { return at(id).into; }

void ReactorImpl::send(StreamId id, SendVector& vector) {
    Slot& slot = at(id);
    MR_ASSERT(!slot.closing && vector.count > 0);
    ++slot.under_way;
    backend_->send(slot.socket, tag(OpKind::kSend, id.slot), vector);
}

void ReactorImpl::shutdown_send(StreamId id) { backend_->shutdown_send(at(id).socket); }

void ReactorImpl::mark_dirty(StreamId id) {
    Slot& slot = at(id);
    if (slot.dirty || slot.closing) return;
    slot.dirty = true;
    dirty_.push_back(id);
}

void ReactorImpl::close(StreamId id) {
    Slot& slot = at(id);
    if (slot.closing) return;
    slot.closing = true;
    deadlines_.set(id.slot, 0);
    if (slot.under_way > 0) {
        backend_->cancel_all(slot.socket);
    } else {
        slot.release_queued = true;
        closing_.push_back(id.slot);
    }
}

ReactorImpl::Slot& ReactorImpl::at(StreamId id) {
    MR_ASSERT(id.slot < slots_.size() && slots_[id.slot].generation == id.generation &&
              slots_[id.slot].open);
    return slots_[id.slot];
}

const ReactorImpl::Slot& ReactorImpl::at(StreamId id) const {
    return const_cast<ReactorImpl*>(this)->at(id);
}

std::uint32_t ReactorImpl::take_slot() {
    if (free_.empty()) {
        slots_.emplace_back();
        return static_cast<std::uint32_t>(slots_.size() - 1);
    }
    const std::uint32_t index = free_.back();
    free_.pop_back();
    return index;
}

OpTag ReactorImpl::tag(OpKind kind, std::uint32_t slot) const {
    return OpTag{kind, slot, slots_[slot].generation & kGenerationMask};
}

void ReactorImpl::dispatch(const Completion& done) {
    const std::uint32_t index = done.tag.slot;
    Slot& slot = slots_[index];
    MR_ASSERT(slot.open && (slot.generation & kGenerationMask) == done.tag.generation);
    if (!done.more) --slot.under_way;
    if (done.tag.kind == OpKind::kAccept) {
        on_accepted(index, done);
    } else if (slot.closing) {
        if (done.data) backend_->recycle(done.buffer);
    } else if (done.tag.kind == OpKind::kSend) {
        if (done.result >= 0) {
            slot.handler->on_sent(static_cast<std::size_t>(done.result));
        } else {
            slot.handler->on_send_failed(-done.result);
        }
    } else {
        on_received(index, done);
    }
    // The vector may have grown in a callback: look the slot up again.
    Slot& after = slots_[index];
    if (after.closing && after.under_way == 0 && !after.release_queued) {
        after.release_queued = true;
        closing_.push_back(index);
    }
}

void ReactorImpl::on_accepted(std::uint32_t index, const Completion& done) {
    Slot& slot = slots_[index];
    if (done.result >= 0) {
        if (slot.closing) {
            backend_->close(done.result);
        } else {
            slot.acceptor->on_accept(done.result, backend_->peer_of(done.result));
        }
    }
    if (done.more || slots_[index].closing) return;
    // A lack of descriptors or memory ends the multishot: try again when some connections may have
    // gone.
    starved_.push_back(index);
    starved_until_ns_ = done.result >= 0 ? now_ns_ : now_ns_ + kAcceptPauseNs;
}

void ReactorImpl::on_received(std::uint32_t index, const Completion& done) {
    Slot& slot = slots_[index];
    StreamHandler* const handler = slot.handler;
    const std::uint32_t generation = slot.generation;
    if (!done.more) {
        slot.receive = ReceiveState::kIdle;
        slot.into = false;
    }
    if (done.result > 0) {
        const auto bytes = static_cast<std::size_t>(done.result);
        if (done.tag.kind == OpKind::kReceiveInto) {
            handler->on_filled(bytes);
        } else {
            handler->on_bytes(done.data, bytes);
        }
    }
    if (done.data) backend_->recycle(done.buffer);
    if (done.more) return;
    Slot& after = slots_[index];
    if (after.closing || after.generation != generation || after.receive != ReceiveState::kIdle)
        return;
    // ENOBUFS: every buffer was in use in this cycle; by the next one they are back.
    const bool goes_on = done.result > 0 || done.result == -ECANCELED || done.result == -ENOBUFS;
    if (goes_on) {
        handler->on_receive_idle();
    } else {
        handler->on_receive_end(-done.result);
    }
}

void ReactorImpl::finish_closing() {
    if (!starved_.empty() && now_ns_ >= starved_until_ns_) {
        for (const std::uint32_t index : starved_) {
            Slot& slot = slots_[index];
            if (!slot.open || slot.closing) continue;
            ++slot.under_way;
            backend_->accept(slot.socket, tag(OpKind::kAccept, index));
        }
        starved_.clear();
    }
    closing_now_.swap(closing_);
    for (const std::uint32_t index : closing_now_) release(index);
    closing_now_.clear();
}

void ReactorImpl::release(std::uint32_t index) {
    Slot& slot = slots_[index];
    StreamHandler* const handler = slot.handler;
    backend_->close(slot.socket);
    deadlines_.forget(index);
    if (handler) --open_streams_;
    const std::uint32_t next = slot.generation + 1;
    slot = Slot{};
    slot.generation = next;
    free_.push_back(index);
    if (handler) handler->on_closed();
}

void ReactorImpl::flush() {
    dirty_now_.swap(dirty_);
    for (const StreamId id : dirty_now_) {
        Slot& slot = slots_[id.slot];
        if (!slot.open || slot.generation != id.generation) continue;
        slot.dirty = false;
        if (!slot.closing) slot.handler->on_flush();
    }
    dirty_now_.clear();
}

// ---- deadlines

void ReactorImpl::set_deadline(StreamId id, std::int64_t at_ns) {
    if (!at(id).closing) deadlines_.set(id.slot, at_ns);
}

std::size_t ReactorImpl::fire_deadlines() {
    return deadlines_.advance(
        now_ns_, [this](std::uint32_t index) { slots_[index].handler->on_deadline(); });
}

std::int64_t ReactorImpl::sleep_limit_us(std::int64_t timeout_us) const {
    if (!dirty_.empty() || !closing_.empty()) return 0;
    if (!starved_.empty()) timeout_us = std::min(timeout_us, kAcceptPauseNs / 1000);
    if (const std::int64_t ends_ns = room.patience_ends_ns(); ends_ns != kNeverStalled)
        timeout_us = std::clamp<std::int64_t>((ends_ns - now_ns_) / 1000 + 1, 0, timeout_us);
    return deadlines_.sleep_limit_us(now_ns_, timeout_us);
}

}  // namespace millrace::io
