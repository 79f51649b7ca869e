#include "core/crypto/secret_bytes.h"

#include "core/assert.h"
#include "core/crypto/random_bits.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include <array>
#include <cstdint>
#include <memory>

namespace millrace::core::crypto {
namespace {

constexpr std::size_t kNonceBytes = 12;
constexpr std::size_t kTagBytes = 16;

template <auto Free>
struct Freed {
    template <typename T>
    void operator()(T* pointer) const {
        Free(pointer);
    }
};
using Cipher = std::unique_ptr<EVP_CIPHER, Freed<EVP_CIPHER_free>>;
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, Freed<EVP_CIPHER_CTX_free>>;
using PrivateKey = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;

// Fetched at a thread's first call: a look-up among providers costs more than a short text.
struct Gcm {
    const Cipher cipher{EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr)};
    const CipherContext context{EVP_CIPHER_CTX_new()};
};
const Gcm& gcm() {
    thread_local const Gcm fetched;
    MR_ASSERT(fetched.cipher && fetched.context);
    return fetched;
}

const unsigned char* bytes_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* bytes_of(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

PrivateKey key_of(std::string_view seed) {
    MR_ASSERT(seed.size() == kEd25519SeedBytes);
    PrivateKey key(
        EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, bytes_of(seed), seed.size()));
    MR_ASSERT(key);
    return key;
}

}  // namespace

std::string seal(std::string_view key, std::string_view plain, std::string_view about) {
    MR_ASSERT(key.size() == kSealKeyBytes);
    std::string out = random_bytes(kNonceBytes);
    out.resize(kNonceBytes + plain.size() + kTagBytes);
    EVP_CIPHER_CTX* const cipher = gcm().context.get();
    int bytes = 0;
    unsigned char* to = bytes_of(out) + kNonceBytes;
    bool done =
        EVP_EncryptInit_ex2(cipher, gcm().cipher.get(), bytes_of(key), bytes_of(out), nullptr) ==
            1 &&
        EVP_EncryptUpdate(cipher, nullptr, &bytes, bytes_of(about),
                          static_cast<int>(about.size())) == 1 &&
        EVP_EncryptUpdate(cipher, to, &bytes, bytes_of(plain), static_cast<int>(plain.size())) == 1;
    int rest = 0;
    done = done && EVP_EncryptFinal_ex(cipher, to + bytes, &rest) == 1 &&
           static_cast<std::size_t>(bytes) + static_cast<std::size_t>(rest) == plain.size() &&
           EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, kTagBytes, to + plain.size()) == 1;
    MR_ASSERT(done);
    return out;
}

std::optional<std::string> open_sealed(std::string_view key, std::string_view sealed,
                                       std::string_view about) {
    MR_ASSERT(key.size() == kSealKeyBytes);
    if (sealed.size() < kNonceBytes + kTagBytes) return std::nullopt;
    const std::string_view text =
        sealed.substr(kNonceBytes, sealed.size() - kNonceBytes - kTagBytes);
    std::array<unsigned char, kTagBytes> tag{};
    sealed.substr(sealed.size() - kTagBytes).copy(reinterpret_cast<char*>(tag.data()), kTagBytes);
    std::string out(text.size(), '\0');
    EVP_CIPHER_CTX* const cipher = gcm().context.get();
    int bytes = 0, rest = 0;
    const bool opened =
        EVP_DecryptInit_ex2(cipher, gcm().cipher.get(), bytes_of(key), bytes_of(sealed), nullptr) ==
            1 &&
        EVP_DecryptUpdate(cipher, nullptr, &bytes, bytes_of(about),
                          static_cast<int>(about.size())) == 1 &&
        EVP_DecryptUpdate(cipher, bytes_of(out), &bytes, bytes_of(text),
                          static_cast<int>(text.size())) == 1 &&
        EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, kTagBytes, tag.data()) == 1 &&
        EVP_DecryptFinal_ex(cipher, bytes_of(out) + bytes, &rest) == 1;
    if (!opened) return std::nullopt;
    return out;
}

std::string sign_ed25519(std::string_view seed, std::string_view text) {
    const PrivateKey key = key_of(seed);
    const DigestContext context(EVP_MD_CTX_new());
    std::string out(64, '\0');
    std::size_t bytes = out.size();
    const bool done =
        EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
        EVP_DigestSign(context.get(), bytes_of(out), &bytes, bytes_of(text), text.size()) == 1;
    MR_ASSERT(done && bytes == out.size());
    return out;
}

std::string public_key_ed25519(std::string_view seed) {
    const PrivateKey key = key_of(seed);
    std::string out(32, '\0');
    std::size_t bytes = out.size();
    MR_ASSERT(EVP_PKEY_get_raw_public_key(key.get(), bytes_of(out), &bytes) == 1);
    return out;
}

bool verify_ed25519(std::string_view public_key, std::string_view text,
                    std::string_view signature) {
    if (public_key.size() != kEd25519SeedBytes || signature.size() != 64) return false;
    const PrivateKey key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr,
                                                     bytes_of(public_key), public_key.size()));
    const DigestContext context(EVP_MD_CTX_new());
    const bool good =
        key && context &&
        EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
        EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(text),
                         text.size()) == 1;
    if (!good) ERR_clear_error();
    return good;
}

}  // namespace millrace::core::crypto
