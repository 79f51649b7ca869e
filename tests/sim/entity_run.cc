#include "tests/sim/entity_run.h"

#include "tests/sim/client.h"
#include "tests/sim/disk.h"
#include "tests/sim/entity_model.h"
#include "tests/sim/frame.h"
#include "tests/sim/tenants.h"

#include <simdjson.h>

#include <map>
#include <memory>
#include <string>
#include <utility>

namespace millrace::sim {

namespace {

constexpr std::size_t kWriters = 4;  // two of each tenant

class EntitySimulation final : public Driven {
public:
    static Shape shape(core::Random&) { return {.time_one_in = 200, .time_us_max = 20'000}; }
    explicit EntitySimulation(Frame& frame)
        : frame_(frame), random_(frame.random()), world_(frame.world()) {
        for (std::size_t i = 0; i < kWriters; ++i) {
            writers_.push_back({.tenant = i % kTenants, .client = nullptr});
            writers_.back().client =
                std::make_unique<Client>(world_, random_.next(), false, i % kTenants);
        }
        documents_ = 1 + random_.below(3);
    }

    bool prepare() override;
    std::string check_start() override { return model_.check(world_.database()); }
    bool turn() override;
    void server_gone() override {
        for (Writer& writer : writers_) (void)writer.client->drop();
    }
    bool finish(RunResult& result) override;

private:
    enum class Kind : std::uint8_t { kCreate, kPut, kPatch, kBased, kDelete, kCount };
    struct Writer {
        std::size_t tenant = 0;
        std::unique_ptr<Client> client;
        AnsweredWrite write{};
        Kind kind = Kind::kPut;
    };
    bool wrong(std::string what) { return frame_.wrong(std::move(what)); }
    void begin(Writer& writer);
    bool answered(Writer& writer, const HttpReply& reply);
    bool look_back();

    Frame& frame_;
    core::Random& random_;
    World& world_;
    EntityModel model_;
    std::vector<Writer> writers_;
    std::uint64_t documents_ = 1;
    std::uint64_t marks_ = 0;
    std::map<std::pair<std::size_t, std::string>, std::uint64_t> versions_;  // as last answered
    bool finishing_ = false;
};

bool EntitySimulation::prepare() {
    static constexpr std::string_view kScript =
        R"({"id":"h","name":"h","type":"hook","source":"return function(e, ctx) )"
        R"(sdk.kv.incr('hooked') ctx.eventData.doc.hooked = ctx.eventData.doc.n end"})";
    for (std::size_t tenant = 0; tenant < kTenants; ++tenant) {
        HttpReply reply;
        if (!frame_.call(tenant, "POST", "/v2/scripts", kScript, reply)) return false;
        for (const std::string on : {"beforeCreate", "beforeUpdate"}) {
            if (!frame_.call(tenant, "POST", "/v2/hooks",
                             "{\"entity\":\"" + std::string(kEntityType) + "\",\"on\":\"" + on +
                                 "\",\"scriptId\":\"h\"}",
                             reply))
                return false;
            if (reply.status != 201) return !wrong("POST /v2/hooks: " + reply.body);
        }
    }
    return true;
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
            writer.client->send("POST", path, kJsonType,
                                "{\"id\":\"" + write.id + "\"," + mark + "}");
            return;
        case Kind::kPut: writer.client->send("PUT", one, kJsonType, "{" + mark + "}"); return;
        case Kind::kDelete: writer.client->send("DELETE", one, "", ""); return;
        case Kind::kBased: write.based_on = versions_[{write.tenant, write.id}]; break;
        default: break;
    }
    const std::string based =
        write.based_on == 0 ? "" : ",\"version\":" + std::to_string(write.based_on);
    writer.client->send("PATCH", one, kJsonType, "{" + mark + based + "}");
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
        if (!frame_.call(write.tenant, "GET", path, "", reply)) return false;
        const std::string mark = "\"n\":" + std::to_string(write.mark) + ",";
        if (reply.status != 200 || reply.body.find(mark) == std::string::npos)
            return !wrong("GET " + path + " said " + std::to_string(reply.status) + " " +
                          reply.body + " instead of n " + std::to_string(write.mark));
    }
    return true;
}

bool EntitySimulation::finish(RunResult& result) {
    if (!look_back()) return false;
    result.sent = model_.changes(world_.database());
    result.acknowledged = model_.answered().size();
    return true;
}

}  // namespace

RunResult run_entities(const RunOptions& options) {
    return run_in_frame<EntitySimulation>(options);
}

}  // namespace millrace::sim
