#include "tests/sim/schedule_run.h"

#include "core/timestamp.h"
#include "runtime/registry/document_kinds.h"
#include "runtime/registry/registry.h"
#include "tests/sim/client.h"
#include "tests/sim/disk.h"
#include "tests/sim/frame.h"
#include "tests/sim/schedule_model.h"
#include "tests/sim/tenants.h"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <utility>

namespace millrace::sim {

namespace {

constexpr std::int64_t kSecondUs = 1'000'000;
constexpr std::int64_t kHourUs = 3600 * kSecondUs;
constexpr int kSettleRounds = 400;
constexpr std::int64_t kSettledUs = 2 * kSecondUs;  // a time that long ago has had its turn
constexpr const char* kModes[] = {"one", "all", "none"};

class ScheduleSimulation final : public Driven {
public:
    static Shape shape(core::Random&) {
        return {.network_in_pieces = false, .cut_start_one_in = 6};
    }
    explicit ScheduleSimulation(Frame& frame)
        : frame_(frame), random_(frame.random()), world_(frame.world()) {
        for (std::size_t i = 0; i < kTenants; ++i)
            clients_.push_back(
                {.client = std::make_unique<Client>(world_, random_.next(), false, i)});
        step_one_in_ = random_.below(3) == 0 ? 0 : 300 + random_.below(1500);
        stall_one_in_ = random_.below(3) == 0 ? 0 : 300 + random_.below(1500);
        ask_one_in_ = random_.below(3) == 0 ? 0 : 100 + random_.below(600);
    }

    bool prepare() override;
    std::string check_start() override { return model_.check_start(world_.database()); }
    void weather() override;
    void before_cut() override { pass_a_due_time(); }
    bool turn() override;
    void server_gone() override {
        for (Station& station : clients_) (void)station.client->drop();
    }
    void between_boots() override;
    bool finish(RunResult& result) override;

private:
    enum class Ask : std::uint8_t { kPause, kResume, kRename, kTrigger, kCount };
    struct Station {
        std::unique_ptr<Client> client;
        Ask asked = Ask::kPause;
        std::size_t schedule = 0;
    };
    bool wrong(std::string what) { return frame_.wrong(std::move(what)); }
    bool make_schedule(std::size_t tenant, std::size_t number);
    void pass_a_due_time();
    bool answered(Station& station, const HttpReply& reply);
    bool settle();
    std::int64_t now_us() { return world_.clock().wall_us(); }

