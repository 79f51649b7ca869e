// What: bits that nobody can foresee, for keys: from the kernel (getrandom). Everything else draws
//       from core::Random, which a test can repeat.
// Threads: any. Lifetime: none. Limits: 256 bytes a call.
// Failure: a kernel that gives none ends the process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace millrace::core::crypto {

void fill_random(std::span<std::uint8_t> out);
std::string random_bytes(std::size_t count);

}  // namespace millrace::core::crypto
