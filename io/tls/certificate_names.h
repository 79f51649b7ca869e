// What: the names that a certificate gives its owner (subject alternative names), as "DNS:name" in
//       lower case, "URI:text", "email:text", "IP:text"; and the same form read from a document.
// Threads: pure. Lifetime: none. Limits: kCertificateNamesMax of a certificate; names with a byte
//       that is no printable ASCII are left out: a name cut short by one would be another's.
// Failure: certificate_name() says nullopt.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct x509_st;

namespace millrace::io {

inline constexpr std::size_t kCertificateNamesMax = 32;
inline constexpr std::size_t kCertificateNameBytesMax = 512;

std::vector<std::string> names_of(const x509_st* certificate);
// As names_of() would write it; nullopt: no certificate can have that name.
std::optional<std::string> certificate_name(std::string_view text);

}  // namespace millrace::io
