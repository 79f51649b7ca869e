#include "runtime/inbound/signature.h"

#include "core/base64.h"
#include "core/crypto/constant_time.h"
#include "core/crypto/digest.h"
#include "core/crypto/secret_bytes.h"
#include "core/hex.h"
#include "core/listed.h"
#include "io/http_head.h"

#include <charconv>
#include <utility>

namespace millrace::runtime::inbound {

namespace {

constexpr std::string_view kMissing = "the signature's header is missing";
constexpr std::string_view kTwice = "a header that counts came twice";
constexpr std::string_view kMalformed = "the signature's header is malformed";
constexpr std::string_view kNoTime = "no time is given, or it is no count of seconds";
constexpr std::string_view kStale = "its time is further from now than the tolerance";
constexpr std::string_view kWrong = "no signature fits any secret";
constexpr std::string_view kNoSecret = "the source has no live secret";

const HmacForm& form_of(const SignatureRules& rules) {
    static const HmacForm github{"X-Hub-Signature-256", "sha256=", "{body}", Encoding::kHex, {}};
    static const HmacForm shopify{"X-Shopify-Hmac-SHA256", "", "{body}", Encoding::kBase64, {}};
    static const HmacForm slack{"X-Slack-Signature", "v0=", "v0:{timestamp}:{body}", Encoding::kHex,
                                "X-Slack-Request-Timestamp"};
    static const HmacForm stripe{"Stripe-Signature", "", "{timestamp}.{body}", Encoding::kHex, "t"};
    static const HmacForm standard{"webhook-signature", "", "{id}.{timestamp}.{body}",
                                   Encoding::kBase64, "webhook-timestamp"};
    switch (rules.scheme) {
        case Scheme::kGithub: return github;
        case Scheme::kShopify: return shopify;
        case Scheme::kSlack: return slack;
        case Scheme::kStripe: return stripe;
        case Scheme::kStandardWebhooks: return standard;
        default: return *rules.form;
    }
}

bool add(Claims& claims, std::string_view signature) {
    if (signature.empty() || claims.signature_count == kSignaturesMax) return false;
    claims.signatures[claims.signature_count++] = signature;
    return true;
}

// "t=1492774577,v1=5257a8...,v0=...": one t, any number of v1; others are passed over.
bool read_stripe(std::string_view value, Claims& out) {
    bool times = true;
    const bool read = core::each_listed(value, [&](std::string_view item) {
        if (item.starts_with("t=")) {
            times = times && out.timestamp.empty();
            out.timestamp = item.substr(2);
        } else if (item.starts_with("v1=")) {
            return add(out, item.substr(3));
        }
        return true;
    });
    return read && times;
}

// "v1,K5oZ... v1a,hnO3...": versions that are not understood are passed over.
bool read_standard(std::string_view value, Claims& out) {
    const auto take = [&](std::string_view item) {
        if (item.starts_with("v1a,")) {
            if (item.size() == 4 || out.v1a_count == kSignaturesMax) return false;
            out.v1a[out.v1a_count++] = item.substr(4);
            return true;
        }
        return !item.starts_with("v1,") || add(out, item.substr(3));
    };
    return core::each_listed(value, take, ' ');
}

std::string encoded(const core::crypto::Digest& digest, Encoding encoding) {
    std::string out;
    if (encoding == Encoding::kHex)
        core::append_hex(out, digest);
    else
        core::append_base64(out, {reinterpret_cast<const char*>(digest.data()), digest.size()});
    return out;
}

// The text that is signed.
std::string signed_text(std::string_view form, const Claims& claims, std::string_view body) {
    std::string out;
    out.reserve(form.size() + claims.id.size() + claims.timestamp.size() + body.size());
    while (!form.empty()) {
        const auto take = [&](std::string_view mark, std::string_view value) {
            if (!form.starts_with(mark)) return false;
            out += value;
            form.remove_prefix(mark.size());
            return true;
        };
        if (take("{body}", body) || take("{timestamp}", claims.timestamp) ||
            take("{id}", claims.id))
            continue;
        out += form.front();
        form.remove_prefix(1);
    }
    return out;
}

// What stands in the place of a secret where the sender signs with a key of its own (v1a).
constexpr std::string_view kPublicKeyPrefix = "whpk_";

bool is_public_key(Scheme scheme, std::string_view secret) {
    return scheme == Scheme::kStandardWebhooks && secret.starts_with(kPublicKeyPrefix);
}

std::string public_key_of(std::string_view secret) {
    return core::decode_base64(secret.substr(kPublicKeyPrefix.size()),
                               core::Base64Form::kPaddingOrNone)
        .value_or("");
}

bool fits_v1a(std::string_view secret, const Claims& claims, std::string_view text) {
    const std::string key = public_key_of(secret);
    bool good = false;
    for (std::size_t i = 0; i < claims.v1a_count; ++i) {
        const auto signature = core::decode_base64(claims.v1a[i], core::Base64Form::kPaddingOrNone);
        good |= signature && core::crypto::verify_ed25519(key, text, *signature);
    }
    return good;
}

std::string key_of(Scheme scheme, std::string_view secret) {
    if (scheme != Scheme::kStandardWebhooks) return std::string(secret);
    if (secret.starts_with("whsec_")) secret.remove_prefix(6);
    return core::decode_base64(secret, core::Base64Form::kPaddingOrNone).value_or("");
}

bool read_seconds(std::string_view text, std::int64_t& seconds) {
    constexpr std::size_t kDigitsMax = 12;
    if (text.empty() || text.size() > kDigitsMax) return false;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    return error == std::errc() && end == text.data() + text.size() && seconds >= 0;
}

// Any letter case of hexadecimal digits is the same code.
bool same_code(std::string_view given, const std::string& expected, Encoding encoding) {
    if (encoding == Encoding::kBase64) return core::crypto::constant_time_equal(given, expected);
    std::string lower(given);
    for (char& c : lower) c = c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c;
    return core::crypto::constant_time_equal(lower, expected);
}

std::string_view read_time(const SignatureRules& rules, std::string_view name,
                           std::span<const io::HeaderField> headers, Claims& out) {
    std::size_t count = 0;
    if (!name.empty() && rules.scheme != Scheme::kStripe)
        out.timestamp = header_once(headers, name, count);
    return count > 1 ? kTwice : std::string_view{};
}

}  // namespace

bool parse_fact_place(std::string_view text, FactPlace& out) {
    constexpr std::string_view kHeader = "header:";
    out = {};
    out.text = text;
    if (text.starts_with(kHeader)) {
        out.header = text.substr(kHeader.size());
        return !out.header.empty() && out.header.size() <= kHeaderNameBytesMax;
    }
    if (!text.starts_with("$.") || text.ends_with('.')) return false;
    const auto take = [&](std::string_view name) {
        out.path.emplace_back(name);
        return !name.empty() && out.path.size() <= 8;
    };
    return core::each_listed(text.substr(2), take, '.');
}

std::string_view header_once(std::span<const io::HeaderField> headers, std::string_view name,
                             std::size_t& count) {
    std::string_view value;
    for (const io::HeaderField& header : headers) {
        if (!io::equals_ignore_case(header.name, name)) continue;
        if (count++ == 0) value = header.value;
    }
    return value;
}

std::string_view read_claims(const SignatureRules& rules, std::span<const io::HeaderField> headers,
                             Claims& out) {
    out = {};
    if (rules.scheme == Scheme::kNone) return {};
    const HmacForm& form = form_of(rules);
    std::size_t count = 0;
    const std::string_view value = header_once(headers, form.header, count);
    if (count == 0 || value.empty()) return kMissing;
    if (count > 1) return kTwice;
    if (const auto why = read_time(rules, form.timestamp_header, headers, out); !why.empty())
        return why;
    if (rules.scheme == Scheme::kStripe) return read_stripe(value, out) ? "" : kMalformed;
    if (rules.scheme == Scheme::kStandardWebhooks) {
        std::size_t ids = 0;
        out.id = header_once(headers, "webhook-id", ids);
        if (ids > 1) return kTwice;
        if (out.id.empty()) return "the header webhook-id is missing";
        return read_standard(value, out) ? "" : kMalformed;
    }
    if (!value.starts_with(form.prefix)) return kMalformed;
    return add(out, value.substr(form.prefix.size())) ? "" : kMalformed;
}

Verdict verify(const SignatureRules& rules, std::span<const std::string_view> secrets,
               const Incoming& request, std::int64_t now_us) {
    if (rules.scheme == Scheme::kNone) return {.good = true, .why = {}};
    Claims claims;
    if (const auto why = read_claims(rules, request.headers, claims); !why.empty())
        return {.good = false, .why = why};
    if (claims.signature_count + claims.v1a_count == 0) return {.good = false, .why = kMalformed};
    const HmacForm& form = form_of(rules);
    if (!form.timestamp_header.empty()) {
        std::int64_t seconds = 0;
        if (!read_seconds(claims.timestamp, seconds)) return {.good = false, .why = kNoTime};
        const std::int64_t away_us = now_us - seconds * 1'000'000;
        if (away_us > rules.tolerance_us || away_us < -rules.tolerance_us)
            return {.good = false, .why = kStale};
    }
    if (secrets.empty()) return {.good = false, .why = kNoSecret};
    const std::string text = signed_text(form.signed_text, claims, request.body);
    bool good = false;
    for (const std::string_view secret : secrets) {
        if (is_public_key(rules.scheme, secret)) {
            good |= fits_v1a(secret, claims, text);
            continue;
        }
        const std::string key = key_of(rules.scheme, secret);
        if (key.empty()) continue;
        const std::string expected = encoded(core::crypto::hmac_sha256(key, text), form.encoding);
        for (std::size_t i = 0; i < claims.signature_count; ++i)
            good |= same_code(claims.signatures[i], expected, form.encoding);
    }
    return {.good = good, .why = good ? std::string_view{} : kWrong};
}

std::array<std::pair<std::string, std::string>, 3> sign(const SignatureRules& rules,
                                                        std::string_view secret,
                                                        std::string_view id, std::string_view body,
                                                        std::int64_t now_us) {
    if (rules.scheme == Scheme::kNone || is_public_key(rules.scheme, secret)) return {};
    const HmacForm& form = form_of(rules);
    const std::string seconds = std::to_string(now_us / 1'000'000);
    Claims claims;
    claims.timestamp = seconds;
    claims.id = id;
    const std::string code =
        encoded(core::crypto::hmac_sha256(key_of(rules.scheme, secret),
                                          signed_text(form.signed_text, claims, body)),
                form.encoding);
    if (rules.scheme == Scheme::kStripe)
        return {{{form.header, "t=" + seconds + ",v1=" + code}, {}, {}}};
    if (rules.scheme == Scheme::kStandardWebhooks)
        return {{{form.header, "v1," + code},
                 {form.timestamp_header, seconds},
                 {"webhook-id", std::string(id)}}};
    std::array<std::pair<std::string, std::string>, 3> out{{{form.header, form.prefix + code}}};
    if (!form.timestamp_header.empty()) out[1] = {form.timestamp_header, seconds};
    return out;
}

std::string_view check_secret(Scheme scheme, std::string_view secret) {
    if (secret.empty()) return "holds an empty secret";
    if (secret.size() > kSourceSecretBytesMax) return "holds a secret of more than 1024 bytes";
    if (is_public_key(scheme, secret)) {
        if (public_key_of(secret).size() == core::crypto::kEd25519SeedBytes) return {};
        return "holds a public key that is not 32 bytes in base64 behind \"whpk_\"";
    }
    if (scheme == Scheme::kStandardWebhooks && key_of(scheme, secret).empty())
        return "holds a secret that is no base64 behind \"whsec_\", as Standard Webhooks has it";
    return {};
}

}  // namespace millrace::runtime::inbound
