#include "runtime/executors/webhook_signature.h"

#include "core/base64.h"
#include "core/crypto/digest.h"
#include "core/crypto/secret_bytes.h"
#include "runtime/registry/executor_body.h"

namespace millrace::runtime {

std::string webhook_signature(const SignedText& text, std::string_view secret,
                              WebhookSigning signing) {
    const auto key = read_webhook_secret(secret, signing);
    if (!key) return {};
    std::string whole(text.id);
    whole.append(".").append(std::to_string(text.at_seconds)).append(".").append(text.body);
    if (signing == WebhookSigning::kEd25519)
        return "v1a," + core::encode_base64(core::crypto::sign_ed25519(*key, whole));
    const core::crypto::Digest digest = core::crypto::hmac_sha256(*key, whole);
    return "v1," +
           core::encode_base64({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

std::string webhook_signatures(const SignedText& text, const WebhookSecrets& secrets,
                               WebhookSigning signing, std::int64_t now_us) {
    std::string out = webhook_signature(text, secrets.current, signing);
    if (!secrets.previous.empty() && now_us < secrets.previous_until_us) {
        const std::string old = webhook_signature(text, secrets.previous, signing);
        if (!old.empty()) out += " " + old;
    }
    return out;
}

}  // namespace millrace::runtime
