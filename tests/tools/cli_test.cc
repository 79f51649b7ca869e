// Goal: the command line sends the requests of the outside contract, shows replies for people and
// for programs, and ends with the right code. Method: a small fake server records the requests.
#include "tools/cli/cli.h"

#include "tests/tools/fake_http_server.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include <unistd.h>

namespace millrace::tools {
namespace {

struct Outcome {
    int code;
    std::string out;
    std::string err;
};

Outcome run(std::vector<std::string> arguments) {
    std::ostringstream out;
    std::ostringstream err;
    const int code = run_cli(std::move(arguments),
                             {.out = out, .err = err, .terminal = {}, .progress_enabled = false});
    return {code, out.str(), err.str()};
}

FakeHttpServer::Answer always(FakeReply reply) {
    return [reply](const FakeRequest&) { return reply; };
}

TEST(Cli, SplitsColonNamesButNotOptionValues) {
    EXPECT_EQ(split_colon_command({"--server", "h:1", "event:create", "a:b"}),
              (std::vector<std::string>{"--server", "h:1", "event", "create", "a:b"}));
    EXPECT_EQ(split_colon_command({"stats"}), std::vector<std::string>{"stats"});
}

TEST(Cli, UsageErrorsEndWithTwoAndNameWhatExists) {
    EXPECT_EQ(run({}).code, kExitUsage);
    const Outcome unknown = run({"nothing", "create"});
    EXPECT_EQ(unknown.code, kExitUsage);
    EXPECT_NE(unknown.err.find("event, handler, script"), std::string::npos);
    const Outcome verb = run({"event", "vanish", "x"});
    EXPECT_EQ(verb.code, kExitUsage);
    EXPECT_NE(verb.err.find("create, load, list, count, export, info, tail"), std::string::npos);
    EXPECT_EQ(run({"event", "list", "--bogus"}).code, kExitUsage);
    EXPECT_EQ(run({"event", "list", "--limit", "0"}).code, kExitUsage);
    EXPECT_EQ(run({"event", "create"}).code, kExitUsage);
    EXPECT_EQ(run({"dlq", "purge"}).code, kExitUsage);
    EXPECT_EQ(run({"event", "create", "a.b", "--payload", "{oops"}).code, kExitUsage);
}

TEST(Cli, HelpEndsWithZero) {
    EXPECT_EQ(run({"--help"}).code, kExitOk);
    EXPECT_EQ(run({"event", "create", "--help"}).code, kExitOk);
    EXPECT_EQ(run({"--version"}).code, kExitOk);
}

TEST(Cli, AnUnreachableServerIsAClearFailure) {
    const Outcome outcome = run({"--server", "127.0.0.1:1", "event", "list"});
    EXPECT_EQ(outcome.code, kExitFailed);
    EXPECT_NE(outcome.err.find("is the server running"), std::string::npos);
}

TEST(Cli, EventCreateSendsTheEnvelope) {
    FakeHttpServer server(always(
        {.status = 202,
         .body =
             R"({"success":true,"accepted":1,"duplicates":0,"rejected":[],"durability":"fsync",)"
             R"("events":[{"eventId":"e1","shard":0,"offset":7,"duplicate":false}]})"}));
    const Outcome outcome =
        run({"--server", server.address(), "--api-key", "k1", "event:create", "invoice.created",
             "--payload", R"({"amount":5})", "--id", "e1", "--correlation-id", "c\"1"});
    EXPECT_EQ(outcome.code, kExitOk) << outcome.err;
    EXPECT_NE(outcome.out.find("accepted (fsync)"), std::string::npos);
    const auto requests = server.requests();
    ASSERT_EQ(requests.size(), 1u);
    EXPECT_EQ(requests[0].method + " " + requests[0].target, "POST /v2/events");
    EXPECT_EQ(requests[0].body, R"({"eventId":"e1","pattern":"invoice.created",)"
                                R"("payload":{"amount":5},"metadata":{"correlationId":"c\"1"}})");
    EXPECT_NE(requests[0].head.find("Authorization: Bearer k1"), std::string::npos);
}

