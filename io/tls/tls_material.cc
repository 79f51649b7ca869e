#include "io/tls/tls_material.h"

#include "io/tls/openssl_ptr.h"
#include "io/tls/pem.h"

#include <openssl/crypto.h>
#include <openssl/pem.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string_view>
#include <utility>

namespace millrace::io {

namespace {

using core::Error;
using core::ErrorCode;

tl::unexpected<Error> bad(std::string_view setting, std::string text) {
    return core::fail(Error(ErrorCode::kValidation, std::string(setting) + ": " + std::move(text))
                          .in(std::string(setting)));
}

core::Result<std::string> read_file(std::string_view setting, const std::string& path) {
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    if (!file) return bad(setting, "can't read " + path + ": " + std::strerror(errno));
    std::string text(kTlsFileBytesMax + 1, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (file.bad()) return bad(setting, "can't read " + path + ": " + std::strerror(errno));
    text.resize(static_cast<std::size_t>(file.gcount()));
    if (text.size() > kTlsFileBytesMax)
        return bad(setting, path + " is larger than " + std::to_string(kTlsFileBytesMax) +
                                " bytes: no file of certificates");
    return text;
}

std::string time_text(const ASN1_TIME* time) {
    const openssl::Bio out(BIO_new(BIO_s_mem()));
    char text[64] = {};
    if (!out || ASN1_TIME_print(out.get(), time) != 1) return "";
    const int bytes = BIO_read(out.get(), text, sizeof text - 1);
    return bytes > 0 ? std::string(text, static_cast<std::size_t>(bytes)) : "";
}

std::string subject_text(const X509* certificate) {
    const openssl::Bio out(BIO_new(BIO_s_mem()));
    if (!out) return "";
    X509_NAME_print_ex(out.get(), X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
    char text[512];
    const int bytes = BIO_read(out.get(), text, sizeof text);
    return bytes > 0 ? std::string(text, static_cast<std::size_t>(bytes)) : "";
}

core::Status check_pair(TlsMaterial& material) {
    const std::vector<openssl::Certificate> chain = parse_certificates(material.chain_pem);
    if (chain.empty()) return bad("tls.cert", "holds no certificate in PEM form");
    const openssl::PrivateKey key = parse_private_key(material.key_pem);
    if (!key)
        return bad("tls.key", "holds no private key in PEM form without a passphrase: " +
                                  openssl::take_reason());
    if (X509_check_private_key(chain.front().get(), key.get()) != 1) {
        ERR_clear_error();
        return bad("tls.key", "is not the key of the certificate in tls.cert");
    }
    const ASN1_TIME* end = X509_get0_notAfter(chain.front().get());
    material.subject = subject_text(chain.front().get());
    material.not_after = time_text(end);
    material.out_of_time = X509_cmp_current_time(end) < 0 ||
                           X509_cmp_current_time(X509_get0_notBefore(chain.front().get())) > 0;
    return {};
}

}  // namespace

TlsMaterial::~TlsMaterial() { OPENSSL_cleanse(key_pem.data(), key_pem.size()); }

core::Result<TlsMaterial> check_tls_material(TlsMaterial material) {
    if (auto pair = check_pair(material); !pair) return core::fail(std::move(pair.error()));
    if (material.client_auth == ClientAuth::kOff) {
        material.client_ca_pem.clear();
    } else if (parse_certificates(material.client_ca_pem).empty()) {
        return bad("tls.client_ca", "holds no certificate in PEM form");
    }
    ERR_clear_error();
    return material;
}

core::Result<TlsMaterial> read_tls_material(const TlsSettings& settings) {
    TlsMaterial material;
    material.client_auth = settings.client_auth;
    material.handshake_ms_max = settings.handshake_ms_max;
    struct File {
        std::string_view setting;
        const std::string& path;
        std::string& text;
    };
    for (const File& file : {File{"tls.cert", settings.certificate, material.chain_pem},
                             File{"tls.key", settings.key, material.key_pem},
                             File{"tls.client_ca", settings.client_ca, material.client_ca_pem}}) {
        if (file.path.empty()) continue;
        auto text = read_file(file.setting, file.path);
        if (!text) return core::fail(std::move(text.error()));
        file.text = std::move(*text);
    }
    return check_tls_material(std::move(material));
}

}  // namespace millrace::io
