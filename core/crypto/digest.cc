#include "core/crypto/digest.h"

#include "core/assert.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <memory>
#include <optional>
#include <string>

namespace millrace::core::crypto {

namespace {

template <auto Free>
struct Freed {
    template <typename T>
    void operator()(T* pointer) const {
        Free(pointer);
    }
};

// Fetching looks through OpenSSL's providers and takes longer than a short digest.
struct Fetched {
    std::unique_ptr<EVP_MD, Freed<EVP_MD_free>> sha256{EVP_MD_fetch(nullptr, "SHA256", nullptr)};
    std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>> digest{EVP_MD_CTX_new()};
    std::unique_ptr<EVP_MAC, Freed<EVP_MAC_free>> hmac{EVP_MAC_fetch(nullptr, "HMAC", nullptr)};
    std::unique_ptr<EVP_MAC_CTX, Freed<EVP_MAC_CTX_free>> mac{EVP_MAC_CTX_new(hmac.get())};
    std::optional<std::string> mac_key;  // what `mac` was set up with last

    static Fetched& own() {
        thread_local Fetched fetched;
        return fetched;
    }
};

const unsigned char* bytes_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

Digest sha256(std::string_view text) {
    Fetched& own = Fetched::own();
    MR_ASSERT(own.sha256 && own.digest);
    Digest out;
    unsigned int bytes = 0;
    const bool done = EVP_DigestInit_ex2(own.digest.get(), own.sha256.get(), nullptr) == 1 &&
                      EVP_DigestUpdate(own.digest.get(), text.data(), text.size()) == 1 &&
                      EVP_DigestFinal_ex(own.digest.get(), out.data(), &bytes) == 1;
    MR_ASSERT(done && bytes == out.size());
    return out;
}

// One signs with the same key again and again: setting one up asks OpenSSL for its digest by name,
// and makes two blocks of the key.
static bool begin_hmac(Fetched& own, std::string_view key) {
    // A null key means "the one of before".
    if (own.mac_key && *own.mac_key == key)
        return EVP_MAC_init(own.mac.get(), nullptr, 0, nullptr) == 1;
    char name[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
        OSSL_PARAM_construct_end(),
    };
    const unsigned char* key_bytes = bytes_of(key.empty() ? std::string_view("") : key);
    own.mac_key.reset();
    if (EVP_MAC_init(own.mac.get(), key_bytes, key.size(), parameters) != 1) return false;
    own.mac_key.emplace(key);
    return true;
}

Digest hmac_sha256(std::string_view key, std::string_view text) {
    Fetched& own = Fetched::own();
    MR_ASSERT(own.hmac && own.mac);
    Digest out;
    std::size_t bytes = 0;
    const bool done = begin_hmac(own, key) &&
                      EVP_MAC_update(own.mac.get(), bytes_of(text), text.size()) == 1 &&
                      EVP_MAC_final(own.mac.get(), out.data(), &bytes, out.size()) == 1;
    MR_ASSERT(done && bytes == out.size());
    return out;
}

}  // namespace millrace::core::crypto
