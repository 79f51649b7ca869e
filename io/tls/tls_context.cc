#include "io/tls/tls_context.h"

#include "core/crypto/digest.h"
#include "core/crypto/random_bits.h"
#include "io/tls/openssl_ptr.h"
#include "io/tls/pem.h"
#include "io/tls/tls_transform.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace millrace::io {

namespace {

constexpr const char* kCiphers12 = "ECDHE+AESGCM:ECDHE+CHACHA20";
constexpr const char* kGroups = "X25519:P-256:P-384";

core::Error refused(std::string_view what) {
    return core::Error(
        core::ErrorCode::kValidation,
        "tls: OpenSSL does not take " + std::string(what) + ": " + openssl::take_reason());
}

TlsContext& context_of(SSL* ssl) {
    return *static_cast<TlsContext*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
}

// One entry after the other: a byte with its length, and so many bytes.
int choose_protocol(SSL* ssl, const unsigned char** chosen, unsigned char* chosen_bytes,
                    const unsigned char* offered, unsigned int bytes, void*) {
    const TlsService& service = static_cast<const TlsTransform*>(SSL_get_app_data(ssl))->service();
    for (const std::string_view wanted : {service.protocol, service.other_protocol}) {
        for (unsigned int at = 0; at < bytes; at += 1u + offered[at]) {
            const unsigned int length = offered[at];
            if (length == 0 || length != wanted.size() || at + 1 + length > bytes ||
                std::memcmp(offered + at + 1, wanted.data(), length) != 0)
                continue;
            *chosen = offered + at + 1;
            *chosen_bytes = offered[at];
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

bool set_up(const TlsContext& context, const TicketKey& key, const unsigned char* start,
            EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, bool seals) {
    char digest[] = "SHA256";
    std::array<std::uint8_t, 32> secret = key.mac;
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, secret.data(), secret.size()),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    const bool done = EVP_MAC_CTX_set_params(mac, parameters) == 1 &&
                      EVP_CipherInit_ex2(cipher, context.ticket_cipher(), key.cipher.data(), start,
                                         seals ? 1 : 0, nullptr) == 1;
    OPENSSL_cleanse(secret.data(), secret.size());
    return done;
}

// OpenSSL's contract: name and start are ours to fill when a ticket is made, ours to look at when
// one comes back. 0: not known, the handshake is done in full; 2: known, and to be replaced.
int use_ticket_key(SSL* ssl, unsigned char* name, unsigned char* start, EVP_CIPHER_CTX* cipher,
                   EVP_MAC_CTX* mac, int seals) {
    const TlsContext& context = context_of(ssl);
    if (seals == 1) {
        const TicketKey key = context.tickets().current();
        std::copy(key.name.begin(), key.name.end(), name);
        core::crypto::fill_random(
            {start, static_cast<std::size_t>(EVP_CIPHER_get_iv_length(context.ticket_cipher()))});
        return set_up(context, key, start, cipher, mac, true) ? 1 : -1;
    }
    const auto found = context.tickets().find({name, std::tuple_size_v<decltype(TicketKey::name)>});
    if (!found) return 0;
    if (!set_up(context, found->key, start, cipher, mac, false)) return -1;
    return found->old ? 2 : 1;
}

}  // namespace

core::Result<std::shared_ptr<TlsContext>> TlsContext::make(const TlsMaterial& material,
                                                           TicketKeys& tickets) {
    ERR_clear_error();
    std::shared_ptr<TlsContext> context(new TlsContext(tickets));
    context->ssl_ = SSL_CTX_new(TLS_server_method());
    context->ticket_cipher_ = EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr);
    if (!context->ssl_ || !context->ticket_cipher_) return core::fail(refused("a new context"));
    if (auto ruled = context->set_rules(); !ruled) return core::fail(std::move(ruled.error()));
    if (auto taken = context->take(material); !taken) return core::fail(std::move(taken.error()));
    if (auto asks = context->ask_clients(material); !asks)
        return core::fail(std::move(asks.error()));
    ERR_clear_error();
    return context;
}

TlsContext::~TlsContext() {
    SSL_CTX_free(ssl_);
    EVP_CIPHER_free(ticket_cipher_);
}

core::Status TlsContext::set_rules() {
    SSL_CTX_set_app_data(ssl_, this);
    SSL_CTX_set_options(ssl_, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                  SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    // An idle connection gives its record buffers back.
    SSL_CTX_set_mode(ssl_, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(ssl_, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_timeout(ssl_, static_cast<long>(TicketKeys::kRotateNs / 1'000'000'000));
    SSL_CTX_set_alpn_select_cb(ssl_, choose_protocol, nullptr);
    const bool done = SSL_CTX_set_min_proto_version(ssl_, TLS1_2_VERSION) == 1 &&
                      SSL_CTX_set_cipher_list(ssl_, kCiphers12) == 1 &&
                      SSL_CTX_set1_groups_list(ssl_, kGroups) == 1 &&
                      SSL_CTX_set_tlsext_ticket_key_evp_cb(ssl_, use_ticket_key) == 1;
    if (!done) return core::fail(refused("the rules of the server"));
    return {};
}

core::Status TlsContext::take(const TlsMaterial& material) {
    handshake_ms_max_ = material.handshake_ms_max;
    const std::vector<openssl::Certificate> chain = parse_certificates(material.chain_pem);
    const openssl::PrivateKey key = parse_private_key(material.key_pem);
    bool done = !chain.empty() && key && SSL_CTX_use_certificate(ssl_, chain.front().get()) == 1;
    for (std::size_t i = 1; done && i < chain.size(); ++i)
        done = SSL_CTX_add1_chain_cert(ssl_, chain[i].get()) == 1;
    if (!done) return core::fail(refused("what tls.cert holds").in("tls.cert"));
    if (SSL_CTX_use_PrivateKey(ssl_, key.get()) != 1 || SSL_CTX_check_private_key(ssl_) != 1)
        return core::fail(refused("what tls.key holds").in("tls.key"));
    return {};
}

core::Status TlsContext::ask_clients(const TlsMaterial& material) {
    asks_clients_ = material.client_auth != ClientAuth::kOff;
    // A ticket counts only under the rules that it was given under: it says of its client what
    // those let it say.
    const core::crypto::Digest rules =
        core::crypto::sha256(material.client_ca_pem + (asks_clients_ ? "asked" : "not asked"));
    if (SSL_CTX_set_session_id_context(ssl_, rules.data(), rules.size()) != 1)
        return core::fail(refused("the name of its sessions"));
    if (!asks_clients_) return {};
    for (const openssl::Certificate& root : parse_certificates(material.client_ca_pem)) {
        if (X509_STORE_add_cert(SSL_CTX_get_cert_store(ssl_), root.get()) != 1 ||
            SSL_CTX_add_client_CA(ssl_, root.get()) != 1)
            return core::fail(refused("what tls.client_ca holds").in("tls.client_ca"));
    }
    const bool required = material.client_auth == ClientAuth::kRequired;
    SSL_CTX_set_verify(ssl_, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                       nullptr);
    return {};
}

std::unique_ptr<StreamTransform> TlsContext::accept(const TlsService& service) {
    return std::make_unique<TlsTransform>(shared_from_this(), service);
}

std::string TlsContext::take_buffer() {
    if (spare_.empty()) return {};
    std::string buffer = std::move(spare_.back());
    spare_.pop_back();
    return buffer;
}

void TlsContext::give_back(std::string&& buffer) {
    buffer.clear();
    if (spare_.size() < kSpareBuffersMax && buffer.capacity() <= kSpareBufferBytesMax)
        spare_.push_back(std::move(buffer));
    else
        std::string().swap(buffer);
}

}  // namespace millrace::io