    Frame& frame_;
    core::Random& random_;
    World& world_;
    ScheduleModel model_;
    std::vector<Station> clients_;   // by tenant
    std::uint64_t step_one_in_ = 0;  // 0: never
    std::uint64_t stall_one_in_ = 0;
    std::uint64_t ask_one_in_ = 0;
    std::int64_t farthest_us_ = 0;  // the wall clock's
};

bool ScheduleSimulation::make_schedule(std::size_t tenant, std::size_t number) {
    struct Grid {
        std::string_view text;
        std::int64_t period_us;
    };
    static constexpr std::array<Grid, 8> kGrids{
        {{R"("type":"interval","intervalMs":1000)", kSecondUs},
         {R"("type":"interval","intervalMs":7000)", 7 * kSecondUs},
         {R"("type":"interval","intervalMs":3600000)", kHourUs},
         {R"("type":"cron","cron":"*/2 * * * * *")", 2 * kSecondUs},
         {R"("type":"cron","cron":"30 * * * * *")", 60 * kSecondUs},
         {R"("type":"cron","cron":"0 */10 * * * *")", 600 * kSecondUs},
         {R"("type":"cron","cron":"30 2 * * *")", 24 * kHourUs},
         {R"("type":"once")", 0}}};
    const Grid& grid = kGrids[random_.below(kGrids.size())];
    PlannedSchedule planned;
    planned.tenant = tenant;
    planned.id = "s" + std::to_string(tenant) + "-" + std::to_string(number);
    planned.period_us = grid.period_us;
    planned.allows_overlap = random_.below(2) == 0;
    const std::uint64_t mode = random_.below(std::size(kModes));
    planned.makes_up = mode != 2;
    std::string body =
        "{\"id\":\"" + planned.id + "\",\"name\":\"" + planned.id + "\"," + std::string(grid.text);
    if (planned.period_us == 0) {
        planned.first_us =
            now_us() / 1000 * 1000 + static_cast<std::int64_t>(1000 + random_.below(30'000)) * 1000;
        body += ",\"at\":\"" + core::format_timestamp(planned.first_us) + "\"";
    }
    body += ",\"event\":{\"pattern\":\"" + std::string(kTickPrefix) + planned.id +
            "\",\"payload\":{}},\"overlap\":\"" +
            (planned.allows_overlap  ? "allow"
             : random_.below(2) == 0 ? "skip"
                                     : "queue1") +
            "\",\"catchUp\":{\"mode\":\"" + kModes[mode] +
            "\",\"windowMs\":" + std::to_string(random_.below(2) == 0 ? 60'000 : 86'400'000) +
            ",\"max\":" + std::to_string(1 + random_.below(20)) + "}}";
    HttpReply reply;
    if (!frame_.call(tenant, "POST", "/v2/schedules", body, reply)) return false;
    if (reply.status != 201)
        return !wrong("POST /v2/schedules said " + std::to_string(reply.status) + " " + reply.body);
    const auto found =
        world_.parts().registry->table<runtime::Schedule>().find(tenant_id(tenant), planned.id);
    if (!found) return !wrong("the schedule is not there");
    planned.number = found->number.value;
    simdjson::dom::parser parser;
    simdjson::dom::element made;
    std::string_view next;
    std::int64_t first_us = 0;
    if (parser.parse(reply.body).get(made) || made["nextRunAt"].get(next) ||
        !core::parse_timestamp(next, first_us))
        return !wrong("a schedule that is never due: " + reply.body);
    if (planned.period_us == 0 && first_us != planned.first_us)
        return !wrong("once, and not when it was asked for: " + reply.body);
    const std::int64_t until_us = first_us - found->created_at_us;
    if (planned.period_us != 0 && (until_us < 0 || until_us > planned.period_us))
        return !wrong("the first time is not the next one: " + reply.body);
    planned.first_us = first_us;
    model_.schedules().push_back(std::move(planned));
    return true;
}

bool ScheduleSimulation::prepare() {
    for (std::size_t tenant = 0; tenant < kTenants; ++tenant) {
        const std::uint64_t count = 1 + random_.below(4);
        for (std::size_t i = 0; i < count; ++i) {
            if (!make_schedule(tenant, i)) return false;
        }
        // Runs of one tenant take their time: somebody handles them.
        if (tenant != 0) continue;
        HttpReply reply;
        static constexpr std::string_view kScript =
            R"({"id":"ticks","name":"ticks","type":"event","source":)"
            R"("return function(e) sdk.kv.incr('ticks') end"})";
        static constexpr std::string_view kSubscription =
            R"({"id":"ticks","name":"ticks","pattern":{"type":"prefix","value":"tick."},)"
            R"("executor":{"type":"script","scriptId":"ticks"}})";
        if (!frame_.call(tenant, "POST", "/v2/scripts", kScript, reply) ||
            !frame_.call(tenant, "POST", "/v2/subscriptions", kSubscription, reply))
            return false;
        if (reply.status != 201) return !wrong("the subscription: " + reply.body);
    }
    return true;
}

void ScheduleSimulation::weather() {
    if (step_one_in_ != 0 && random_.below(step_one_in_) == 0) {
        static constexpr std::int64_t kSteps[] = {kHourUs, -kHourUs, 30 * 24 * kHourUs};
        world_.clock().step_wall_us(kSteps[random_.below(std::size(kSteps))]);
    }
    if (stall_one_in_ != 0 && random_.below(stall_one_in_) == 0) {
        const std::int64_t stalls_us[] = {2 * kHourUs, 20 * kSecondUs,
                                          static_cast<std::int64_t>(random_.below(12'000'000))};
        world_.pass_time(stalls_us[random_.below(std::size(stalls_us))]);
    }
    if (random_.below(30) == 0) world_.pass_time(static_cast<std::int64_t>(random_.below(900'000)));
    farthest_us_ = std::max(farthest_us_, now_us());
}

// To right before or right behind a full second.
void ScheduleSimulation::pass_a_due_time() {
    const std::int64_t left_us = kSecondUs - now_us() % kSecondUs;
    const std::int64_t around_us = static_cast<std::int64_t>(random_.below(200)) - 100;
    world_.pass_time(std::max<std::int64_t>(left_us + around_us, 0));
}

bool ScheduleSimulation::answered(Station& station, const HttpReply& reply) {
    if (reply.status == 503 || reply.status == 429 || reply.status == 408) return true;
    PlannedSchedule& schedule = model_.schedules()[station.schedule];
    if (reply.status / 100 != 2)
        return !wrong("a call for " + schedule.id + " said " + std::to_string(reply.status) + " " +
                      reply.body);
    if (station.asked != Ask::kTrigger || Disk::instance().frozen()) return true;
    static constexpr std::string_view kName = "\"eventId\":\"";
    const std::size_t at = reply.body.find(kName);
    if (at == std::string::npos) return !wrong("a trigger without an event: " + reply.body);
    const std::size_t begin = at + kName.size();
    schedule.asked.insert(reply.body.substr(begin, reply.body.find('"', begin) - begin));
    return true;
}

bool ScheduleSimulation::turn() {
    for (std::size_t tenant = 0; tenant < kTenants; ++tenant) {
        Station& station = clients_[tenant];
        if (!station.client->idle()) {
            HttpReply reply;
            if (station.client->turn(reply) == Client::Turn::kReply && !answered(station, reply))
                return false;
            continue;
        }
        if (ask_one_in_ == 0 || random_.below(ask_one_in_) != 0) continue;
        std::vector<std::size_t> own;
        for (std::size_t i = 0; i < model_.schedules().size(); ++i) {
            if (model_.schedules()[i].tenant == tenant) own.push_back(i);
        }
        station.schedule = own[random_.below(own.size())];
        station.asked = static_cast<Ask>(random_.below(static_cast<std::uint64_t>(Ask::kCount)));
        PlannedSchedule& schedule = model_.schedules()[station.schedule];
        const std::string path = "/v2/schedules/" + schedule.id;
        switch (station.asked) {
            case Ask::kPause:
                schedule.was_paused = true;
                station.client->send("POST", path + "/pause", kJsonType, "{}");
                break;
            case Ask::kResume:
                station.client->send("POST", path + "/resume", kJsonType, "{}");
                break;
            case Ask::kTrigger:
                station.client->send("POST", path + "/trigger", kJsonType, "{}");
                break;
            default:
                station.client->send("PATCH", path, kJsonType,
                                     "{\"name\":\"n" + std::to_string(random_.below(1000)) + "\"}");
        }
    }
    return true;
}

// The clock is right again, everybody is awake, and what is due has its turn.
bool ScheduleSimulation::settle() {
    if (now_us() < farthest_us_) world_.clock().step_wall_us(farthest_us_ - now_us());
    for (const PlannedSchedule& schedule : model_.schedules()) {
        HttpReply reply;
        const std::string path = "/v2/schedules/" + schedule.id + "/resume";
        if (!frame_.call(schedule.tenant, "POST", path, "{}", reply)) return false;
    }
    for (int round = 0; round < kSettleRounds; ++round) {
        for (int i = 0; i < 60; ++i) world_.step();
        world_.pass_time(25'000);
    }
    for (int i = 0; i < 4000; ++i) world_.step();
    return !wrong(model_.check_end(world_.database(), now_us() - kSettledUs));
}

void ScheduleSimulation::between_boots() {
    if (random_.below(3) == 0) world_.pass_time(2 * kHourUs);
    farthest_us_ = std::max(farthest_us_, now_us());
}

bool ScheduleSimulation::finish(RunResult& result) {
    if (!settle()) return false;
    const ScheduleModel::Seen seen = model_.seen(world_.database());
    result.sent = seen.fired;
    result.acknowledged = seen.made_up;
    return true;
}

}  // namespace

RunResult run_schedules(const RunOptions& options) {
    return run_in_frame<ScheduleSimulation>(options);
}

}  // namespace millrace::sim
