#include "core/crypto/random_bits.h"

#include "core/assert.h"

#include <cerrno>

#include <sys/random.h>

namespace millrace::core::crypto {

void fill_random(std::span<std::uint8_t> out) {
    MR_ASSERT(out.size() <= 256);
    ssize_t got = 0;
    do {
        got = ::getrandom(out.data(), out.size(), 0);
    } while (got < 0 && errno == EINTR);
    MR_ASSERT(got == static_cast<ssize_t>(out.size()));
}

std::string random_bytes(std::size_t count) {
    std::string out(count, '\0');
    fill_random({reinterpret_cast<std::uint8_t*>(out.data()), out.size()});
    return out;
}

}  // namespace millrace::core::crypto
