// Goal: a front passes requests on to whoever owns, with the name of who asks and without what a
// client would like to say of itself; waits for an owner; repeats only what may be repeated.
// Method: front_fixture.h.
#include "runtime/node/cluster_state.h"
#include "tests/runtime/node/front_fixture.h"

namespace millrace::runtime::node::front_tests {
namespace {

class FrontTest : public FrontFixture {
protected:
    void begin() override { use({Target::Where::kHere, upstream, 1}); }
    void use(const Target& target, bool initialized = true) {
        auto routing = std::make_shared<Routing>();
        routing->initialized = initialized;
        routing->hash_seed = kSeed;
        if (initialized) routing->targets.assign(kPartitions, target);
        routing->cluster = R"({"name":"t"})";
        front->use(std::move(routing));
    }
    Answer& ask(std::string_view line, std::string_view headers = "Authorization: Bearer acme\r\n",
                std::string_view body = {}, bool privately = false) {
        return send(line, headers, body, privately);
    }
};

TEST_F(FrontTest, PassesOnWithTheNameOfWhoAsksAndNothingThatAClientSaysOfItself) {
    Answer& answer = ask("GET /v2/events?limit=1",
                         "Authorization: Bearer acme\r\nMillrace-Principal: me\r\n"
                         "Millrace-Peer: 127.0.0.1:1\r\nMillrace-Partition: 3\r\nX-Mine: 1\r\n");
    ASSERT_TRUE(until([&] { return answer.over; }));
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "/v2/events?limit=1");
    EXPECT_EQ(answer.principal, "");
    ASSERT_EQ(partitions.seen.size(), 1u);
    EXPECT_EQ(partitions.asked_who, 1u);
    const auto told = identity::read_principal(last().principal);
    ASSERT_TRUE(told);
    EXPECT_EQ(told->tenant, "acme");
    EXPECT_EQ(last().token, kToken);
    EXPECT_EQ(last().mine, "1");
    EXPECT_EQ(last().partition, partition_of("acme", kSeed, 4));
    EXPECT_NE(last().peer, "127.0.0.1:1");
    // Who it is stays known for a moment.
    Answer& again = ask("POST /v2/events", "Authorization: Bearer acme\r\n", "[]");
    ASSERT_TRUE(until([&] { return again.over; }));
    EXPECT_EQ(partitions.asked_who, 1u);
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
    EXPECT_EQ(last().partition, partition_of("globex", kSeed, 4));
}

// Nobody is asked who it is: the partition knows its edges, and the front by the token whose it is.
TEST_F(FrontTest, AnEdgesBatchesGoWhereItsTenantIs) {
    for (const auto& [token, tenant] :
         {std::pair{"mredge_01.globex", "globex"}, std::pair{"mredge_01", "default"}}) {
        const std::string shown = "Authorization: Bearer " + std::string(token) + "\r\n";
        Answer& answer = ask("POST /v2/edges/shop-1/batches", shown + "X-Mine: 1\r\n", "bytes");
        ASSERT_TRUE(until([&] { return answer.over; }));
        EXPECT_EQ(answer.status, 200);
        EXPECT_EQ(last().partition, partition_of(tenant, kSeed, 4));
        EXPECT_EQ(last().principal, "");
        EXPECT_EQ(last().token, kToken);
        EXPECT_EQ(last().body, "bytes");
    }
    EXPECT_EQ(partitions.asked_who, 0u);
    Answer& enrolled = ask("POST /v2/edges", "Authorization: Bearer acme\r\n", "{}");
    ASSERT_TRUE(until([&] { return enrolled.over; }));
    EXPECT_EQ(last().partition, partition_of("acme", kSeed, 4));
    EXPECT_NE(last().principal, "");
}

// Changes of a tenant's keys are the tenant's; a partition's figures and log are not.
TEST_F(FrontTest, APartitionIsNamedByWhoMayLookAtIt) {
    Answer& audit = ask("GET /v2/audit?partition=0&kind=key");
    ASSERT_TRUE(until([&] { return audit.over; }));
    EXPECT_EQ(last().partition, 0u);
    EXPECT_EQ(last().target, "/v2/audit?kind=key");
    Answer& own = ask("GET /v2/audit");
    ASSERT_TRUE(until([&] { return own.over; }));
    EXPECT_EQ(last().partition, partition_of("acme", kSeed, 4));
    Answer& figures = ask("GET /v2/stats?window=60s&partition=0");
    ASSERT_TRUE(until([&] { return figures.over; }));
    EXPECT_EQ(figures.status, 403);
    Answer& none = ask("GET /v2/audit?partition=4");
    ASSERT_TRUE(until([&] { return none.over; }));
    EXPECT_EQ(none.status, 400);
}

// Whoever owns is told, and ends it in its own words; what it leaves open is cut off.
TEST_F(FrontTest, WhatIsOpenEndsWithItsKey) {
    partitions.answer = [&](const Seen& one, const io::Request& request) {
        if (one.target != "/v2/events/stream") return false;
        const auto stream = server->start_stream(
            request.token, {.status = 200, .content_type = "text/event-stream"});
        server->stream_write(*stream, "data: 1\n\n");
        return true;
    };
    Answer& open = ask("GET /v2/events/stream");
    ASSERT_TRUE(until([&] { return open.body == "data: 1\n\n"; }));
    const std::string principal = last().principal;
    const std::size_t asked = partitions.asked_who;
    ASSERT_TRUE(until([&] { return partitions.asked_who > asked; }));
    EXPECT_EQ(partitions.count("/cluster/principal"), 0u);
    partitions.revoked = true;
    ASSERT_TRUE(until([&] { return partitions.count("/cluster/principal") == kPartitions; }));
    EXPECT_EQ(last().method, "DELETE");
    EXPECT_EQ(last().principal, principal);
    EXPECT_EQ(last().token, kToken);
    EXPECT_FALSE(open.over);
    ASSERT_TRUE(until([&] { return open.over; }));
    // No client says such a thing.
    Answer& forged = ask("DELETE /cluster/principal");
    ASSERT_TRUE(until([&] { return forged.over; }));
    EXPECT_NE(forged.status, 200);
    EXPECT_EQ(partitions.count("/cluster/principal"), kPartitions);
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
    partitions.answer = [&](const Seen&, const io::Request&) {
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
    partitions.answer = [](const Seen&, const io::Request&) { return true; };
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

    partitions.answer = [](const Seen&, const io::Request&) { return true; };
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
    partitions.answer = [&](const Seen&, const io::Request& request) {
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
    partitions.answer = [&](const Seen&, const io::Request&) {
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
    partitions.answer = [](const Seen&, const io::Request&) { return true; };
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
    partitions.answer = [&](const Seen&, const io::Request& request) {
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
    partitions.answer = [&](const Seen&, const io::Request& request) {
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
}  // namespace millrace::runtime::node::front_tests
