#include "tests/sim/webhook_run.h"

#include "tests/sim/client.h"
#include "tests/sim/disk.h"
#include "tests/sim/fake_http.h"
#include "tests/sim/frame.h"

#include <simdjson.h>

#include <cstdlib>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace millrace::sim {

namespace {

constexpr std::uint64_t kWebhookRetriesMax = 3;
constexpr std::string_view kWebhookPaths[] = {"/a", "/b"};

class WebhookSimulation final : public Driven {
public:
    static Shape shape(core::Random& random) {
        return {.shards_max = 2,
                .network_in_pieces = false,
                .overlapping_syncs = false,
                .steps_times = 4,
                .time_one_in = 60,
                .time_us_max = 300'000,
                .http = std::make_shared<FakeHttp>(random.next()),
                .log = std::make_shared<std::string>()};
    }
    explicit WebhookSimulation(Frame& frame)
        : frame_(frame),
          random_(frame.random()),
          world_(frame.world()),
          log_(*frame.shape().log),
          http_(static_cast<FakeHttp*>(frame.shape().http.get())),
          client_(world_, random_.next(), false, 0) {
        http_->use_clock(world_.clock());
    }

    bool prepare() override;
    // Receivers that were left alone are tried again.
    void weather() override {
        if (random_.below(1500) == 0) world_.pass_time(31'000'000);
    }
    bool turn() override;
    void outside() override { (void)http_->step(); }
    void server_gone() override {
        http_->forget();
        (void)client_.drop();
    }
    bool finish(RunResult& result) override;

private:
    bool wrong(std::string what) { return frame_.wrong(std::move(what)); }
    bool hides(std::string_view where, std::string_view text) {
        // Behind the word that says what it is.
        if (text.find(kHookSecret.substr(6)) == std::string_view::npos) return true;
        return !wrong("a webhook's secret stands in " + std::string(where));
    }
    void send_events();
    bool settle();
    bool count_ends(std::string_view path, std::set<std::uint64_t>& done,
                    std::set<std::uint64_t>& dead);
    bool check_end();

    Frame& frame_;
    core::Random& random_;
    World& world_;
    const std::string& log_;
    FakeHttp* const http_;
    Client client_;
    std::vector<std::uint64_t> sending_, acknowledged_;
    std::uint64_t last_ = 0;
    bool finishing_ = false;
};

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
        if (!frame_.call(0, "POST", "/v2/subscriptions", body, reply)) return false;
        if (reply.status != 201) return !wrong("POST /v2/subscriptions: " + reply.body);
    }
    return true;
}

bool WebhookSimulation::turn() {
    if (random_.below(3) == 0) outside();
    send_events();
    return !wrong(http_->wrong());
}

// The client sends a few events, waits for the answer, and sends others.
void WebhookSimulation::send_events() {
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
        client_.send("POST", "/v2/events", kJsonType, body + "]");
        return;
    }
    if (client_.turn(reply) != Client::Turn::kReply || reply.status != 202) return;
    // Of one that ends meanwhile a part may have been taken.
    if (Disk::instance().frozen() || reply.body.find("\"rejected\":[]") == std::string::npos)
        return;
    acknowledged_.insert(acknowledged_.end(), sending_.begin(), sending_.end());
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
        outside();
        send_events();
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
    const std::string list =
        "/v2/executions?limit=200&subscriptionId=hook" + std::string(path.substr(1));
    bool hidden = true;
    const bool read = frame_.each(0, list, [&](simdjson::dom::element item) {
        hidden = hidden && hides("an execution", simdjson::minify(item));
        std::string_view status, event;
        if (item["status"].get(status) || item["eventId"].get(event)) return;
        const std::uint64_t n = std::strtoull(std::string(event.substr(1)).c_str(), nullptr, 10);
        if (status == "completed") done.insert(n);
        if (status == "dead") dead.insert(n);
    });
    return read && hidden;
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
    if (!frame_.call(0, "GET", "/v2/dlq?limit=1000", "", reply)) return false;
    return hides("a dead letter", reply.body) && hides("the server's log", log_);
}

bool WebhookSimulation::finish(RunResult& result) {
    if (!settle() || !check_end()) return false;
    result.sent = http_->calls();
    result.acknowledged = acknowledged_.size();
    return true;
}

}  // namespace

RunResult run_webhooks(const RunOptions& options) {
    return run_in_frame<WebhookSimulation>(options);
}

}  // namespace millrace::sim
