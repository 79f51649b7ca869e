#include "tests/sim/workflow_run.h"

#include "tests/sim/client.h"
#include "tests/sim/disk.h"
#include "tests/sim/frame.h"
#include "tests/sim/tenants.h"
#include "tests/sim/workflow_graph.h"

#include <simdjson.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace millrace::sim {

namespace {

constexpr std::size_t kClients = 4;  // two of each tenant
constexpr int kEndRounds = 600;

class WorkflowSimulation final : public Driven {
public:
    static Shape shape(core::Random&) { return {.time_one_in = 100, .time_us_max = 8'000}; }
    explicit WorkflowSimulation(Frame& frame)
        : frame_(frame), random_(frame.random()), world_(frame.world()) {
        for (std::size_t i = 0; i < kClients; ++i) {
            clients_.push_back({.tenant = i % kTenants, .client = nullptr, .run = {}});
            clients_.back().client =
                std::make_unique<Client>(world_, random_.next(), false, i % kTenants);
        }
    }

    bool prepare() override;
    bool turn() override;
    void server_gone() override {
        for (Asker& asker : clients_) (void)asker.client->drop();
    }
    bool finish(RunResult& result) override;

private:
    struct Asker {
        std::size_t tenant = 0;
        std::unique_ptr<Client> client;
        std::string run;  // that it wants begun; empty: it has asked for something else
    };
    // What a run has come to, as it is shown.
    struct Shown {
        std::string workflow, status;
        bool ended = false;
        std::map<std::string, std::string> steps;  // those that do something: id, status
    };
    bool wrong(std::string what) { return frame_.wrong(std::move(what)); }
    void ask(Asker& asker);
    bool answered(Asker& asker, const HttpReply& reply);
    bool settle();
    bool look_at(std::size_t tenant, std::map<std::string, Shown>& runs);
    bool check(std::size_t tenant, RunResult& result);
    bool check_run(std::size_t tenant, const std::string& id, const Shown& run,
                   const std::set<std::string>& done);

    Frame& frame_;
    core::Random& random_;
    World& world_;
    std::vector<Asker> clients_;
    PerTenant<std::vector<std::string>> begun_;  // whose beginning was answered
    std::uint64_t asked_ = 0;
    bool finishing_ = false;
};

bool WorkflowSimulation::prepare() {
    std::vector<std::string> workflows = {child_workflow()};
    for (std::size_t i = 0; i < kGraphs; ++i)
        workflows.push_back(random_workflow(random_, "w" + std::to_string(i)));
    for (std::size_t tenant = 0; tenant < kTenants; ++tenant) {
        std::vector<std::pair<std::string, std::string>> made;
        for (const std::string& script : workflow_scripts())
            made.emplace_back("/v2/scripts", script);
        for (const std::string& workflow : workflows) made.emplace_back("/v2/workflows", workflow);
        made.emplace_back("/v2/subscriptions",
                          R"({"id":"s","name":"s","pattern":"wf.begin","executor":)"
                          R"({"type":"workflow","workflowId":"w0"}})");
        for (const auto& [path, document] : made) {
            HttpReply reply;
            if (!frame_.call(tenant, "POST", path, document, reply)) return false;
            if (reply.status != 201) return !wrong("POST " + path + ": " + reply.body);
        }
    }
    return true;
}

void WorkflowSimulation::ask(Asker& asker) {
    const std::vector<std::string>& begun = begun_[asker.tenant];
    asker.run.clear();
    const auto what = random_.below(12);
    if (what == 0) {
        asker.client->send("POST", "/v2/events", kJsonType,
                           R"({"pattern":"wf.go","payload":{"n":1}})");
    } else if (what == 1) {
        asker.client->send("POST", "/v2/events", kJsonType,
                           R"([{"eventId":"e)" + std::to_string(++asked_) +
                               R"(","pattern":"wf.begin","payload":{"x":1}},)"
                               R"({"pattern":"wf.go","payload":{"n":2}}])");
    } else if (what < 6 && !begun.empty()) {
        static constexpr const char* kVerbs[] = {"cancel", "terminate", "pause", "resume",
                                                 "signal"};
        const std::string verb = kVerbs[random_.below(std::size(kVerbs))];
        asker.client->send("POST",
                           "/v2/workflow-runs/" + begun[random_.below(begun.size())] + "/" + verb,
                           kJsonType, verb == "signal" ? R"({"name":"go","payload":1})" : "{}");
    } else {
        asker.run = "r" + std::to_string(++asked_);
        const auto which = random_.below(kGraphs + 1);
        const std::string workflow = which == kGraphs ? "code" : "w" + std::to_string(which);
        asker.client->send("POST", "/v2/workflows/" + workflow + "/execute", kJsonType,
                           R"({"runId":")" + asker.run + R"(","input":{}})");
    }
}

bool WorkflowSimulation::answered(Asker& asker, const HttpReply& reply) {
    // It has ended, it was never begun, too many wait, or the server is going down.
    for (const int status : {404, 408, 409, 429, 503}) {
        if (reply.status == status) return true;
    }
    if (reply.status / 100 != 2)
        return !wrong("an answer of " + std::to_string(reply.status) + " " + reply.body);
    if (!asker.run.empty() && !Disk::instance().frozen()) begun_[asker.tenant].push_back(asker.run);
    return true;
}

