// Goal: the address that a name has when it is connected to is the one that is judged, whatever the
// name said before; a name that nobody answers for holds up its own call and no other; what belongs
// to the connection is in nobody's hands.
// Method: the agent by hand, listeners on loopback; the resolver of this program is the test's, and
// libcurl asks it too.
#include "runtime/courier/courier.h"

#include "tests/support/loopback_peer.h"

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <dlfcn.h>
#include <netdb.h>

namespace millrace::courier {
namespace {

constexpr std::string_view kSilent = "silent.test";  // and all below it

// What names say: each time the next list of addresses, the last one for good.
struct ScriptedNames {
    std::mutex mutex;
    std::condition_variable changed;
    std::map<std::string, std::deque<std::vector<std::string>>, std::less<>> lists;
    int looking = 0;  // for the silent one
    bool answers = false;

    std::vector<std::string> next(std::string_view name) {
        const std::lock_guard lock(mutex);
        const auto at = lists.find(name);
        if (at == lists.end()) return {};
        std::vector<std::string> list = at->second.front();
        if (at->second.size() > 1) at->second.pop_front();
        return list;
    }
    void look_in_vain() {
        std::unique_lock lock(mutex);
        ++looking;
        changed.notify_all();
        // Longer than any of the tests has patience.
        changed.wait_for(lock, std::chrono::seconds(60), [this] { return answers; });
        --looking;
        changed.notify_all();
    }
    int looks() {
        const std::lock_guard lock(mutex);
        return looking;
    }
    void end_looks() {
        std::unique_lock lock(mutex);
        answers = true;
        changed.notify_all();
        changed.wait(lock, [this] { return looking == 0; });
        answers = false;
    }
};

ScriptedNames& names() {
    static ScriptedNames all;
    return all;
}

using Resolve = int (*)(const char*, const char*, const addrinfo*, addrinfo**);

Resolve resolver_of_the_system() {
    static const auto found = reinterpret_cast<Resolve>(::dlsym(RTLD_NEXT, "getaddrinfo"));
    return found;
}

int resolve_scripted(const std::vector<std::string>& list, const char* service,
                     const addrinfo* hints, addrinfo** found) {
    addrinfo numeric{};
    if (hints) numeric = *hints;
    numeric.ai_family = AF_INET;
    numeric.ai_flags |= AI_NUMERICHOST;
    addrinfo** end = found;
    for (const std::string& address : list) {
        if (const int bad = resolver_of_the_system()(address.c_str(), service, &numeric, end))
            return bad;
        while (*end) end = &(*end)->ai_next;
    }
    return 0;
}

struct AnswerKeeper final : HttpReceiver {
    void receive(std::uint64_t ticket, HttpAnswer&& answer) override {
        got[ticket] = std::move(answer);
    }
    std::map<std::uint64_t, HttpAnswer> got;
};

class CourierTest : public testing::Test {
protected:
    void TearDown() override { names().end_looks(); }

