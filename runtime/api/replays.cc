// /v2/replays: deliver a range of the log again.
#include "matcher/subscription_spec.h"
#include "runtime/api/handlers.h"

#include <charconv>

namespace millrace::runtime::api {
namespace {

constexpr double kEventsPerSecondMax = 1e9;
constexpr std::size_t kReplaySubscriptionsMax = 10'000;

// "instant", "original", or a number of events a second (as a number or as text).
void read_pace(core::JsonObject& in, ReplaySpec& spec) {
    const auto element = in.any("pace");
    if (!element) return;
    std::string_view text;
    double number = 0;
    if (element->get_string().get(text) == simdjson::SUCCESS) {
        if (text == "instant") return;
        if (text == "original") {
            spec.pace = ReplayPace::kOriginal;
            return;
        }
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        if (error != std::errc() || end != text.data() + text.size()) number = 0;
    } else if (element->get_double().get(number) != simdjson::SUCCESS) {
        number = 0;
    }
    if (!(number > 0 && number <= kEventsPerSecondMax)) {
        return in.refuse(
            "pace", "must be \"instant\", \"original\" or a number of events a second above 0");
    }
    spec.pace = ReplayPace::kPerSecond;
    spec.events_per_second = number;
}

// `filter` (an expression) or `filters` (map or list); not both.
void read_filter(core::JsonObject& in, ReplaySpec& spec) {
    in.text("filter", spec.filter, {.bytes_max = 64u << 10});
    if (const auto filters = in.any("filters"); filters && !filters->is_null()) {
        if (!spec.filter.empty()) return in.refuse("filters", "and filter exclude each other");
        core::append_json(spec.filter, *filters);
    }
    if (spec.filter.empty()) return;
    if (auto predicate = matcher::parse_any_filter(spec.filter); !predicate)
        in.join("filter", predicate.error());
}

core::Result<ReplaySpec> read_spec(Call& call) {
    core::JsonDocument document;
    auto in = document.parse_object(call.request.body_view());
    if (!in) return core::fail(std::move(in.error()));
    ReplaySpec spec;
    spec.tenant = call.tenant();
    spec.to_us = call.services.clock().wall_us();
    in->timestamp("from", spec.from_us);
    in->timestamp("to", spec.to_us);
    if (in->ok() && spec.from_us > spec.to_us) in->refuse("from", "is later than to");
    in->text("pattern", spec.pattern, {.bytes_max = core::kPatternBytesMax});
    in->text("patternPrefix", spec.pattern_prefix, {.bytes_max = core::kPatternBytesMax});
    read_filter(*in, spec);
    std::vector<std::string> ids;
    in->text_list("subscriptionIds", ids, kReplaySubscriptionsMax);
    read_pace(*in, spec);
    in->boolean("dryRun", spec.dry_run);
    if (auto status = in->finish(); !status) return core::fail(status.error());
    for (const std::string& id : ids) {
        const SubscriptionRef subscription =
            call.services.registry().find_subscription(call.tenant(), id);
        if (!subscription) {
            return core::fail(core::Error(core::ErrorCode::kValidation,
                                          "subscriptionIds has \"" + id.substr(0, 128) +
                                              "\"; no subscription has that id")
                                  .in("subscriptionIds"));
        }
        spec.subscriptions.push_back(subscription->number);
    }
    auto root = document.parse(call.request.body_view());
    if (root) core::append_json(spec.document, *root);
    return spec;
}

void append_progress(core::JsonWriter& json, const ReplayProgress& replay) {
    json.begin_object()
        .field("id", replay.id)
        .field("status", replay.status)
        .field("scanned", replay.scanned);
    json.field("matched", replay.matched)
        .field("delivered", replay.delivered)
        .field("failed", replay.failed);
    json.raw_field("position",
                   replay.position.empty() ? "null" : std::string_view(replay.position));
    json.field_or_null("error", replay.error);
    time_field(json, "createdAt", replay.created_at_us);
    time_field(json, "updatedAt", replay.updated_at_us);
    json.raw_field("request", replay.document.empty() ? "{}" : std::string_view(replay.document))
        .end_object();
}

ApiResponse progress_response(const ReplayProgress& replay) {
    std::string body;
    core::JsonWriter json(body);
    append_progress(json, replay);
    return json_response(200, std::move(body));
}

}  // namespace

Answer start_replay(Call& call) {
    auto spec = read_spec(call);
    if (!spec) return core::fail(std::move(spec.error()));
    auto id = call.services.start_replay(std::move(*spec));
    if (!id) return core::fail(std::move(id.error()));
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().field("id", *id).field("status", "running").end_object();
    ApiResponse response = json_response(202, std::move(body));
    response.headers.emplace_back("Location", "/v2/replays/" + *id);
    return response;
}

Answer list_replays(Call& call) {
    ListBody body;
    for (const ReplayProgress& replay : call.services.replays(call.tenant()))
        append_progress(body.json(), replay);
    return body.finish("");
}

Answer get_replay(Call& call) {
    auto replay = call.services.replay(call.tenant(), call.request.param("id"));
    if (!replay) return core::fail(std::move(replay.error()));
    return progress_response(*replay);
}

Answer cancel_replay(Call& call) {
    const std::string_view id = call.request.param("id");
    if (auto status = call.services.cancel_replay(call.tenant(), id); !status)
        return core::fail(status.error());
    auto replay = call.services.replay(call.tenant(), id);
    if (!replay) return core::fail(std::move(replay.error()));
    return progress_response(*replay);
}

}  // namespace millrace::runtime::api