bool WorkflowSimulation::turn() {
    for (Asker& asker : clients_) {
        if (random_.below(3) != 0) continue;
        if (asker.client->idle()) {
            if (!finishing_ && random_.below(10) == 0) ask(asker);
            continue;
        }
        HttpReply reply;
        if (asker.client->turn(reply) == Client::Turn::kReply && !answered(asker, reply))
            return false;
    }
    return true;
}

bool WorkflowSimulation::look_at(std::size_t tenant, std::map<std::string, Shown>& runs) {
    return frame_.each(tenant, "/v2/workflow-runs?limit=200", [&](simdjson::dom::element one) {
        const auto text = [&](const char* name) {
            std::string_view out;
            return one[name].get(out) ? std::string() : std::string(out);
        };
        Shown& shown = runs[text("runId")];
        shown.workflow = text("workflowId");
        shown.status = text("status");
        shown.ended = !text("endedAt").empty();
    });
}

// Whoever was paused is cancelled; all others end by themselves.
bool WorkflowSimulation::settle() {
    finishing_ = true;
    std::string left;
    for (int round = 0; round < kEndRounds; ++round) {
        for (int i = 0; i < 200; ++i) {
            world_.step();
            if (!turn()) return false;
        }
        world_.pass_time(20'000);
        if (round % 20 != 19) continue;
        left.clear();
        for (std::size_t tenant = 0; tenant < kTenants; ++tenant) {
            std::map<std::string, Shown> runs;
            if (!look_at(tenant, runs)) return false;
            for (const auto& [id, run] : runs) {
                if (run.ended) continue;
                left = "run " + id + " of " + run.workflow + " is still " + run.status;
                HttpReply reply;
                if (run.status == "paused" &&
                    !frame_.call(tenant, "POST", "/v2/workflow-runs/" + id + "/cancel", "{}",
                                 reply))
                    return false;
            }
        }
        if (left.empty()) return true;
    }
    return !wrong(left);
}

bool WorkflowSimulation::check_run(std::size_t tenant, const std::string& id, const Shown& run,
                                   const std::set<std::string>& done) {
    HttpReply reply;
    if (!frame_.call(tenant, "GET", "/v2/workflow-runs/" + id, "", reply)) return false;
    simdjson::dom::parser parser;
    simdjson::dom::element shown;
    simdjson::dom::array steps;
    if (reply.status != 200 || parser.parse(reply.body).get(shown) || shown["steps"].get(steps))
        return !wrong("run " + id + ": " + reply.body);
    if (run.workflow == "code") {
        for (int round = 1; round <= 3 && run.status == "completed"; ++round) {
            if (!done.contains("did:" + id + ":r" + std::to_string(round)))
                return !wrong("run " + id + " has completed without its round " +
                              std::to_string(round));
        }
        return true;
    }
    for (const simdjson::dom::element step : steps) {
        std::string_view name, type, status;
        if (step["id"].get(name) || step["type"].get(type) || step["status"].get(status))
            return !wrong("run " + id + ": " + reply.body);
        if (type != "action") continue;
        const std::string of = id + ":" + std::string(name);
        const bool did = done.contains("did:" + of);
        const bool undid = done.contains("undid:" + of);
        // Of what was made up for nobody knows whether it had been done.
        const bool fits = status == "completed"     ? did && !undid
                          : status == "compensated" ? undid
                                                    : !did && !undid;
        if (!fits)
            return !wrong("step " + of + " is " + std::string(status) + ", and it was " +
                          (did ? "done" : "not done") + (undid ? " and undone: " : ": ") +
                          reply.body);
    }
    return true;
}

bool WorkflowSimulation::check(std::size_t tenant, RunResult& result) {
    std::map<std::string, Shown> runs;
    if (!look_at(tenant, runs)) return false;
    for (const std::string& id : begun_[tenant]) {
        if (!runs.contains(id)) return !wrong("run " + id + " was begun and is not there");
    }
    std::set<std::string> done;
    std::string twice;
    for (const char* const kind : {"did:", "undid:"}) {
        const bool read = frame_.each(
            tenant, "/v2/kv?limit=200&prefix=" + std::string(kind),
            [&](simdjson::dom::element one) {
                std::string_view key;
                std::int64_t count = 0;
                if (one["key"].get(key) || one["value"].get(count) || count != 1)
                    twice = std::string(key) + " happened " + std::to_string(count) + " times";
                done.emplace(key);
            });
        if (!read) return false;
    }
    if (wrong(twice)) return false;
    for (const auto& [id, run] : runs) {
        if (!check_run(tenant, id, run, done)) return false;
    }
    result.sent += runs.size();
    result.acknowledged += begun_[tenant].size();
    return true;
}

bool WorkflowSimulation::finish(RunResult& result) {
    if (!settle()) return false;
    for (std::size_t tenant = 0; tenant < kTenants; ++tenant) {
        if (!check(tenant, result)) return false;
    }
    return true;
}

}  // namespace

RunResult run_workflows(const RunOptions& options) {
    return run_in_frame<WorkflowSimulation>(options);
}

}  // namespace millrace::sim