TEST(Cli, ServerErrorsShowMessageAndCode) {
    FakeHttpServer server(
        always({.status = 404,
                .body = R"({"success":false,"error":{"message":"no event x",)"
                        R"("code":"NOT_FOUND","statusCode":404,"details":{}}})"}));
    const Outcome table = run({"--server", server.address(), "event", "info", "x"});
    EXPECT_EQ(table.code, kExitFailed);
    EXPECT_EQ(table.err, "error: no event x (NOT_FOUND, 404)\n");
    const Outcome json = run({"--server", server.address(), "-o", "json", "event", "info", "x"});
    EXPECT_EQ(json.code, kExitFailed);
    EXPECT_EQ(json.err.find("{\"success\":false"), 0u);
}

TEST(Cli, ListsEncodeTheirQueryAndPrintATable) {
    FakeHttpServer server(
        always({.body = R"({"items":[{"eventId":"e1","pattern":"a.b","receivedAt":"2026-01-01",)"
                        R"("source":{"type":"external","id":"s"},"payload":{"t":"\u001b[31m"}}],)"
                        R"("next":"c2"})"}));
    const Outcome outcome = run({"--server", server.address(), "event", "list", "--filter",
                                 "$.amount > 1", "--pattern-prefix", "a."});
    EXPECT_EQ(outcome.code, kExitOk);
    EXPECT_EQ(server.requests()[0].target,
              "/v2/events?patternPrefix=a.&filter=%24.amount%20%3E%201&limit=50");
    EXPECT_NE(outcome.out.find("external/s"), std::string::npos);
    EXPECT_EQ(outcome.out.find('\x1b'), std::string::npos)
        << "payloads must not steer the terminal";
    EXPECT_NE(outcome.err.find("--cursor c2"), std::string::npos);
}

TEST(Cli, BulkLoadCountsAndNamesTheLinesThatWereRefused) {
    FakeHttpServer server([](const FakeRequest& request) -> FakeReply {
        if (request.body.find("bad") == std::string::npos) {
            return {.status = 202, .body = R"({"accepted":2,"duplicates":0,"rejected":[]})"};
        }
        return {.status = 400,
                .body = R"({"accepted":0,"duplicates":0,"rejected":[{"index":0,"error":)"
                        R"({"message":"pattern is missing"}}]})"};
    });
    char path[] = "/tmp/millrace_cli_load_XXXXXX";
    const int descriptor = mkstemp(path);
    ASSERT_GE(descriptor, 0);
    close(descriptor);
    std::ofstream(path) << "{\"pattern\":\"a\"}\n\n{\"pattern\":\"b\"}\n{\"bad\":1}\n";
    const Outcome outcome =
        run({"--server", server.address(), "event", "create", "--file", path, "--batch", "2"});
    unlink(path);
    EXPECT_EQ(outcome.code, kExitFailed);
    EXPECT_NE(outcome.out.find("accepted 2, duplicates 0, rejected 1"), std::string::npos);
    EXPECT_NE(outcome.err.find("line 4: pattern is missing"), std::string::npos);
    EXPECT_EQ(server.requests().size(), 2u);
}

// The server counts bytes from the batch's beginning.
TEST(Cli, BulkLoadTellsTheFilesOwnLinesAndBytes) {
    FakeHttpServer server([](const FakeRequest& request) -> FakeReply {
        const std::size_t at = request.body.find('!');
        if (at == std::string::npos) return {.status = 202, .body = R"({"accepted":2})"};
        const std::string place = std::to_string(at);
        return {
            .status = 202,
            .body = R"({"accepted":1,"rejected":[{"index":1,"error":{"message":"no JSON at byte )" +
                    place + R"(","details":{"position":)" + place + "}}}]}"};
    });
    const std::string path = testing::TempDir() + "/millrace_cli_places.ndjson";
    // Lines of 14 bytes, the batches two each: the fourth line's mistake is at byte 42 + 11.
    std::ofstream(path) << "{\"pattern\":1}\n{\"pattern\":2}\n{\"pattern\":3}\n{\"pattern\":!}\n";
    const Outcome outcome = run(
        {"--server", server.address(), "-o", "json", "event", "load", path, path, "--batch", "2"});
    unlink(path.c_str());
    EXPECT_EQ(outcome.code, kExitFailed);
    EXPECT_NE(outcome.out.find(R"("line":4,"byte":53,"message":"no JSON at byte 11 of the line")"),
              std::string::npos)
        << outcome.out;
    EXPECT_NE(outcome.out.find(path), std::string::npos);
    EXPECT_EQ(server.requests().size(), 4u);
}

