#include "io/tls/ticket_keys.h"

#include "core/crypto/random_bits.h"

#include <openssl/crypto.h>

#include <algorithm>

namespace millrace::io {

TicketKeys::~TicketKeys() {
    OPENSSL_cleanse(&current_.key, sizeof current_.key);
    OPENSSL_cleanse(&previous_.key, sizeof previous_.key);
}

void TicketKeys::rotate_when_due() {
    const std::int64_t now_ns = clock_.monotonic_ns();
    const auto over = [now_ns](const Kept& kept, std::int64_t ns) {
        return !kept.made || now_ns - kept.made_ns >= ns;
    };
    if (over(previous_, 2 * kRotateNs)) {
        OPENSSL_cleanse(&previous_.key, sizeof previous_.key);
        previous_.made = false;
    }
    if (!over(current_, kRotateNs)) return;
    if (over(current_, 2 * kRotateNs))
        OPENSSL_cleanse(&current_.key, sizeof current_.key);
    else
        previous_ = current_;
    current_.made = true;
    current_.made_ns = now_ns;
    core::crypto::fill_random(current_.key.name);
    core::crypto::fill_random(current_.key.cipher);
    core::crypto::fill_random(current_.key.mac);
}

TicketKey TicketKeys::current() {
    const std::lock_guard lock(mutex_);
    rotate_when_due();
    return current_.key;
}

std::optional<TicketKeys::Found> TicketKeys::find(std::span<const std::uint8_t> name) {
    const std::lock_guard lock(mutex_);
    rotate_when_due();
    const auto is = [name](const Kept& kept) {
        return kept.made &&
               std::equal(name.begin(), name.end(), kept.key.name.begin(), kept.key.name.end());
    };
    if (is(current_)) return Found{current_.key, false};
    if (is(previous_)) return Found{previous_.key, true};
    return std::nullopt;
}

}  // namespace millrace::io
