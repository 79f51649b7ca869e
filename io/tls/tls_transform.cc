#include "io/tls/tls_transform.h"

#include "core/assert.h"
#include "io/out_queue.h"
#include "io/tls/certificate_names.h"
#include "io/tls/openssl_ptr.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace millrace::io {

namespace {

// Before a call whose outcome is asked for. Nearly always there is nothing to clear, and clearing
// goes through sixteen places.
void forget_errors() {
    if (ERR_peek_error() != 0) ERR_clear_error();
}

TlsTransform& transform_of(BIO* bio) { return *static_cast<TlsTransform*>(BIO_get_data(bio)); }

int read_bio(BIO* bio, char* at, int bytes) {
    BIO_clear_retry_flags(bio);
    const std::size_t got = transform_of(bio).read_wire(at, static_cast<std::size_t>(bytes));
    if (got > 0) return static_cast<int>(got);
    BIO_set_retry_read(bio);
    return -1;
}

int write_bio(BIO* bio, const char* from, int bytes) {
    BIO_clear_retry_flags(bio);
    transform_of(bio).write_wire({from, static_cast<std::size_t>(bytes)});
    return bytes;
}

long control_bio(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

// For the life of the process.
const BIO_METHOD* buffers() {
    static const BIO_METHOD* const own_method = [] {
        BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "millrace");
        MR_ASSERT(method && BIO_meth_set_read(method, read_bio) == 1 &&
                  BIO_meth_set_write(method, write_bio) == 1 &&
                  BIO_meth_set_ctrl(method, control_bio) == 1);
        return method;
    }();
    return own_method;
}

}  // namespace

TlsTransform::TlsTransform(std::shared_ptr<TlsContext> context, const TlsService& service)
    : context_(std::move(context)), service_(service) {
    ERR_clear_error();
    ssl_ = SSL_new(context_->ssl());
    BIO* bio = ssl_ ? BIO_new(buffers()) : nullptr;
    if (!bio) {  // no memory: the connection ends before it begins
        state_ = State::kFailed;
        return;
    }
    BIO_set_data(bio, this);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl_, bio, bio);
    SSL_set_app_data(ssl_, this);
    SSL_set_accept_state(ssl_);
}

TlsTransform::~TlsTransform() {
    SSL_free(ssl_);
    if (in_.capacity() > 0) context_->give_back(std::move(in_));
    if (out_.capacity() > 0) context_->give_back(std::move(out_));
}

std::size_t TlsTransform::read_wire(char* at, std::size_t bytes) {
    const std::size_t part = std::min(bytes, in_.size() - in_at_);
    if (part == 0) return 0;
    std::memcpy(at, in_.data() + in_at_, part);
    in_at_ += part;
    return part;
}

void TlsTransform::write_wire(std::string_view wire) {
    if (out_.capacity() <= sizeof(std::string)) out_ = context_->take_buffer();
    out_.append(wire);
}

void TlsTransform::release_input() {
    if (in_at_ < in_.size() || in_.capacity() <= sizeof(std::string)) return;
    in_at_ = 0;
    context_->give_back(std::move(in_));
    in_.clear();
}

void TlsTransform::take(std::string_view wire) {
    if (state_ == State::kFailed || wire.empty()) return;
    if (!std::exchange(begun_, true) && speaks_plain(wire)) return;
    if (in_.capacity() <= sizeof(std::string)) in_ = context_->take_buffer();
    if (in_at_ > 0) in_.erase(0, std::exchange(in_at_, 0));
    in_.append(wire);
    if (state_ == State::kHandshake) shake_hands();
}

// Every record of TLS begins with a byte that is no text.
bool TlsTransform::speaks_plain(std::string_view wire) {
    const char first = wire.front();
    const bool text = (first >= 0x20 && first < 0x7f) || first == '\r' || first == '\n';
    if (!text) return false;
    write_wire(service_.plain_refusal);
    state_ = State::kFailed;
    return true;
}

void TlsTransform::shake_hands() {
    forget_errors();
    const int returned = SSL_do_handshake(ssl_);
    if (returned == 1) {
        state_ = State::kOpen;
        if (context_->asks_clients()) note_peer();
    } else {
        note_outcome(returned);
    }
    release_input();
}

// A certificate that came with a ticket may have ended since it was looked at.
void TlsTransform::note_peer() {
    const X509* certificate = SSL_get0_peer_certificate(ssl_);
    if (!certificate || SSL_get_verify_result(ssl_) != X509_V_OK) return;
    if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0)
        state_ = State::kFailed;
    else
        names_ = names_of(certificate);
}

void TlsTransform::note_outcome(int returned) {
    switch (SSL_get_error(ssl_, returned)) {
        case SSL_ERROR_WANT_READ: break;
        case SSL_ERROR_ZERO_RETURN: state_ = State::kPeerEnded; break;
        default: state_ = State::kFailed; break;
    }
    forget_errors();
}

std::size_t TlsTransform::read(char* at, std::size_t bytes) {
    if (state_ != State::kOpen) return 0;
    // OpenSSL would make room for a record, find none, and give the room back.
    if (in_at_ == in_.size() && SSL_has_pending(ssl_) == 0) {
        release_input();
        return 0;
    }
    forget_errors();
    std::size_t got = 0;
    const int returned = SSL_read_ex(ssl_, at, bytes, &got);
    if (returned == 1) return got;
    note_outcome(returned);
    release_input();
    return 0;
}

void TlsTransform::write(std::string_view plain) {
    if (plain.empty() || (state_ != State::kOpen && state_ != State::kPeerEnded)) return;
    forget_errors();
    std::size_t written = 0;
    // There is always room: all of it is taken at once.
    if (SSL_write_ex(ssl_, plain.data(), plain.size(), &written) != 1) {
        state_ = State::kFailed;
        forget_errors();
    }
}

void TlsTransform::end() {
    if (state_ != State::kOpen && state_ != State::kPeerEnded) return;
    forget_errors();
    SSL_shutdown(ssl_);
    forget_errors();
}

void TlsTransform::pull(OutQueue& wire) {
    if (out_.empty()) return;
    wire.append(out_);
    context_->give_back(std::move(out_));
    out_.clear();
}

}  // namespace millrace::io
