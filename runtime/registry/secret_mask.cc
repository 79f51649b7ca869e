#include "runtime/registry/secret_mask.h"

#include "core/json_validate.h"
#include "core/json_writer.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {

void HiddenTexts::add_beginning(std::uint16_t key) {
    if (may_begin(key)) return;
    if (beginnings_.empty() && few_.size() < kFewMax) return few_.push_back(key);
    if (beginnings_.empty()) {
        beginnings_.resize(65'536);
        for (const std::uint16_t one : few_) beginnings_[one] = true;
    }
    beginnings_[key] = true;
}

void HiddenTexts::add_one(std::string value) {
    if (value.size() < kHiddenBytesMin) return;
    if (count_ >= kRememberedMax) *this = {};
    const std::uint16_t key = beginning(value);
    add_beginning(key);
    std::vector<std::string>& alike = by_beginning_[key];
    if (std::find(alike.begin(), alike.end(), value) != alike.end()) return;
    const auto longer = [&](const std::string& one) { return one.size() >= value.size(); };
    alike.insert(std::partition_point(alike.begin(), alike.end(), longer), std::move(value));
    ++count_;
}

void HiddenTexts::add(std::string_view value) {
    std::string escaped;
    core::append_json_string(escaped, value);
    add_one(escaped.substr(1, escaped.size() - 2));
    add_one(std::string(value));
}

// How many bytes of a secret stand at the text's beginning.
std::size_t HiddenTexts::found_at(std::string_view text) const {
    if (!may_begin(beginning(text))) [[likely]]
        return 0;
    for (const std::string& value : by_beginning_.at(beginning(text))) {
        if (text.starts_with(value)) return value.size();
    }
    return 0;
}

bool HiddenTexts::hide(std::string& text) const {
    if (count_ == 0 || text.size() < kHiddenBytesMin) return false;
    std::string out;
    std::size_t kept = 0;
    for (std::size_t i = 0; i + kHiddenBytesMin <= text.size();) {
        const std::size_t bytes = found_at(std::string_view(text).substr(i));
        if (bytes == 0) {
            ++i;
            continue;
        }
        out.append(text, kept, i - kept).append("****");
        kept = i += bytes;
    }
    if (kept == 0) return false;
    out.append(text, kept);
    text = std::move(out);
    return true;
}

bool HiddenTexts::hide_in_json(std::string& json, std::string_view instead) const {
    if (!hide(json)) return false;
    // A number that is a secret, or one that goes over the end of a string.
    if (!core::json_validate(json)) json = instead;
    return true;
}

const HiddenTexts& SecretMask::of(const RegistrySnapshot& registry, core::TenantId tenant) {
    if (!seen_.same_as(registry.secrets)) {
        seen_ = registry.secrets;
        seen_.for_each(
            [this](const SecretRef& secret) { tenants_[secret->tenant.value].add(secret->value); });
    }
    return tenants_[tenant.value];
}

void add_webhook_secrets(const WebhookSecrets* secrets, HiddenTexts& to) {
    if (!secrets) return;
    for (std::string_view secret :
         {std::string_view(secrets->current), std::string_view(secrets->previous)}) {
        if (secret.empty()) continue;
        to.add(secret);
        // "whsec_" tells what it is; the key stands behind it.
        if (const std::size_t prefix = secret.find('_'); prefix < 8)
            to.add(secret.substr(prefix + 1));
    }
}

std::shared_ptr<const WebhookSecrets> keep_webhook_secrets(WebhookSecrets secrets) {
    auto hidden = std::make_shared<HiddenTexts>();
    add_webhook_secrets(&secrets, *hidden);
    secrets.hidden = std::move(hidden);
    return std::make_shared<const WebhookSecrets>(std::move(secrets));
}

}  // namespace millrace::runtime
