// Goal: a front passes requests on to whoever owns, with the name of who asks and without what a
// client would like to say of itself; waits for an owner; repeats only what may be repeated.
// Method: the front with its own reactor, and on another one a server that stands for the processes
// of all partitions and a client; all by one thread.
#include "runtime/node/front.h"

#include "core/json_dom.h"
#include "io/http_client.h"
#include "io/http_server.h"
#include "runtime/identity/trusted_front.h"
#include "runtime/node/cluster_state.h"

#include <gtest/gtest.h>

#include <deque>
#include <functional>

namespace millrace::runtime::node {
namespace {

constexpr const char* kToken = "0123456789abcdef0123456789abcdef";
constexpr std::uint64_t kSeed = 7;

struct Seen {
    std::string method, target, body, principal, peer, partition, token, mine;
};

// Answers as it is told, else 200 with what was asked for.
class Partitions final : public io::HttpHandler {
public:
    io::HttpServer* server = nullptr;
    std::vector<Seen> seen;
    std::function<bool(const io::Request&)> answer;
    bool keyed = true;

    void on_request(io::Request& request) override {
        const auto header = [&](std::string_view name) {
            return std::string(request.header(name));
        };
        seen.push_back({std::string(io::method_text(request.method)), std::string(request.target),
                        std::string(request.body_view()), header(identity::kFrontPrincipalHeader),
                        header(identity::kFrontPeerHeader), header("Millrace-Partition"),
                        header(identity::kFrontTokenHeader), header("X-Mine")});
        if (request.path == "/v2/me") return tell_who(request);
        if (answer && answer(request)) return;
        server->respond(request.token, {.status = 200}, request.target);
    }
    std::size_t count(std::string_view target) const {
        std::size_t found = 0;
        for (const Seen& one : seen) found += one.target == target ? 1 : 0;
        return found;
    }

private:
    void tell_who(const io::Request& request) {
        if (keyed && request.header("Authorization") != "Bearer acme") {
            server->respond_error(request.token,
                                  core::Error(core::ErrorCode::kUnauthorized, "a key is needed"));
            return;
        }
        identity::Principal principal;
        principal.scopes = identity::ScopeSet::all();
        auto key = std::make_shared<identity::KeyIdentity>();
        key->id = "key_acme";
        principal.key = key;
        const std::string text = identity::principal_text(principal, "acme");
        const std::array<io::HeaderField, 1> headers{{{identity::kFrontPrincipalHeader, text}}};
        server->respond(request.token, {.status = 200, .headers = headers}, "{}");
    }
};

class Answer final : public io::HttpExchange {
public:
    void answer_head(const io::AnswerHead& head) override {
        status = head.status;
        told = head.header(identity::kFrontAnswerHeader);
        principal = head.header(identity::kFrontPrincipalHeader);
    }
    void answer_bytes(std::string_view bytes) override { body.append(bytes); }
    void answer_end() override { over = true; }
    void failed(Failure, std::string_view) override { over = true; }

