// Subscriptions as documents: their body, their row.
#include "core/json_reader.h"
#include "matcher/subscription_spec.h"
#include "runtime/registry/document_body.h"
#include "runtime/registry/document_kinds.h"

#include <array>
#include <utility>

namespace millrace::runtime {
namespace {

using core::JsonObject;
using core::Presence;

constexpr std::array<std::pair<std::string_view, Ordering>, 2> kOrderings = {
    {{"key", Ordering::kKey}, {"none", Ordering::kNone}}};

// What deliveries have an executor for.
constexpr std::array<std::pair<std::string_view, ExecutorType>, 1> kExecutorTypes = {
    {{"script", ExecutorType::kScript}}};

// A patch can not know what of an old filter stays in force: it gives a new one.
constexpr std::array<std::string_view, 1> kReplacedWhole = {"filters"};

void read_retry(JsonObject& in, RetryPolicy& policy) {
    auto retry = in.object("retry");
    if (!retry) return;
    retry->integer_as("maxRetries", policy.retries_max, 0, kRetriesMaxMax);
    retry->integer("initialDelayMs", policy.initial_delay_ms, 0, kRetryDelayMsMax);
    retry->integer("maxDelayMs", policy.max_delay_ms, 0, kRetryDelayMsMax);
    retry->number("backoffFactor", policy.backoff_factor, 1, kBackoffFactorMax);
    bool jitter = policy.jitter == Jitter::kSpread;
    retry->boolean("jitter", jitter);
    policy.jitter = jitter ? Jitter::kSpread : Jitter::kNone;
    (void)retry->finish();
    in.join(*retry);
}

void read_executor(JsonObject& in, ExecutorSpec& executor) {
    auto inner = in.object("executor", Presence::kRequired);
    if (!inner) return;
    inner->choice("type", executor.type, kExecutorTypes, Presence::kRequired);
    inner->text("scriptId", executor.script_id,
                {.presence = Presence::kRequired, .bytes_max = kResourceIdBytesMax});
    (void)inner->finish();
    in.join(*inner);
    executor.document = member_text(in, "executor");
}

struct MatchingMembers {
    std::string pattern, filters, filter, form, priority;
};

MatchingMembers read_matching(JsonObject& in) {
    return {member_text(in, "pattern"), member_text(in, "filters"), member_text(in, "filter"),
            member_text(in, "form"), member_text(in, "priority")};
}

void append_retry(core::JsonWriter& json, const RetryPolicy& policy) {
    json.key("retry").begin_object();
    json.field("maxRetries", policy.retries_max).field("initialDelayMs", policy.initial_delay_ms);
    json.field("maxDelayMs", policy.max_delay_ms).field("backoffFactor", policy.backoff_factor);
    json.field("jitter", policy.jitter == Jitter::kSpread).end_object();
}

core::Status read(std::string_view body, Subscription& out) {
    core::JsonDocument document;
    auto in = document.parse_object(body);
    if (!in) return core::fail(std::move(in.error()));
    read_document_names(*in, out.id, out.name);
    const MatchingMembers matching = read_matching(*in);
    if (matching.pattern.empty()) in->refuse("pattern", "is required");
    in->integer_as("priority", out.priority, INT32_MIN, INT32_MAX);
    in->boolean("active", out.active);
    read_retry(*in, out.retry);
    in->choice("ordering", out.ordering, kOrderings);
    read_executor(*in, out.executor);
    read_over_server_members(*in);
    if (auto status = in->finish(); !status) return status;
    auto spec = matcher::parse_subscription({.pattern = matching.pattern,
                                             .filters = matching.filters,
                                             .filter = matching.filter,
                                             .form = matching.form,
                                             .priority = matching.priority});
    if (!spec) return core::fail(std::move(spec.error()));
    out.spec = std::make_shared<const matcher::SubscriptionSpec>(std::move(*spec));
    return {};
}

// The members, and what concerns matching as it was sent.
core::Status seal(std::string_view body, Subscription& out) {
    core::JsonDocument document;
    auto in = document.parse_object(body);
    if (!in) return core::fail(std::move(in.error()));
    const MatchingMembers matching = read_matching(*in);
    out.document.clear();
    core::JsonWriter json(out.document);
    json.begin_object().field("id", out.id).field("name", out.name);
    json.raw_field("pattern", matching.pattern);
    if (!matching.filters.empty()) json.raw_field("filters", matching.filters);
    if (!matching.filter.empty()) json.raw_field("filter", matching.filter);
    if (!matching.form.empty()) json.raw_field("form", matching.form);
    json.raw_field("executor", out.executor.document).field("priority", out.priority);
    append_retry(json, out.retry);
    json.field("ordering", kOrderings[static_cast<std::size_t>(out.ordering)].first);
    json.field("active", out.active);
    append_document_times(json, out.version, out.created_at_us, out.updated_at_us);
    json.end_object();
    return {};
}

// What came while it was switched off stays undelivered.
void settle(const Subscription* old, const ChangeContext& context, Subscription& next) {
    const bool begins = !old || (!old->active && next.active);
    next.effective_from = begins ? context.log_ends : old->effective_from;
}

void write_row(core::JsonWriter& json, const Subscription& subscription) {
    json.key("effectiveFrom").begin_array();
    for (const core::LogOffset offset : subscription.effective_from) json.value(offset.value);
    json.end_array();
}

void read_row(JsonObject& row, Subscription& out) {
    const auto offsets = row.any("effectiveFrom");
    core::JsonArray array;
    if (!offsets || !offsets->get(array)) return;
    for (const core::JsonElement offset : array) {
        std::uint64_t value = 0;
        if (!offset.get(value)) row.refuse("effectiveFrom", "is damaged");
        out.effective_from.push_back(core::LogOffset(value));
    }
}

void references(const Subscription& subscription, const VisitReference& visit) {
    visit({"script", subscription.executor.script_id, "executor.scriptId",
           subscription.executor.script.value});
}

void link(const DocumentReference& found, Subscription& next) {
    next.executor.script = ScriptNumber(found.number);
}

constexpr DocumentKind<Subscription> kKind = {
    .name = "subscription",
    .id_prefix = "sub_",
    .documents_max = kSubscriptionsMax,
    .replaced_whole = kReplacedWhole,
    .read = read,
    .show = [](const Subscription& subscription) { return subscription.document; },
    .settle = settle,
    .seal = seal,
    .write_row = write_row,
    .read_row = read_row,
    .references = references,
    .link = link,
};

}  // namespace

std::string_view executor_type_text(ExecutorType type) {
    constexpr std::string_view kTexts[] = {"script", "webhook", "command", "workflow"};
    return kTexts[static_cast<std::size_t>(type)];
}

template <>
const DocumentKind<Subscription>& document_kind<Subscription>() {
    return kKind;
}

}  // namespace millrace::runtime
