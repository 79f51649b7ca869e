// What: what keys do: AES-256-GCM to seal
//       texts at rest, Ed25519 to sign them and to
//       believe others who do. Over OpenSSL.
// Threads: any. Lifetime: none.
// Limits: none of its own.
// Failure: open_sealed says so; an OpenSSL that can not do its part ends the
//          process.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::core::crypto {

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
// False also for a key or a signature of another length.
bool verify_ed25519(std::string_view public_key, std::string_view text, std::string_view signature);

}  // namespace millrace::core::crypto