    int status = 0;
    std::string body, told, principal;
    bool over = false;
};

class Orders final : public NodeDesk {
public:
    std::deque<NodeOrder> orders;
    void order(NodeOrder&& order) override { orders.push_back(std::move(order)); }
};

class FrontTest : public testing::Test {
protected:
    FrontTest() : reactor(*io::Reactor::create({.backend = io::BackendChoice::kEpoll}, clock)) {
        server = std::make_unique<io::HttpServer>(*reactor, partitions, io::HttpLimits{});
        partitions.server = server.get();
        upstream = *server->listen(*io::Address::parse("127.0.0.1:0"), io::ListenRole::kFirst);
        client = std::make_unique<io::HttpClient>(*reactor, io::HttpClientLimits{});
        core::Config config;
        config.http.listen = "127.0.0.1:0";
        config.io.backend = "epoll";
        NodeSettings settings;
        settings.cluster = "t";
        settings.node = "a";
        settings.token = kToken;
        settings.advertise = free_address();
        inside = settings.advertise;
        auto made = Front::create(config, settings, {&clock, &log, &orders, {}});
        if (made) front = std::move(*made);
    }
    void SetUp() override {
        ASSERT_TRUE(front);
        address = *io::Address::parse(front->address());
        use({Target::Where::kHere, upstream, 1});
    }
    ~FrontTest() override {
        for (Answer& one : answers) client->cancel(one);
    }
    static io::Address free_address() {
        core::RealClock clock;
        auto reactor = *io::Reactor::create({.backend = io::BackendChoice::kEpoll}, clock);
        Partitions nobody;
        io::HttpServer server(*reactor, nobody, {});
        return *server.listen(*io::Address::parse("127.0.0.1:0"), io::ListenRole::kFirst);
    }
    void use(const Target& target, bool initialized = true) {
        auto routing = std::make_shared<Routing>();
        routing->initialized = initialized;
        routing->hash_seed = kSeed;
        if (initialized) routing->targets.assign(4, target);
        routing->cluster = R"({"name":"t"})";
        front->use(std::move(routing));
    }
    Answer& ask(std::string_view line, std::string_view headers = "Authorization: Bearer acme\r\n",
                std::string_view body = {}, bool privately = false) {
        Answer& answer = answers.emplace_back();
        std::string head = std::string(line) + " HTTP/1.1\r\nHost: localhost\r\n";
        head.append(headers);
        core::BufferRef bytes;
        if (!body.empty()) {
            head +=
                "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
                "\r\n";
            io::BodyWriter writer = server->body_writer();
            writer.append(body);
            bytes = writer.take();
        }
        head += "\r\n";
        EXPECT_TRUE(client->start(answer, privately ? inside : address, head, std::move(bytes)));
        return answer;
    }
    bool until(const std::function<bool()>& so) {
        for (int i = 0; i < 60'000 && !so(); ++i) {
            front->do_work();
            reactor->poll(100);
        }
        return so();
    }
    const Seen& last() const { return partitions.seen.back(); }

