#include "io/tls/pem.h"

#include <openssl/pem.h>

namespace millrace::io {

namespace {

int no_passphrase(char*, int, int, void*) { return 0; }

openssl::Bio bio_over(std::string_view text) {
    return openssl::Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

}  // namespace

std::vector<openssl::Certificate> parse_certificates(std::string_view pem) {
    ERR_clear_error();
    std::vector<openssl::Certificate> found;
    const openssl::Bio in = bio_over(pem);
    while (in) {
        openssl::Certificate next(PEM_read_bio_X509(in.get(), nullptr, no_passphrase, nullptr));
        if (!next) break;
        found.push_back(std::move(next));
    }
    // The end of the text is told as "no start line"; anything else is a broken certificate.
    const unsigned long last = ERR_peek_last_error();
    const bool at_end =
        ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
    if (!at_end) found.clear();
    return found;
}

openssl::PrivateKey parse_private_key(std::string_view pem) {
    ERR_clear_error();
    const openssl::Bio in = bio_over(pem);
    if (!in) return nullptr;
    return openssl::PrivateKey(PEM_read_bio_PrivateKey(in.get(), nullptr, no_passphrase, nullptr));
}

}  // namespace millrace::io