// A node of a cluster that has lost the batch's owner does not know what became of it.
TEST(Cli, WhatMayHaveBeenTakenIsLoadedAgainOnlyIfEachEventHasAnId) {
    int refusals = 0;
    FakeHttpServer server([&](const FakeRequest&) -> FakeReply {
        if (refusals-- <= 0) return {.status = 202, .body = R"({"accepted":1,"duplicates":1})"};
        return {.status = 503,
                .body =
                    R"({"success":false,"error":{"message":"nobody knows","code":"UNAVAILABLE",)"
                    R"("statusCode":503,"details":{"reason":"maybe-taken"}}})"};
    });
    const std::string path = testing::TempDir() + "/millrace_cli_maybe.ndjson";
    refusals = 1;
    std::ofstream(path)
        << "{\"eventId\":\"a\",\"pattern\":\"p\"}\n{\"pattern\":\"p\",\"eventId\":\"b\"}\n";
    const Outcome named = run({"--server", server.address(), "event", "load", path});
    EXPECT_EQ(named.code, kExitOk) << named.err;
    EXPECT_EQ(server.requests().size(), 2u);
    refusals = 1;
    std::ofstream(path) << "{\"eventId\":\"a\",\"pattern\":\"p\"}\n{\"pattern\":\"p\"}\n";
    const Outcome unnamed = run({"--server", server.address(), "event", "load", path});
    EXPECT_EQ(unnamed.code, kExitFailed);
    EXPECT_NE(unnamed.err.find("nobody knows"), std::string::npos) << unnamed.err;
    EXPECT_EQ(server.requests().size(), 3u);
    unlink(path.c_str());
}

TEST(Cli, WhatTheServerHasStampedIsLeftOutWhenItIsLoadedAgain) {
    FakeHttpServer server(always({.status = 202, .body = R"({"accepted":3})"}));
    const std::string path = testing::TempDir() + "/millrace_cli_stamped.ndjson";
    std::ofstream(path)
        << R"({"eventId":"a","pattern":"p","payload":{"receivedAt":1.10},"tenantId":"default",)"
        << R"("receivedAt":"2026-01-01T00:00:00Z","shard":0,"offset":7})" << '\n'
        << R"({"shard":0,"offset":8,"receivedAt":"2026-01-01T00:00:00Z","event":{"pattern":"q"}})"
        << '\n'
        << R"({"pattern":"r","payload":{"receivedAt":2}})" << '\n';
    const Outcome outcome = run({"--server", server.address(), "event", "load", path});
    unlink(path.c_str());
    EXPECT_EQ(outcome.code, kExitOk) << outcome.err;
    EXPECT_EQ(server.requests()[0].body,
              "{\"eventId\":\"a\",\"pattern\":\"p\",\"payload\":{\"receivedAt\":1.10}}\n"
              "{\"pattern\":\"q\"}\n{\"pattern\":\"r\",\"payload\":{\"receivedAt\":2}}\n");
}

