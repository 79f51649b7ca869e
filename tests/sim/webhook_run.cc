#include "tests/sim/webhook_run.h"

#include "tests/sim/client.h"
#include "tests/sim/disk.h"
#include "tests/sim/fake_http.h"
#include "tests/sim/on_disk.h"
#include "tests/sim/world.h"

#include <simdjson.h>

#include <cstdlib>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace millrace::sim {

namespace {

constexpr std::string_view kWebhookJson = "application/json";
constexpr std::uint64_t kWebhookRetriesMax = 3;
constexpr std::string_view kWebhookPaths[] = {"/a", "/b"};

class WebhookSimulation {
public:
    explicit WebhookSimulation(const RunOptions& options)
        : options_(options),
          random_(options.seed),
          http_(std::make_unique<FakeHttp>(random_.next())),
          world_(make_world_options(), trace_),
          client_(world_, random_.next(), false, 0) {
        http_->use_clock(world_.clock());
    }
    RunResult run();

private:
    WorldOptions make_world_options() {
        WorldOptions world;
        world.folder = options_.folder + "/data";
        world.seed = options_.seed;
        world.shards = 1 + random_.below(2);
        world.lanes = 1 + random_.below(3);
        world.http = http_.get();
        world.log_lines = &log_;
        return world;
    }
    bool wrong(std::string what) {
        if (what.empty()) return false;
        if (result_.wrong.empty()) result_.wrong = std::move(what);
        return true;
    }
    bool hides(std::string_view where, std::string_view text) {
        // Behind the word that says what it is.
        if (text.find(kHookSecret.substr(6)) == std::string_view::npos) return true;
        return !wrong("a webhook's secret stands in " + std::string(where));
    }
    bool call(std::string_view method, const std::string& path, std::string_view body,
              HttpReply& reply);
    bool prepare();
    bool start();
    void turn();
    bool serve(std::uint32_t steps);
    bool end();
    bool settle();
    bool count_ends(std::string_view path, std::set<std::uint64_t>& done,
                    std::set<std::uint64_t>& dead);
    bool check_end();

    const RunOptions options_;
    core::Random random_;
    Trace trace_;
    std::string log_;
    std::unique_ptr<FakeHttp> http_;
    World world_;
    Client client_;
    RunResult result_;
    std::vector<std::uint64_t> sending_, acknowledged_;
    std::uint64_t last_ = 0;
    bool finishing_ = false;
};

bool WebhookSimulation::call(std::string_view method, const std::string& path,
                             std::string_view body, HttpReply& reply) {
    Client client(world_, random_.next(), false, 0);
    client.send(method, path, kWebhookJson, body);
    for (int i = 0; i < 200'000; ++i) {
        world_.step();
        http_->step();
        const Client::Turn turn = client.turn(reply);
        if (turn == Client::Turn::kReply) return true;
        if (turn == Client::Turn::kLost) break;
    }
    return !wrong(std::string(method) + " " + path + " is not answered");
}

bool WebhookSimulation::prepare() {
    for (const std::string_view path : kWebhookPaths) {
        HttpReply reply;
        const std::string order = path == "/a" ? "none" : "key";
        const std::string body =
            R"({"id":"hook)" + std::string(path.substr(1)) +
            R"(","name":"h","pattern":"hook","executor":{"type":"webhook","url":"http://receiver.example)" +
            std::string(path) + R"(","secret":")" + std::string(kHookSecret) +
            R"(","concurrency":8,"order":")" + order + R"("},"retry":{"maxRetries":)" +
            std::to_string(kWebhookRetriesMax) +
            R"(,"initialDelayMs":200,"maxDelayMs":2000,"backoffFactor":2}})";
        if (!call("POST", "/v2/subscriptions", body, reply)) return false;
        if (reply.status != 201) return !wrong("POST /v2/subscriptions: " + reply.body);
    }
    return true;
}

bool WebhookSimulation::start() {
    while (!world_.boot()) {
        if (!world_.failure().empty()) return !wrong("the start was refused: " + world_.failure());
        if (!end()) return false;
    }
    return true;
}

// The client sends a few events, waits for the answer, and sends others.
void WebhookSimulation::turn() {
    HttpReply reply;
    if (client_.idle()) {
        if (finishing_ || random_.below(40) != 0) return;
        std::string body = "[";
        sending_.clear();
        for (std::uint64_t i = 1 + random_.below(12); i > 0; --i) {
            sending_.push_back(++last_);
            const std::string n = std::to_string(last_);
            body += (body.size() > 1 ? "," : "") + (R"({"eventId":"e)" + n) +
                    R"(","pattern":"hook","partitionKey":"k)" + std::to_string(random_.below(5)) +
                    R"(","payload":{"n":)" + n + "}}";
        }
        client_.send("POST", "/v2/events", kWebhookJson, body + "]");
        return;
    }
    if (client_.turn(reply) != Client::Turn::kReply || reply.status != 202) return;
    // Of one that ends meanwhile a part may have been taken.
    if (Disk::instance().frozen() || reply.body.find("\"rejected\":[]") == std::string::npos)
        return;
    acknowledged_.insert(acknowledged_.end(), sending_.begin(), sending_.end());
}