    void call(std::uint64_t ticket, const std::string& host, int port,
              std::int64_t timeout_ms = 30'000) {
        HttpCall made;
        made.url = "http://" + host + ":" + std::to_string(port) + "/";
        made.timeout_ms = timeout_ms;
        made.owner = owner_;
        made.headers = {{"Content-Length", "3"}, {"transfer-encoding", "chunked"}, {"x-own", "1"}};
        EXPECT_TRUE(courier_.send(answers_, ticket, std::move(made)));
    }
    // Until it is answered, or there is no patience left.
    const HttpAnswer& answer_to(std::uint64_t ticket) {
        const auto began = std::chrono::steady_clock::now();
        while (!answers_.got.contains(ticket) &&
               std::chrono::steady_clock::now() - began < std::chrono::seconds(30)) {
            if (courier_.do_work() == 0) courier_.wait(1'000);
            own_.serve();
            allowed_.serve();
        }
        EXPECT_TRUE(answers_.got.contains(ticket)) << ticket;
        return answers_.got[ticket];
    }

    std::uint64_t owner_ = 1;
    core::RealClock clock_;
    LoopbackPeer own_;                  // 127.0.0.1
    LoopbackPeer allowed_{0x7f000002};  // 127.0.0.2
    AnswerKeeper answers_;
    Courier courier_{clock_, *AddressRules::make("127.0.0.2", ""), 100};
};

TEST_F(CourierTest, TheAddressThatIsConnectedToIsJudged) {
    // Allowed when it is asked the first time, this machine's own when it is asked again.
    names().lists["turns.test"] = {{"127.0.0.2"}, {"127.0.0.1"}};
    call(1, "turns.test", allowed_.port());
    EXPECT_EQ(answer_to(1).status, 200) << answer_to(1).message;
    call(2, "turns.test", own_.port());
    EXPECT_EQ(answer_to(2).fault, HttpFault::kBlocked) << answer_to(2).status;
    // Both at once: the one that is not allowed is passed over.
    names().lists["both.test"] = {{"127.0.0.1", "127.0.0.2"}};
    call(3, "both.test", allowed_.port());
    EXPECT_EQ(answer_to(3).status, 200) << answer_to(3).message;
    EXPECT_EQ(own_.accepted(), 0u) << "nobody has come";
}

TEST_F(CourierTest, ANameThatNobodyAnswersForHoldsUpItsOwnCallOnly) {
    call(1, std::string(kSilent), allowed_.port(), 100);
    call(2, "127.0.0.2", allowed_.port());
    EXPECT_EQ(answer_to(2).status, 200) << answer_to(2).message;
    EXPECT_EQ(answer_to(1).fault, HttpFault::kTimeout);
    EXPECT_EQ(names().looks(), 1) << "it is still being looked up, and was told all the same";
    call(3, "127.0.0.2", allowed_.port());
    EXPECT_EQ(answer_to(3).status, 200) << "and the others go on";
    // One that nobody waits for any more is let go as well.
    call(4, std::string(kSilent), allowed_.port());
    for (int i = 0; i < 20'000 && names().looks() < 2; ++i) {
        courier_.do_work();
        courier_.wait(1'000);
    }
    ASSERT_EQ(names().looks(), 2);
    courier_.cancel(answers_, 4);
    call(5, "127.0.0.2", allowed_.port());
    EXPECT_EQ(answer_to(5).status, 200);
    EXPECT_EQ(names().looks(), 2);
}

TEST_F(CourierTest, LooksThatAreLeftAloneAreCountedByTenant) {
    const std::uint64_t most = LookupsLeft::kOfOneMax;
    for (std::uint64_t i = 1; i <= most; ++i)
        call(i, std::to_string(i) + "." + std::string(kSilent), allowed_.port(), 50);
    for (std::uint64_t i = 1; i <= most; ++i) EXPECT_EQ(answer_to(i).fault, HttpFault::kTimeout);
    names().lists["other.test"] = {{"127.0.0.2"}, {"127.0.0.2"}};
    call(most + 1, "other.test", allowed_.port());
    EXPECT_EQ(answer_to(most + 1).fault, HttpFault::kDns) << answer_to(most + 1).message;
    call(most + 2, "127.0.0.2", allowed_.port());
    EXPECT_EQ(answer_to(most + 2).status, 200) << "an address needs no look";
    owner_ = 7;
    call(most + 3, "other.test", allowed_.port());
    EXPECT_EQ(answer_to(most + 3).status, 200) << "another tenant's names are its own";
}

TEST_F(CourierTest, AnswersOfAllCallsHaveOneShareOfMemory) {
    Courier small(clock_, *AddressRules::make("127.0.0.2", ""), 100, 1);
    const auto ask = [&](std::uint64_t ticket) -> const HttpAnswer& {
        HttpCall made;
        made.url = "http://127.0.0.2:" + std::to_string(allowed_.port()) + "/";
        EXPECT_TRUE(small.send(answers_, ticket, std::move(made)));
        for (int i = 0; i < 20'000 && !answers_.got.contains(ticket); ++i) {
            if (small.do_work() == 0) small.wait(1'000);
            allowed_.serve();
        }
        return answers_.got[ticket];
    };
    ASSERT_EQ(ask(1).status, 200) << "one that is alone is taken";
    ASSERT_FALSE(answers_.got[1].body.empty());
    const HttpAnswer& refused = ask(2);
    EXPECT_EQ(refused.fault, HttpFault::kConnect);
    EXPECT_NE(refused.message.find("of their 1 bytes"), std::string::npos) << refused.message;
    answers_.got.erase(1);
    EXPECT_EQ(ask(3).status, 200) << "its room is free when nobody has it any more";
}

TEST_F(CourierTest, WhatBelongsToTheConnectionIsItsOwn) {
    call(1, "127.0.0.2", allowed_.port());
    EXPECT_EQ(answer_to(1).status, 200);
    ASSERT_EQ(allowed_.requests.size(), 1u);
    const std::string& heard = allowed_.requests[0];
    EXPECT_NE(heard.find("x-own: 1"), std::string::npos) << heard;
    EXPECT_EQ(heard.find("Content-Length"), std::string::npos) << heard;
    EXPECT_EQ(heard.find("transfer-encoding"), std::string::npos) << heard;
}

}  // namespace
}  // namespace millrace::courier

// In front of the system's, for the whole program.
extern "C" int getaddrinfo(const char* node, const char* service, const addrinfo* hints,
                           addrinfo** found) {
    using namespace millrace::courier;
    if (node && std::string_view(node).ends_with(kSilent)) {
        names().look_in_vain();
        return EAI_AGAIN;
    }
    const std::vector<std::string> list = node ? names().next(node) : std::vector<std::string>();
    *found = nullptr;
    if (!list.empty()) return resolve_scripted(list, service, hints, found);
    return resolver_of_the_system()(node, service, hints, found);
}