TEST(Cli, DeadLettersAreCountedBeforeTheyAreReplayed) {
    FakeHttpServer server([](const FakeRequest& request) -> FakeReply {
        if (request.method == "GET") return {.body = R"({"items":[],"next":null})"};
        if (request.body.find("dryRun") != std::string::npos)
            return {.body = R"({"success":true,"dryRun":true,"count":12,"sample":[]})"};
        return {.status = 202, .body = R"({"success":true,"accepted":12})"};
    });
    const Outcome asked = run({"--server", server.address(), "dlq", "replay", "--all"});
    EXPECT_EQ(asked.code, kExitUsage);
    EXPECT_NE(asked.err.find("12 dead letters"), std::string::npos) << asked.err;
    EXPECT_EQ(server.requests().size(), 1u) << "nothing was replayed";
    const Outcome done =
        run({"--server", server.address(), "dlq", "replay", "--pattern", "a", "--wait"});
    EXPECT_EQ(done.code, kExitOk) << done.err;
    EXPECT_NE(done.out.find("delivered 12, failed again 0"), std::string::npos) << done.out;
    std::string last;
    for (const FakeRequest& request : server.requests()) {
        if (request.method == "POST") last = request.body;
    }
    EXPECT_EQ(last, R"({"pattern":"a","expect":12})");
}

TEST(Cli, TheEventOfADeadLetterIsCorrectedOutOfAFile) {
    FakeHttpServer server(
        [](const FakeRequest&) -> FakeReply { return {.body = R"({"id":"dl_1"})"}; });
    const std::string path = ::testing::TempDir() + "millrace-edited-event.json";
    std::ofstream(path) << R"({"payload":{"n":2}})";
    const Outcome done = run({"--server", server.address(), "dlq", "edit", "dl_1", path});
    EXPECT_EQ(done.code, kExitOk) << done.err;
    ASSERT_EQ(server.requests().size(), 1u);
    EXPECT_EQ(server.requests()[0].method, "PUT");
    EXPECT_EQ(server.requests()[0].target, "/v2/dlq/dl_1/event");
    EXPECT_EQ(server.requests()[0].body, R"({"payload":{"n":2}})");
    EXPECT_EQ(run({"--server", server.address(), "dlq", "edit", "dl_1"}).code, kExitUsage)
        << "nobody is there to open an editor";
    EXPECT_EQ(server.requests().size(), 1u);
}

TEST(Cli, ASecretIsMadeOrGetsANewValueAndIsNotShown) {
    int version = 0;
    FakeHttpServer server([&version](const FakeRequest& request) -> FakeReply {
        if (request.method == "GET" && version == 0) return {.status = 404, .body = "{}"};
        if (request.method != "GET") ++version;
        return {.status = 200, .body = R"({"id":"token","version":1})"};
    });
    const Outcome made = run({"--server", server.address(), "secret", "set", "token", "hush"});
    EXPECT_EQ(made.code, kExitOk) << made.err;
    EXPECT_EQ((made.out + made.err).find("hush"), std::string::npos);
    EXPECT_EQ(run({"--server", server.address(), "secret", "set", "token", "hush2"}).code, kExitOk);
    const auto requests = server.requests();
    EXPECT_EQ(requests[1].method + " " + requests[1].target, "POST /v2/secrets");
    EXPECT_EQ(requests[3].method + " " + requests[3].target, "PUT /v2/secrets/token");
}

TEST(Cli, VerbsThatLookMayBeWatchedAndOthersNot) {
    FakeHttpServer server(always({.body = R"({"items":[],"next":null})"}));
    const std::vector<std::string> watch = {"--watch", "--watch-seconds", "0.1", "--watch-times",
                                            "3"};
    std::vector<std::string> list = {"--server", server.address(), "handler", "list"};
    list.insert(list.end(), watch.begin(), watch.end());
    EXPECT_EQ(run(list).code, kExitOk);
    EXPECT_EQ(server.requests().size(), 3u);
    std::vector<std::string> create = {"--server", server.address(), "event", "create", "a"};
    create.insert(create.end(), watch.begin(), watch.end());
    EXPECT_EQ(run(create).code, kExitUsage);
    EXPECT_EQ(server.requests().size(), 3u) << "nothing was sent";
}

