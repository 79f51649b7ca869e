#include "tools/torture/torture_ledger.h"

#include "core/json_dom.h"
#include "tools/cli/json.h"

#include <chrono>
#include <thread>
#include <utility>

namespace millrace::tools {

namespace {

constexpr std::string_view kCounter = R"(return function(event, ctx)
  if event.payload.fail and ctx.attempt == 1 then error('as asked') end
  sdk.kv.incr('torture' .. event.payload.cycle)
end)";
constexpr std::string_view kReader =
    "return function(event) return sdk.kv.get('torture' .. event.body.cycle) or 0 end";
constexpr std::size_t kRepeatsMax = 500;
constexpr std::uint64_t kFailEvery = 400;

std::unique_ptr<HttpClient> connect(const std::string& server) {
    auto made = HttpClient::create(
        {.server = server, .api_key = "", .connect_timeout_ms = 5'000, .reply_timeout_ms = 30'000});
    return made ? std::move(*made) : nullptr;
}

void note(TortureFindings& findings, std::uint64_t& kind, std::string words) {
    ++kind;
    if (findings.first.empty()) findings.first = std::move(words);
}

std::uint64_t unsigned_at(core::JsonElement value, std::string_view path) {
    return static_cast<std::uint64_t>(number_at(value, path));
}

}  // namespace

core::Status TortureLedger::prepare(const std::string& server) {
    const auto http = connect(server);
    if (!http) return core::fail(core::ErrorCode::kInternal, "torture: no HTTP client");
    const auto post = [&](const std::string& path, const std::string& body) -> core::Status {
        auto reply = http->send({.method = "POST", .path = path, .body = body});
        if (!reply) return core::fail(reply.error());
        if (reply->ok() || reply->status == 409) return {};  // 409: there from an earlier try
        return core::fail(core::ErrorCode::kInternal, "torture: " + path + ": " + reply->body);
    };
    const auto script = [](std::string_view id, std::string_view type, std::string_view source) {
        return JsonObject()
            .text("id", id)
            .text("name", id)
            .text("type", type)
            .text("source", source)
            .str();
    };
    if (auto ok = post("/v2/scripts", script("torture", "event", kCounter)); !ok) return ok;
    if (auto ok = post("/v2/scripts", script("torture-read", "api", kReader)); !ok) return ok;
    return post(
        "/v2/subscriptions",
        R"({"id":"torture","name":"torture","pattern":{"type":"prefix","value":"torture."},)"
        R"("executor":{"type":"script","scriptId":"torture"},"retry":{"maxRetries":3,)"
        R"("initialDelayMs":20,"maxDelayMs":20,"backoffFactor":1,"jitter":false}})");
}

std::string TortureLedger::make(std::string_view key) {
    std::lock_guard lock(mutex_);
    const std::uint64_t number = sent_.size() + 1;
    const std::string id = "t" + std::to_string(cycle_) + "-" + std::to_string(number);
    JsonObject payload;
    payload.number("cycle", static_cast<std::int64_t>(cycle_));
    payload.number("n", static_cast<std::int64_t>(number));
    payload.flag("fail", number % kFailEvery == 0);
    payload.text("text", std::string(number * 37 % 400, 'x'));
    JsonObject event;
    event.text("eventId", id).text("pattern", pattern()).text("partitionKey", key);
    event.raw("payload", payload.str());
    order_[std::string(key)].push_back(id);
    return sent_[id] = event.str();
}

void TortureLedger::client(const std::string& server, std::string_view key, std::size_t batch,
                           const std::atomic<bool>& stop) {
    const auto http = connect(server);
    core::JsonDom parser;
    while (http && !stop.load(std::memory_order_relaxed)) {
        std::string body = "[";
        for (std::size_t i = 0; i < batch; ++i) body += (i == 0 ? "" : ",") + make(key);
        auto reply = http->send({.method = "POST", .path = "/v2/events", .body = body + "]"});
        if (!reply) return;  // the server is gone: what became of this batch is unknown
        core::JsonElement answer;
        if (reply->status != 202 || !parser.read(reply->body, answer)) continue;
        bool found = false;
        std::lock_guard lock(mutex_);
        for (const core::JsonElement placed : array_at(answer, "events", found)) {
            acknowledged_[text_at(placed, "eventId")] = {unsigned_at(placed, "shard"),
                                                         unsigned_at(placed, "offset")};
        }
        if (sent_.size() >= kEventsMax) return;
    }
}

void TortureLedger::load(const std::string& server, const std::atomic<bool>& stop) {
    static constexpr std::pair<std::string_view, std::size_t> kClients[] = {
        {"one", 1}, {"other", 1}, {"ten", 10}, {"many", 200}};
    std::vector<std::thread> threads;
    for (const auto& [key, batch] : kClients) {
        threads.emplace_back(
            [this, &server, key = key, batch = batch, &stop] { client(server, key, batch, stop); });
    }
    for (std::thread& thread : threads) thread.join();
}

