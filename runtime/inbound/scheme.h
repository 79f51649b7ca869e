// What: the ways in which senders of webhooks sign what they send, and what of a way can be
//       configured.
// Threads: values. Lifetime: none.
// Limits: kSourceSecretsMax live secrets, kHmacTemplateBytesMax.
// Failure: parse functions answer nullopt.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::runtime::inbound {

enum class Scheme : std::uint8_t {
    kGithub,
    kStripe,
    kStandardWebhooks,
    kSlack,
    kShopify,
    kHmac,  // by HmacForm
    kNone,  // nothing is signed: whoever may write events may send
};

inline constexpr std::array<std::pair<std::string_view, Scheme>, 7> kSchemes = {
    {{"github", Scheme::kGithub},
     {"stripe", Scheme::kStripe},
     {"standard-webhooks", Scheme::kStandardWebhooks},
     {"slack", Scheme::kSlack},
     {"shopify", Scheme::kShopify},
     {"hmac", Scheme::kHmac},
     {"none", Scheme::kNone}}};

constexpr std::string_view scheme_text(Scheme scheme) {
    return kSchemes[static_cast<std::size_t>(scheme)].first;
}

enum class Encoding : std::uint8_t { kHex, kBase64 };

inline constexpr std::array<std::pair<std::string_view, Encoding>, 2> kEncodings = {
    {{"hex", Encoding::kHex}, {"base64", Encoding::kBase64}}};

inline constexpr std::size_t kSourceSecretsMax = 8;
inline constexpr std::size_t kSourceSecretBytesMax = 1024;
inline constexpr std::size_t kHmacTemplateBytesMax = 256;
inline constexpr std::size_t kHeaderNameBytesMax = 128;

// HMAC-SHA-256 of a text in a header.
struct HmacForm {
    std::string header;                  // "X-Signature"
    std::string prefix;                  // before the code: "sha256="
    std::string signed_text = "{body}";  // with {body}, {timestamp}
    Encoding encoding = Encoding::kHex;
    std::string timestamp_header;  // seconds since 1970; empty: nothing says when

    bool operator==(const HmacForm&) const = default;
};

// Where a fact about a request stands: in a header, or in the body at a path of members.
struct FactPlace {
    std::string text;  // as it was given: "header:X-Id", "$.data.id"; empty: nowhere
    std::string header;
    std::vector<std::string> path;
};

// False when it is neither form.
bool parse_fact_place(std::string_view text, FactPlace& out);

}  // namespace millrace::runtime::inbound