TEST(Cli, AContextSaysWhatNothingElseHasSaid) {
    FakeHttpServer server(always({.body = R"({"ready":true})"}));
    const std::string file = testing::TempDir() + "/millrace_cli_contexts/contexts.json";
    ::setenv("MILLRACE_CONTEXTS_FILE", file.c_str(), 1);
    EXPECT_EQ(run({"context", "add", "prod", "--server", server.address(), "--api-key",
                   "mr_live_0123456789"})
                  .code,
              kExitOk);
    EXPECT_EQ(run({"context", "add", "none", "--server", "127.0.0.1:1"}).code, kExitOk);
    EXPECT_EQ(run({"health"}).code, kExitOk) << "the first one is in use";
    EXPECT_NE(server.requests().back().head.find("Authorization: Bearer mr_live_0123456789"),
              std::string::npos);
    EXPECT_EQ(run({"--server", "127.0.0.1:1", "health"}).code, kExitFailed) << "told: it counts";
    EXPECT_EQ(run({"--context", "none", "health"}).code, kExitFailed);
    const Outcome listed = run({"-o", "json", "context", "list"});
    EXPECT_EQ(listed.out.find("mr_live_0123456789"), std::string::npos) << "keys are not shown";
    EXPECT_NE(run({"context", "use", "prodd"}).err.find("did you mean 'prod'?"), std::string::npos);
    EXPECT_EQ(run({"context", "use", "none"}).code, kExitOk);
    EXPECT_EQ(run({"health"}).code, kExitFailed);
    EXPECT_EQ(run({"context", "remove", "none"}).code, kExitOk);
    EXPECT_EQ(run({"context", "remove", "none"}).code, kExitFailed);
    ::unlink(file.c_str());
    ::unsetenv("MILLRACE_CONTEXTS_FILE");
}

TEST(Cli, CompletionKnowsNounsVerbsAndOptions) {
    for (const char* shell : {"bash", "zsh", "fish"}) {
        const std::string script = run({"completion", shell}).out;
        for (const char* word : {"event", "export", "patternPrefix", "pattern-prefix", "serve"}) {
            const bool known = script.find(word) != std::string::npos;
            EXPECT_EQ(known, std::string(word) != "patternPrefix") << shell << " " << word;
        }
    }
    EXPECT_EQ(run({"completion", "tcsh"}).code, kExitUsage);
}

TEST(Cli, PatternsOfOtherSystemsAreToldOf) {
    FakeHttpServer server(always({.body = R"({"items":[],"next":null,"count":0})"}));
    const Outcome list = run({"--server", server.address(), "event", "list", "orders.>"});
    EXPECT_NE(list.err.find("'>'"), std::string::npos) << list.err;
    const Outcome plain = run({"--server", server.address(), "event", "list", "orders.*"});
    EXPECT_EQ(plain.err.find("warning"), std::string::npos) << plain.err;
}

TEST(Cli, HandlerRegisterBuildsTheSubscription) {
    FakeHttpServer server(always({.status = 201, .body = R"({"id":"s1","pattern":"^a\\."})"}));
    const Outcome outcome = run({"--server", server.address(), "handler", "register", "--pattern",
                                 "^a\\.", "--type", "regex", "--script", "x", "--filters",
                                 R"({"n":{"gt":1}})", "--max-retries", "0", "--no-jitter"});
    EXPECT_EQ(outcome.code, kExitOk) << outcome.err;
    EXPECT_EQ(server.requests()[0].target, "/v2/scripts/x") << "an id, or else a name";
    EXPECT_EQ(server.requests().back().body,
              R"({"name":"^a\\.","pattern":{"type":"regex","value":"^a\\."},)"
              R"("filters":{"n":{"gt":1}},"executor":{"type":"script","scriptId":"x"},)"
              R"("retry":{"maxRetries":0,"jitter":false}})");
}

