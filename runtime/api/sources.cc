// /v2/sources: what is special about sources of webhooks: secrets that the server makes, rotation,
// what came, and a try.
#include "core/base64.h"
#include "core/duration.h"
#include "core/json_writer.h"
#include "runtime/api/documents.h"
#include "runtime/api/handlers.h"
#include "runtime/inbound/hook_transform.h"

#include <memory>
#include <utility>

namespace millrace::runtime::api {
namespace {

using inbound::Scheme;

constexpr std::int64_t kOverlapUsDefault = 86'400'000'000;
constexpr std::int64_t kOverlapUsMax = 30LL * 86'400'000'000;

// 256 bits, in the form that the scheme's senders have them in.
std::string make_secret(Scheme scheme, core::Random& random) {
    std::string bytes;
    for (int word = 0; word < 4; ++word) {
        const std::uint64_t value = random.next();
        for (unsigned byte = 0; byte < 8; ++byte)
            bytes += static_cast<char>(value >> (8 * byte) & 0xFF);
    }
    std::string text = scheme == Scheme::kStandardWebhooks ? "whsec_" : "";
    core::append_base64(text, bytes);
    return text;
}

// The document as it is shown, and a secret that is never shown again.
void show_secret(ApiResponse& response, const std::string& secret) {
    std::string member = ",\"secret\":";
    core::append_json_string(member, secret);
    response.body.insert(response.body.size() - 1, member);
}

struct Rotation {
    std::string secret;
    bool made = false;
    std::int64_t overlap_us = kOverlapUsDefault;
};

core::Result<Rotation> read_rotation(Call& call, Scheme scheme) {
    Rotation out;
    if (!call.request.body_view().empty()) {
        core::JsonDocument document;
        auto in = document.parse_object(call.request.body_view());
        if (!in) return core::fail(std::move(in.error()));
        std::string overlap;
        in->text("secret", out.secret, {.bytes_min = 1});
        if (in->text("overlap", overlap, {.bytes_max = 32}) && overlap != "0" &&
            (!core::parse_told_duration_us(overlap, out.overlap_us) ||
             out.overlap_us > kOverlapUsMax))
            in->refuse("overlap", "is \"" + overlap + "\"; expected a duration up to 30d");
        if (overlap == "0") out.overlap_us = 0;
        if (!out.secret.empty()) {
            if (const auto why = inbound::check_secret(scheme, out.secret); !why.empty())
                in->refuse("secret", why);
        }
        if (auto status = in->finish(); !status) return core::fail(status.error());
    }
    if (out.secret.empty()) {
        out.secret = make_secret(scheme, call.services.random());
        out.made = true;
    }
    return out;
}

// The old ones end after the overlap, if not earlier; those that have ended leave.
core::Status rotate(const Rotation& rotation, std::int64_t now_us, Source& next) {
    const std::int64_t end_us = now_us + rotation.overlap_us;
    std::erase_if(next.secrets, [&](const SourceSecret& old) {
        return rotation.overlap_us == 0 || !old.live(now_us);
    });
    for (SourceSecret& old : next.secrets) {
        if (old.expires_at_us == 0 || old.expires_at_us > end_us) old.expires_at_us = end_us;
    }
    next.secrets.insert(next.secrets.begin(), {rotation.secret, 0});
    if (next.secrets.size() > inbound::kSourceSecretsMax)
        return core::fail(core::Error(core::ErrorCode::kConflict,
                                      "secrets: there are " +
                                          std::to_string(inbound::kSourceSecretsMax) +
                                          " that still live, the most there may be; rotate with a "
                                          "shorter overlap")
                              .bound(inbound::kSourceSecretsMax));
    return {};
}

// A request as a sender would make it: {"headers":{},"contentType","body":text or JSON,"sign"}.
struct Trial {
    std::vector<std::pair<std::string, std::string>> headers;
    std::string content_type = "application/json";
    std::string body;
    bool sign = false;
};

core::Result<Trial> read_trial(std::string_view text) {
    core::JsonDocument document;
    auto in = document.parse_object(text);
    if (!in) return core::fail(std::move(in.error()));
    Trial out;
    core::JsonMembers headers;
    if (const auto given = in->any("headers"); given && given->get(headers)) {
        for (const core::JsonMember header : headers) {
            std::string_view value;
            if (!header.value.get(value))
                in->refuse("headers", "must hold texts");
            else
                out.headers.emplace_back(header.key, value);
        }
    } else if (given) {
        in->refuse("headers", "must be an object");
    }
    in->text("contentType", out.content_type, {.bytes_max = 256});
    if (const auto body = in->any("body")) {
        std::string_view plain;
        if (body->get(plain))
            out.body = plain;
        else
            core::append_json(out.body, *body);
    }
    in->boolean("sign", out.sign);
    if (auto status = in->finish(); !status) return core::fail(status.error());
    return out;
}

// With the first secret that can: a sender's public key can not.
void sign_trial(const Source& source, std::int64_t now_us, Trial& trial) {
    for (const std::string_view secret : source.live_secrets(now_us)) {
        const std::size_t before = trial.headers.size();
        for (auto& [name, value] :
             inbound::sign(source.rules(), secret, "msg_test", trial.body, now_us)) {
            if (!name.empty()) trial.headers.emplace_back(name, value);
        }
        if (trial.headers.size() > before) return;
    }
}

struct TrialAnswer {
    inbound::Verdict verdict;
    std::string event, transformed, why;
};

ApiResponse trial_response(const TrialAnswer& trial) {
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().field("verified", trial.verdict.good);
    json.field_or_null("reason", trial.verdict.good ? trial.why : trial.verdict.why);
    json.raw_field("event", trial.event.empty() ? "null" : trial.event);
    if (!trial.transformed.empty()) json.raw_field("transformed", trial.transformed);
    json.end_object();
    return json_response(200, std::move(body));
}

}  // namespace

// Without secrets the server makes one, which its answer shows.
Answer create_source(Call& call) {
    core::JsonDocument document;
    auto in = document.parse_object(call.request.body_view());
    if (!in) return core::fail(std::move(in.error()));
    Scheme scheme = Scheme::kNone;
    in->choice("scheme", scheme, inbound::kSchemes, core::Presence::kRequired);
    if (!in->ok()) return core::fail(in->finish().error());
    if (in->any("secrets") || scheme == Scheme::kNone) return create_document<Source>(call);
    const std::string secret = make_secret(scheme, call.services.random());
    std::string patch = "{\"secrets\":[";
    core::append_json_string(patch, secret);
    const auto body = core::json_merge_patch(call.request.body_view(), patch + "]}");
    if (!body) return core::fail(body.error());
    auto answer = create_document_of<Source>(call, *body);
    if (answer) show_secret(*answer, secret);
    return answer;
}

Answer rotate_source(Call& call) {
    const std::string_view id = call.request.param("id");
    auto& table = call.services.registry().table<Source>();
    const auto source = table.find(call.tenant(), id);
    if (!source) return not_found("source", id);
    if (source->scheme == Scheme::kNone)
        return core::fail(core::ErrorCode::kConflict, "a source of the scheme none has no secret");
    const auto rotation = read_rotation(call, source->scheme);
    if (!rotation) return core::fail(rotation.error());
    const std::int64_t now_us = call.services.clock().wall_us();
    auto answer =
        changed<Source>(call,
                        table.amend(change_context(call), id, "rotate",
                                    [&](Source& next) { return rotate(*rotation, now_us, next); }),
                        200);
    if (answer && rotation->made) show_secret(*answer, rotation->secret);
    return answer;
}

Answer list_source_deliveries(Call& call) {
    const std::string_view id = call.request.param("id");
    const auto entries = call.services.sources().find(id, call.tenant());
    if (entries.empty()) return not_found("source", id);
    const auto limit = call.limit();
    if (!limit) return core::fail(limit.error());
    const auto before = call.number_cursor();
    if (!before) return core::fail(before.error());
    auto found = entries.front().ring->list(*before, *limit + 1);
    const bool more = found.size() > *limit;
    if (more) found.pop_back();
    ListBody body;
    for (const inbound::HookDelivery& one : found) {
        core::JsonWriter& json = body.json();
        json.begin_object();
        time_field(json, "at", one.at_us).field("outcome", one.outcome);
        json.field("status", one.status).field_or_null("reason", one.reason);
        json.field_or_null("deliveryId", one.delivery_id).field_or_null("kind", one.kind);
        json.field_or_null("eventId", one.event_id).field("bytes", one.bytes).end_object();
    }
    return body.finish(more ? encode_key_cursor(std::to_string(found.back().number)) : "");
}

void test_source(Call& call, const Respond& respond) {
    const std::string_view id = call.request.param("id");
    const auto source = call.services.registry().table<Source>().find(call.tenant(), id);
    if (!source) return respond(error_response(not_found("source", id).value()));
    auto trial = read_trial(call.request.body_view());
    if (!trial) return respond(error_response(trial.error()));
    const std::int64_t now_us = call.services.clock().wall_us();
    if (trial->sign) sign_trial(*source, now_us, *trial);
    std::vector<io::HeaderField> headers;
    for (const auto& [name, value] : trial->headers) headers.push_back({name, value});
    const inbound::Incoming request{
        .headers = headers, .content_type = trial->content_type, .body = trial->body};
    auto answer = std::make_shared<TrialAnswer>();
    answer->verdict =
        inbound::verify(source->rules(), source->live_secrets(now_us), request, now_us);
    inbound::HookEvent event;
    if (auto made = inbound::make_hook_event(source->event_form(), request, event); !made) {
        answer->why = made.error().message;
        return respond(trial_response(*answer));
    }
    answer->event = event.text;
    if (source->transform_script_id.empty() || event.text.empty() || !answer->verdict.good)
        return respond(trial_response(*answer));
    ScriptRunRequest run;
    run.caller = call.request.principal;
    run.script = call.services.registry().find_script(call.tenant(), source->transform_script_id);
    run.input_json = event.text;
    if (!run.script) return respond(error_response(not_found("script", "").value()));
    call.services.run_script(std::move(run), [respond, answer](ScriptRunResult&& result) {
        if (!result.status) return respond(error_response(result.status.error()));
        if (!result.error.empty()) {
            answer->why = "transform: " + result.error;
            return respond(trial_response(*answer));
        }
        const auto shaped = inbound::transformed_event(answer->event, result.result_json);
        answer->transformed = shaped && !shaped->empty() ? *shaped : "null";
        answer->why = shaped ? "" : shaped.error().message;
        respond(trial_response(*answer));
    });
}

}  // namespace millrace::runtime::api