bool WebhookSimulation::serve(std::uint32_t steps) {
    Disk& disk = Disk::instance();
    const std::uint64_t at = random_.below(2) == 0 ? steps : random_.below(steps);
    for (std::uint32_t i = 0; i < steps; ++i) {
        if (i == at) disk.cut_power_after(1 + random_.below(20));
        if (disk.frozen()) return true;
        world_.step();
        if (disk.frozen()) return true;
        if (random_.below(3) == 0) http_->step();
        if (random_.below(60) == 0)
            world_.pass_time(static_cast<std::int64_t>(random_.below(300'000)));
        if (random_.below(1500) == 0) world_.pass_time(31'000'000);
        turn();
        if (wrong(http_->wrong())) return false;
    }
    return true;
}

bool WebhookSimulation::end() {
    const bool stops = random_.below(3) == 0 && world_.running() && !Disk::instance().frozen();
    if (stops && world_.stop_gracefully([this] {
            turn();
            http_->step();
        })) {
        ++result_.graceful_stops;
    } else if (stops && wrong(world_.failure())) {
        return false;
    } else if (random_.below(2) == 0) {
        ++result_.kills;
        world_.kill();
    } else {
        ++result_.power_cuts;
        world_.power_cut();
    }
    http_->forget();
    (void)client_.drop();
    return result_.wrong.empty();
}

// The world becomes a good one, and all that waits goes out.
bool WebhookSimulation::settle() {
    finishing_ = true;
    http_->be_good();
    // One that was left alone waits in the log, for ten minutes at most, and nothing shows it.
    constexpr int kQuietLooks = 400;
    int quiet = 0;
    for (int i = 0; i < 400'000; ++i) {
        world_.step();
        http_->step();
        turn();
        if (i % 100 != 99) continue;
        if (wrong(http_->wrong())) return false;
        const bool still = client_.idle() && world_.quiet() && http_->idle();
        quiet = still && !world_.retries_waiting() ? quiet + 1 : 0;
        if (quiet == kQuietLooks) return true;
        world_.pass_time(2'000'000);
    }
    return !wrong("webhooks still wait in a world where all goes well");
}

bool WebhookSimulation::count_ends(std::string_view path, std::set<std::uint64_t>& done,
                                   std::set<std::uint64_t>& dead) {
    std::string cursor;
    do {
        HttpReply reply;
        const std::string list = "/v2/executions?limit=200&subscriptionId=hook" +
                                 std::string(path.substr(1)) +
                                 (cursor.empty() ? "" : "&cursor=" + cursor);
        if (!call("GET", list, "", reply)) return false;
        if (!hides("an execution", reply.body)) return false;
        simdjson::dom::parser parser;
        simdjson::dom::element root;
        simdjson::dom::array items;
        if (reply.status != 200 || parser.parse(reply.body).get(root) || root["items"].get(items))
            return !wrong("GET " + list + ": " + reply.body);
        for (const simdjson::dom::element item : items) {
            std::string_view status, event;
            if (item["status"].get(status) || item["eventId"].get(event)) continue;
            const std::uint64_t n =
                std::strtoull(std::string(event.substr(1)).c_str(), nullptr, 10);
            if (status == "completed") done.insert(n);
            if (status == "dead") dead.insert(n);
        }
        std::string_view next;
        cursor = root["next"].get(next) ? std::string() : std::string(next);
    } while (!cursor.empty());
    return true;
}

bool WebhookSimulation::check_end() {
    for (const std::string_view path : kWebhookPaths) {
        std::set<std::uint64_t> done, dead;
        if (!count_ends(path, done, dead)) return false;
        for (const std::uint64_t n : acknowledged_) {
            const std::string who = "event " + std::to_string(n) + " for " + std::string(path);
            if (!done.contains(n) && !dead.contains(n))
                return !wrong(who + " was acknowledged and has come to no end");
            if (done.contains(n) && !http_->said_well(path, n))
                return !wrong(who + " is done, and its receiver has never said so");
            if (dead.contains(n) && http_->answered_badly(path, n) <= kWebhookRetriesMax &&
                !http_->said_well(path, n))
                return !wrong(who + " was given up after " +
                              std::to_string(http_->answered_badly(path, n)) + " failures");
        }
    }
    HttpReply reply;
    if (!call("GET", "/v2/dlq?limit=1000", "", reply)) return false;
    return hides("a dead letter", reply.body) && hides("the server's log", log_);
}

RunResult WebhookSimulation::run() {
    bool good = start() && prepare();
    for (std::uint32_t boot = 0; good && boot < options_.boots; ++boot) {
        if (boot != 0) good = start();
        const auto steps = static_cast<std::uint32_t>(
            1 + random_.below(std::uint64_t{options_.steps_per_boot} * 4));
        good = good && serve(steps) && end();
    }
    good = good && start() && settle() && check_end();
    if (good) (void)end();
    result_.sent = http_->calls();
    result_.acknowledged = acknowledged_.size();
    result_.lost_writes = Disk::instance().lost_writes();
    result_.virtual_ms = world_.clock().monotonic_ns() / 1'000'000;
    trace_.add(Disk::instance().operations());
    trace_.add(result_.acknowledged);
    trace_.add(result_.sent);
    result_.trace = trace_.hash();
    return result_;
}

}  // namespace

RunResult run_webhooks(const RunOptions& options) {
    return run_on_disk<WebhookSimulation>(options);
}

}  // namespace millrace::sim
