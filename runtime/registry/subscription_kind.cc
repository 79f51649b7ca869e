// Subscriptions as documents: their body, their row.
#include "core/json_reader.h"
#include "matcher/subscription_spec.h"
#include "runtime/registry/document_body.h"
#include "runtime/registry/document_kinds.h"
#include "runtime/registry/executor_body.h"
#include "runtime/registry/executor_specs.h"
#include "runtime/registry/secret_mask.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace millrace::runtime {
namespace {

using core::JsonObject;
using core::Presence;

constexpr std::array<std::pair<std::string_view, Ordering>, 2> kOrderings = {
    {{"key", Ordering::kKey}, {"none", Ordering::kNone}}};

constexpr std::array<std::pair<std::string_view, Closing>, 3> kClosings = {
    {{"no", Closing::kNo}, {"dead-letter", Closing::kDeadLetter}, {"discard", Closing::kDiscard}}};

constexpr std::array<std::pair<std::string_view, RetrySchedule>, 2> kSchedules = {
    {{"backoff", RetrySchedule::kBackoff},
     {"standard-webhooks", RetrySchedule::kStandardWebhooks}}};

constexpr std::string_view kTransformMember = "executor.transformScriptId";

// A patch can not know what of an old filter stays in force: it gives a new one.
constexpr std::array<std::string_view, 1> kSubscriptionReplacedWhole = {"filters"};

// Whoever says how long the delays are does not mean the schedule of the standard.
bool read_retry(JsonObject& in, RetryPolicy& policy) {
    auto retry = in.object("retry");
    if (!retry) return false;
    const bool counted = retry->integer_as("maxRetries", policy.retries_max, 0, kRetriesMaxMax);
    bool delays = retry->integer("initialDelayMs", policy.initial_delay_ms, 0, kRetryDelayMsMax);
    delays |= retry->integer("maxDelayMs", policy.max_delay_ms, 0, kRetryDelayMsMax);
    delays |= retry->number("backoffFactor", policy.backoff_factor, 1, kBackoffFactorMax);
    bool jitter = policy.jitter == Jitter::kSpread;
    delays |= retry->boolean("jitter", jitter);
    policy.jitter = jitter ? Jitter::kSpread : Jitter::kNone;
    retry->choice("schedule", policy.schedule, kSchedules);
    if (delays) policy.schedule = RetrySchedule::kBackoff;
    if (policy.schedule == RetrySchedule::kStandardWebhooks) {
        if (!counted) policy.retries_max = kStandardWebhooksRetries;
        policy.retries_max = std::min(policy.retries_max, kStandardWebhooksRetries);
    }
    (void)retry->finish();
    in.join(*retry);
    return true;
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
    if (policy.schedule == RetrySchedule::kStandardWebhooks) {
        json.field("maxRetries", policy.retries_max).field("schedule", kSchedules[1].first);
        json.end_object();
        return;
    }
    json.field("maxRetries", policy.retries_max).field("initialDelayMs", policy.initial_delay_ms);
    json.field("maxDelayMs", policy.max_delay_ms).field("backoffFactor", policy.backoff_factor);
    json.field("jitter", policy.jitter == Jitter::kSpread).end_object();
}

// "*": all that there are. Left out or null: none.
void read_edges(JsonObject& in, bool& out) {
    out = false;
    const auto given = in.any("edges");
    if (!given || given->is_null()) return;
    std::string_view which;
    out = given->get(which) && which == "*";
    if (!out) in.refuse("edges", "must be \"*\": all edges");
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
    read_edges(*in, out.of_edges);
    const bool retries = read_retry(*in, out.retry);
    const bool ordered = in->choice("ordering", out.ordering, kOrderings);
    std::optional<Ordering> order;
    read_executor(*in, out.executor, order);
    if (out.executor.type == ExecutorType::kWebhook) {
        if (!retries) {
            out.retry.schedule = RetrySchedule::kStandardWebhooks;
            out.retry.retries_max = kStandardWebhooksRetries;
        }
        if (!ordered) out.ordering = order.value_or(Ordering::kNone);
    }
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
    seal_executor(out.executor, out.ordering);
    out.document.clear();
    core::JsonWriter json(out.document);
    json.begin_object().field("id", out.id).field("name", out.name);
    json.raw_field("pattern", matching.pattern);
    if (!matching.filters.empty()) json.raw_field("filters", matching.filters);
    if (!matching.filter.empty()) json.raw_field("filter", matching.filter);
    if (!matching.form.empty()) json.raw_field("form", matching.form);
    json.raw_field("executor", out.executor.document).field("priority", out.priority);
    if (out.of_edges) json.field("edges", "*");
    append_retry(json, out.retry);
    if (!out.executor.webhook)  // it says so itself
        json.field("ordering", kOrderings[static_cast<std::size_t>(out.ordering)].first);
    json.field("active", out.active).field("paused", out.paused);
    append_document_times(json, out.version, out.created_at_us, out.updated_at_us);
    json.end_object();
    return {};
}

// Whether everything before these places has been handled.
bool handled(const OffPeriod& period, const LogEnds& handled_to) {
    if (period.to.empty() || handled_to.size() < period.to.size()) return false;
    for (std::size_t i = 0; i < period.to.size(); ++i) {
        if (period.to[i] > handled_to[i]) return false;
    }
    return true;
}

core::Status switch_off(const ChangeContext& context, Subscription& next) {
    std::erase_if(next.off_periods,
                  [&](const OffPeriod& period) { return handled(period, context.handled_to); });
    if (next.off_periods.size() >= kOffPeriodsMax) {
        return core::fail(
            core::Error(core::ErrorCode::kConflict,
                        "active: it was switched off and on " + std::to_string(kOffPeriodsMax) +
                            " times while deliveries wait; let them be delivered first")
                .in("active"));
    }
    next.off_periods.push_back({context.log_ends, {}});
    return {};
}

// Whoever calls a webhook signs: with what was given, with what it has, or with a new secret.
void settle_secrets(Subscription& next) {
    ExecutorSpec& executor = next.executor;
    if (!executor.webhook) {
        executor.secrets = nullptr;
        return;
    }
    if (executor.secrets &&
        read_webhook_secret(executor.secrets->current, executor.webhook->signing))
        return;
    executor.secrets =
        keep_webhook_secrets({.current = new_webhook_secret(executor.webhook->signing)});
}

// What came while it was switched off stays undelivered; what waited before that waits on.
core::Status settle(const Subscription* old, const ChangeContext& context, Subscription& next) {
    settle_secrets(next);
    if (!old) {
        next.effective_from = context.log_ends;
        return next.active ? core::Status{} : switch_off(context, next);
    }
    next.paused = old->paused;
    next.closing = old->closing;
    next.effective_from = old->effective_from;
    next.off_periods = old->off_periods;
    if (old->active == next.active) return {};
    if (!next.active) return switch_off(context, next);
    if (next.off_periods.empty())
        next.effective_from = context.log_ends;  // off since before such were kept
    else
        next.off_periods.back().to = context.log_ends;
    return {};
}

// A copy begins, is off and is on again at places of this folder's log. What is said of it there
// (paused, on its way out) is said here.
core::Status adopt(const Subscription* old, const ChangeContext& context, Subscription& next) {
    next.effective_from = old ? old->effective_from : context.log_ends;
    next.off_periods = old ? old->off_periods : std::vector<OffPeriod>{};
    const bool was_active = !old || old->active;
    // One that is on its way out here stays so, until what waits for it is cleared away here.
    if (old && old->closing != Closing::kNo && next.closing == Closing::kNo)
        next.closing = old->closing;
    if (was_active == next.active) return {};
    if (!next.active) return switch_off(context, next);
    if (next.off_periods.empty())
        next.effective_from = context.log_ends;
    else
        next.off_periods.back().to = context.log_ends;
    return {};
}

void write_offsets(core::JsonWriter& json, std::string_view name,
                   const std::vector<core::LogOffset>& offsets) {
    json.key(name).begin_array();
    for (const core::LogOffset offset : offsets) json.value(offset.value);
    json.end_array();
}

void write_row(core::JsonWriter& json, const Subscription& subscription) {
    write_offsets(json, "effectiveFrom", subscription.effective_from);
    json.key("off").begin_array();
    for (const OffPeriod& period : subscription.off_periods) {
        json.begin_object();
        write_offsets(json, "from", period.from);
        write_offsets(json, "to", period.to);
        json.end_object();
    }
    json.end_array().field("paused", subscription.paused);
    json.field("closing", kClosings[static_cast<std::size_t>(subscription.closing)].first);
    if (const auto& secrets = subscription.executor.secrets) {
        json.key("secret").begin_object().field("current", secrets->current);
        json.field("previous", secrets->previous);
        json.field("previousUntilUs", secrets->previous_until_us).end_object();
    }
}

void read_secrets(JsonObject& row, Subscription& out) {
    auto inner = row.object("secret");
    if (!inner) return;
    WebhookSecrets secrets;
    inner->text("current", secrets.current);
    inner->text("previous", secrets.previous);
    inner->integer("previousUntilUs", secrets.previous_until_us, 0, INT64_MAX);
    (void)inner->finish();
    row.join(*inner);
    out.executor.secrets = keep_webhook_secrets(std::move(secrets));
}

bool read_offsets(const core::JsonElement& element, std::vector<core::LogOffset>& out) {
    core::JsonArray array;
    if (!element.get(array)) return false;
    for (const core::JsonElement offset : array) {
        std::uint64_t value = 0;
        if (!offset.get(value)) return false;
        out.push_back(core::LogOffset(value));
    }
    return true;
}

bool read_period(const core::JsonElement& element, OffPeriod& out) {
    core::JsonMembers members;
    if (!element.get(members)) return false;
    for (const core::JsonMember member : members) {
        if (!read_offsets(member.value, member.key == "from" ? out.from : out.to)) return false;
    }
    return true;
}

void read_row(JsonObject& row, Subscription& out) {
    const auto offsets = row.any("effectiveFrom");
    if (offsets && !read_offsets(*offsets, out.effective_from))
        row.refuse("effectiveFrom", "is damaged");
    core::JsonArray periods;
    if (const auto off = row.any("off"); off && off->get(periods)) {
        for (const core::JsonElement period : periods) {
            if (!read_period(period, out.off_periods.emplace_back()))
                row.refuse("off", "is damaged");
        }
    }
    row.boolean("paused", out.paused);
    row.choice("closing", out.closing, kClosings);
    read_secrets(row, out);
}

void references(const Subscription& subscription, const VisitReference& visit) {
    const ExecutorSpec& executor = subscription.executor;
    if (executor.webhook && !executor.webhook->transform_script_id.empty())
        visit({"script", executor.webhook->transform_script_id, kTransformMember,
               executor.transform.value});
    if (executor.type == ExecutorType::kScript)
        visit({"script", executor.script_id, "executor.scriptId", executor.script.value});
    if (executor.type == ExecutorType::kWorkflow)
        visit(workflow_reference(executor.script_id, executor.workflow, executor.script));
    if (executor.type == ExecutorType::kLink)
        visit({"link", executor.link_id, "executor.linkId", executor.link.value});
}

void link(const DocumentReference& found, Subscription& next) {
    ExecutorSpec& executor = next.executor;
    if (found.kind == document_kind<Workflow>().name) {
        executor.workflow = WorkflowNumber(found.number);
        return;
    }
    if (found.kind == document_kind<Link>().name) {
        executor.link = LinkNumber(found.number);
        return;
    }
    (found.member == kTransformMember ? executor.transform : executor.script) =
        ScriptNumber(found.number);
}

constexpr DocumentKind<Subscription> kSubscriptionKind = {
    .name = "subscription",
    .id_prefix = "sub_",
    .documents_max = kSubscriptionsMax,
    .quota = identity::Quota::kSubscriptions,
    .replaced_whole = kSubscriptionReplacedWhole,
    .read = read,
    .show = [](const Subscription& subscription) { return subscription.document; },
    .carry = [](const Subscription& old,
                Subscription& next) { next.executor.secrets = old.executor.secrets; },
    .settle = settle,
    .seal = seal,
    .write_row = write_row,
    .read_row = read_row,
    .hidden = [](const Subscription& subscription) { return subscription.closing != Closing::kNo; },
    .references = references,
    .link = link,
    .adopt = adopt,
};

}  // namespace

std::string_view executor_type_text(ExecutorType type) {
    constexpr std::string_view kTexts[] = {"script", "webhook", "command", "workflow", "link"};
    return kTexts[static_cast<std::size_t>(type)];
}

template <>
const DocumentKind<Subscription>& document_kind<Subscription>() {
    return kSubscriptionKind;
}

}  // namespace millrace::runtime
