#include "tests/sim/entity_run.h"

#include "tests/sim/client.h"
#include "tests/sim/disk.h"
#include "tests/sim/entity_model.h"
#include "tests/sim/on_disk.h"
#include "tests/sim/tenants.h"
#include "tests/sim/world.h"

#include <simdjson.h>

#include <map>
#include <memory>
#include <string>
#include <utility>

namespace millrace::sim {

namespace {

constexpr std::string_view kJson = "application/json";
constexpr std::size_t kWriters = 4;  // two of each tenant

class EntitySimulation {
public:
    explicit EntitySimulation(const RunOptions& options)
        : options_(options),
          random_(options.seed),
          world_(make_world_options(options, random_), trace_) {
        for (std::size_t i = 0; i < kWriters; ++i) {
            writers_.push_back({.tenant = i % kTenants, .client = nullptr});
            writers_.back().client =
                std::make_unique<Client>(world_, random_.next(), false, i % kTenants);
        }
        documents_ = 1 + random_.below(3);
    }
    RunResult run();

private:
    enum class Kind : std::uint8_t { kCreate, kPut, kPatch, kBased, kDelete, kCount };
    struct Writer {
        std::size_t tenant = 0;
        std::unique_ptr<Client> client;
        AnsweredWrite write{};
        Kind kind = Kind::kPut;
    };
    static WorldOptions make_world_options(const RunOptions& options, core::Random& random) {
        WorldOptions world;
        world.folder = options.folder + "/data";
        world.seed = options.seed;
        world.shards = 1 + random.below(3);
        world.lanes = 1 + random.below(3);
        world.small_network_pieces = random.below(2) == 0;
        if (random.below(2) == 0) world.sync_depth_max = 2 + random.below(3);
        return world;
    }
    bool wrong(std::string what) {
        if (what.empty()) return false;
        if (result_.wrong.empty()) result_.wrong = std::move(what);
        return true;
    }
    bool call(std::size_t tenant, std::string_view method, const std::string& path,
              std::string_view body, HttpReply& reply);
    bool prepare();
    bool start();
    void begin(Writer& writer);
    bool answered(Writer& writer, const HttpReply& reply);
    bool turn();
    bool serve(std::uint32_t steps);
    bool end();
    bool look_back();

    const RunOptions options_;
    core::Random random_;
    Trace trace_;
    World world_;
    EntityModel model_;
    std::vector<Writer> writers_;
    RunResult result_;
    std::uint64_t documents_ = 1;
    std::uint64_t marks_ = 0;
    std::map<std::pair<std::size_t, std::string>, std::uint64_t> versions_;  // as last answered
    bool finishing_ = false;
};

bool EntitySimulation::call(std::size_t tenant, std::string_view method, const std::string& path,
                            std::string_view body, HttpReply& reply) {
    Client client(world_, random_.next(), false, tenant);
    client.send(method, path, kJson, body);
    for (int i = 0; i < 200'000; ++i) {
        world_.step();
        const Client::Turn turn = client.turn(reply);
        if (turn == Client::Turn::kReply) return true;
        if (turn == Client::Turn::kLost) break;
    }
    return !wrong(std::string(method) + " " + path + " is not answered");
}

bool EntitySimulation::prepare() {
    static constexpr std::string_view kScript =
        R"({"id":"h","name":"h","type":"hook","source":"return function(e, ctx) )"
        R"(sdk.kv.incr('hooked') ctx.eventData.doc.hooked = ctx.eventData.doc.n end"})";
    for (std::size_t tenant = 0; tenant < kTenants; ++tenant) {
        HttpReply reply;
        if (!call(tenant, "POST", "/v2/scripts", kScript, reply)) return false;
        for (const std::string on : {"beforeCreate", "beforeUpdate"}) {
            if (!call(tenant, "POST", "/v2/hooks",
                      "{\"entity\":\"" + std::string(kEntityType) + "\",\"on\":\"" + on +
                          "\",\"scriptId\":\"h\"}",
                      reply))
                return false;
            if (reply.status != 201) return !wrong("POST /v2/hooks: " + reply.body);
        }
    }
    return true;
}

bool EntitySimulation::start() {
    while (!world_.boot()) {
        if (!world_.failure().empty()) return !wrong("the start was refused: " + world_.failure());
        if (!end()) return false;
    }
    return !wrong(model_.check(world_.database()));
}

void EntitySimulation::begin(Writer& writer) {
    AnsweredWrite& write = writer.write = {};
    write.tenant = writer.tenant;
    write.id = "o" + std::to_string(random_.below(documents_));
    write.mark = ++marks_;
    writer.kind = static_cast<Kind>(random_.below(static_cast<std::uint64_t>(Kind::kCount)));
    if (writer.kind == Kind::kDelete && random_.below(3) != 0) writer.kind = Kind::kPatch;
    const std::string path = "/v2/entities/" + std::string(kEntityType);
    const std::string one = path + "/" + write.id;
    const std::string mark = "\"n\":" + std::to_string(write.mark);
    switch (writer.kind) {
        case Kind::kCreate:
            writer.client->send("POST", path, kJson, "{\"id\":\"" + write.id + "\"," + mark + "}");
            return;
        case Kind::kPut: writer.client->send("PUT", one, kJson, "{" + mark + "}"); return;
        case Kind::kDelete: writer.client->send("DELETE", one, "", ""); return;
        case Kind::kBased: write.based_on = versions_[{write.tenant, write.id}]; break;
        default: break;
    }
    const std::string based =
        write.based_on == 0 ? "" : ",\"version\":" + std::to_string(write.based_on);
    writer.client->send("PATCH", one, kJson, "{" + mark + based + "}");
}

