#include "io/transformed_stream.h"

#include "core/assert.h"

#include <algorithm>
#include <cerrno>
#include <string_view>

namespace millrace::io {

using State = StreamTransform::State;

void TransformedStream::opened(StreamId id) {
    id_ = id;
    if (const std::int64_t ms = transform_->handshake_ms_max(); ms > 0)
        own_deadline_ns_ = reactor_.now_ns() + ms * 1'000'000;
    settle_deadline();
}

// ---- deadlines: the user's, and one of our own

void TransformedStream::set_deadline(std::int64_t at_ns) {
    if (gone_) return;
    user_deadline_ns_ = at_ns;
    settle_deadline();
}

void TransformedStream::settle_deadline() {
    const bool own =
        own_deadline_ns_ != 0 && (user_deadline_ns_ == 0 || own_deadline_ns_ < user_deadline_ns_);
    reactor_.set_deadline(id_, own ? own_deadline_ns_ : user_deadline_ns_);
}

void TransformedStream::on_deadline() {
    if (closing_) return reactor_.close(id_);
    const std::int64_t now_ns = reactor_.now_ns();
    if (own_deadline_ns_ != 0 && now_ns >= own_deadline_ns_) {
        own_deadline_ns_ = 0;
        return tell_end(lingering_ ? EPROTO : ETIMEDOUT);
    }
    if (user_deadline_ns_ == 0 || now_ns < user_deadline_ns_) return settle_deadline();
    user_deadline_ns_ = 0;
    settle_deadline();
    user_.on_deadline();
}

// ---- what the user reads

void TransformedStream::want(Wanted what) {
    MR_ASSERT(wanted_ == Wanted::kNothing);
    wanted_ = what;
    if (!delivering_) reactor_.mark_dirty(id_);  // never in the midst of the user's own work
}

void TransformedStream::receive(ReceiveMode mode) {
    want(mode == ReceiveMode::kMany ? Wanted::kMany : Wanted::kOnce);
}

void TransformedStream::receive_into(char* at, std::size_t bytes) {
    into_ = at;
    into_bytes_ = bytes;
    want(Wanted::kInto);
}

void TransformedStream::stop_receive() {
    if (wanted_ == Wanted::kNothing || wanted_ == Wanted::kStopping) return;
    wanted_ = Wanted::kStopping;
    reactor_.stop_receive(id_);
    reactor_.mark_dirty(id_);
}

void TransformedStream::on_bytes(char* data, std::size_t bytes) {
    if (gone_) return;
    if (lingering_) {
        discarded_bytes_ += bytes;
        if (discarded_bytes_ > kDiscardBytesMax) tell_end(EPROTO);
        return;
    }
    const bool shaking_hands = transform_->state() == State::kHandshake;
    transform_->take({data, bytes});
    if (shaking_hands && transform_->state() == State::kOpen) {
        own_deadline_ns_ = 0;
        settle_deadline();
        reactor_.mark_dirty(id_);
    }
    deliver(data, bytes);
}

void TransformedStream::on_receive_end(int error) {
    wire_ended_ = true;
    wire_error_ = error;
    deliver(nullptr, 0);
}

// Gives the user plaintext as long as there is some and it is wanted. `scratch` is the memory that
// the bytes of the wire came in; the transform has taken them.
void TransformedStream::deliver(char* scratch, std::size_t scratch_bytes) {
    if (delivering_) return;
    delivering_ = true;
    while (!gone_ && deliver_once(scratch, scratch_bytes)) {
    }
    delivering_ = false;
    if (!gone_) send_wire();
    if (!gone_ && wire_.bytes() > kWireBytesMax) tell_end(ENOBUFS);
}

bool TransformedStream::deliver_once(char* scratch, std::size_t scratch_bytes) {
    if (wanted_ == Wanted::kNothing) return false;
    if (wanted_ == Wanted::kStopping) {
        wanted_ = Wanted::kNothing;
        user_.on_receive_idle();
        return true;
    }
    if (wanted_ == Wanted::kInto) {
        const std::size_t bytes = transform_->read(into_, into_bytes_);
        if (bytes == 0) return end_or_receive();
        wanted_ = Wanted::kNothing;
        user_.on_filled(bytes);
    } else {
        // A record may end in a receive of few bytes: it is not to be read in pieces of that size.
        core::BufferRef own;
        if (scratch_bytes < kScratchBytes) {
            own = reactor_.pools.acquire(kScratchBytes);
            scratch = own.data();
            scratch_bytes = kScratchBytes;
        }
        const std::size_t bytes = transform_->read(scratch, scratch_bytes);
        if (bytes == 0) return end_or_receive();
        const bool goes_on = wanted_ == Wanted::kMany;
        if (!goes_on) wanted_ = Wanted::kNothing;
        user_.on_bytes(scratch, bytes);
        if (goes_on) return true;
    }
    if (!gone_ && wanted_ == Wanted::kNothing) user_.on_receive_idle();
    return true;
}

// All that came is read.
bool TransformedStream::end_or_receive() {
    const State state = transform_->state();
    if (state == State::kFailed) {
        send_wire();  // what the peer is to know of it goes first
        if (wire_ended_)
            tell_end(EPROTO);
        else if (wire_.empty())
            linger();
    } else if (state == State::kPeerEnded) {
        tell_end(0);
    } else if (wire_ended_) {
        tell_end(wire_error_ != 0 ? wire_error_ : ECONNRESET);
    } else if (!reactor_.receiving(id_)) {
        reactor_.receive(id_, wanted_ == Wanted::kMany ? ReceiveMode::kMany : ReceiveMode::kOnce);
    }
    return false;
}

// Closing at once could reset the connection under our last words while bytes of the peer are still
// unread.
void TransformedStream::linger() {
    if (!std::exchange(lingering_, true)) {
        reactor_.shutdown_send(id_);
        own_deadline_ns_ = reactor_.now_ns() + kLingerNs;
        settle_deadline();
    }
    if (!reactor_.receiving(id_)) reactor_.receive(id_, ReceiveMode::kOnce);
}

void TransformedStream::tell_end(int error) {
    if (told_end_) return;
    told_end_ = true;
    wanted_ = Wanted::kNothing;
    user_.on_receive_end(error);
}

// ---- what the user writes

void TransformedStream::send(OutQueue& plain) {
    const State state = transform_->state();
    if (state == State::kHandshake) return;
    if (state == State::kFailed) {  // nobody reads it any more, whether or not the user looks
        send_wire();
        if (wire_.empty()) linger();
        return;
    }
    SendVector pieces;
    plain.begin_send(pieces);
    for (std::size_t i = 0; i < pieces.count && sealed_ < kSealedBytesMax; ++i) {
        const std::size_t bytes = std::min(pieces.pieces[i].iov_len, kSealedBytesMax - sealed_);
        transform_->write({static_cast<const char*>(pieces.pieces[i].iov_base), bytes});
        sealed_ += bytes;
    }
    send_wire();
}

void TransformedStream::send_wire() {
    transform_->pull(wire_);
    if (wire_.empty() || wire_.sending()) return;
    wire_.begin_send(vector_);
    reactor_.send(id_, vector_);
}

void TransformedStream::on_sent(std::size_t bytes) {
    wire_.sent(bytes);
    if (!wire_.empty()) return send_wire();
    if (closing_) return reactor_.close(id_);
    if (const std::size_t plain = std::exchange(sealed_, 0); plain > 0) user_.on_sent(plain);
    if (gone_) return;
    send_wire();
    if (ending_ && wire_.empty() && !lingering_) reactor_.shutdown_send(id_);
    if (transform_->state() == State::kFailed) deliver(nullptr, 0);
}

void TransformedStream::on_send_failed(int error) {
    if (closing_) return reactor_.close(id_);
    user_.on_send_failed(error);
}

// Nobody is waited for who does not listen: what is still on its way is in front of the end.
void TransformedStream::close(StreamEnd end) {
    if (std::exchange(gone_, true)) {
        if (end == StreamEnd::kAtOnce) reactor_.close(id_);
        return;
    }
    const State state = transform_->state();
    const bool tells = end == StreamEnd::kTold && !ending_ && !lingering_ && !wire_.sending() &&
                       (state == State::kOpen || state == State::kPeerEnded);
    if (!tells) return reactor_.close(id_);
    closing_ = true;
    transform_->end();
    send_wire();
    if (wire_.empty()) return reactor_.close(id_);
    reactor_.set_deadline(id_, reactor_.now_ns() + kLingerNs);
}

void TransformedStream::shutdown_send() {
    if (std::exchange(ending_, true)) return;
    transform_->end();
    send_wire();
    if (wire_.empty()) reactor_.shutdown_send(id_);
}

void TransformedStream::on_flush() {
    deliver(nullptr, 0);
    if (!gone_) user_.on_flush();
    if (!gone_) send_wire();
}

}  // namespace millrace::io