TEST(Cli, ReplayWaitFollowsToTheEnd) {
    int polls = 0;
    FakeHttpServer server([&polls](const FakeRequest& request) -> FakeReply {
        if (request.method == "POST") return {.status = 202, .body = R"({"id":"r1"})"};
        return {.body = ++polls < 2 ? R"({"status":"running","delivered":1})"
                                    : R"({"status":"completed","delivered":3,"failed":0})"};
    });
    const Outcome outcome = run({"--server", server.address(), "replay", "start", "--pattern", "a",
                                 "--handler", "s1", "--wait"});
    EXPECT_EQ(outcome.code, kExitOk) << outcome.err;
    std::string body;
    for (const FakeRequest& request : server.requests()) {
        if (request.method == "POST") body = request.body;
    }
    EXPECT_EQ(body, R"({"pattern":"a","subscriptionIds":["s1"]})");
}

TEST(Cli, AReplayToEverybodyIsCountedAndNotStartedUnasked) {
    FakeHttpServer server([](const FakeRequest& request) -> FakeReply {
        if (request.target.find("count=1") != std::string::npos)
            return {.body = R"({"count":4711,"next":null,"scanned":5000})"};
        return {.status = 202, .body = R"({"id":"r1"})"};
    });
    const Outcome outcome =
        run({"--server", server.address(), "replay", "start", "--pattern", "a", "--all-handlers"});
    EXPECT_NE(outcome.code, kExitOk);
    EXPECT_NE(outcome.err.find("4711 events"), std::string::npos) << outcome.err;
    for (const FakeRequest& request : server.requests()) EXPECT_NE(request.method, "POST");
}

TEST(Cli, AReplayWantsItsHandlersByName) {
    const Outcome outcome = run({"replay", "start", "--pattern", "a"});
    EXPECT_EQ(outcome.code, kExitUsage);
    EXPECT_NE(outcome.err.find("--all-handlers"), std::string::npos) << outcome.err;
}

// What the handler matches is counted, not all that there is.
TEST(Cli, AReplayToOneHandlerIsCountedByWhatItMatches) {
    std::string filters;
    FakeHttpServer server([&filters](const FakeRequest& request) -> FakeReply {
        if (request.method == "POST") return {.status = 202, .body = R"({"id":"r1"})"};
        if (request.target.find("count=1") != std::string::npos)
            return {.body = R"({"count":1,"next":null,"scanned":9})"};
        return {.body = R"({"id":"s1","name":"paid","pattern":{"type":"wildcard","value":"a.*"},)"
                        R"("filter":"$.n > 1")" +
                        filters + "}"};
    });
    const std::vector<std::string> arguments = {"--server", server.address(), "replay",
                                                "start",    "--handler",      "s1"};
    const Outcome exact = run(arguments);
    EXPECT_NE(exact.err.find("deliver 1 event again to handler s1"), std::string::npos)
        << exact.err;
    bool counted = false;
    for (const FakeRequest& request : server.requests()) {
        counted = counted || request.target.find("pattern=a.%2A&filter=%24.n%20%3E%201&count=1") !=
                                 std::string::npos;
    }
    EXPECT_TRUE(counted);
    filters = R"(,"filters":{"m":1})";
    const Outcome less = run(arguments);
    EXPECT_NE(less.err.find("up to 1 event"), std::string::npos) << less.err;
}

TEST(Cli, UnknownOptionsNameTheOneThatIsMeantAndTheCommand) {
    const Outcome option = run({"event", "list", "--patern", "x"});
    EXPECT_EQ(option.code, kExitUsage);
    EXPECT_NE(option.err.find("unknown option '--patern'; did you mean --pattern? (millrace event "
                              "list --help)"),
              std::string::npos)
        << option.err;
    const Outcome lacks = run({"event", "load"});
    EXPECT_EQ(lacks.code, kExitUsage);
    EXPECT_NE(lacks.err.find("usage: file is required (millrace event load --help)"),
              std::string::npos)
        << lacks.err;
    const Outcome many = run({"stats", "extra"});
    EXPECT_NE(many.err.find("'extra' is an argument too many"), std::string::npos) << many.err;
}

