// What: is a webhook from whom it says? Reads what a request claims (signatures, time, id) and
//       holds it against the secrets, by the scheme's own rules, over the body's bytes as they came
//       (a Content-Encoding undone).
// Threads: pure, but for OpenSSL's contexts, which each thread has of its own.
// Lifetime: claims are views of the headers.
// Limits: kSignaturesMax signatures a request; a header that counts may come once.
// Failure: Verdict::why says what is wrong, for the source's owner; a sender is not told.
#pragma once

#include "io/http_types.h"
#include "runtime/inbound/scheme.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace millrace::runtime::inbound {

inline constexpr std::size_t kSignaturesMax = 16;

struct Incoming {
    std::span<const io::HeaderField> headers;
    std::string_view content_type;
    std::string_view body;
};

struct SignatureRules {
    Scheme scheme = Scheme::kNone;
    const HmacForm* form = nullptr;  // kHmac
    std::int64_t tolerance_us = 300'000'000;
};

// What the headers say, before anything of it is believed.
struct Claims {
    std::string_view timestamp;  // empty: none
    std::string_view id;
    std::array<std::string_view, kSignaturesMax> signatures{};  // encoded, without prefix
    std::size_t signature_count = 0;
    std::array<std::string_view, kSignaturesMax> v1a{};  // standard-webhooks: those of Ed25519
    std::size_t v1a_count = 0;
};

// An empty answer: they are read; else what is wrong.
std::string_view read_claims(const SignatureRules& rules, std::span<const io::HeaderField> headers,
                             Claims& out);

struct Verdict {
    bool good = false;
    std::string_view why;  // a constant
};

Verdict verify(const SignatureRules& rules, std::span<const std::string_view> secrets,
               const Incoming& request, std::int64_t now_us);

// The headers a sender would put there, as "name", "value": for a try call. None where the sender's
// key is its own (a public key in the secret's place).
std::array<std::pair<std::string, std::string>, 3> sign(const SignatureRules& rules,
                                                        std::string_view secret,
                                                        std::string_view id, std::string_view body,
                                                        std::int64_t now_us);

// Why a secret can not be one of this scheme; empty: it can.
std::string_view check_secret(Scheme scheme, std::string_view secret);

// The one value of a header; `count` is how often it came.
std::string_view header_once(std::span<const io::HeaderField> headers, std::string_view name,
                             std::size_t& count);

}  // namespace millrace::runtime::inbound
