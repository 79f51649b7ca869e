// Sources of webhooks as documents: their body, their row.
#include "core/duration.h"
#include "core/json_reader.h"
#include "core/timestamp.h"
#include "runtime/event/own_events.h"
#include "runtime/registry/document_body.h"
#include "runtime/registry/document_kinds.h"
#include "runtime/registry/source.h"

#include <algorithm>
#include <array>
#include <utility>

namespace millrace::runtime {
namespace {

using core::JsonObject;
using core::Presence;
using inbound::Scheme;

constexpr std::string_view kMask = "****";

// A secret as it was shown stands for the one that is held: a source that was read, changed and
// sent back keeps it.
void read_secrets(JsonObject& in, Source& out) {
    std::vector<std::string> given;
    if (!in.text_list("secrets", given, inbound::kSourceSecretsMax)) return;
    std::vector<SourceSecret> held = std::move(out.secrets);
    out.secrets.clear();
    for (const std::string& secret : given) {
        if (!secret.starts_with(kMask)) {
            if (const auto why = inbound::check_secret(out.scheme, secret); !why.empty())
                return in.refuse("secrets", why);
            out.secrets.push_back({secret, 0});
            continue;
        }
        const auto same = std::find_if(held.begin(), held.end(), [&](const SourceSecret& one) {
            return masked_secret(one.value) == secret;
        });
        if (same == held.end())
            return in.refuse("secrets", "names \"" + secret.substr(0, 16) +
                                            "\", which is none of those that it has");
        out.secrets.push_back(std::move(*same));
        held.erase(same);
    }
}

void read_tolerance(JsonObject& in, Source& out) {
    std::string text;
    if (!in.text("tolerance", text, {.bytes_max = 32})) return;
    std::int64_t us = 0;
    if (!core::parse_told_duration_us(text, us) || us < 1'000'000 || us > kSourceToleranceUsMax)
        return in.refuse("tolerance", "is \"" + text + "\"; expected a duration from 1s to 24h");
    out.tolerance_us = us;
}

void read_place(JsonObject& in, std::string_view name, inbound::FactPlace& out) {
    std::string text;
    if (!in.text(name, text, {.bytes_min = 1, .bytes_max = 256})) return;
    if (!inbound::parse_fact_place(text, out))
        in.refuse(name, "is \"" + text.substr(0, 64) +
                            "\"; expected header:NAME or a path of the body as $.data.id");
}

void read_hmac(JsonObject& in, Source& out) {
    if (out.scheme != Scheme::kHmac) out.hmac = {};
    auto inner = in.object("hmac");
    if (!inner) {
        if (out.scheme == Scheme::kHmac && out.hmac.header.empty())
            in.refuse("hmac",
                      "is required by the scheme hmac: {\"header\",\"prefix\",\"template\","
                      "\"encoding\",\"timestampHeader\"}");
        return;
    }
    inbound::HmacForm& form = out.hmac;
    form = {};
    inner->text("header", form.header,
                {.presence = Presence::kRequired,
                 .bytes_min = 1,
                 .bytes_max = inbound::kHeaderNameBytesMax});
    inner->text("prefix", form.prefix, {.bytes_max = 64});
    inner->text("template", form.signed_text,
                {.bytes_min = 1, .bytes_max = inbound::kHmacTemplateBytesMax});
    inner->choice("encoding", form.encoding, inbound::kEncodings);
    inner->text("timestampHeader", form.timestamp_header,
                {.bytes_max = inbound::kHeaderNameBytesMax});
    if (form.signed_text.find("{body}") == std::string::npos)
        inner->refuse("template", "has no {body} in it: what is sent would not be signed");
    if (!form.timestamp_header.empty() && form.signed_text.find("{timestamp}") == std::string::npos)
        inner->refuse("template",
                      "has no {timestamp} in it: a time that is not signed says nothing");
    if (form.timestamp_header.empty() && form.signed_text.find("{timestamp}") != std::string::npos)
        inner->refuse("timestampHeader", "is required: the template has {timestamp} in it");
    (void)inner->finish();
    in.join(*inner);
    if (out.scheme != Scheme::kHmac)
        in.refuse("hmac", "is for the scheme hmac; the others know their own");
}

void read_pattern(JsonObject& in, Source& out) {
    if (!in.text("pattern", out.pattern, {.bytes_max = core::kPatternBytesMax})) return;
    if (is_own_event(out.pattern)) in.refuse("pattern", kOwnEventsText);
    if (out.pattern.starts_with("{"))
        in.refuse("pattern", "begins with \"" + out.pattern.substr(0, 7) +
                                 "\"; give it a beginning of its own, as billing.{kind}");
}

core::Status read(std::string_view body, Source& out) {
    core::JsonDocument document;
    auto in = document.parse_object(body);
    if (!in) return core::fail(std::move(in.error()));
    read_document_names(*in, out.id, out.name);
    in->choice(
        "scheme", out.scheme, inbound::kSchemes,
        out.version == 1 && out.created_at_us == 0 ? Presence::kRequired : Presence::kOptional);
    read_secrets(*in, out);
    read_tolerance(*in, out);
    read_pattern(*in, out);
    read_hmac(*in, out);
    read_place(*in, "idFrom", out.id_from);
    read_place(*in, "kindFrom", out.kind_from);
    in->text("transformScriptId", out.transform_script_id, {.bytes_max = kResourceIdBytesMax});
    in->boolean("active", out.active);
    (void)in->any("expiring");
    (void)in->any("url");
    read_over_server_members(*in);
    if (out.scheme == Scheme::kNone && !out.secrets.empty())
        in->refuse("secrets", "are of no use with the scheme none");
    if (out.scheme != Scheme::kNone && in->ok() && out.secrets.empty())
        in->refuse("secrets", "must hold one at least; what is signed with nothing is not signed");
    return in->finish();
}

void show_hmac(core::JsonWriter& json, const inbound::HmacForm& form) {
    json.key("hmac").begin_object().field("header", form.header).field("prefix", form.prefix);
    json.field("template", form.signed_text);
    json.field("encoding", inbound::kEncodings[static_cast<std::size_t>(form.encoding)].first);
    if (!form.timestamp_header.empty()) json.field("timestampHeader", form.timestamp_header);
    json.end_object();
}

std::string show(const Source& source) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("id", source.id).field("name", source.name);
    json.field("scheme", inbound::scheme_text(source.scheme)).key("secrets").begin_array();
    for (const SourceSecret& secret : source.secrets) json.value(masked_secret(secret.value));
    json.end_array().key("expiring").begin_array();
    for (const SourceSecret& secret : source.secrets) {
        if (secret.expires_at_us == 0) continue;
        json.begin_object().field("secret", masked_secret(secret.value));
        json.field("expiresAt", core::format_timestamp(secret.expires_at_us)).end_object();
    }
    json.end_array().field("tolerance", core::format_duration(source.tolerance_us));
    if (!source.pattern.empty()) json.field("pattern", source.pattern);
    if (source.scheme == Scheme::kHmac) show_hmac(json, source.hmac);
    if (!source.id_from.text.empty()) json.field("idFrom", source.id_from.text);
    if (!source.kind_from.text.empty()) json.field("kindFrom", source.kind_from.text);
    if (!source.transform_script_id.empty())
        json.field("transformScriptId", source.transform_script_id);
    json.field("active", source.active).field("url", "/v2/webhooks/" + source.id);
    append_document_times(json, source.version, source.created_at_us, source.updated_at_us);
    json.end_object();
    return out;
}

void write_row(core::JsonWriter& json, const Source& source) {
    json.key("secretsHeld").begin_array();
    for (const SourceSecret& secret : source.secrets) {
        json.begin_object().field("value", secret.value);
        json.field("expiresAtUs", secret.expires_at_us).end_object();
    }
    json.end_array();
}

void read_row(JsonObject& row, Source& out) {
    core::JsonArray secrets;
    if (const auto held = row.any("secretsHeld"); held && held->get(secrets)) {
        for (const core::JsonElement item : secrets) {
            core::JsonElement value, expires;
            std::string_view text;
            SourceSecret secret;
            if (item.find("value", value) && value.get(text)) secret.value = text;
            if (item.find("expiresAtUs", expires)) (void)expires.get(secret.expires_at_us);
            if (secret.value.empty()) row.refuse("secretsHeld", "is damaged");
            out.secrets.push_back(std::move(secret));
        }
    }
}

void references(const Source& source, const VisitReference& visit) {
    if (!source.transform_script_id.empty())
        visit({"script", source.transform_script_id, "transformScriptId",
               source.transform_script.value});
}

constexpr DocumentKind<Source> kSourceKind = {
    .name = "source",
    .id_prefix = "src_",
    .documents_max = kSourcesMax,  // as it is shown: secrets masked
    .made_id = MadeId::kName,
    .read = read,
    .show = show,
    .carry =
        [](const Source& old, Source& next) {
            next.secrets = old.secrets;
            next.created_at_us = old.created_at_us;
        },
    .write_row = write_row,
    .read_row = read_row,
    .references = references,
    .link = [](const DocumentReference& found,
               Source& next) { next.transform_script = ScriptNumber(found.number); },
};

}  // namespace

std::string masked_secret(std::string_view secret) {
    constexpr std::size_t kLongEnough = 12;
    std::string out(kMask);
    if (secret.size() >= kLongEnough) out += secret.substr(secret.size() - 4);
    return out;
}

template <>
const DocumentKind<Source>& document_kind<Source>() {
    return kSourceKind;
}

}  // namespace millrace::runtime
