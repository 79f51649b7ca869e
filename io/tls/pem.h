// What: certificates and keys out of PEM texts.
// Threads: any. Lifetime: none. Limits: the caller's.
// Failure: nothing; the reason stands in OpenSSL's queue of the thread.
#pragma once

#include "io/tls/openssl_ptr.h"

#include <string_view>
#include <vector>

namespace millrace::io {

// All of them in their order; none when one is broken.
std::vector<openssl::Certificate> parse_certificates(std::string_view pem);
// Null: none, or one with a passphrase, which nobody is there to type.
openssl::PrivateKey parse_private_key(std::string_view pem);

}  // namespace millrace::io
