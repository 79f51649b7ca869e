// POST /v2/dlq/rehearse: what would become of dead letters if they were delivered now, by a sample
// of them. Nothing is done, and none of them leaves the queue.
#include "runtime/api/event_view.h"
#include "runtime/api/handlers.h"
#include "runtime/api/letter_pattern.h"
#include "runtime/delivery/kv_pending.h"
#include "runtime/delivery/letter_edit.h"
#include "runtime/executors/script_trial.h"
#include "runtime/registry/secret_mask.h"
#include "runtime/registry/secret_names.h"
#include "store/log/log_reader.h"
#include "store/rows/dead_letters.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

namespace millrace::runtime::api {
namespace {

constexpr std::int64_t kSampleDefault = 20;
constexpr std::int64_t kSampleMax = 100;
// Others wait for the thread: of one letter, and of all.
constexpr std::int64_t kTrialMsMax = 2'000;
constexpr std::int64_t kRehearsalNsMax = 10'000'000'000;

struct Rehearsal {
    Services& services;
    identity::Principal by;
    RegistrySnapshotRef registry;
    std::string subscription_id, script_id, fingerprint;
    LetterPattern pattern;
    std::string source;  // instead of the scripts' own; empty: as they are
    store::DeadLetterQuery query;
    std::string body = {};
    core::Status status = {};
    std::uint64_t passed = 0, failed = 0, skipped = 0;
};

core::Result<std::shared_ptr<Rehearsal>> read_rehearsal(Call& call) {
    core::JsonDocument document;
    auto in = document.parse_object(call.request.body_view());
    if (!in) return core::fail(std::move(in.error()));
    auto out =
        std::make_shared<Rehearsal>(Rehearsal{.services = call.services,
                                              .by = call.request.principal,
                                              .registry = call.services.registry().snapshot(),
                                              .subscription_id = {},
                                              .script_id = {},
                                              .fingerprint = {},
                                              .pattern = {},
                                              .source = {},
                                              .query = {}});
    std::int64_t sample = kSampleDefault;
    in->text("subscriptionId", out->subscription_id);
    in->text("scriptId", out->script_id);
    std::string pattern;
    in->text("pattern", pattern);
    in->text("errorFingerprint", out->fingerprint);
    const std::int64_t now_us = call.services.clock().wall_us();
    read_moment(*in, "from", now_us, out->query.from_us);
    read_moment(*in, "to", now_us, out->query.to_us);
    in->integer("sample", sample, 1, kSampleMax);
    in->text("source", out->source, {.bytes_min = 1, .bytes_max = kScriptSourceBytesMax});
    if (!out->source.empty() && out->script_id.empty())
        in->refuse("source", "is one script's: name it in scriptId");
    if (auto status = in->finish(); !status) return core::fail(status.error());
    auto read = LetterPattern::parse(std::move(pattern));
    if (!read) return core::fail(std::move(read.error()));
    out->pattern = std::move(*read);
    out->query.tenant = call.tenant();
    out->query.limit = static_cast<std::size_t>(sample);
    return out;
}

TrialOutcome rehearse_one(Rehearsal& rehearsal, const store::DeadLetter& letter,
                          const Subscription& subscription, const Script& script, std::string event,
                          std::int64_t received_at_us) {
    Services& services = rehearsal.services;
    const core::TenantId tenant = rehearsal.by.tenant;
    KvPending kv(services.database().kv());
    SecretNames secrets;
    const std::int64_t now_us = services.clock().wall_us();
    TrialCase what;
    what.script = &script;
    what.event = std::move(event);
    what.event_id = letter.event_id;
    what.tenant = tenant;
    what.subscription_id = subscription.id;
    what.subscription_number = subscription.number.value;
    what.now_us = received_at_us;
    what.seed = letter.key.delivery.position.offset.value;
    what.kv_get = [&](KvSpace space, std::string_view key, std::string& value) {
        return kv.read(tenant, space, key, now_us, value);
    };
    what.kv_list = [&](KvSpace space, std::string_view prefix, LuaHost::KvVisitor& visitor) {
        return kv.list(tenant, space, prefix, now_us, visitor);
    };
    what.secret = [&](std::string_view name, std::string& value) {
        const SecretRef secret = secrets.find(*rehearsal.registry, tenant, name);
        if (secret) value += secret->value;
        return secret != nullptr;
    };
    return runtime::try_script(what, services.trial_slot());
}

// Why a letter can not be rehearsed; empty: it can.
struct Looked {
    std::string_view why;
    const Subscription* subscription = nullptr;
    const Script* script = nullptr;
    std::optional<store::OwnedEvent> event = {};
    std::string text = {};  // as it would be delivered
};
Looked look_at(Rehearsal& rehearsal, const store::DeadLetter& letter) {
    Looked out;
    out.subscription = rehearsal.registry->subscription(letter.key.delivery.subscription);
    if (!out.subscription) return {.why = "its subscription was removed"};
    if (out.subscription->executor.type != ExecutorType::kScript)
        return {.why = "only scripts can be rehearsed"};
    out.script = rehearsal.registry->script(out.subscription->executor.script);
    if (!out.script) return {.why = "its script was removed"};
    auto event =
        rehearsal.services.database().log_reader().read_event(letter.key.delivery.position);
    if (!event || !*event) return {.why = "its event is not kept any more"};
    out.event = std::move(**event);
    if (!may_see(rehearsal.by, out.event->event)) return {.why = "its event is not yours to see"};
    const auto edit = find_letter_edit(rehearsal.services.database(), letter.key);
    if (!edit) return {.why = "its corrected event can not be read"};
    out.text = *edit ? (*edit)->event : std::string(out.event->event.raw);
    return out;
}

void rehearse(Rehearsal& rehearsal, core::JsonWriter& json, const store::DeadLetter& letter) {
    const store::Hasher& hasher = rehearsal.services.database().hasher();
    Looked looked = look_at(rehearsal, letter);
    json.begin_object().field("id", store::encode_dead_letter_id(hasher, letter.key));
    json.field("eventId", letter.event_id).field("subscriptionId", letter.subscription_id);
    if (!looked.why.empty()) {
        ++rehearsal.skipped;
        json.field("outcome", "skipped").field("reason", looked.why).end_object();
        return;
    }
    Script script = *looked.script;
    script.timeout_ms = std::min(script.timeout_ms, kTrialMsMax);
    if (!rehearsal.source.empty()) script.source = rehearsal.source;
    const TrialOutcome came =
        rehearse_one(rehearsal, letter, *looked.subscription, script, std::move(looked.text),
                     looked.event->event.received_at_us);
    const bool good = came.status == "completed";
    ++(good ? rehearsal.passed : rehearsal.failed);
    json.field("outcome", good ? "passed" : "failed").field("status", came.status);
    json.field_or_null("error", came.error);
    json.field("sameError", !good && came.error == letter.error).end_object();
}

void rehearse_all(Rehearsal& rehearsal) {
    Services& services = rehearsal.services;
    rehearsal.query.subscription_id = rehearsal.subscription_id;
    rehearsal.query.script_id = rehearsal.script_id;
    rehearsal.query.pattern = rehearsal.pattern.exact();
    rehearsal.query.accept = [&rehearsal](const store::DeadLetter& row) {
        return (rehearsal.fingerprint.empty() || row.error_fingerprint == rehearsal.fingerprint) &&
               rehearsal.pattern.fits(row.pattern) && rehearsal.by.may_see(row.pattern);
    };
    auto page = services.database().dead_letters().list(rehearsal.query);
    if (!page) {
        rehearsal.status = core::fail(std::move(page.error()));
        return;
    }
    const std::int64_t end_ns = services.clock().monotonic_ns() + kRehearsalNsMax;
    std::string items;
    core::JsonWriter list(items);
    list.begin_array();
    std::size_t sampled = 0;
    for (const store::OwnedDeadLetter& letter : page->rows) {
        if (services.clock().monotonic_ns() >= end_ns) break;
        rehearse(rehearsal, list, letter.row);
        ++sampled;
    }
    list.end_array();
    const std::uint64_t tried = rehearsal.passed + rehearsal.failed;
    core::JsonWriter json(rehearsal.body);
    json.begin_object().field("sampled", sampled).field("passed", rehearsal.passed);
    json.field("failed", rehearsal.failed).field("skipped", rehearsal.skipped).key("passRate");
    if (tried == 0)
        json.value(nullptr);
    else
        json.value(static_cast<double>(rehearsal.passed) / static_cast<double>(tried));
    json.field("outOfTime", sampled < page->rows.size()).raw_field("items", items).end_object();
    SecretMask mask;
    mask.of(*rehearsal.registry, rehearsal.by.tenant)
        .hide_in_json(rehearsal.body, R"({"success":false})");
}

}  // namespace

void rehearse_dead_letters(Call& call, const Respond& respond) {
    auto read = read_rehearsal(call);
    if (!read) return respond(error_response(read.error()));
    const std::shared_ptr<Rehearsal> rehearsal = std::move(*read);
    const bool taken = call.services.run_aside(
        Aside::kLook, [rehearsal] { rehearse_all(*rehearsal); },
        [rehearsal, respond] {
            respond(rehearsal->status ? json_response(200, std::move(rehearsal->body))
                                      : error_response(rehearsal->status.error()));
        });
    if (!taken) respond(error_response(busy_aside(Aside::kLook)));
}

}  // namespace millrace::runtime::api
