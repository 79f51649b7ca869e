// What: a source of webhooks: how what it sends is verified, and what event comes of it.
// Threads: immutable once the registry has published it. Lifetime: shared.
// Limits: kSourcesMax of a tenant; inbound::kSourceSecretsMax secrets of each.
// Failure: none here.
#pragma once

#include "core/ids.h"
#include "runtime/inbound/hook_event.h"
#include "runtime/inbound/scheme.h"
#include "runtime/inbound/signature.h"
#include "runtime/registry/registry_types.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

using SourceNumber = core::StrongInt<struct SourceNumberTag, std::uint32_t>;

inline constexpr std::size_t kSourcesMax = 1000;
inline constexpr std::int64_t kSourceToleranceUsDefault = 300'000'000;
inline constexpr std::int64_t kSourceToleranceUsMax = 86'400'000'000;

struct SourceSecret {
    std::string value;
    std::int64_t expires_at_us = 0;  // 0: it does not

    bool live(std::int64_t now_us) const { return expires_at_us == 0 || now_us < expires_at_us; }
};

struct Source {
    SourceNumber number;
    core::TenantId tenant;
    std::uint32_t version = 1;  // grows by one with each change
    std::string id;
    std::string name;
    inbound::Scheme scheme = inbound::Scheme::kNone;
    std::vector<SourceSecret> secrets;  // newest first; in no answer, log or audit entry
    std::int64_t tolerance_us = kSourceToleranceUsDefault;
    std::string pattern;  // empty: webhook.<id>.{kind}
    inbound::HmacForm hmac;
    inbound::FactPlace id_from, kind_from;
    std::string transform_script_id;
    ScriptNumber transform_script;
    bool active = true;
    std::int64_t created_at_us = 0;
    std::int64_t updated_at_us = 0;

    inbound::SignatureRules rules() const {
        return {.scheme = scheme, .form = &hmac, .tolerance_us = tolerance_us};
    }
    inbound::EventForm event_form() const {
        return {.source_id = id,
                .scheme = scheme,
                .pattern = pattern,
                .id_from = id_from.text.empty() ? nullptr : &id_from,
                .kind_from = kind_from.text.empty() ? nullptr : &kind_from};
    }
    std::vector<std::string_view> live_secrets(std::int64_t now_us) const {
        std::vector<std::string_view> live;
        for (const SourceSecret& secret : secrets) {
            if (secret.live(now_us)) live.push_back(secret.value);
        }
        return live;
    }
};

// What is shown of a secret: "****" and its last four bytes, of one that is long enough.
std::string masked_secret(std::string_view secret);

}  // namespace millrace::runtime
