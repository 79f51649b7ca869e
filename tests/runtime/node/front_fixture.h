// What: a front with its own reactor, and on another one a server that stands for the processes of
//       all partitions, which tell themselves apart by the header that the front sends, and a
//       client; all by one thread.
// Threads: one. Lifetime: the test's. Limits: none. Failure: EXPECTs.
#pragma once

#include "io/http_client.h"
#include "io/http_server.h"
#include "runtime/identity/trusted_front.h"
#include "runtime/node/front.h"

#include <gtest/gtest.h>

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::runtime::node::front_tests {

constexpr const char* kToken = "0123456789abcdef0123456789abcdef";
constexpr std::uint64_t kSeed = 7;
constexpr std::size_t kPartitions = 4;
constexpr std::size_t kNobody = 99;

struct Seen {
    std::size_t partition = kNobody;
    std::string method, target, body, type, principal, peer, token, mine, places, order;
};

// Answers as it is told, else 200 with what was asked for; and who somebody is.
class Partitions final : public io::HttpHandler {
public:
    io::HttpServer* server = nullptr;
    std::vector<Seen> seen;
    std::function<bool(const Seen&, const io::Request&)> answer;
    bool keyed = true;
    bool revoked = false;

    void on_request(io::Request& request) override {
        const auto header = [&](std::string_view name) {
            return std::string(request.header(name));
        };
        Seen one;
        const std::string number = header(kPartitionHeader);
        if (!number.empty()) one.partition = std::stoul(number);
        one.method = io::method_text(request.method);
        one.target = request.target;
        one.body = request.body_view();
        one.type = request.content_type;
        one.places = header(kPlacesHeader);
        one.principal = header(identity::kFrontPrincipalHeader);
        one.peer = header(identity::kFrontPeerHeader);
        one.token = header(identity::kFrontTokenHeader);
        one.mine = header("X-Mine");
        one.order = header(identity::kFrontOrderHeader);
        if (request.path == "/v2/me") {
            ++asked_who;
            return tell_who(request);
        }
        seen.push_back(one);
        if (answer && answer(one, request)) return;
        server->respond(request.token, {.status = 200}, request.target);
    }
    std::size_t count(std::string_view target) const {
        std::size_t found = 0;
        for (const Seen& one : seen) found += one.target == target ? 1 : 0;
        return found;
    }
    std::size_t asked_who = 0;

private:
    void tell_who(const io::Request& request) {
        if (keyed && (revoked || request.header("Authorization") != "Bearer acme")) {
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

class FrontFixture : public testing::Test {
protected:
    FrontFixture() : reactor(*io::Reactor::create({.backend = io::BackendChoice::kEpoll}, clock)) {
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
        // Somebody else may take the port that was free a moment ago.
        for (int turn = 0; turn < 5 && !front; ++turn) {
            settings.advertise = free_address();
            inside = settings.advertise;
            auto made = Front::create(config, settings, {&clock, &log, &orders, {}});
            if (made) front = std::move(*made);
        }
    }
    void SetUp() override {
        ASSERT_TRUE(front);
        address = *io::Address::parse(front->address());
        begin();
    }
    ~FrontFixture() override {
        for (Answer& one : answers) client->cancel(one);
    }
    // With a routing of the test's.
    virtual void begin() = 0;
    static io::Address free_address() {
        core::RealClock clock;
        auto reactor = *io::Reactor::create({.backend = io::BackendChoice::kEpoll}, clock);
        Partitions nobody;
        io::HttpServer server(*reactor, nobody, {});
        return *server.listen(*io::Address::parse("127.0.0.1:0"), io::ListenRole::kFirst);
    }
    // `headers`: whole lines. With a body there is its type, too.
    Answer& send(std::string_view line, std::string_view headers, std::string_view body,
                 bool privately) {
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

}  // namespace millrace::runtime::node::front_tests