    core::RealClock clock;
    core::Log log{clock, core::LogLevel::kOff};
    std::unique_ptr<io::Reactor> reactor;
    Partitions partitions;
    Orders orders;
    std::unique_ptr<io::HttpServer> server;
    std::unique_ptr<io::HttpClient> client;
    io::Address upstream, address, inside;
    std::unique_ptr<Front> front;
    std::deque<Answer> answers;
};

TEST_F(FrontTest, PassesOnWithTheNameOfWhoAsksAndNothingThatAClientSaysOfItself) {
    Answer& answer = ask("GET /v2/events?limit=1",
                         "Authorization: Bearer acme\r\nMillrace-Principal: me\r\n"
                         "Millrace-Peer: 127.0.0.1:1\r\nMillrace-Partition: 3\r\nX-Mine: 1\r\n");
    ASSERT_TRUE(until([&] { return answer.over; }));
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "/v2/events?limit=1");
    EXPECT_EQ(answer.principal, "");
    ASSERT_EQ(partitions.seen.size(), 2u);
    const auto told = identity::read_principal(last().principal);
    ASSERT_TRUE(told);
    EXPECT_EQ(told->tenant, "acme");
    EXPECT_EQ(last().token, kToken);
    EXPECT_EQ(last().mine, "1");
    EXPECT_EQ(last().partition, std::to_string(partition_of("acme", kSeed, 4)));
    EXPECT_NE(last().peer, "127.0.0.1:1");
    // Who it is stays known for a moment.
    Answer& again = ask("POST /v2/events", "Authorization: Bearer acme\r\n", "[]");
    ASSERT_TRUE(until([&] { return again.over; }));
    EXPECT_EQ(partitions.count("/v2/me"), 1u);
    EXPECT_EQ(last().body, "[]");
}

TEST_F(FrontTest, WhoIsRefusedWhereTheKeysAreIsRefused) {
    Answer& answer = ask("GET /v2/events", "Authorization: Bearer wrong\r\n");
    ASSERT_TRUE(until([&] { return answer.over; }));
    EXPECT_EQ(answer.status, 401);
    EXPECT_EQ(partitions.count("/v2/events"), 0u);
    // Nobody may send webhooks: to tenant default, or the one that is named.
    Answer& hook = ask("POST /v2/webhooks/shop?tenant=globex&x=1", "", "{}");
    ASSERT_TRUE(until([&] { return hook.over; }));
    EXPECT_EQ(last().target, "/v2/webhooks/shop?x=1");
    EXPECT_EQ(last().principal, "");
    EXPECT_EQ(last().partition, std::to_string(partition_of("globex", kSeed, 4)));
}

// Nobody is asked who it is: the partition knows its edges, and the front by the token whose it is.
TEST_F(FrontTest, AnEdgesBatchesGoWhereItsTenantIs) {
    for (const auto& [token, tenant] :
         {std::pair{"mredge_01.globex", "globex"}, std::pair{"mredge_01", "default"}}) {
        const std::string shown = "Authorization: Bearer " + std::string(token) + "\r\n";
        Answer& answer = ask("POST /v2/edges/shop-1/batches", shown + "X-Mine: 1\r\n", "bytes");
        ASSERT_TRUE(until([&] { return answer.over; }));
        EXPECT_EQ(answer.status, 200);
        EXPECT_EQ(last().partition, std::to_string(partition_of(tenant, kSeed, 4)));
        EXPECT_EQ(last().principal, "");
        EXPECT_EQ(last().token, kToken);
        EXPECT_EQ(last().body, "bytes");
    }
    EXPECT_EQ(partitions.count("/v2/me"), 0u);
    Answer& enrolled = ask("POST /v2/edges", "Authorization: Bearer acme\r\n", "{}");
    ASSERT_TRUE(until([&] { return enrolled.over; }));
    EXPECT_EQ(last().partition, std::to_string(partition_of("acme", kSeed, 4)));
    EXPECT_NE(last().principal, "");
}

// Changes of a tenant's keys are the tenant's; a partition's figures and log are not.
TEST_F(FrontTest, APartitionIsNamedByWhoMayLookAtIt) {
    Answer& audit = ask("GET /v2/audit?partition=0&kind=key");
    ASSERT_TRUE(until([&] { return audit.over; }));
    EXPECT_EQ(last().partition, "0");
    EXPECT_EQ(last().target, "/v2/audit?kind=key");
    Answer& own = ask("GET /v2/audit");
    ASSERT_TRUE(until([&] { return own.over; }));
    EXPECT_EQ(last().partition, std::to_string(partition_of("acme", kSeed, 4)));
    Answer& figures = ask("GET /v2/stats?window=60s&partition=0");
    ASSERT_TRUE(until([&] { return figures.over; }));
    EXPECT_EQ(figures.status, 403);
    Answer& none = ask("GET /v2/audit?partition=4");
    ASSERT_TRUE(until([&] { return none.over; }));
    EXPECT_EQ(none.status, 400);
}

TEST_F(FrontTest, WithoutAnOwnerARequestWaitsForOne) {
    Answer& first = ask("GET /v2/events");
    ASSERT_TRUE(until([&] { return first.over; }));
    use({});
    Answer& waits = ask("POST /v2/events", "Authorization: Bearer acme\r\n", "[1]");
    ASSERT_TRUE(until([&] { return front->figures().held.load() > 0; }));
    EXPECT_FALSE(waits.over);
    use({Target::Where::kHere, upstream, 2});
    ASSERT_TRUE(until([&] { return waits.over; }));
    EXPECT_EQ(waits.status, 200);
    EXPECT_EQ(last().body, "[1]");
    use({});
    Answer& in_vain = ask("GET /v2/events");
    ASSERT_TRUE(until([&] { return in_vain.over; }));
    EXPECT_EQ(in_vain.status, 503);
    EXPECT_NE(in_vain.body.find("nothing was taken"), std::string::npos);
}

TEST_F(FrontTest, WhatMayHaveBeenTakenGoesOutOnce) {
    partitions.answer = [&](const io::Request&) {
        server->close_all();
        return true;
    };
    Answer& post = ask("POST /v2/events", "Authorization: Bearer acme\r\n", "[1]");
    ASSERT_TRUE(until([&] { return post.over; }));
    EXPECT_EQ(post.status, 503);
    EXPECT_NE(post.body.find("whether it was taken is not known"), std::string::npos);
    EXPECT_NE(post.body.find(R"("details":{"reason":"maybe-taken"})"), std::string::npos);
    EXPECT_EQ(partitions.count("/v2/events"), 1u);
}

// Known by their ids where they belong, whoever owns it by then; and told if nobody does.
TEST_F(FrontTest, EventsThatAllHaveIdsGoOutOnceMore) {
    const std::string events = R"([{"eventId":"e1","pattern":"a"}])";
    partitions.answer = [](const io::Request&) { return true; };
    Answer& post = ask("POST /v2/events", "Authorization: Bearer acme\r\n", events);
    ASSERT_TRUE(until([&] { return partitions.count("/v2/events") == 1; }));
    use({});
    ASSERT_TRUE(until([&] { return front->figures().held.load() > 0; }));
    partitions.answer = {};
    use({Target::Where::kHere, upstream, 2});
    ASSERT_TRUE(until([&] { return post.over; }));
    EXPECT_EQ(post.status, 200);
    EXPECT_EQ(last().body, events);
    EXPECT_EQ(partitions.count("/v2/events"), 2u);

    partitions.answer = [](const io::Request&) { return true; };
    Answer& lost = ask("POST /v2/events", "Authorization: Bearer acme\r\n", events);
    ASSERT_TRUE(until([&] { return partitions.count("/v2/events") == 3; }));
    use({});
    ASSERT_TRUE(until([&] { return lost.over; }));
    EXPECT_EQ(lost.status, 503);
    EXPECT_NE(lost.body.find("whether it was taken is not known"), std::string::npos);
    EXPECT_EQ(front->figures().unknown.load(), 1u);
}

// As another node's front tells it.
TEST_F(FrontTest, ANodeThatHasLostARequestsOwnerSaysSoToTheOther) {
    const std::string events = R"({"eventId":"e1","pattern":"a"})";
    int lost = 0;
    partitions.answer = [&](const io::Request& request) {
        if (lost++ > 0) return false;
        const std::array<io::HeaderField, 1> headers{{{identity::kFrontAnswerHeader, kMaybeTaken}}};
        server->respond(request.token, {.status = 503, .headers = headers}, "{}");
        return true;
    };
    Answer& post = ask("POST /v2/events", "Authorization: Bearer acme\r\n", events);
    ASSERT_TRUE(until([&] { return post.over; }));
    EXPECT_EQ(post.status, 200);
    EXPECT_EQ(partitions.count("/v2/events"), 2u);
    // And this one to others.
    partitions.answer = [&](const io::Request&) {
        server->close_all();
        return true;
    };
    Answer& inside_it = ask("POST /v2/events",
                            std::string("Millrace-Cluster-Token: ") + kToken +
                                "\r\nMillrace-Partition: 1\r\nMillrace-Principal: who\r\n",
                            events, true);
    ASSERT_TRUE(until([&] { return inside_it.over; }));
    EXPECT_EQ(inside_it.status, 503);
    EXPECT_EQ(inside_it.told, kMaybeTaken);
}

TEST_F(FrontTest, WhatIsReadIsAskedForAgain) {
    partitions.answer = [](const io::Request&) { return true; };
    Answer& get = ask("GET /v2/events");
    ASSERT_TRUE(until([&] { return partitions.count("/v2/events") == 1; }));
    // The process ends with the request in its hands, and another one begins.
    server.reset();
    server = std::make_unique<io::HttpServer>(*reactor, partitions, io::HttpLimits{});
    partitions.server = server.get();
    partitions.answer = {};
    ASSERT_TRUE(server->listen(upstream, io::ListenRole::kFirst));
    ASSERT_TRUE(until([&] { return get.over; }));
    EXPECT_EQ(get.status, 200);
    EXPECT_EQ(partitions.count("/v2/events"), 2u);
}

TEST_F(FrontTest, OneThatSaysItIsNotTheOwnerHasTakenNothing) {
    int refusals = 0;
    partitions.answer = [&](const io::Request& request) {
        if (refusals == 2) return false;
        ++refusals;
        const std::array<io::HeaderField, 1> headers{{{identity::kFrontAnswerHeader, "not-here"}}};
        server->respond(request.token, {.status = 503, .headers = headers}, "{}");
        return true;
    };
    Answer& post = ask("POST /v2/events", "Authorization: Bearer acme\r\n", "[1]");
    ASSERT_TRUE(until([&] { return post.over; }));
    EXPECT_EQ(post.status, 200);
    EXPECT_EQ(partitions.count("/v2/events"), 3u);
}

TEST_F(FrontTest, ATenantIsMadeKnownToItsPartition) {
    bool known = false;
    partitions.answer = [&](const io::Request& request) {
        if (request.path == "/v2/tenants/acme") {
            server->respond(request.token, {.status = 200},
                            R"({"id":"acme","name":"Acme","version":1,"quotas":{"scripts":5}})");
            return true;
        }
        if (request.path == "/v2/tenants") {
            known = true;
            server->respond(request.token, {.status = 201}, "{}");
            return true;
        }
        if (known) return false;
        const std::array<io::HeaderField, 1> headers{
            {{identity::kFrontAnswerHeader, "unknown-tenant"}}};
        server->respond(request.token, {.status = 503, .headers = headers}, "{}");
        return true;
    };
    Answer& one = ask("GET /v2/events?limit=1");
    Answer& two = ask("GET /v2/events?limit=2");
    ASSERT_TRUE(until([&] { return one.over && two.over; }));
    EXPECT_EQ(one.status, 200);
    EXPECT_EQ(two.status, 200);
    EXPECT_EQ(partitions.count("/v2/tenants"), 1u);
    for (const Seen& seen : partitions.seen) {
        if (seen.target == "/v2/tenants") {
            EXPECT_EQ(seen.body, R"({"id":"acme","name":"Acme","quotas":{"scripts":5}})");
        }
    }
}

TEST_F(FrontTest, TheNodesListenerWantsTheTokenAndKnowsItsOwnPartitionsOnly) {
    const std::string token = std::string("Millrace-Cluster-Token: ") + kToken + "\r\n";
    Answer& stranger = ask("GET /v2/events", "Millrace-Partition: 1\r\n", {}, true);
    ASSERT_TRUE(until([&] { return stranger.over; }));
    EXPECT_EQ(stranger.status, 401);
    Answer& node = ask("GET /v2/events",
                       token + "Millrace-Partition: 1\r\nMillrace-Principal: who\r\n", {}, true);
    ASSERT_TRUE(until([&] { return node.over; }));
    EXPECT_EQ(node.status, 200);
    EXPECT_EQ(last().principal, "who");
    use({Target::Where::kThere, upstream, 2});
    for (const char* partition : {"1", "99", "x"}) {
        Answer& third =
            ask("GET /v2/events", token + "Millrace-Partition: " + partition + "\r\n", {}, true);
        ASSERT_TRUE(until([&] { return third.over; }));
        EXPECT_EQ(third.status, 503) << partition;
        EXPECT_EQ(third.told, "not-here");
    }
    EXPECT_EQ(partitions.seen.size(), 1u);
    Answer& view = ask("GET /v2/cluster", token, {}, true);
    ASSERT_TRUE(until([&] { return view.over; }));
    EXPECT_EQ(view.body, R"({"name":"t"})");
}

TEST_F(FrontTest, BeforeAClusterIsMadeOnlyItsMakingIsTaken) {
    use({}, false);
    Answer& early = ask("GET /v2/events");
    ASSERT_TRUE(until([&] { return early.over; }));
    EXPECT_EQ(early.status, 503);
    EXPECT_NE(early.body.find("cluster init"), std::string::npos);
    Answer& init = ask("POST /v2/cluster/init", "", R"({"nodes":["a"]})");
    ASSERT_TRUE(until([&] { return !orders.orders.empty(); }));
    EXPECT_EQ(orders.orders.front().body, R"({"nodes":["a"]})");
    EXPECT_EQ(orders.orders.front().actor, "loopback");
    EXPECT_NE(orders.orders.front().members.find(R"("ip":"127.0.0.1")"), std::string::npos);
    orders.orders.front().answer(202, "{}");
    ASSERT_TRUE(until([&] { return init.over; }));
    EXPECT_EQ(init.status, 202);
    Answer& healthy = ask("GET /healthz");
    ASSERT_TRUE(until([&] { return healthy.over; }));
    EXPECT_EQ(healthy.status, 200);
}

TEST_F(FrontTest, WhatAClusterDoesNotDoIsRefused) {
    Answer& answer = ask("DELETE /v2/tenants/acme");
    ASSERT_TRUE(until([&] { return answer.over; }));
    EXPECT_EQ(answer.status, 501);
    Answer& cluster = ask("POST /v2/cluster/nodes/a/drain");
    ASSERT_TRUE(until([&] { return cluster.over; }));
    EXPECT_EQ(cluster.status, 403);
}

}  // namespace
}  // namespace millrace::runtime::node