bool TortureLedger::read_log(HttpClient& http, std::map<std::string, Kept>& kept,
                             TortureFindings& findings) {
    core::JsonDom parser, sent_parser;
    std::string cursor;
    do {
        Query query;
        query.add("pattern", pattern()).add("limit", 1000).add("order", "asc");
        query.add("cursor", cursor);
        auto reply = http.send({.path = "/v2/events" + query.str()});
        core::JsonElement page;
        if (!reply || !reply->ok() || !parser.read(reply->body, page)) {
            note(findings, findings.unanswered,
                 "the log can't be listed: " + (reply ? reply->body : reply.error().message));
            return false;
        }
        bool found = false;
        for (const core::JsonElement event : array_at(page, "items", found)) {
            const std::string id = text_at(event, "eventId");
            Kept& one = kept[id];
            ++one.copies;
            one.place = {unsigned_at(event, "shard"), unsigned_at(event, "offset")};
            const auto sent = sent_.find(id);
            core::JsonElement original;
            one.as_sent = sent != sent_.end() && sent_parser.read(sent->second, original) &&
                          text_at(original, "payload") == text_at(event, "payload") &&
                          text_at(original, "partitionKey") == text_at(event, "partitionKey");
        }
        cursor = text_at(page, "next");
    } while (!cursor.empty());
    return true;
}

void TortureLedger::check_order(const std::map<std::string, Kept>& kept,
                                TortureFindings& findings) {
    for (const auto& [key, ids] : order_) {
        const Kept* before = nullptr;
        for (const std::string& id : ids) {
            if (!acknowledged_.contains(id)) continue;
            const auto found = kept.find(id);
            if (found == kept.end()) continue;  // counted as lost
            if (before && (before->place.shard != found->second.place.shard ||
                           before->place.offset > found->second.place.offset))
                note(findings, findings.out_of_order, id + " stands before its predecessor");
            before = &found->second;
        }
    }
}

void TortureLedger::check_repeats(HttpClient& http, const std::map<std::string, Kept>& kept,
                                  TortureFindings& findings) {
    std::string body;
    std::size_t count = 0;
    for (const auto& [id, one] : kept) {
        const auto sent = sent_.find(id);
        if (sent == sent_.end()) continue;
        body += (body.empty() ? "[" : ",") + sent->second;
        if (++count == kRepeatsMax) break;
    }
    if (count == 0) return;
    auto reply = http.send({.method = "POST", .path = "/v2/events", .body = body + "]"});
    core::JsonDom parser;
    core::JsonElement answer;
    if (!reply || !reply->ok() || !parser.read(reply->body, answer)) {
        return note(findings, findings.unanswered,
                    "repeats are not answered: " + (reply ? reply->body : reply.error().message));
    }
    bool found = false;
    for (const core::JsonElement placed : array_at(answer, "events", found)) {
        const std::string id = text_at(placed, "eventId");
        const Place place{unsigned_at(placed, "shard"), unsigned_at(placed, "offset")};
        const auto one = kept.find(id);
        if (!flag_at(placed, "duplicate") || one == kept.end() || one->second.place != place)
            note(findings, findings.unknown_again, id + " was sent again and taken for new");
    }
}

void TortureLedger::check_effects(HttpClient& http, std::uint64_t expected,
                                  TortureFindings& findings, const std::function<bool()>& stopped) {
    using Clock = std::chrono::steady_clock;
    // A retry holds its key up, so that a long queue takes its time: as long as it gets shorter.
    auto deadline = Clock::now() + std::chrono::seconds(kDrainSeconds);
    const std::string body =
        R"({"scriptId":"torture-read","query":{},"body":{"cycle":)" + std::to_string(cycle_) + "}}";
    core::JsonDom parser;
    std::uint64_t seen = 0;
    while (!stopped() && Clock::now() < deadline) {
        auto reply = http.send({.method = "POST", .path = "/v2/script/run", .body = body});
        core::JsonElement answer;
        if (reply && reply->ok() && parser.read(reply->body, answer)) {
            const std::uint64_t now = unsigned_at(answer, "result");
            if (now > seen) deadline = Clock::now() + std::chrono::seconds(kDrainSeconds);
            seen = now;
        }
        if (seen >= expected) break;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    if (seen < expected && stopped()) return;
    const std::string words = "the handler's effects count " + std::to_string(seen) + " for " +
                              std::to_string(expected) + " events";
    if (seen < expected) {
        note(findings, findings.effects_missing, words);
        findings.effects_missing += expected - seen - 1;
    } else if (seen > expected) {
        note(findings, findings.effects_extra, words);
        findings.effects_extra += seen - expected - 1;
    }
}

void TortureLedger::check(const std::string& server, TortureFindings& findings,
                          const std::function<bool()>& stopped) {
    const auto http = connect(server);
    std::map<std::string, Kept> kept;
    if (!http || !read_log(*http, kept, findings)) return;
    for (const auto& [id, place] : acknowledged_) {
        const auto found = kept.find(id);
        if (found == kept.end()) {
            note(findings, findings.lost, id + " was acknowledged and is not in the log");
        } else if (found->second.place != place) {
            note(findings, findings.changed, id + " is at another place than was answered");
        }
    }
    for (const auto& [id, one] : kept) {
        if (one.copies > 1) note(findings, findings.twice, id + " is in the log twice");
        if (!one.as_sent) note(findings, findings.changed, id + " is not what was sent");
    }
    check_order(kept, findings);
    check_repeats(*http, kept, findings);
    check_effects(*http, kept.size(), findings, stopped);
}

}  // namespace millrace::tools