TEST(Cli, FilesThatCanNotBeReadSayWhy) {
    FakeHttpServer server([](const FakeRequest&) -> FakeReply { return {.body = "{}"}; });
    const auto push = [&](const char* file) {
        return run({"--server", server.address(), "script", "push", file}).err;
    };
    EXPECT_NE(push("/nowhere/x.lua").find("No such file"), std::string::npos);
    EXPECT_NE(push("/tmp").find("it is a folder"), std::string::npos);
}

TEST(Cli, UnknownVerbsNameTheOneThatIsMeant) {
    const Outcome verb = run({"event", "lsit"});
    EXPECT_EQ(verb.code, kExitUsage);
    EXPECT_NE(verb.err.find("did you mean 'list'?"), std::string::npos) << verb.err;
    const Outcome noun = run({"sript", "list"});
    EXPECT_NE(noun.err.find("did you mean 'script'?"), std::string::npos) << noun.err;
    const Outcome other = run({"event", "subscribe"});
    EXPECT_EQ(other.err.find("did you mean"), std::string::npos) << other.err;
}

TEST(Cli, ArgumentsThatWouldNotBeUsedAreRefused) {
    const std::vector<std::vector<std::string>> kCases = {
        {"event", "create", "--file", "x", "--payload", "{}"},
        {"event", "create", "a", "--file", "x"},
        {"event", "create", "a", "--batch", "5"},
        {"handler", "register", "--file", "x", "--pattern", "a"},
        {"dlq", "replay", "id", "--pattern", "a"},
        {"dlq", "replay", "id", "--rate", "5"},
        {"dlq", "replay", "--all", "--pattern", "a"},
        {"dlq", "purge", "id", "--all"},
        {"event", "info", "a", "b"},
        {"stats", "extra"},
    };
    for (const auto& arguments : kCases)
        EXPECT_EQ(run(arguments).code, kExitUsage) << arguments[0] << " " << arguments[1];
}

// An answer without an event and with a cursor is no end.
TEST(Cli, ASearchGoesOnUntilItHasFoundSomething) {
    int calls = 0;
    FakeHttpServer server([&calls](const FakeRequest&) -> FakeReply {
        if (++calls < 3) return {.body = R"({"items":[],"next":"c","scanned":100})"};
        return {.body = R"({"items":[{"eventId":"e1","pattern":"a"}],"next":null,"scanned":7})"};
    });
    const Outcome found = run({"--server", server.address(), "event", "list", "--filter", "$.a"});
    EXPECT_EQ(found.code, kExitOk) << found.err;
    EXPECT_NE(found.out.find("e1"), std::string::npos);
    EXPECT_NE(server.requests()[1].target.find("cursor=c"), std::string::npos);

    FakeHttpServer empty(always({.body = R"({"items":[],"next":"c9","scanned":100})"}));
    const Outcome none = run(
        {"--server", empty.address(), "event", "list", "--search-seconds", "0", "--filter", "$.a"});
    EXPECT_EQ(none.err.find("no events"), std::string::npos) << none.err;
    EXPECT_NE(none.err.find("100 events looked through"), std::string::npos) << none.err;
    EXPECT_NE(none.err.find("--cursor c9"), std::string::npos) << none.err;
}

TEST(Cli, ExportWritesLinesThatLoadAgain) {
    FakeHttpServer server(
        always({.body = R"({"items":[{"eventId":"e1","pattern":"a","payload":{"n":1.10,"k":"\n",)"
                        R"("big":100000000000000000001},"tenantId":"t","receivedAt":"x","shard":0,)"
                        R"("offset":5}],"next":null,"scanned":1})"}));
    const Outcome outcome =
        run({"--server", server.address(), "event", "export", "--from", "1h", "--to", "0s"});
    EXPECT_EQ(outcome.code, kExitOk) << outcome.err;
    EXPECT_EQ(outcome.out,
              "{\"eventId\":\"e1\",\"pattern\":\"a\",\"payload\":{\"n\":1.10,\"k\":\"\\n\","
              "\"big\":100000000000000000001}}\n");
    EXPECT_NE(server.requests()[0].target.find("order=asc"), std::string::npos);
}