bool EntitySimulation::answered(Writer& writer, const HttpReply& reply) {
    // There is none, there is one already, it is another version, too many wait, or it is going
    // down.
    for (const int status : {404, 408, 409, 429, 503}) {
        if (reply.status == status) return true;
    }
    if (reply.status / 100 != 2)
        return !wrong("a write of " + writer.write.id + " said " + std::to_string(reply.status) +
                      " " + reply.body);
    if (writer.kind == Kind::kDelete || Disk::instance().frozen()) return true;
    simdjson::dom::parser parser;
    simdjson::dom::element doc;
    std::string_view updated_at;
    if (parser.parse(reply.body).get(doc) || doc["version"].get(writer.write.version) ||
        doc["updatedAt"].get(updated_at))
        return !wrong("a write without a version: " + reply.body);
    writer.write.updated_at = updated_at;
    versions_[{writer.tenant, writer.write.id}] = writer.write.version;
    model_.answered().push_back(writer.write);
    return true;
}

bool EntitySimulation::turn() {
    for (Writer& writer : writers_) {
        if (random_.below(3) != 0) continue;
        if (writer.client->idle()) {
            if (!finishing_ && random_.below(6) == 0) begin(writer);
            continue;
        }
        HttpReply reply;
        if (writer.client->turn(reply) == Client::Turn::kReply && !answered(writer, reply))
            return false;
    }
    return true;
}

bool EntitySimulation::serve(std::uint32_t steps) {
    Disk& disk = Disk::instance();
    const std::uint64_t at = random_.below(2) == 0 ? steps : random_.below(steps);
    for (std::uint32_t i = 0; i < steps; ++i) {
        if (i == at) disk.cut_power_after(1 + random_.below(20));
        if (disk.frozen()) return true;
        world_.step();
        if (disk.frozen()) return true;
        if (random_.below(200) == 0)
            world_.pass_time(static_cast<std::int64_t>(random_.below(20'000)));
        if (!turn()) return false;
    }
    return true;
}

bool EntitySimulation::end() {
    const bool stops = random_.below(3) == 0 && world_.running() && !Disk::instance().frozen();
    if (stops && world_.stop_gracefully([this] { (void)turn(); })) {
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
    for (Writer& writer : writers_) (void)writer.client->drop();
    return result_.wrong.empty();
}

// As it was when a write was answered: what that write had made of it.
bool EntitySimulation::look_back() {
    finishing_ = true;
    for (int i = 0; i < 3000; ++i) {
        world_.step();
        if (!turn()) return false;
    }
    if (wrong(model_.check(world_.database()))) return false;
    const std::vector<AnsweredWrite>& answered = model_.answered();
    for (int i = 0; i < 20 && !answered.empty(); ++i) {
        const AnsweredWrite& write = answered[random_.below(answered.size())];
        const std::string path = "/v2/entities/" + std::string(kEntityType) + "/" + write.id +
                                 "?asOf=" + write.updated_at;
        HttpReply reply;
        if (!call(write.tenant, "GET", path, "", reply)) return false;
        const std::string mark = "\"n\":" + std::to_string(write.mark) + ",";
        if (reply.status != 200 || reply.body.find(mark) == std::string::npos)
            return !wrong("GET " + path + " said " + std::to_string(reply.status) + " " +
                          reply.body + " instead of n " + std::to_string(write.mark));
    }
    return true;
}

RunResult EntitySimulation::run() {
    bool good = start() && prepare();
    for (std::uint32_t boot = 0; good && boot < options_.boots; ++boot) {
        if (boot != 0) good = start();
        const auto steps = static_cast<std::uint32_t>(
            1 + random_.below(std::uint64_t{options_.steps_per_boot} * 2));
        good = good && serve(steps) && end();
    }
    good = good && start() && look_back();
    if (good) result_.sent = model_.changes(world_.database());
    good = good && end() && start();
    result_.acknowledged = model_.answered().size();
    result_.lost_writes = Disk::instance().lost_writes();
    result_.overlapped = world_.overlapped();
    result_.virtual_ms = world_.clock().monotonic_ns() / 1'000'000;
    trace_.add(Disk::instance().operations());
    trace_.add(result_.acknowledged);
    result_.trace = trace_.hash();
    return result_;
}

}  // namespace

RunResult run_entities(const RunOptions& options) { return run_on_disk<EntitySimulation>(options); }

}  // namespace millrace::sim
