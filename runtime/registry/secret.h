// What: a secret: a text that handlers may ask for by name and that nobody is ever shown.
// Threads: immutable once the registry has published it. Lifetime: shared.
// Limits: kSecretValueBytesMax, kSecretsMax of a tenant, kSecretVersionsMax versions of each.
// Failure: none here.
#pragma once

#include "core/ids.h"

#include <cstddef>
#include <cstdint>
#include <string>

namespace millrace::runtime {

using SecretNumber = core::StrongInt<struct SecretNumberTag, std::uint32_t>;

inline constexpr std::size_t kSecretValueBytesMax = 64u << 10;
inline constexpr std::size_t kSecretsMax = 10'000;
inline constexpr std::size_t kSecretVersionsMax = 10;

struct Secret {
    SecretNumber number;
    core::TenantId tenant;
    std::uint32_t version = 1;  // grows by one with each change
    std::string id;
    std::string name;
    std::string value;  // in the row and in handlers' hands; in no answer, log or audit entry
    std::int64_t created_at_us = 0;
    std::int64_t updated_at_us = 0;
};

}  // namespace millrace::runtime
