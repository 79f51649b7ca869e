#include "tests/sim/workload.h"

#include "core/timestamp.h"
#include "tests/sim/disk.h"
#include "tests/sim/documents.h"

#include <simdjson.h>

#include <algorithm>
#include <utility>

namespace millrace::sim {

namespace {

constexpr std::string_view kJson = "application/json";
constexpr std::string_view kNdjson = "application/x-ndjson";

}  // namespace

Workload::Workload(World& world, Model& model, std::uint64_t seed)
    : world_(world),
      model_(model),
      random_(seed),
      together_(seed ^ 0xa70b),
      resends_(seed ^ 0x2e5e) {
    resends_one_in_ = resends_.below(2) == 0 ? 0 : 1 + resends_.below(6);
    all_or_none_one_in_ = together_.below(2) == 0 ? 0 : 1 + together_.below(6);
    const bool in_pieces = random_.below(2) == 0;
    for (std::size_t i = 0; i < kClients; ++i) {
        stations_[i].tenant = i % kTenants;
        stations_[i].client =
            std::make_unique<Client>(world, random_.next(), in_pieces, stations_[i].tenant);
    }
    for (std::uint64_t& weight : weights_) {
        weight = random_.below(4) == 0 ? 0 : 1 + random_.below(20);
    }
    weights_[static_cast<std::size_t>(Kind::kOne)] += 1;
    for (const std::uint64_t weight : weights_) weight_total_ += weight;
    model_.ordered = (seed & 3) != 0;
    reset_one_in_ = random_.below(2) == 0 ? 0 : 40 + random_.below(400);
    mix_.scheduled_one_in = random_.below(2) == 0 ? 0 : 2 + random_.below(20);
    mix_.same_id_one_in = random_.below(3) == 0 ? 0 : 2 + random_.below(20);
    mix_.edge_one_in = random_.below(2) == 0 ? 0 : 3 + random_.below(30);
    for (std::uint64_t i = random_.below(3); i > 0; --i) {
        line_clients_.push_back(std::make_unique<LineClient>(
            world, model, random_.next(), "lines-" + std::to_string(i), random_.below(kTenants)));
    }
}

std::string Workload::call(Station& station, std::string_view method, std::string_view path,
                           std::string_view body, int status) {
    Client& client = *station.client;
    client.send(method, path, kJson, body);
    HttpReply reply;
    for (int i = 0; i < 200'000; ++i) {
        world_.step();
        const Client::Turn turn = client.turn(reply);
        if (turn == Client::Turn::kNothing) continue;
        if (turn == Client::Turn::kReply && reply.status == status) return "";
        return std::string(method) + " " + std::string(path) + " was answered with " +
               std::to_string(reply.status) + " " + reply.body;
    }
    return std::string(method) + " " + std::string(path) + " is not answered";
}

std::string Workload::prepare() {
    for (std::size_t tenant = 0; tenant < kTenants; ++tenant) {
        if (std::string wrong = prepare(stations_[tenant]); !wrong.empty()) return wrong;
    }
    began_us_ = world_.clock().wall_us();
    return "";
}

std::string Workload::prepare(Station& station) {
    struct Part {
        std::string_view id, source, type, pattern;
    };
    const std::string count_source = count_script(model_.ordered);
    const std::string own = "own-" + std::to_string(station.tenant);
    const Part parts[] = {
        {kCountSubscription, count_source, "event", R"({"type":"prefix","value":"sim."})"},
        {"derived", kDerivedScript, "event", R"("derived.thing")"},
        {"alerts", kAlertScript, "event", R"("system.dlq.added")"},
        {"runs", kRunScript, "api", ""},
        {own, kDerivedScript, "event", R"("own.thing")"},
    };
    for (const Part& part : parts) {
        if (std::string wrong = call(station, "POST", "/v2/scripts",
                                     script_document(part.id, part.source, part.type), 201);
            !wrong.empty())
            return wrong;
        if (part.pattern.empty()) continue;
        if (std::string wrong =
                call(station, "POST", "/v2/subscriptions",
                     subscription_document(part.id, part.pattern, model_.ordered), 201);
            !wrong.empty())
            return wrong;
    }
    const auto found =
        world_.parts().registry->find_subscription(tenant_id(station.tenant), kCountSubscription);
    if (!found) return "the subscription is not there";
    model_.counts[station.tenant] = found->number;
    return "";
}

bool Workload::idle() const {
    const bool lines_idle = std::all_of(line_clients_.begin(), line_clients_.end(),
                                        [](const auto& client) { return client->idle(); });
    return lines_idle &&
           std::all_of(stations_.begin(), stations_.end(), [this](const Station& station) {
               return station.client->idle() && station.unknown.empty() &&
                      !(finishing_ && sleeps(station.tenant));
           });
}

void Workload::lost(Station& station) {
    for (const std::size_t index : station.sent) {
        // Without an id a repeat would be another event; of a batch that is all or none, a part.
        const SentEvent& event = model_.events()[index];
        if (!event.id.empty() && event.together == 0) station.unknown.push_back(index);
    }
    station.sent.clear();
    station.resent.clear();
}

void Workload::server_gone() {
    for (Station& station : stations_) {
        if (station.client->drop()) lost(station);
        // Some clients do not come back.
        if (random_.below(4) == 0) station.unknown.clear();
    }
    for (const auto& client : line_clients_) client->server_gone(random_.below(4) == 0);
}

std::string Workload::turn() {
    for (std::size_t i = 0; i < kClients; ++i) {
        if (random_.below(4) != 0) continue;
        Station& station = stations_[i];
        if (station.client->idle()) {
            if (finishing_ && station.unknown.empty())
                wake(station);
            else if (finishing_ || random_.below(8) == 0)
                begin(station, i);
            continue;
        }
        if (reset_one_in_ != 0 && !finishing_ && random_.below(reset_one_in_) == 0) {
            station.client->reset();
            lost(station);
            continue;
        }
        HttpReply reply;
        switch (station.client->turn(reply)) {
            case Client::Turn::kNothing: break;
            case Client::Turn::kLost: lost(station); break;
            case Client::Turn::kReply:
                if (std::string wrong = answered(station, reply); !wrong.empty()) return wrong;
        }
    }
    for (const auto& client : line_clients_) {
        if (random_.below(4) != 0) continue;
        LineClient::Wishes wishes;
        wishes.begin = !finishing_ && random_.below(60) == 0;
        wishes.reset = reset_one_in_ != 0 && !finishing_ && random_.below(reset_one_in_) == 0;
        wishes.mix = mix(client->tenant());
        if (std::string wrong = client->turn(wishes); !wrong.empty()) return wrong;
    }
    return "";
}

EventMix Workload::mix(std::size_t tenant) const {
    EventMix out = mix_;
    out.tenant = tenant;
    out.now_us = world_.clock().wall_us();
    return out;
}

// Any stretch of what has been, or what is now.
void Workload::begin_replay(Station& station) {
    const std::int64_t now_us = world_.clock().wall_us();
    const auto until_now_us =
        static_cast<std::uint64_t>(std::max<std::int64_t>(now_us - began_us_, 0)) + 1;
    SentRange& range = station.range;
    range.tenant = station.tenant;
    range.begun_us = now_us;
    range.from_us = began_us_ + static_cast<std::int64_t>(random_.below(until_now_us));
    range.to_us = random_.below(2) == 0
                      ? now_us
                      : range.from_us + static_cast<std::int64_t>(random_.below(until_now_us));
    range.to_us = std::max(range.to_us, range.from_us);
    range.serial = model_.acknowledgements();
    station.dry_run = random_.below(4) == 0;
    static constexpr std::string_view kPaces[] = {"\"instant\"", "2000", "\"100x\""};
    ++model_.replays_sent;
    station.client->send(
        "POST", "/v2/replays", kJson,
        "{\"from\":\"" + core::format_timestamp(range.from_us) + "\",\"to\":\"" +
            core::format_timestamp(range.to_us) + "\",\"subscriptionIds\":[\"" +
            std::string(kCountSubscription) + "\"],\"pace\":" +
            std::string(kPaces[random_.below(std::size(kPaces) - (own_pace_ ? 1 : 0))]) +
            (station.dry_run ? ",\"dryRun\":true}" : "}"));
}

std::string Workload::replay_answered(const Station& station, const HttpReply& reply) {
    if (reply.status != 202)
        return "replay: " + std::to_string(reply.status) + " " + reply.body.substr(0, 300);
    if (Disk::instance().frozen()) return "";
    static constexpr std::string_view kName = "\"id\":\"";
    const std::size_t begin = reply.body.find(kName);
    if (begin == std::string::npos) return "a replay without an id: " + reply.body;
    const std::size_t end = reply.body.find('"', begin + kName.size());
    SentReplay replay;
    replay.id = reply.body.substr(begin + kName.size(), end - begin - kName.size());
    replay.dry_run = station.dry_run;
    replay.tenant = station.tenant;
    replay.events = model_.range(world_.database(), station.range);
    model_.replays.push_back(std::move(replay));
    return "";
}

void Workload::begin(Station& station, std::size_t number) {
    std::uint64_t drawn = random_.below(weight_total_);
    std::size_t kind = 0;
    while (drawn >= weights_[kind]) drawn -= weights_[kind++];
    station.all_or_none = false;
    station.kind = finishing_ || (!station.unknown.empty() && random_.below(2) == 0)
                       ? Kind::kRepeat
                       : static_cast<Kind>(kind);
    switch (station.kind) {
        case Kind::kRun:
            ++model_.runs_sent[station.tenant];
            station.client->send("POST", "/v2/script/run", kJson,
                                 R"({"scriptId":"runs","query":{},"body":{}})");
            return;
        case Kind::kToggle: toggle(station); return;
        case Kind::kScript:
            station.client->send("PUT", "/v2/scripts/count", kJson,
                                 script_document(kCountSubscription,
                                                 count_script(model_.ordered) + "\n-- " +
                                                     std::to_string(random_.below(1000)),
                                                 "event"));
            return;
        case Kind::kReplay: begin_replay(station); return;
        case Kind::kRepeat: repeat(station); break;
        default: {
            const std::size_t count = station.kind == Kind::kOne ? 1 : 1 + random_.below(30);
            station.all_or_none = station.kind != Kind::kOne && all_or_none_one_in_ != 0 &&
                                  together_.below(all_or_none_one_in_) == 0;
            if (station.all_or_none) ++all_or_none_batches_;
            for (std::size_t i = 0; i < count; ++i) {
                // The tenants have the same keys.
                const std::string key = "k" + std::to_string(number / kTenants) + "-" +
                                        std::to_string(random_.below(3));
                SentEvent& event = model_.make(random_, key, mix(station.tenant));
                if (station.all_or_none) event.together = all_or_none_batches_;
                station.sent.push_back(model_.events().size() - 1);
            }
        }
    }
    if (station.kind != Kind::kOne) resend(station);
    if (!station.sent.empty() || !station.resent.empty()) send_events(station);
}

// What an export would bring back: events by the ids that the server made for them.
void Workload::resend(Station& station) {
    if (resends_one_in_ == 0 || resends_.below(resends_one_in_) != 0 || model_.events().empty())
        return;
    for (std::uint64_t tries = 1 + resends_.below(10); tries > 0; --tries) {
        const std::size_t index = resends_.below(model_.events().size());
        if (model_.may_be_resent(model_.events()[index], station.tenant))
            station.resent.push_back(index);
    }
}

// A subscription beside the others comes, goes to sleep and wakes up.
void Workload::toggle(Station& station) {
    const std::uint32_t change = ++changes_[station.tenant];
    if (change == 1) {
        station.client->send("POST", "/v2/scripts", kJson,
                             script_document("side", kSideScript, "event"));
    } else if (change == 2) {
        station.client->send("POST", "/v2/subscriptions", kJson,
                             subscription_document("side", R"({"type":"wildcard","value":"sim.*"})",
                                                   model_.ordered));
    } else {
        station.client->send("PATCH", "/v2/subscriptions/side", kJson,
                             change % 2 == 0 ? R"({"active":true})" : R"({"active":false})");
    }
}

// At the end it is awake: what waits for it while it sleeps waits for ever.
void Workload::wake(Station& station) {
    if (!sleeps(station.tenant)) return;
    ++wakes_[station.tenant];
    station.kind = Kind::kToggle;
    station.sent.clear();
    station.client->send("PATCH", "/v2/subscriptions/side", kJson, R"({"active":true})");
}

void Workload::repeat(Station& station) {
    station.sent = std::exchange(station.unknown, {});
    if (!station.sent.empty() || model_.events().empty()) return;
    // Also what was answered long ago is known as a duplicate.
    for (int i = 0; i < 5; ++i) {
        const std::size_t index = random_.below(model_.events().size());
        const SentEvent& event = model_.events()[index];
        if (event.together != 0 && event.acknowledged == 0) continue;
        if (!event.id.empty() && event.sendings > 0 && event.tenant == station.tenant)
            station.sent.push_back(index);
    }
}

void Workload::send_events(Station& station) {
    std::string body;
    const bool one = station.sent.size() == 1 && station.kind == Kind::kOne;
    const bool lines = station.kind == Kind::kLines;
    if (!one && !lines) body += '[';
    for (std::size_t i = 0; i < station.sent.size(); ++i) {
        SentEvent& event = model_.events()[station.sent[i]];
        ++event.sendings;
        if (i != 0) body += lines ? '\n' : ',';
        body += event.text;
    }
    for (const std::size_t index : station.resent) {
        const SentEvent& event = model_.events()[index];
        if (body.size() > 1) body += lines ? '\n' : ',';
        body += "{\"eventId\":\"" + event.made_id + "\"," + event.text.substr(1);
    }
    if (!one && !lines) body += ']';
    station.client->send("POST", station.all_or_none ? "/v2/events?atomic=1" : "/v2/events",
                         lines ? kNdjson : kJson, body);
}

std::string Workload::answered(Station& station, const HttpReply& reply) {
    const bool events = station.kind <= Kind::kRepeat;
    if (reply.status == 503 || reply.status == 429 || reply.status == 408) {
        // The store has failed, there is no space, the server is going down; the identity index
        // catches up; or the time has stood still in the middle of the request.
        if (events) lost(station);
        return "";
    }
    if (station.kind == Kind::kRun) {
        if (reply.status != 200) return "script run: " + std::to_string(reply.status) + reply.body;
        ++model_.runs_done[station.tenant];
        return "";
    }
    if (station.kind == Kind::kReplay) return replay_answered(station, reply);
    if (!events) {
        // Lost requests make a change come twice, or before what it needs: no faults of the server.
        if (reply.status / 100 == 2 || reply.status / 100 == 4) return "";
        return "change: " + std::to_string(reply.status) + " " + reply.body;
    }
    if (reply.status != 202)
        return "events: " + std::to_string(reply.status) + " " + reply.body.substr(0, 300);
    return events_answered(station, reply.body);
}

std::string Workload::events_answered(Station& station, std::string_view body) {
    if (Disk::instance().frozen()) return "";
    simdjson::dom::parser parser;
    simdjson::dom::element answer;
    if (parser.parse(std::string(body)).get(answer))
        return "an answer is no JSON: " + std::string(body);
    simdjson::dom::array events;
    if (answer["events"].get(events)) return "an answer without events: " + std::string(body);
    if (events.size() != station.sent.size() + station.resent.size()) {
        // The identity index may ask for a part again.
        lost(station);
        return "";
    }
    const std::vector<std::size_t> sent = std::exchange(station.sent, {});
    const std::vector<std::size_t> resent = std::exchange(station.resent, {});
    std::size_t next = 0;
    for (const simdjson::dom::element placed : events) {
        std::uint64_t shard = 0;
        std::uint64_t offset = 0;
        bool duplicate = false;
        if (placed["shard"].get(shard) || placed["offset"].get(offset) ||
            placed["duplicate"].get(duplicate))
            return "an answer without places: " + std::string(body);
        const core::LogPosition position{core::ShardId(static_cast<std::uint16_t>(shard)),
                                         core::LogOffset{offset}};
        const std::size_t at = next++;
        std::string wrong;
        if (at < sent.size()) {
            SentEvent& event = model_.events()[sent[at]];
            std::string_view id;
            if (event.id.empty() && !placed["eventId"].get(id)) event.made_id = id;
            wrong = model_.acknowledge(world_.database(), event, position, duplicate);
        } else {
            wrong = model_.acknowledge_resent(model_.events()[resent[at - sent.size()]], position,
                                              duplicate);
        }
        if (!wrong.empty()) return wrong;
    }
    return "";
}

}  // namespace millrace::sim
