// /v2/subscriptions/{id}/pause and /resume: a paused subscription keeps its place in the log.
#include "core/moment.h"
#include "runtime/api/documents.h"
#include "runtime/api/handlers.h"
#include "runtime/api/part_order.h"
#include "runtime/stream/event_tail.h"

#include <utility>
#include <vector>

namespace millrace::runtime::api {
namespace {

using Places = std::vector<core::LogOffset>;
// So long whoever asks waits, and no longer.
constexpr std::int64_t kClearingNsMax = 20'000'000'000;

Answer set_paused(Call& call, bool paused) {
    const std::string_view id = call.request.param("id");
    DocumentTable<Subscription>& table = call.services.registry().table<Subscription>();
    const auto now = table.find(call.tenant(), id);
    if (!now) return not_found("subscription", id);
    if (now->paused == paused) return document_response(200, *now);
    return changed<Subscription>(call,
                                 table.amend(change_context(call), id, paused ? "pause" : "resume",
                                             [paused](Subscription& next) {
                                                 next.paused = paused;
                                                 return core::Status{};
                                             }),
                                 200);
}

// "here" (empty), "skip", a stream's position or a moment.
core::Result<Places> read_from(Call& call, const std::string& from) {
    store::Database& database = call.services.database();
    if (from.empty() || from == "here") return Places{};
    if (from == "skip") return Places(database.shards(), kNotLive);
    std::int64_t time_us = 0;
    auto places = core::parse_moment(from, call.services.clock().wall_us(), time_us)
                      ? stream_position_at(database, time_us)
                      : decode_stream_position(from, database.shards());
    if (!places) {
        return core::fail(core::Error(core::ErrorCode::kValidation,
                                      "from is \"" + from.substr(0, 64) +
                                          "\"; expected here, skip, a position of the log, or " +
                                          std::string(core::kMomentForms))
                              .in("from"));
    }
    for (std::size_t i = 0; i < places->size(); ++i) {
        const core::ShardId shard(static_cast<std::uint16_t>(i));
        if ((*places)[i] > database.durable_end(shard)) {
            return core::fail(
                core::Error(core::ErrorCode::kValidation, "from is beyond the end of the log")
                    .in("from"));
        }
    }
    return places;
}

// ?waiting= of a removal.
core::Result<Closing> read_waiting(const Call& call) {
    const std::string waiting = call.text("waiting");
    if (waiting.empty() || waiting == "dead-letter") return Closing::kDeadLetter;
    if (waiting == "discard") return Closing::kDiscard;
    return core::fail(
        core::Error(core::ErrorCode::kValidation,
                    "waiting is \"" + waiting.substr(0, 64) + "\"; expected dead-letter or discard")
            .in("waiting"));
}

ApiResponse removed(Closing how, std::uint64_t count) {
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().field("success", true);
    json.field("deadLettered", how == Closing::kDeadLetter ? count : 0);
    json.field("discarded", how == Closing::kDiscard ? count : 0).end_object();
    return json_response(200, std::move(body));
}

// What lies between an earlier place and its own a subscription has got already: it gets it again,
// by a replay. No ranges: there is nothing.
ReplaySpec again_from(Call& call, const Subscription& subscription, const Places& from) {
    ReplaySpec spec;
    spec.tenant = subscription.tenant;
    spec.subscriptions = {subscription.number};
    spec.criteria.within = patterns_of(call.request.principal);
    bool any = false;
    for (std::size_t i = 0; i < from.size(); ++i) {
        const core::LogOffset place =
            call.services.place_of(subscription, core::ShardId(static_cast<std::uint16_t>(i)));
        const bool earlier = from[i] != kNotLive && from[i] < place;
        spec.ranges.push_back(earlier ? LogRange{from[i], place} : LogRange{});
        any |= earlier;
    }
    if (!any) spec.ranges.clear();
    core::JsonWriter json(spec.document);
    json.begin_object().key("subscriptionIds").begin_array().value(subscription.id).end_array();
    json.end_object();
    return spec;
}

// Of a copy: it is told when its home has removed it and what waited for it here is cleared away.
void tell_cleared(Services& services, core::TenantId tenant, const std::string& id, Closing how,
                  std::int64_t until_ns, const Respond& respond) {
    constexpr std::int64_t kLookAgainUs = 50'000;
    if (const auto count = services.cleared_of(tenant, id)) return respond(removed(how, *count));
    if (services.clock().monotonic_ns() >= until_ns) {
        return respond(error_response(
            core::Error(core::ErrorCode::kUnavailable, "how much waited here is not known yet")));
    }
    services.run_after(kLookAgainUs, [&services, tenant, id, how, until_ns, respond] {
        tell_cleared(services, tenant, id, how, until_ns, respond);
    });
}

// In a partition that has a copy of it: its home lets it run, here and there.
Answer begin_again(Call& call, ReplaySpec&& again) {
    if (again.ranges.empty()) return json_response(200, "{}");
    if (auto replay = call.services.start_replay(std::move(again)); !replay)
        return core::fail(std::move(replay.error()));
    return json_response(200, R"({"begun":true})");
}

}  // namespace

// Two steps, so that a crash between them loses nothing: nobody sees it any more, then what waits
// for it is cleared away and it is gone.
void delete_subscription(Call& call, const Respond& respond) {
    const auto how = read_waiting(call);
    if (!how) return respond(error_response(how.error()));
    const auto part = part_order_of(call);
    if (!part) return respond(error_response(part.error()));
    const std::string id(call.request.param("id"));
    if (part->looks) {
        const std::int64_t now_ns = call.services.clock().monotonic_ns();
        return tell_cleared(call.services, call.tenant(), id, *how, now_ns + kClearingNsMax,
                            respond);
    }
    auto& table = call.services.registry().table<Subscription>();
    if (!table.find(call.tenant(), id)) {  // one that was set aside, or none
        auto gone = delete_document<Subscription>(call);
        return respond(gone ? std::move(*gone) : error_response(gone.error()));
    }
    finish_closing(call, begin_closing(call, change_context(call), id, *how),
                   [how = *how, respond](core::Result<std::uint64_t>&& count) {
                       respond(count ? removed(how, *count) : error_response(count.error()));
                   });
}

core::Result<DocumentChange<Subscription>> begin_closing(Call& call, const ChangeContext& context,
                                                         std::string_view id, Closing how) {
    return call.services.registry().table<Subscription>().amend(
        context, id, "delete", [&](Subscription& next) {
            next.closing = how;
            if (next.active) next.off_periods.push_back({context.log_ends, {}});
            next.active = false;
            return core::Status{};
        });
}

void finish_closing(Call& call, core::Result<DocumentChange<Subscription>>&& begun,
                    const std::function<void(core::Result<std::uint64_t>&&)>& done) {
    const SubscriptionRef closing = begun ? begun->after : nullptr;
    auto applied = changed<Subscription>(call, std::move(begun), 200);
    if (!applied) return done(core::fail(applied.error()));
    call.services.bury(closing,
                       [done](core::Result<std::uint64_t> count) { done(std::move(count)); });
}

Answer pause_subscription(Call& call) {
    if (!call.request.body_view().empty()) {
        core::JsonDocument document;
        auto in = document.parse_object(call.request.body_view());
        if (!in) return core::fail(std::move(in.error()));
        if (auto status = in->finish(); !status) return core::fail(status.error());
    }
    return set_paused(call, true);
}

Answer resume_subscription(Call& call) {
    auto part = part_order_of(call);
    if (!part) return core::fail(std::move(part.error()));
    std::string from;
    if (!call.request.body_view().empty()) {
        core::JsonDocument document;
        auto in = document.parse_object(call.request.body_view());
        if (!in) return core::fail(std::move(in.error()));
        in->text("from", from, {.bytes_max = 256});
        if (auto status = in->finish(); !status) return core::fail(status.error());
    }
    const std::string_view id = call.request.param("id");
    const auto subscription =
        call.services.registry().table<Subscription>().find(call.tenant(), id);
    if (!subscription) return not_found("subscription", id);
    if (!part->from.empty()) from = part->from;
    const auto places = read_from(call, from);
    if (!places) return core::fail(places.error());
    if (part->looks) return json_response(200, "{}");
    if (places->empty()) return set_paused(call, false);
    auto again = again_from(call, *subscription, *places);
    again.id = part->id;
    again.created_at_us = part->at_us;
    call.services.skip_behind(subscription->number, *places);
    if (part->there && !part->at_home) return begin_again(call, std::move(again));
    auto answer = set_paused(call, false);
    // Another partition has begun it.
    if (answer && again.ranges.empty() && part->total != 0)
        answer->headers.emplace_back("Location", "/v2/replays/" + part->id);
    if (!answer || again.ranges.empty()) return answer;
    auto replay = call.services.start_replay(std::move(again));
    if (!replay) {  // an error has resumed nothing
        if (subscription->paused) (void)set_paused(call, true);
        return core::fail(std::move(replay.error()));
    }
    answer->headers.emplace_back("Location", "/v2/replays/" + *replay);
    return answer;
}

}  // namespace millrace::runtime::api