// A stream that ends is told, and followed from its last event on; a server that is gone is an
// error.
TEST(Cli, TailGoesOnAfterTheLastEventAndFailsWhenTheServerIsGone) {
    int calls = 0;
    FakeHttpServer server([&calls](const FakeRequest&) -> FakeReply {
        return {.body = ++calls == 1 ? "id: 4\ndata: {\"eventId\":\"e1\"}\n\n"
                                     : "id: 5\ndata: {\"eventId\":\"e2\"}\n\n",
                .content_type = "text/event-stream"};
    });
    const Outcome outcome = run({"--server", server.address(), "event", "tail", "-n", "2"});
    EXPECT_EQ(outcome.code, kExitOk) << outcome.err;
    EXPECT_NE(outcome.out.find("e2"), std::string::npos);
    EXPECT_NE(outcome.err.find("connecting again"), std::string::npos) << outcome.err;
    EXPECT_NE(server.requests()[1].head.find("Last-Event-ID: 4"), std::string::npos);
}

TEST(Cli, PushGivesTheScriptOfThatNameANewVersion) {
    FakeHttpServer server([](const FakeRequest& request) -> FakeReply {
        if (request.target.starts_with("/v2/scripts?"))
            return {.body = R"({"items":[{"id":"s7","name":"mine"}],"next":null})"};
        return {.body = R"({"id":"s7","name":"mine","type":"api","timeoutMs":5,"version":2})"};
    });
    char path[] = "/tmp/millrace_cli_push_XXXXXX";
    const int descriptor = mkstemp(path);
    ASSERT_GE(descriptor, 0);
    close(descriptor);
    std::ofstream(path) << "return 1";
    const Outcome outcome =
        run({"--server", server.address(), "script", "push", path, "--name", "mine"});
    unlink(path);
    EXPECT_EQ(outcome.code, kExitOk) << outcome.err;
    const FakeRequest last = server.requests().back();
    EXPECT_EQ(last.method + " " + last.target, "PUT /v2/scripts/s7");
    EXPECT_EQ(last.body, R"({"id":"s7","name":"mine","type":"api","source":"return 1",)"
                         R"("timeoutMs":5})");
}

TEST(Cli, StatsSumsTheMetrics) {
    FakeHttpServer server([](const FakeRequest& request) -> FakeReply {
        if (request.target != "/metrics") return {.body = "{}"};
        return {.body =
                    "# HELP x\nscripts_events_received_total{event_type=\"a\"} 2\n"
                    "scripts_events_received_total{event_type=\"b\"} 3\n",
                .content_type = "text/plain"};
    });
    const Outcome outcome = run({"--server", server.address(), "stats", "--output", "json"});
    EXPECT_EQ(outcome.code, kExitOk);
    EXPECT_EQ(outcome.out.find(R"({"ready":true,"received":5)"), 0u) << outcome.out;
}

TEST(Cli, TailPrintsEventsAndStopsAtTheCount) {
    FakeHttpServer server(always({.body = "id: 1\ndata: {\"eventId\":\"e1\",\"pattern\":\"a\"}\n\n"
                                          "id: 2\ndata: {\"eventId\":\"e2\",\"pattern\":\"a\"}\n\n",
                                  .content_type = "text/event-stream"}));
    const Outcome outcome =
        run({"--server", server.address(), "event", "tail", "-n", "1", "--last-id", "0:1"});
    EXPECT_EQ(outcome.code, kExitOk) << outcome.err;
    EXPECT_NE(outcome.out.find("e1"), std::string::npos);
    EXPECT_EQ(outcome.out.find("e2"), std::string::npos);
}

}  // namespace
}  // namespace millrace::tools
