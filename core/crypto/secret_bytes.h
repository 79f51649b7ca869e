// What: keys: drawn from the system, written and read as base64, and used: AES-256-GCM to seal
//       texts at rest, Ed25519 to sign them. Over OpenSSL.
// Threads: any. Lifetime: none.
// Limits: none of its own.
// Failure: open_sealed and decode_base64 say so; an OpenSSL that can not do its part ends the
//          process.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::core::crypto {

// From the system's source: for keys, where the seam's numbers would be too easy to guess.
std::string random_bytes(std::size_t count);

std::string encode_base64(std::string_view bytes);
// RFC 4648 section 4; padding may be missing. Nothing: it is no base64.
std::optional<std::string> decode_base64(std::string_view text);

inline constexpr std::size_t kSealKeyBytes = 32;

// Nonce, ciphertext and tag. `about` is not in it, and opening asks for the same: what was sealed
// for one place does not open in another.
std::string seal(std::string_view key, std::string_view plain, std::string_view about);
std::optional<std::string> open_sealed(std::string_view key, std::string_view sealed,
                                       std::string_view about);

inline constexpr std::size_t kEd25519SeedBytes = 32;

// 64 bytes.
std::string sign_ed25519(std::string_view seed, std::string_view text);
// 32 bytes.
std::string public_key_ed25519(std::string_view seed);

}  // namespace millrace::core::crypto
