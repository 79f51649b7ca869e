// Goal: an edge sends its log in order and keeps how far the hub has it; whatever the hub answers,
// or does not, nothing is left out: what is not taken is sent again, where the hub is further its
// word is held against the log, and a copy is told. Method: a log of the test's, a port that keeps
// calls, answers by hand, a clock that is moved.
#include "runtime/hub/forwarder.h"

#include "core/metrics.h"
#include "runtime/hub/hub_batch.h"
#include "store/rows/registry_store.h"
#include "tests/store/store_fixture.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <string>
#include <utility>
#include <vector>

namespace millrace::runtime::hub {
namespace {

constexpr core::ShardId kFirst{0};
constexpr std::string_view kEverything =
    R"({"version":"0000000000000000","all":true,"patterns":[],"filters":[]})";

class KeptCalls final : public courier::HttpPort {
public:
    struct Call {
        std::uint64_t ticket = 0;
        courier::HttpCall http;
        bool follows() const {
            for (const auto& [name, value] : http.headers)
                if (name == kFollowsHeader) return value == "true";
            return false;
        }
    };
    bool send(courier::HttpReceiver& receiver, std::uint64_t ticket,
              courier::HttpCall&& call) override {
        receiver_ = &receiver;
        (call.method == "POST" ? batches : looks).push_back({ticket, std::move(call)});
        return true;
    }
    void cancel(courier::HttpReceiver&, std::uint64_t ticket) override {
        cancelled.push_back(ticket);
    }

    void answer(const Call& call, int status, std::string body) {
        courier::HttpAnswer answer;
        answer.status = status;
        answer.body = std::move(body);
        receiver_->receive(call.ticket, std::move(answer));
    }
    void break_line(const Call& call) {
        courier::HttpAnswer answer;
        answer.fault = courier::HttpFault::kTimeout;
        answer.message = "no answer in time";
        receiver_->receive(call.ticket, std::move(answer));
    }

    std::deque<Call> batches, looks;
    std::vector<std::uint64_t> cancelled;

private:
    courier::HttpReceiver* receiver_ = nullptr;
};

class ForwarderTest : public store::test::StoreTest {
protected:
    void SetUp() override {
        open();
        start();
    }
    void start(const std::string& first = "", OnFull on_full = OnFull::kRefuse) {
        Forwarder::Deps deps;
        deps.clock = &clock_;
        deps.log = &log_;
        deps.metrics = &metrics_;
        deps.database = database_.get();
        deps.shards = 1;
        deps.submit = [this](core::ShardId, std::unique_ptr<LaneResult>& result) {
            EXPECT_TRUE(database_->write_now(result->rows));
            result.reset();
            return true;
        };
        deps.port = &port_;
        auto made = Forwarder::make(std::move(deps), {.url = "http://hub.example",
                                                      .token = "mredge_x",
                                                      .node = "shop",
                                                      .first = first,
                                                      .on_full = on_full});
        ASSERT_TRUE(made) << made.error().message;
        forwarder_ = std::move(*made);
        ASSERT_TRUE(forwarder_->load(aside_));
        port_.batches.clear();
        port_.looks.clear();
    }
    void events(int count, std::size_t bytes = 10, const std::string& pattern = "temp") {
        for (int i = 0; i < count; ++i) {
            append(kFirst, {.id = "e" + std::to_string(made_++),
                            .pattern = pattern,
                            .body = std::string(bytes, 'x')});
            ++appended_;
        }
        commit(kFirst);
    }
    void work(std::int64_t us = 1'000) {
        for (int i = 0; i < 20; ++i) {
            forwarder_->do_work();
            clock_.advance_us(us / 20);
        }
    }
    void tell_what_is_wanted(std::string_view what = kEverything) {
        work();
        ASSERT_FALSE(port_.looks.empty());
        port_.answer(take_look(), 200, std::string(what));
        work();
    }
    KeptCalls::Call take_look() {
        KeptCalls::Call call = std::move(port_.looks.front());
        port_.looks.pop_front();
        return call;
    }
    KeptCalls::Call take_batch() {
        EXPECT_FALSE(port_.batches.empty());
        if (port_.batches.empty()) return {};
        KeptCalls::Call call = std::move(port_.batches.front());
        port_.batches.pop_front();
        return call;
    }
    static Batch batch_of(const KeptCalls::Call& call) {
        auto batch = read_batch(call.http.body);
        EXPECT_TRUE(batch) << batch.error().message;
        return batch ? std::move(*batch) : Batch();
    }
    static std::string place(std::uint64_t to, std::uint64_t hash) {
        return R"({"to":)" + std::to_string(to) + R"(,"hash":")" + hash_text(hash) +
               R"(","events":1,"window":4096,"filterVersion":"0000000000000000"})";
    }
    void take(const KeptCalls::Call& call) {
        const Batch batch = batch_of(call);
        port_.answer(call, 200, place(batch.head.to, batch.head.hash_after));
        work();
    }
    // All that is sent, answered as it comes; up to where that is.
    std::uint64_t take_all() {
        std::uint64_t to = 0;
        while (!port_.batches.empty()) {
            const KeptCalls::Call call = take_batch();
            to = batch_of(call).head.to;
            take(call);
        }
        return to;
    }
    ForwardMark kept() {
        const auto rows = database_->registry().load_all(kForwardKind);
        EXPECT_TRUE(rows);
        for (const store::RegistryDocument& row : *rows)
            if (row.id == "shard/0") return *read_forward_mark(row.json);
        return {};
    }
    std::uint64_t folder() {
        const auto rows = database_->registry().load_all(kForwardKind);
        for (const store::RegistryDocument& row : *rows)
            if (row.id == kForwardFolderId) return *read_incarnation(row.json);
        return 0;
    }
    std::uint64_t hash_at(std::uint64_t to) {
        LogRun run(*database_);
        LogRun::Walk walk{.at = {}, .to = to};
        while (*run.walk(walk) == LogRun::Way::kGoesOn) {
        }
        return walk.at.hash;
    }

    core::Log log_{clock_, core::LogLevel::kOff};
    core::Metrics metrics_{core::Metrics::Options{}};
    SetAside aside_{log_};
    KeptCalls port_;
    std::unique_ptr<Forwarder> forwarder_;
    int made_ = 0;
    std::uint64_t appended_ = 0;
};

