#include "runtime/registry/secret.h"

#include "core/timestamp.h"
#include "runtime/registry/document_body.h"
#include "runtime/registry/document_kinds.h"

namespace millrace::runtime {
namespace {

core::Status read(std::string_view body, Secret& out) {
    core::JsonDocument document;
    auto in = document.parse_object(body);
    if (!in) return core::fail(std::move(in.error()));
    read_document_names(*in, out.id, out.name);
    const auto presence = out.value.empty() ? core::Presence::kRequired : core::Presence::kOptional;
    in->text("value", out.value,
             {.presence = presence, .bytes_min = 1, .bytes_max = kSecretValueBytesMax});
    read_over_server_members(*in);
    return in->finish();
}

std::string show(const Secret& secret) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("id", secret.id).field("name", secret.name);
    append_document_times(json, secret.version, secret.created_at_us, secret.updated_at_us);
    json.end_object();
    return out;
}

constexpr core::TextRules kAnyValue{.presence = core::Presence::kRequired,
                                    .bytes_max = kSecretValueBytesMax};

constexpr DocumentKind<Secret> kSecretKind = {
    .name = "secret",
    .id_prefix = "sec_",
    .documents_max = kSecretsMax,
    .versions_kept = kSecretVersionsMax,  // as it is shown: without the value
    .made_id = MadeId::kName,
    .read = read,
    .show = show,
    .carry = [](const Secret& old, Secret& next) { next.value = old.value; },
    .write_row = [](core::JsonWriter& json,
                    const Secret& secret) { json.field("value", secret.value); },
    .read_row = [](core::JsonObject& row, Secret& out) { row.text("value", out.value, kAnyValue); },
};

}  // namespace

template <>
const DocumentKind<Secret>& document_kind<Secret>() {
    return kSecretKind;
}

}  // namespace millrace::runtime
