#include "tests/io/tls_client.h"

#include "io/out_queue.h"
#include "io/tls/openssl_ptr.h"
#include "io/tls/pem.h"

#include <openssl/pem.h>

#include <utility>

namespace millrace::io {

namespace {

std::string drain(BIO* bio) {
    char* data = nullptr;
    const long bytes = BIO_get_mem_data(bio, &data);
    std::string text(data, static_cast<std::size_t>(bytes));
    (void)BIO_reset(bio);
    return text;
}

openssl::PrivateKey make_key() { return openssl::PrivateKey(EVP_EC_gen("P-256")); }

std::string pem_of(EVP_PKEY* key) {
    const openssl::Bio out(BIO_new(BIO_s_mem()));
    PEM_write_bio_PrivateKey(out.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
    return drain(out.get());
}

std::string pem_of(X509* certificate) {
    const openssl::Bio out(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509(out.get(), certificate);
    return drain(out.get());
}

void add_extension(X509* to, X509* issuer, int kind, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, to, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
    if (!extension) return;
    X509_add_ext(to, extension, -1);
    X509_EXTENSION_free(extension);
}

}  // namespace

TestPair make_test_pair(std::string_view common_name, const std::string& names,
                        const TestPair* issuer, long valid_seconds) {
    static long serial = 1;
    const openssl::PrivateKey key = make_key();
    const openssl::Certificate made(X509_new());
    X509_set_version(made.get(), X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made.get()), serial++);
    X509_gmtime_adj(X509_getm_notBefore(made.get()), -3600);
    X509_gmtime_adj(X509_getm_notAfter(made.get()), valid_seconds);
    X509_set_pubkey(made.get(), key.get());
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made.get()), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(common_name.data()),
                               static_cast<int>(common_name.size()), -1, 0);
    std::vector<openssl::Certificate> above;
    openssl::PrivateKey above_key;
    if (issuer) {
        above = parse_certificates(issuer->certificate);
        above_key = parse_private_key(issuer->key);
    }
    X509* signer = issuer ? above.front().get() : made.get();
    X509_set_issuer_name(made.get(), X509_get_subject_name(signer));
    if (!issuer) add_extension(made.get(), signer, NID_basic_constraints, "critical,CA:TRUE");
    if (!names.empty()) add_extension(made.get(), signer, NID_subject_alt_name, names);
    X509_sign(made.get(), issuer ? above_key.get() : key.get(), EVP_sha256());
    return {pem_of(made.get()), pem_of(key.get())};
}

const TestPair& server_pair() {
    static const TestPair kPair = make_test_pair("localhost", "DNS:localhost,IP:127.0.0.1");
    return kPair;
}

TlsMaterial server_material() {
    TlsMaterial material;
    material.chain_pem = server_pair().certificate;
    material.key_pem = server_pair().key;
    return *check_tls_material(std::move(material));
}

TlsClientTransform::TlsClientTransform(const TlsClientOptions& options) {
    context_ = SSL_CTX_new(TLS_client_method());
    if (options.version_min != 0) SSL_CTX_set_min_proto_version(context_, options.version_min);
    if (options.version_max != 0) SSL_CTX_set_max_proto_version(context_, options.version_max);
    SSL_CTX_set_security_level(context_, 0);
    if (!options.ciphers12.empty()) SSL_CTX_set_cipher_list(context_, options.ciphers12.c_str());
    if (options.identity) {
        SSL_CTX_use_certificate(context_,
                                parse_certificates(options.identity->certificate).front().get());
        SSL_CTX_use_PrivateKey(context_, parse_private_key(options.identity->key).get());
    }
    ssl_ = SSL_new(context_);
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(in_, -1);
    SSL_set_bio(ssl_, in_, out_);
    std::string protocols;
    for (const std::string& one : options.protocols)
        protocols += static_cast<char>(one.size()) + one;
    if (!protocols.empty()) {
        SSL_set_alpn_protos(ssl_, reinterpret_cast<const unsigned char*>(protocols.data()),
                            static_cast<unsigned>(protocols.size()));
    }
    if (options.session) SSL_set_session(ssl_, options.session);
    SSL_set_connect_state(ssl_);
    shake_hands();
}

TlsClientTransform::~TlsClientTransform() {
    // One that was not shut down is nothing to come back with.
    SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(ssl_);
    SSL_CTX_free(context_);
}

void TlsClientTransform::shake_hands() {
    ERR_clear_error();
    const int returned = SSL_do_handshake(ssl_);
    if (returned == 1) {
        state_ = State::kOpen;
        write(std::exchange(waiting_, {}));
        if (ends_) end();
    } else if (SSL_get_error(ssl_, returned) != SSL_ERROR_WANT_READ) {
        state_ = State::kFailed;
        failure_ = openssl::take_reason();
    }
}

void TlsClientTransform::take(std::string_view wire) {
    if (wire.empty()) return;
    BIO_write(in_, wire.data(), static_cast<int>(wire.size()));
    if (state_ == State::kHandshake) shake_hands();
}

std::size_t TlsClientTransform::read(char* at, std::size_t bytes) {
    if (state_ != State::kOpen) return 0;
    ERR_clear_error();
    std::size_t got = 0;
    const int returned = SSL_read_ex(ssl_, at, bytes, &got);
    if (returned == 1) return got;
    const int error = SSL_get_error(ssl_, returned);
    if (error == SSL_ERROR_ZERO_RETURN) {
        state_ = State::kPeerEnded;
    } else if (error != SSL_ERROR_WANT_READ) {
        state_ = State::kFailed;
        failure_ = openssl::take_reason();
    }
    return 0;
}

void TlsClientTransform::write(std::string_view plain) {
    if (plain.empty()) return;
    if (state_ == State::kHandshake) {
        waiting_ += plain;
        return;
    }
    std::size_t written = 0;
    SSL_write_ex(ssl_, plain.data(), plain.size(), &written);
}

void TlsClientTransform::end() {
    ends_ = true;
    if (state_ == State::kOpen || state_ == State::kPeerEnded) SSL_shutdown(ssl_);
}

void TlsClientTransform::pull(OutQueue& wire) { wire.append(take_wire()); }

std::string TlsClientTransform::take_wire() { return drain(out_); }

std::string TlsClientTransform::version() const { return SSL_get_version(ssl_); }

std::string TlsClientTransform::protocol() const {
    const unsigned char* name = nullptr;
    unsigned bytes = 0;
    SSL_get0_alpn_selected(ssl_, &name, &bytes);
    return {reinterpret_cast<const char*>(name), bytes};
}

bool TlsClientTransform::resumed() const { return SSL_session_reused(ssl_) == 1; }

ssl_session_st* TlsClientTransform::take_session() { return SSL_get1_session(ssl_); }

bool TlsClientTransform::update_keys() {
    return SSL_key_update(ssl_, SSL_KEY_UPDATE_REQUESTED) == 1 && SSL_do_handshake(ssl_) == 1;
}

int TlsClientTransform::renegotiate() {
    SSL_renegotiate(ssl_);
    return SSL_do_handshake(ssl_);
}

}  // namespace millrace::io
