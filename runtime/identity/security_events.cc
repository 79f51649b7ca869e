#include "runtime/identity/security_events.h"

namespace millrace::runtime::identity {
namespace {

constexpr std::string_view kKindTexts[] = {
#define X(enumerator, text) text,
    MILLRACE_SECURITY_KINDS(X)
#undef X
};

std::string envelope_of(SecurityKind kind, std::string_view payload, std::uint64_t left_out) {
    std::string text = R"({"pattern":")";
    text += kSecurityPrefix;
    text += kKindTexts[static_cast<std::size_t>(kind)];
    text += R"(","source":{"type":"integration","id":"millrace"},"payload":{)";
    text += payload;
    if (left_out != 0)
        text += (payload.empty() ? "\"leftOut\":" : ",\"leftOut\":") + std::to_string(left_out);
    return text + "}}";
}

// What became of keys is in the audit log by itself.
std::string audit_entry_of(SecurityKind kind, std::string_view payload, std::uint64_t left_out) {
    if (kind == SecurityKind::kKeyCreated || kind == SecurityKind::kKeyRotated ||
        kind == SecurityKind::kKeyRevoked)
        return {};
    std::string text = R"({"action":"refuse","kind":"request","id":null,"outcome":")";
    text += kKindTexts[static_cast<std::size_t>(kind)];
    text += '"';
    if (!payload.empty()) text.append(",").append(payload);
    if (left_out != 0) text += ",\"leftOut\":" + std::to_string(left_out);
    return text + "}";
}

}  // namespace

void SecurityEvents::note(SecurityKind kind, core::TenantId tenant, std::string_view payload,
                          std::int64_t now_ns) {
    const std::lock_guard lock(mutex_);
    const std::pair key(tenant.value, kind);
    if (speakers_.size() >= kSpeakersMax && !speakers_.contains(key)) speakers_.clear();
    Speaker& speaker = speakers_[key];
    speaker.bucket.set_rate(kPerSecond);
    if (waiting_.size() >= kWaitingMax || speaker.bucket.take(now_ns, 1) != 0) {
        ++speaker.left_out;
        return;
    }
    const std::uint64_t left_out = std::exchange(speaker.left_out, 0);
    waiting_.push_back(
        {tenant, envelope_of(kind, payload, left_out), audit_entry_of(kind, payload, left_out)});
}

std::vector<SecurityEvent> SecurityEvents::take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(waiting_, {});
}

}  // namespace millrace::runtime::identity