TEST_F(ForwarderTest, NothingCrossesBeforeItIsKnownWhatIsWanted) {
    events(3);
    work();
    EXPECT_TRUE(port_.batches.empty());
    tell_what_is_wanted();
    const KeptCalls::Call call = take_batch();
    EXPECT_EQ(call.http.url, "http://hub.example/v2/edges/shop/batches");
    EXPECT_FALSE(call.follows());
    const Batch batch = batch_of(call);
    EXPECT_EQ(batch.head.from, 0u);
    EXPECT_EQ(batch.head.to, 3u);
    EXPECT_EQ(batch.events.size(), 3u);
}

TEST_F(ForwarderTest, ATraceCrossesToAHubThatReadsThem) {
    const std::string trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 a=1";
    const auto traced_event = [&] {
        store::AppendInput input;
        const std::string text = R"({"pattern":"temp"})";
        const std::string fills = "0 " + trace;
        input.raw = text;
        input.pattern = "temp";
        input.fills = fills;
        input.flags = static_cast<std::uint16_t>(store::EventFlag::kFilledEventId);
        (void)database_->shard_log(kFirst).append(input);
        commit(kFirst);
        work();
    };
    tell_what_is_wanted();
    traced_event();
    KeptCalls::Call call = take_batch();
    EXPECT_EQ(batch_of(call).events.at(0).trace, "");  // an older hub refuses them
    take(call);
    clock_.advance_us(2 * Forwarder::kHeartbeatNs / 1000);
    tell_what_is_wanted(
        R"({"version":"0000000000000000","all":true,"patterns":[],"filters":[],"traces":true})");
    traced_event();
    call = take_batch();
    EXPECT_EQ(batch_of(call).events.at(0).trace, trace);
}

