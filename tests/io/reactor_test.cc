// Goal: what holds below the protocols: addresses, listening, waking, backends. Method: the
// kernel's own sockets, with threads where a wake-up needs one.
#include "io/reactor.h"

#include "core/clock.h"
#include "io/error_body.h"
#include "io/http_server.h"
#include "io/sized_pools.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <thread>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

namespace millrace::io {
namespace {

class Nobody final : public HttpHandler {
public:
    void on_request(Request&) override {}
};

class ReactorTest : public testing::TestWithParam<BackendChoice> {
protected:
    std::unique_ptr<Reactor> make() {
        ReactorOptions options;
        options.backend = GetParam();
        auto reactor = Reactor::create(options, clock);
        EXPECT_TRUE(reactor) << reactor.error().message;
        return std::move(*reactor);
    }
    core::RealClock clock;
    Nobody handler;
};

TEST_P(ReactorTest, NamesTheBusyPortAndTheLikelyReason) {
    const auto reactor = make();
    HttpServer first(*reactor, handler, {}), second(*reactor, handler, {}),
        third(*reactor, handler, {});
    const auto bound = first.listen(*Address::parse("127.0.0.1:0"), ListenRole::kFirst);
    ASSERT_TRUE(bound);
    EXPECT_NE(bound->port, 0);
    const auto busy = second.listen(*bound, ListenRole::kFirst);
    ASSERT_FALSE(busy);
    EXPECT_EQ(busy.error().message.rfind(
                  "io: listen " + bound->to_string() +
                      " failed: address in use (EADDRINUSE); is another millrace running here?",
                  0),
              0u)
        << busy.error().message;
    EXPECT_TRUE(third.listen(*bound, ListenRole::kJoin));
}

TEST_P(ReactorTest, ListensOnIpv6) {
    const auto reactor = make();
    HttpServer server(*reactor, handler, {});
    const auto bound = server.listen(*Address::parse("[::1]:0"), ListenRole::kFirst);
    ASSERT_TRUE(bound) << bound.error().message;
    EXPECT_EQ(bound->to_string(), "[::1]:" + std::to_string(bound->port));
}

TEST_P(ReactorTest, TakesOverAStaleUnixSocketButNoLiveOneAndNoFile) {
    char folder[] = "/tmp/millrace-io-XXXXXX";
    ASSERT_NE(::mkdtemp(folder), nullptr);
    const std::string path = std::string(folder) + "/s";
    const Address address = *Address::parse("unix:" + path);
    const auto reactor = make();
    {
        // A process that died leaves the file and no listener.
        const int stale = ::socket(AF_UNIX, SOCK_STREAM, 0);
        sockaddr_un un{};
        un.sun_family = AF_UNIX;
        std::memcpy(un.sun_path, path.data(), path.size());
        ASSERT_EQ(::bind(stale, reinterpret_cast<sockaddr*>(&un), sizeof un), 0);
        ::close(stale);
    }
    HttpServer server(*reactor, handler, {}), other(*reactor, handler, {});
    const auto bound = server.listen(address, ListenRole::kFirst);
    ASSERT_TRUE(bound) << bound.error().message;
    struct stat info {};
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777u, 0660u);
    EXPECT_FALSE(other.listen(address, ListenRole::kFirst));
    EXPECT_TRUE(other.listen(address, ListenRole::kJoin));
    const std::string file = std::string(folder) + "/file";
    std::fclose(std::fopen(file.c_str(), "w"));
    EXPECT_FALSE(other.listen(*Address::parse("unix:" + file), ListenRole::kFirst));
    EXPECT_TRUE(std::filesystem::exists(file));
    std::filesystem::remove_all(folder);
}

TEST_P(ReactorTest, WakesFromAnotherThread) {
    const auto reactor = make();
    for (int i = 0; i < 200; ++i) {
        std::thread waker([&] { reactor->wake(); });
        const auto begin = clock.monotonic_ns();
        // Ends by the wake-up, whether it came before or in the sleep; ten seconds would be the
        // failure.
        reactor->poll(10'000'000);
        EXPECT_LT(clock.monotonic_ns() - begin, 5'000'000'000);
        waker.join();
        reactor->poll(0);
    }
}

TEST_P(ReactorTest, DoesNotSleepPastAWakeBeforeThePoll) {
    const auto reactor = make();
    reactor->poll(0);
    reactor->wake();
    reactor->wake();
    const auto begin = clock.monotonic_ns();
    reactor->poll(10'000'000);
    EXPECT_LT(clock.monotonic_ns() - begin, 5'000'000'000);
}

TEST_P(ReactorTest, IsBuiltOnOneThreadAndPolledOnAnother) {
    const auto reactor = make();
    HttpServer server(*reactor, handler, {});
    ASSERT_TRUE(server.listen(*Address::parse("127.0.0.1:0"), ListenRole::kFirst));
    std::thread shard([&] {
        for (int i = 0; i < 10; ++i) reactor->poll(100);
        server.drain();
        for (int i = 0; i < 10; ++i) reactor->poll(100);
    });
    shard.join();
}

void connect_to(const Address& address, int& client) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(address.port);
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client = ::socket(AF_INET, SOCK_STREAM, 0);
    ASSERT_EQ(::connect(client, reinterpret_cast<sockaddr*>(&in), sizeof in), 0);
}

// A sanitizer needs descriptors of its own for what it sees the first time.
void serve_one(const ReactorOptions& options, core::ManualClock& hand) {
    Nobody handler;
    const auto reactor = std::move(*Reactor::create(options, hand));
    HttpServer server(*reactor, handler, {});
    const Address address = *server.listen(*Address::parse("127.0.0.1:0"), ListenRole::kFirst);
    int client = -1;
    ASSERT_NO_FATAL_FAILURE(connect_to(address, client));
    for (int i = 0; i < 200 && server.connections() < 1; ++i) reactor->poll(1000);
    EXPECT_EQ(server.connections(), 1u);
    ::close(client);
}

TEST_P(ReactorTest, AcceptsAgainWhenDescriptorsAreFreeAgain) {
    core::ManualClock hand;
    ReactorOptions options;
    options.backend = GetParam();
    serve_one(options, hand);
    const auto reactor = std::move(*Reactor::create(options, hand));
    HttpServer server(*reactor, handler, {});
    const Address address = *server.listen(*Address::parse("127.0.0.1:0"), ListenRole::kFirst);
    std::vector<int> clients(4);
    for (int& client : clients) ASSERT_NO_FATAL_FAILURE(connect_to(address, client));
    // Room for one more descriptor: three clients stay in the backlog.
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const int next = ::dup(0);
    ::close(next);
    const rlimit tight{static_cast<rlim_t>(next) + 1, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
    for (int i = 0; i < 50; ++i) reactor->poll(0);
    EXPECT_EQ(server.connections(), 1u);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    // Not before its pause is over, or a full table would make it spin.
    for (int i = 0; i < 50; ++i) reactor->poll(0);
    EXPECT_EQ(server.connections(), 1u);
    hand.advance_us(150'000);
    for (int i = 0; i < 200 && server.connections() < 4; ++i) reactor->poll(1000);
    EXPECT_EQ(server.connections(), 4u);
    for (const int client : clients) ::close(client);
}

INSTANTIATE_TEST_SUITE_P(Backends, ReactorTest,
                         testing::Values(BackendChoice::kEpoll, BackendChoice::kIoUring),
                         [](const auto& one) {
                             return one.param == BackendChoice::kEpoll ? "epoll" : "io_uring";
                         });

// Containers refuse the ring by their seccomp profile: 0 all well, else the step that was not.
int run_without_io_uring() {
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog filter{4, program};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return 1;
    if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) return 2;
    const core::RealClock clock;
    ReactorOptions options;
    options.backend = BackendChoice::kIoUring;
    const auto forced = Reactor::create(options, clock);
    if (forced) return 3;
    const std::string& message = forced.error().message;
    if (message.find("kernel.io_uring_disabled") == std::string::npos) return 4;
    if (message.find("seccomp") == std::string::npos) return 5;
    if (message.find("EPERM") == std::string::npos) return 6;
    options.backend = BackendChoice::kAuto;
    const auto automatic = Reactor::create(options, clock);
    if (!automatic || (*automatic)->backend_name() != "epoll") return 7;
    if ((*automatic)->fallback_reason() != message) return 8;
    Nobody handler;
    HttpServer server(**automatic, handler, {});
    return server.listen(*Address::parse("127.0.0.1:0"), ListenRole::kFirst) ? 0 : 9;
}

TEST(Reactor, FallsBackToEpollWhereTheRingIsRefusedAndSaysWhy) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(run_without_io_uring());
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(Address, ReadsEveryFormAndWritesItBack) {
    for (const char* text : {"127.0.0.1:7070", "[::1]:7070", "0.0.0.0:0", "[2001:db8::1]:80",
                             "unix:/run/millrace.sock"}) {
        const auto address = Address::parse(text);
        ASSERT_TRUE(address) << text;
        EXPECT_EQ(address->to_string(), text);
    }
    EXPECT_EQ(Address::parse("localhost:1")->to_string(), "127.0.0.1:1");
    EXPECT_EQ(Address::parse(":1")->to_string(), "0.0.0.0:1");
    EXPECT_EQ(Address::parse("*:1")->to_string(), "0.0.0.0:1");
    for (const char* text :
         {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:1x",
          "::1:80", "[::1:80", "[::1]", "127.1:80", "host:80", "unix:"}) {
        EXPECT_FALSE(Address::parse(text)) << text;
    }
    EXPECT_FALSE(Address::parse("unix:/" + std::string(200, 'x')));
    EXPECT_TRUE(Address::parse("127.9.9.9:1")->is_loopback());
    EXPECT_TRUE(Address::parse("[::ffff:127.0.0.1]:1")->is_loopback());
    EXPECT_FALSE(Address::parse("0.0.0.0:1")->is_loopback());
    EXPECT_FALSE(Address::parse("[::]:1")->is_loopback());
}

TEST(ErrorBody, IsTheContractsForm) {
    EXPECT_EQ(error_body(core::Error(core::ErrorCode::kNotFound, "nothing here")),
              R"({"success":false,"error":{"message":"nothing here","code":"NOT_FOUND",)"
              R"("statusCode":404,"details":{}}})");
    EXPECT_EQ(
        error_object(core::Error(core::ErrorCode::kValidation, "x").in("payload.a").at(7).bound(9)),
        R"({"message":"x","code":"VALIDATION_ERROR","statusCode":400,)"
        R"("details":{"field":"payload.a","position":7,"limit":9}})");
}

TEST(BodyWriter, EscapesWhateverItIsGiven) {
    SizedPools pools;
    BodyWriter writer(pools);
    writer.append_json_string(
        std::string_view("a\"b\\c\n\x01\0\x7f \xc3\xa9 \xff \xed\xa0\x80 \xf0\x9f\x98\x80", 23));
    EXPECT_EQ(writer.view(),
              "\"a\\\"b\\\\c\\n\\u0001\\u0000\\u007f \xc3\xa9 \\ufffd \\ufffd\\ufffd\\ufffd "
              "\xf0\x9f\x98\x80\"");
}

TEST(BodyWriter, GrowsWithoutLosingAByte) {
    SizedPools pools;
    BodyWriter writer(pools);
    std::string wanted;
    for (int i = 0; i < 20'000; ++i) {
        writer.append_int(i);
        writer.append(',');
        wanted += std::to_string(i) + ",";
    }
    EXPECT_EQ(writer.view(), wanted);
}

TEST(PercentDecode, DecodesOnceAndRefusesBrokenEscapes) {
    std::string out;
    EXPECT_TRUE(percent_decode("a%20b%2541+", PlusIsSpace::kNo, out));
    EXPECT_EQ(out, "a b%41+");
    EXPECT_TRUE(percent_decode("a+b", PlusIsSpace::kYes, out));
    EXPECT_EQ(out, "a b");
    for (const char* text : {"%", "%4", "%zz", "%00", "a%0"})
        EXPECT_FALSE(percent_decode(text, PlusIsSpace::kNo, out)) << text;
}

TEST(Request, LooksUpQueryAndHeaders) {
    Request request;
    request.query = "a=1&b&c=x%26y+z&a=2&%61%62=q&bad=%zz";
    EXPECT_EQ(request.query_value("a"), "1");
    EXPECT_EQ(request.query_value("b"), "");
    EXPECT_EQ(request.query_value("c"), "x&y z");
    EXPECT_EQ(request.query_value("ab"), "q");
    EXPECT_EQ(request.query_value("bad"), std::nullopt);
    EXPECT_EQ(request.query_value("none"), std::nullopt);
    const HeaderField headers[] = {{"X-API-Key", "k"}, {"Accept", "*/*"}};
    request.headers = headers;
    EXPECT_EQ(request.header("x-api-key"), "k");
    EXPECT_EQ(request.header("nope"), "");
    request.content_type = "Application/JSON ; charset=utf-8";
    EXPECT_TRUE(request.content_type_is("application/json"));
    EXPECT_FALSE(request.content_type_is("application/jso"));
}

}  // namespace
}  // namespace millrace::io
