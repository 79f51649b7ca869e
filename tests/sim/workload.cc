#include "tests/sim/workload.h"

#include "tests/sim/disk.h"

#include <simdjson.h>

#include <algorithm>
#include <utility>

namespace millrace::sim {

namespace {

constexpr std::string_view kJson = "application/json";
constexpr std::string_view kNdjson = "application/x-ndjson";

// What the model expects of a delivery is written here, in Lua.
constexpr std::string_view kCountScript = R"(return function(e, ctx)
  local p = e.payload
  if p.fails > 0 and ctx.attempt <= p.fails then error('as asked') end
  sdk.kv.incr('seen:' .. p.n)
  if p.emit then sdk.events.emit('derived.thing', {n = p.n}) end
  if p.fails > 0 and not ORDERED then return 0 end
  local turn = (sdk.kv.get('seq:' .. e.partitionKey) or 0) + 1
  sdk.kv.set('seq:' .. e.partitionKey, turn)
  return turn
end)";
constexpr std::string_view kDerivedScript =
    "return function(e) sdk.kv.incr('derived:' .. e.payload.n) end";
constexpr std::string_view kAlertScript = "return function(e) sdk.kv.incr('alerts') end";
constexpr std::string_view kRunScript = "return function(e) return sdk.kv.incr('runs') end";
constexpr std::string_view kSideScript =
    "return function(e) if e.payload.n % 7 == 0 then error('side') end sdk.kv.incr('side') end";

std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '\n') {
            out += "\\n";
            continue;
        }
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out + "\"";
}

std::string script_document(std::string_view id, std::string_view source, std::string_view type) {
    return "{\"id\":" + quoted(id) + ",\"name\":" + quoted(id) + ",\"type\":" + quoted(type) +
           ",\"source\":" + quoted(source) + "}";
}

std::string count_script(bool ordered) {
    return "local ORDERED = " + std::string(ordered ? "true " : "false ") +
           std::string(kCountScript);
}

std::string subscription_document(std::string_view id, std::string_view pattern, bool ordered) {
    return "{\"id\":" + quoted(id) + ",\"name\":" + quoted(id) +
           ",\"pattern\":" + std::string(pattern) +
           ",\"executor\":{\"type\":\"script\",\"scriptId\":" + quoted(id) + "},\"ordering\":\"" +
           (ordered ? "key" : "none") +
           "\",\"retry\":{\"maxRetries\":" + std::to_string(kRetriesMax) +
           ",\"initialDelayMs\":20,\"maxDelayMs\":200,\"backoffFactor\":2,\"jitter\":false}}";
}

}  // namespace

Workload::Workload(World& world, Model& model, std::uint64_t seed)
    : world_(world), model_(model), random_(seed) {
    const bool in_pieces = random_.below(2) == 0;
    for (Station& station : stations_)
        station.client = std::make_unique<Client>(world, random_.next(), in_pieces);
    for (std::uint64_t& weight : weights_) {
        weight = random_.below(4) == 0 ? 0 : 1 + random_.below(20);
    }
    weights_[static_cast<std::size_t>(Kind::kOne)] += 1;
    for (const std::uint64_t weight : weights_) weight_total_ += weight;
    model_.ordered = (seed & 3) != 0;
    reset_one_in_ = random_.below(2) == 0 ? 0 : 40 + random_.below(400);
}

std::string Workload::call(std::string_view method, std::string_view path, std::string_view body,
                           int status) {
    Client& client = *stations_[0].client;
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
    struct Part {
        std::string_view id, source, type, pattern;
    };
    const std::string count_source = count_script(model_.ordered);
    const Part parts[] = {
        {kCountSubscription, count_source, "event", R"({"type":"prefix","value":"sim."})"},
        {"derived", kDerivedScript, "event", R"("derived.thing")"},
        {"alerts", kAlertScript, "event", R"("system.dlq.added")"},
        {"runs", kRunScript, "api", ""},
    };
    for (const Part& part : parts) {
        if (std::string wrong =
                call("POST", "/v2/scripts", script_document(part.id, part.source, part.type), 201);
            !wrong.empty())
            return wrong;
        if (part.pattern.empty()) continue;
        if (std::string wrong =
                call("POST", "/v2/subscriptions",
                     subscription_document(part.id, part.pattern, model_.ordered), 201);
            !wrong.empty())
            return wrong;
    }
    const auto found =
        world_.parts().registry->find_subscription(core::TenantId{0}, kCountSubscription);
    if (!found) return "the subscription is not there";
    count_subscription_ = found->number;
    return "";
}

