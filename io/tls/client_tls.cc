#include "io/tls/client_tls.h"

#include "io/tls/openssl_ptr.h"
#include "io/tls/pem.h"

#include <algorithm>
#include <array>
#include <utility>

namespace millrace::io {
namespace {

constexpr const char* kClientCiphers12 = "ECDHE+AESGCM:ECDHE+CHACHA20";

core::Error refused_client(std::string_view what) {
    return core::Error(core::ErrorCode::kValidation, "OpenSSL does not take " + std::string(what) +
                                                         ": " + openssl::take_reason());
}

// Called for each certificate of the chain. What it answers is what OpenSSL has found.
int note_certificate(int good, X509_STORE_CTX* store) {
    if (good == 1) return good;
    const auto* const ssl = static_cast<const SSL*>(
        X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
    auto* const why = static_cast<std::string*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
    if (why && why->empty())
        why->assign("the peer's certificate does not hold: ")
            .append(X509_verify_cert_error_string(X509_STORE_CTX_get_error(store)));
    return good;
}

bool set_host(ssl_ctx_st* context, const std::string& host) {
    X509_VERIFY_PARAM* const rules = SSL_CTX_get0_param(context);
    X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    // Whoever names a server's own certificate means that one.
    X509_VERIFY_PARAM_set_flags(rules, X509_V_FLAG_PARTIAL_CHAIN);
    return X509_VERIFY_PARAM_set1_ip_asc(rules, host.c_str()) == 1 ||
           X509_VERIFY_PARAM_set1_host(rules, host.data(), host.size()) == 1;
}

core::Status trust(ssl_ctx_st* context, std::string_view authorities) {
    if (authorities.empty()) {
        if (SSL_CTX_set_default_verify_paths(context) == 1) return {};
        return core::fail(refused_client("whom this machine trusts"));
    }
    if (auto good = check_authorities(authorities); !good) return good;
    for (const openssl::Certificate& one : parse_certificates(authorities)) {
        if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), one.get()) != 1)
            return core::fail(refused_client("a certificate of those who are trusted"));
    }
    return {};
}

}  // namespace

core::Status check_authorities(std::string_view pem) {
    const bool any = !parse_certificates(pem).empty();
    ERR_clear_error();
    if (any) return {};
    return core::fail(core::ErrorCode::kValidation, "holds no certificates as PEM");
}

core::Status set_client_rules(ssl_ctx_st* context, const std::string& host,
                              std::string_view authorities, std::string* why) {
    ERR_clear_error();
    const bool done = SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
                      SSL_CTX_set_cipher_list(context, kClientCiphers12) == 1 &&
                      set_host(context, host);
    if (!done) return core::fail(refused_client("the host's name"));
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_app_data(context, why);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, note_certificate);
    auto trusted = trust(context, authorities);
    ERR_clear_error();
    return trusted;
}

ClientTls::ClientTls(const std::string& host, std::string_view authorities)
    : context_(SSL_CTX_new(TLS_client_method())) {
    if (!context_) {
        error_ = "no memory for TLS";
        return;
    }
    if (auto ruled = set_client_rules(context_, host, authorities, &why_); !ruled) {
        error_ = ruled.error().message;
        return;
    }
    SSL_CTX_set_mode(context_, SSL_MODE_RELEASE_BUFFERS);
    ssl_ = SSL_new(context_);
    BIO* const in = BIO_new(BIO_s_mem());
    BIO* const out = BIO_new(BIO_s_mem());
    if (!ssl_ || !in || !out) {
        BIO_free(in);
        BIO_free(out);
        error_ = "no memory for TLS";
        return;
    }
    BIO_set_mem_eof_return(in, -1);  // nothing there is not the end
    SSL_set_bio(ssl_, in, out);
    SSL_set_connect_state(ssl_);
    // Addresses are not told: there is no name to choose by.
    const openssl::AddressText address(a2i_IPADDRESS(host.c_str()));
    if (!address) SSL_set_tlsext_host_name(ssl_, host.c_str());
    shake_hands();
}

ClientTls::~ClientTls() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
}

// What OpenSSL wants to say.
void ClientTls::collect() {
    char* at = nullptr;
    BIO* const bio = SSL_get_wbio(ssl_);
    const long bytes = BIO_get_mem_data(bio, &at);
    if (bytes <= 0) return;
    out_.append(at, static_cast<std::size_t>(bytes));
    (void)BIO_reset(bio);
}

void ClientTls::note(int returned) {
    switch (SSL_get_error(ssl_, returned)) {
        case SSL_ERROR_NONE:
        case SSL_ERROR_WANT_READ:
        case SSL_ERROR_WANT_WRITE: break;
        case SSL_ERROR_ZERO_RETURN: ended_ = true; break;
        default: error_ = why_.empty() ? openssl::take_reason() : why_; break;
    }
    ERR_clear_error();
}

void ClientTls::shake_hands() {
    ERR_clear_error();
    const int returned = SSL_do_handshake(ssl_);
    open_ = returned == 1;
    note(returned);
    collect();  // an alert, too
}

void ClientTls::take(std::string_view wire) {
    if (!error_.empty() || wire.empty()) return;
    BIO_write(SSL_get_rbio(ssl_), wire.data(), static_cast<int>(wire.size()));
    if (!open_) shake_hands();
}

void ClientTls::read(std::string& plain) {
    if (!open()) return;
    std::array<char, 16'384> piece;  // what a record holds
    while (true) {
        std::size_t bytes = 0;
        ERR_clear_error();
        const int returned = SSL_read_ex(ssl_, piece.data(), piece.size(), &bytes);
        if (returned != 1) {
            note(returned);
            break;
        }
        plain.append(piece.data(), bytes);
    }
    collect();  // keys that are made anew
}

void ClientTls::write(std::string_view plain) {
    if (!open() || plain.empty()) return;
    ERR_clear_error();
    std::size_t bytes = 0;
    const int returned = SSL_write_ex(ssl_, plain.data(), plain.size(), &bytes);
    if (returned != 1) note(returned);
    collect();
}

}  // namespace millrace::io
