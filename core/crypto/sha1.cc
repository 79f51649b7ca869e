#include "core/crypto/sha1.h"

#include "core/assert.h"

#include <openssl/evp.h>

namespace millrace::core::crypto {

std::array<std::uint8_t, 20> sha1(std::string_view text) {
    std::array<std::uint8_t, 20> out{};
    unsigned int bytes = 0;
    MR_ASSERT(EVP_Digest(text.data(), text.size(), out.data(), &bytes, EVP_sha1(), nullptr) == 1 &&
              bytes == out.size());
    return out;
}

}  // namespace millrace::core::crypto