bool Workload::idle() const {
    return std::all_of(stations_.begin(), stations_.end(), [](const Station& station) {
        return station.client->idle() && station.unknown.empty();
    });
}

void Workload::lost(Station& station) {
    for (const std::size_t index : station.sent) {
        // Without an id a repeat would be another event: it is not repeated.
        if (!model_.events()[index].id.empty()) station.unknown.push_back(index);
    }
    station.sent.clear();
}

void Workload::server_gone() {
    for (Station& station : stations_) {
        if (station.client->drop()) lost(station);
        // Some clients do not come back.
        if (random_.below(4) == 0) station.unknown.clear();
    }
}

std::string Workload::turn() {
    for (std::size_t i = 0; i < kClients; ++i) {
        if (random_.below(4) != 0) continue;
        Station& station = stations_[i];
        if (station.client->idle()) {
            if (finishing_ ? !station.unknown.empty() : random_.below(8) == 0) begin(station, i);
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
    return "";
}

void Workload::begin(Station& station, std::size_t number) {
    std::uint64_t drawn = random_.below(weight_total_);
    std::size_t kind = 0;
    while (drawn >= weights_[kind]) drawn -= weights_[kind++];
    station.kind = finishing_ || (!station.unknown.empty() && random_.below(2) == 0)
                       ? Kind::kRepeat
                       : static_cast<Kind>(kind);
    switch (station.kind) {
        case Kind::kRun:
            ++model_.runs_sent;
            station.client->send("POST", "/v2/script/run", kJson,
                                 R"({"scriptId":"runs","query":{},"body":{}})");
            return;
        case Kind::kToggle: {
            const std::string document = subscription_document(
                "side", R"({"type":"wildcard","value":"sim.*"})", model_.ordered);
            ++changes_;
            if (changes_ == 1) {
                station.client->send("POST", "/v2/scripts", kJson,
                                     script_document("side", kSideScript, "event"));
            } else if (changes_ == 2) {
                station.client->send("POST", "/v2/subscriptions", kJson, document);
            } else {
                station.client->send(
                    "PATCH", "/v2/subscriptions/side", kJson,
                    changes_ % 2 == 0 ? R"({"active":true})" : R"({"active":false})");
            }
            return;
        }
        case Kind::kScript:
            station.client->send("PUT", "/v2/scripts/count", kJson,
                                 script_document(kCountSubscription,
                                                 count_script(model_.ordered) + "\n-- " +
                                                     std::to_string(random_.below(1000)),
                                                 "event"));
            return;
        case Kind::kRepeat: repeat(station); break;
        default: {
            const std::size_t count = station.kind == Kind::kOne ? 1 : 1 + random_.below(30);
            for (std::size_t i = 0; i < count; ++i) {
                const std::string key =
                    "k" + std::to_string(number) + "-" + std::to_string(random_.below(3));
                model_.make(random_, key);
                station.sent.push_back(model_.events().size() - 1);
            }
        }
    }
    if (!station.sent.empty()) send_events(station);
}

void Workload::repeat(Station& station) {
    station.sent = std::exchange(station.unknown, {});
    if (!station.sent.empty() || model_.events().empty()) return;
    // Also what was answered long ago is known as a duplicate.
    for (int i = 0; i < 5; ++i) {
        const std::size_t index = random_.below(model_.events().size());
        const SentEvent& event = model_.events()[index];
        if (!event.id.empty() && event.sendings > 0) station.sent.push_back(index);
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
    if (!one && !lines) body += ']';
    station.client->send("POST", "/v2/events", lines ? kNdjson : kJson, body);
}

std::string Workload::answered(Station& station, const HttpReply& reply) {
    const bool events = station.kind <= Kind::kRepeat;
    if (reply.status == 503 || reply.status == 429) {
        // The store has failed, there is no space, the server is going down; or the identity index
        // catches up.
        if (events) lost(station);
        return "";
    }
    if (station.kind == Kind::kRun) {
        if (reply.status != 200) return "script run: " + std::to_string(reply.status) + reply.body;
        ++model_.runs_done;
        return "";
    }
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
    if (events.size() != station.sent.size()) {
        // The identity index may ask for a part again.
        lost(station);
        return "";
    }
    const std::vector<std::size_t> sent = std::exchange(station.sent, {});
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
        if (std::string wrong =
                model_.acknowledge(model_.events()[sent[next++]], position, duplicate);
            !wrong.empty())
            return wrong;
    }
    return "";
}

}  // namespace millrace::sim