TEST_F(ForwarderTest, WhatMayBeDroppedIsDroppedByClass) {
    events(3);
    start("alarm.*", OnFull::kDrop);  // what was there before is not urgent
    EXPECT_EQ(forwarder_->floors()[0], core::LogOffset(3));
    events(2, 10, "alarm.fire");
    events(20, 1'000);
    events(1, 10, "alarm.fire");
    EXPECT_EQ(forwarder_->floors()[0], core::LogOffset(appended_));  // all of it was looked at
    const auto kept_ones = [this] {
        std::string out;
        for (const core::LogPosition& at : forwarder_->kept_events())
            out += std::to_string(at.offset.value) + ";";
        return out;
    };
    EXPECT_EQ(kept_ones(), "3;4;25;");
    tell_what_is_wanted();
    while (!port_.batches.empty()) take(take_batch());
    EXPECT_EQ(forwarder_->floors()[0], core::LogOffset(appended_));
    EXPECT_EQ(kept_ones(), "");  // the hub has them
    start("", OnFull::kDrop);
    EXPECT_TRUE(forwarder_->kept_events().empty());
}

TEST_F(ForwarderTest, WhatWasTakenIsKeptAndNotSentAgain) {
    events(3);
    tell_what_is_wanted();
    EXPECT_EQ(take_all(), 3u);
    EXPECT_EQ(kept().next, 3u);
    EXPECT_EQ(kept().hash, hash_at(3));
    start();
    events(2);
    tell_what_is_wanted();
    const Batch batch = batch_of(take_batch());
    EXPECT_EQ(batch.head.from, 3u);
    EXPECT_EQ(batch.head.hash_before, hash_at(3));
    EXPECT_EQ(batch.events.size(), 2u);
}

TEST_F(ForwarderTest, WhatIsNotAnsweredIsSentAgain) {
    events(3);
    tell_what_is_wanted();
    port_.break_line(take_batch());
    work();
    EXPECT_EQ(kept().next, 0u);
    work(1'000'000);
    EXPECT_EQ(batch_of(take_batch()).head.from, 0u);
}

TEST_F(ForwarderTest, OverAQuickLineSeveralGoAtOnceEachBehindTheOther) {
    events(200, 1'000);
    tell_what_is_wanted();
    std::uint64_t next = 0;
    std::size_t most = 0;
    for (int i = 0; i < 60 && next < appended_; ++i) {
        most = std::max(most, port_.batches.size());
        const KeptCalls::Call call = take_batch();
        const Batch batch = batch_of(call);
        ASSERT_EQ(batch.head.from, next);  // in the order of the log, nothing twice
        next = batch.head.to;
        take(call);
    }
    EXPECT_EQ(next, appended_);
    EXPECT_GT(most, 1u);
    EXPECT_LE(most, SendQueue::kDepthMax);
    EXPECT_EQ(kept().next, appended_);
    EXPECT_EQ(kept().hash, hash_at(appended_));
}

TEST_F(ForwarderTest, OneThatIsNotTakenIsSentAgainAloneWhenTheOthersAreAnswered) {
    events(400, 1'000);
    tell_what_is_wanted();
    while (port_.batches.size() < 2) take(take_batch());
    const KeptCalls::Call first = take_batch(), second = take_batch();
    EXPECT_FALSE(first.follows());
    EXPECT_TRUE(second.follows());
    const std::uint64_t from = batch_of(first).head.from;
    port_.batches.clear();
    port_.answer(first, 503, "{}");
    work(2'000'000);
    EXPECT_TRUE(port_.batches.empty());  // the second may still be taken
    port_.answer(second, 503, "{}");
    work(2'000'000);
    ASSERT_EQ(port_.batches.size(), 1u);
    EXPECT_EQ(batch_of(port_.batches.front()).head.from, from);
    EXPECT_FALSE(port_.batches.front().follows());
    EXPECT_EQ(take_all(), appended_);
}

TEST_F(ForwarderTest, WhatFollowsOneThatIsLostIsNotWaitedFor) {
    events(400, 1'000);
    tell_what_is_wanted();
    while (port_.batches.size() < 2) take(take_batch());
    const KeptCalls::Call first = take_batch(), second = take_batch();
    const std::uint64_t from = batch_of(first).head.from;
    port_.batches.clear();
    port_.break_line(first);
    ASSERT_FALSE(port_.cancelled.empty());
    EXPECT_EQ(port_.cancelled.front(), second.ticket);
    work(2'000'000);
    ASSERT_EQ(port_.batches.size(), 1u);
    EXPECT_EQ(batch_of(port_.batches.front()).head.from, from);
    // Its answer may be on its way all the same.
    port_.answer(second, 503, "{}");
    EXPECT_EQ(take_all(), appended_);
}

TEST_F(ForwarderTest, WhereTheHubIsFurtherTheLogIsFollowedUpToThere) {
    events(10);
    tell_what_is_wanted();
    port_.answer(take_batch(), 200, place(7, hash_at(7)));
    work();
    EXPECT_EQ(batch_of(take_batch()).head.from, 7u);
    EXPECT_EQ(kept().next, 7u);
}

TEST_F(ForwarderTest, ALongWayToTheHubIsGoneStepByStep) {
    events(1);
    tell_what_is_wanted();
    const KeptCalls::Call call = take_batch();
    for (int i = 0; i < 40; ++i) events(1);  // a block each
    port_.answer(call, 200, place(appended_, hash_at(appended_)));
    forwarder_->do_work();
    EXPECT_EQ(kept().next, 0u);  // under way: kWalkBlocksMax blocks a turn
    work();
    EXPECT_EQ(kept().next, appended_);
    EXPECT_TRUE(port_.batches.empty());
}

TEST_F(ForwarderTest, AHubWithOtherEventsOfThisFolderIsNotFollowed) {
    events(10);
    tell_what_is_wanted();
    port_.answer(take_batch(), 200, place(7, hash_at(7) ^ 1));
    work(1'000'000);
    EXPECT_EQ(kept().next, 0u);
    EXPECT_TRUE(port_.batches.empty());  // it is asked again minutes later
    work((SendPace::kWaitMsMax + 1'000) * 1'000);
    work();
    EXPECT_EQ(batch_of(take_batch()).head.from, 0u);
}

TEST_F(ForwarderTest, AHubThatHasMoreThanThisFolderIsNotFollowed) {
    events(10);
    tell_what_is_wanted();
    port_.answer(take_batch(), 200, place(12, 77));
    work(1'000'000);
    EXPECT_TRUE(port_.batches.empty());
    EXPECT_EQ(kept().next, 0u);
}

TEST_F(ForwarderTest, AHubThatHasGoneBackGetsItAgain) {
    events(10);
    tell_what_is_wanted();
    take_all();
    events(1);
    work();
    port_.answer(take_batch(), 200, place(4, hash_at(4)));
    work();
    const Batch batch = batch_of(take_batch());
    EXPECT_EQ(batch.head.from, 4u);
    EXPECT_EQ(batch.head.hash_before, hash_at(4));
    EXPECT_EQ(batch.head.to, 11u);
}

TEST_F(ForwarderTest, ACopyAsksAgainMinutesLater) {
    events(1);
    tell_what_is_wanted();
    port_.answer(take_batch(), 409, R"({"error":{"message":"cloned"}})");
    work(60'000'000);
    EXPECT_TRUE(port_.batches.empty());
    work(SendPace::kWaitMsMax * 1'000);
    EXPECT_EQ(port_.batches.size(), 1u);
}

TEST_F(ForwarderTest, WhatIsNotWantedIsLookedAtAgainWhenItIs) {
    events(3);
    tell_what_is_wanted(
        R"({"version":"0000000000000001","all":false,"patterns":["alarm.*"],"filters":[]})");
    EXPECT_TRUE(port_.batches.empty());
    work(Forwarder::kHeartbeatNs / 1'000 * 3 / 2 + 100'000);
    ASSERT_FALSE(port_.looks.empty());
    port_.answer(take_look(), 200, std::string(kEverything));
    work();
    const Batch batch = batch_of(take_batch());
    EXPECT_EQ(batch.events.size(), 3u);
    EXPECT_EQ(batch.head.filter_version, 0u);
}

TEST_F(ForwarderTest, WhatIsUrgentGoesFirstAndAlone) {
    start("alarm.*");
    events(5);
    events(2, 10, "alarm.fire");
    events(3);
    tell_what_is_wanted();
    ASSERT_EQ(port_.batches.size(), 2u);
    const KeptCalls::Call urgent = take_batch(), rest = take_batch();
    const Batch first = batch_of(urgent), second = batch_of(rest);
    EXPECT_EQ(part_of(first.head.lane), kUrgentPart);
    EXPECT_EQ(first.head.to, 10u);
    ASSERT_EQ(first.events.size(), 2u);
    EXPECT_EQ(first.events[0].offset, 5u);
    EXPECT_EQ(second.head.lane, 0u);
    EXPECT_EQ(second.events.size(), 8u);
    // Both are kept for themselves.
    take(urgent);
    EXPECT_EQ(forwarder_->floors()[0].value, 0u);
    take(rest);
    EXPECT_EQ(forwarder_->floors()[0].value, 10u);
    // Not urgent any more: what came before is where it was, what comes now is with the rest.
    start("");
    events(1, 10, "alarm.fire");
    tell_what_is_wanted();
    const Batch now = batch_of(take_batch());
    EXPECT_EQ(now.head.lane, 0u);
    EXPECT_EQ(now.head.from, 10u);
    EXPECT_EQ(now.events.size(), 1u);
}

TEST_F(ForwarderTest, WhatTheHubAsksForOfThePastIsSentBehindTheRest) {
    events(4, 10, "alarm.fire");
    events(6);
    tell_what_is_wanted();
    take_all();
    const std::uint64_t incarnation = folder();
    const std::uint32_t lane = kPartStep * kFirstBackfill;
    std::string told(kEverything);
    told.pop_back();
    told += R"(,"backfills":[)";
    append_backfill(
        told, {lane, 1, 0}, incarnation, 8,
        R"({"version":"0000000000000001","all":false,"patterns":["alarm.*"],"filters":[]})");
    told += ",";
    append_backfill(told, {lane + 2 * kPartStep, 1, 0}, incarnation ^ 1, 8,
                    "");  // another folder's
    work(Forwarder::kHeartbeatNs / 1'000 * 3 / 2 + 100'000);
    port_.answer(take_look(), 200, told + "]}");
    work();
    ASSERT_EQ(port_.batches.size(), 1u);
    const KeptCalls::Call call = take_batch();
    const Batch batch = batch_of(call);
    EXPECT_EQ(batch.head.lane, lane);
    EXPECT_EQ(batch.head.from, 1u);
    EXPECT_EQ(batch.head.to, 8u);
    EXPECT_EQ(batch.head.hash_before, 0u);
    ASSERT_EQ(batch.events.size(), 4u);  // of 1 to 7 those that were not alarms
    EXPECT_EQ(batch.events[0].offset, 4u);
    take(call);
    EXPECT_TRUE(port_.batches.empty());
    // It is done: the hub does not name it any more.
    work(Forwarder::kHeartbeatNs / 1'000 * 3 / 2 + 100'000);
    port_.answer(take_look(), 200, std::string(kEverything));
    work();
    EXPECT_TRUE(port_.batches.empty());
}

TEST_F(ForwarderTest, ABackfillThatFindsNothingSaysSo) {
    events(4);
    tell_what_is_wanted(
        R"({"version":"0000000000000001","all":false,"patterns":["alarm.*"],"filters":[]})");
    const std::uint64_t incarnation = folder();
    std::string told =
        R"({"version":"0000000000000001","all":false,"patterns":["alarm.*"],"filters":[],"backfills":[)";
    append_backfill(told, {kPartStep * kFirstBackfill, 0, 0}, incarnation, 3, "");
    work(Forwarder::kHeartbeatNs / 1'000 * 3 / 2 + 100'000);
    port_.answer(take_look(), 200, told + "]}");
    work();
    ASSERT_EQ(port_.batches.size(), 1u);
    const Batch batch = batch_of(take_batch());
    EXPECT_EQ(batch.head.to, 3u);
    EXPECT_TRUE(batch.events.empty());
}

TEST_F(ForwarderTest, RetentionLeavesWhatTheHubDoesNotHave) {
    events(3);
    EXPECT_EQ(forwarder_->floors()[0].value, 0u);
    tell_what_is_wanted();
    EXPECT_EQ(forwarder_->floors()[0].value, 0u);
    take_all();
    EXPECT_EQ(forwarder_->floors()[0].value, 3u);
}

TEST_F(ForwarderTest, StopsSendingWhenItIsTold) {
    events(3);
    tell_what_is_wanted();
    take_all();
    forwarder_->stop_sending();
    events(1);
    work(1'000'000);
    EXPECT_TRUE(port_.batches.empty());
}

}  // namespace
}  // namespace millrace::runtime::hub
