// One copy of a partition as a machine, on a model of its stream: how it follows, owns, loses
// ownership, and what it makes of everything that a stream may do to it.
#include "runtime/cluster/partition_machine.h"

#include "tests/runtime/cluster/noise.h"
#include "tests/runtime/cluster/stream_model.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace millrace::runtime::cluster {
namespace {

constexpr std::int64_t kMs = 1'000'000;
constexpr std::int64_t kSecond = 1'000 * kMs;

// What a folder would hold.
class MemoryCopy final : public PartitionCopy {
public:
    core::Status apply(std::string_view batch, const store::ReplicaPosition& at_now) override {
        batches.emplace_back(batch);
        at = at_now;
        return {};
    }
    core::Status note(const store::ReplicaPosition& at_now) override {
        at = at_now;
        return {};
    }
    core::Status sync() override {
        ++syncs;
        return {};
    }
    std::vector<std::string> batches;
    store::ReplicaPosition at;
    int syncs = 0;
};

class PartitionMachineTest : public ::testing::Test {
protected:
    struct Node {
        MemoryCopy copy;
        std::unique_ptr<PartitionMachine> machine;
    };

    PartitionMachineTest() {
        for (std::size_t i = 0; i < 3; ++i) start(i);
    }
    void start(std::size_t i) {
        PartitionMachine::Options options;
        options.partition = 7;
        options.node = std::string(1, static_cast<char>('a' + i));
        options.url = "http://" + options.node;
        options.token = options.node + std::to_string(++tokens_);
        options.waits_for_copy = waits_for_copy_;
        nodes_[i].machine = std::make_unique<PartitionMachine>(options, model_.port(i),
                                                               nodes_[i].copy, nodes_[i].copy.at);
    }
    void stop(std::size_t i) {
        model_.down(i);
        nodes_[i].machine.reset();
    }
    void start_again(std::size_t i) {
        model_.up(i);
        start(i);
    }
    void run(std::int64_t for_ns) {
        const std::int64_t end = model_.now_ns() + for_ns;
        while (model_.now_ns() < end) step();
    }
    void step() {
        model_.advance_to(model_.now_ns() + kMs);
        for (std::size_t i = 0; i < 3; ++i) {
            if (!nodes_[i].machine) continue;
            StreamEvent event;
            while (model_.next(i, event)) machine(i).on(std::move(event), model_.now_ns());
            machine(i).turn(model_.now_ns());
        }
    }
    template <typename Condition>
    bool run_until(Condition condition, std::int64_t at_most_ns = 60 * kSecond) {
        const std::int64_t end = model_.now_ns() + at_most_ns;
        while (model_.now_ns() < end) {
            if (condition()) return true;
            step();
        }
        return false;
    }
    PartitionMachine& machine(std::size_t i) { return *nodes_[i].machine; }
    PartitionRole role(std::size_t i) { return machine(i).status().role; }
    bool own(std::size_t i) {
        machine(i).own();
        return run_until([&] { return role(i) == PartitionRole::kOwner; });
    }
    // As an owner's store would: the answer, and then the disk.
    core::Result<store::ReplicaPosition> append(std::size_t i, const std::string& batch) {
        EXPECT_TRUE(machine(i).may_append());
        machine(i).append(batch, model_.now_ns());
        std::optional<core::Result<store::ReplicaPosition>> done;
        run_until([&] { return (done = machine(i).done()).has_value(); });
        if (!done) return core::fail(core::ErrorCode::kTimeout, "no answer");
        if (*done) (void)nodes_[i].copy.apply(batch, **done);
        return *done;
    }

    millrace::test::StreamModel model_{11, 3};
    Node nodes_[3];
    int tokens_ = 0;
    bool waits_for_copy_ = false;
};

TEST_F(PartitionMachineTest, OneOwnsAndTheOthersFollow) {
    run(kSecond);
    EXPECT_EQ(role(0), PartitionRole::kStandby);
    ASSERT_TRUE(own(0));
    EXPECT_EQ(machine(0).status().epoch, 1u);
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(append(0, "batch " + std::to_string(i)));
    run(3 * kSecond);
    for (std::size_t i = 1; i < 3; ++i) {
        EXPECT_EQ(role(i), PartitionRole::kStandby);
        EXPECT_EQ(nodes_[i].copy.batches, nodes_[0].copy.batches);
        EXPECT_EQ(machine(i).status().hash, machine(0).status().hash);
        EXPECT_EQ(machine(i).status().owner, "a");
        EXPECT_EQ(machine(i).status().owner_url, "http://a");
        EXPECT_EQ(machine(i).status().fsynced, machine(i).status().applied);
        EXPECT_GT(nodes_[i].copy.syncs, 0);
    }
}

TEST_F(PartitionMachineTest, OfTwoThatWantToOwnOneDoes) {
    run(kSecond);
    machine(0).own();
    machine(1).own();
    machine(2).own();
    run(3 * kSecond);
    int owners = 0;
    for (std::size_t i = 0; i < 3; ++i) {
        owners += role(i) == PartitionRole::kOwner ? 1 : 0;
        EXPECT_EQ(machine(i).status().epoch, 1u);
    }
    EXPECT_EQ(owners, 1);
}

TEST_F(PartitionMachineTest, AnOwnerThatAnotherOneFollowedAppendsNothingMore) {
    ASSERT_TRUE(own(0));
    ASSERT_TRUE(append(0, "before"));
    model_.cut(0, 10 * kSecond);
    run(kSecond);
    ASSERT_TRUE(own(1));
    ASSERT_TRUE(append(1, "after"));
    const auto late = append(0, "too late");
    ASSERT_FALSE(late);
    EXPECT_EQ(role(0), PartitionRole::kFenced);
    EXPECT_NE(late.error().message.find("another owner"), std::string::npos);
    run(kSecond);
    EXPECT_EQ(nodes_[2].copy.batches, (std::vector<std::string>{"before", "after"}));
}

TEST_F(PartitionMachineTest, AnIdleOwnerLearnsThatItIsNoneAnyMore) {
    ASSERT_TRUE(own(0));
    model_.cut(0, 5 * kSecond);
    run(kSecond);
    ASSERT_TRUE(own(1));
    ASSERT_TRUE(run_until([&] { return role(0) == PartitionRole::kFenced; }, 10 * kSecond));
}

TEST_F(PartitionMachineTest, TheLeaseEndsWithoutAcknowledgementsAndComesBackWithThem) {
    ASSERT_TRUE(own(0));
    run(10 * kSecond);  // beats keep it
    EXPECT_GT(machine(0).lease_until_ns(), model_.now_ns());
    model_.cut(0, 5 * kSecond);
    run(4 * kSecond);
    EXPECT_LT(machine(0).lease_until_ns(), model_.now_ns());
    EXPECT_EQ(role(0), PartitionRole::kOwner);
    run(4 * kSecond);
    EXPECT_GT(machine(0).lease_until_ns(), model_.now_ns());
    EXPECT_EQ(machine(1).lease_until_ns(), 0);
}

TEST_F(PartitionMachineTest, AnUnansweredAppendIsFoundWhereItLanded) {
    ASSERT_TRUE(own(0));
    model_.weather.lost_acks = 1000;
    machine(0).append("kept", model_.now_ns());
    run(kSecond);
    EXPECT_FALSE(machine(0).done());
    const std::int64_t lease = machine(0).lease_until_ns();
    std::optional<core::Result<store::ReplicaPosition>> done;
    ASSERT_TRUE(run_until([&] { return (done = machine(0).done()).has_value(); }, 10 * kSecond));
    ASSERT_TRUE(*done);
    EXPECT_EQ(machine(0).lease_until_ns(), lease) << "what was looked up gives no lease";
    model_.weather.lost_acks = 0;
    run(2 * kSecond);
    EXPECT_EQ(nodes_[1].copy.batches, std::vector<std::string>{"kept"});
}

TEST_F(PartitionMachineTest, OneThatNeverArrivedIsSentAgainAndLandsOnce) {
    ASSERT_TRUE(own(0));
    model_.weather.lost_requests = 1000;
    machine(0).append("again", model_.now_ns());
    run(100 * kMs);
    model_.weather.lost_requests = 0;
    std::optional<core::Result<store::ReplicaPosition>> done;
    ASSERT_TRUE(run_until([&] { return (done = machine(0).done()).has_value(); }, 10 * kSecond));
    ASSERT_TRUE(*done);
    run(2 * kSecond);
    EXPECT_EQ(nodes_[1].copy.batches, std::vector<std::string>{"again"});
}

TEST_F(PartitionMachineTest, SecondsWithoutALeaderDelayAndLoseNothing) {
    ASSERT_TRUE(own(0));
    std::vector<std::string> all;
    for (int i = 0; i < 10; ++i) {
        if (i % 3 == 1) model_.lose_leader(6 * kSecond);
        all.push_back("batch " + std::to_string(i));
        ASSERT_TRUE(append(0, all.back())) << i;
    }
    run(3 * kSecond);
    EXPECT_EQ(nodes_[1].copy.batches, all);
    EXPECT_EQ(nodes_[2].copy.batches, all);
}

TEST_F(PartitionMachineTest, ALongUnitLandsWholeWhateverBreaksInTheMiddle) {
    ASSERT_TRUE(own(0));
    const std::string body = millrace::test::noise(20 * kPartBytesMax + 77);
    machine(0).append(body, model_.now_ns());
    step();
    step();
    model_.cut(0, kSecond);
    std::optional<core::Result<store::ReplicaPosition>> done;
    ASSERT_TRUE(run_until([&] { return (done = machine(0).done()).has_value(); }, 20 * kSecond));
    ASSERT_TRUE(*done) << done->error().message;
    EXPECT_EQ((*done)->sequence, model_.last());
    ASSERT_TRUE(append(0, "behind it"));
    run(2 * kSecond);
    ASSERT_EQ(nodes_[1].copy.batches.size(), 2u);
    EXPECT_TRUE(nodes_[1].copy.batches[0] == body);
}

TEST_F(PartitionMachineTest, AUnitCutShortByItsOwnersDeathIsNothing) {
    ASSERT_TRUE(own(0));
    const std::string body = millrace::test::noise(12 * kPartBytesMax);
    const std::uint64_t before = model_.last();
    machine(0).append(body, model_.now_ns());
    while (model_.last() < before + 3) step();
    stop(0);
    run(kSecond);
    ASSERT_TRUE(own(1));
    ASSERT_TRUE(append(1, "next"));
    start_again(0);
    run(3 * kSecond);
    for (std::size_t i = 0; i < 3; ++i)
        EXPECT_EQ(nodes_[i].copy.batches, std::vector<std::string>{"next"}) << i;
}

TEST_F(PartitionMachineTest, AnOwnerThatCrashedReadsWhatItHadPublished) {
    ASSERT_TRUE(own(0));
    ASSERT_TRUE(append(0, "one"));
    machine(0).append("two", model_.now_ns());
    run(50 * kMs);  // it is in the stream, and not on this disk
    stop(0);
    start_again(0);
    run(kSecond);
    EXPECT_EQ(nodes_[0].copy.batches, (std::vector<std::string>{"one", "two"}));
    ASSERT_TRUE(own(0));
    EXPECT_EQ(machine(0).status().epoch, 2u);
}

TEST_F(PartitionMachineTest, WithReplicatedFsyncAnAppendWaitsForAnotherDisk) {
    waits_for_copy_ = true;
    for (std::size_t i = 0; i < 3; ++i) start(i);
    ASSERT_TRUE(own(0));
    ASSERT_TRUE(append(0, "one"));
    EXPECT_EQ(nodes_[1].copy.batches.size() + nodes_[2].copy.batches.size() > 0, true);
    stop(1);
    stop(2);
    machine(0).append("two", model_.now_ns());
    run(20 * kSecond);
    EXPECT_FALSE(machine(0).done()) << "nobody else has it";
    EXPECT_FALSE(machine(0).may_append());
    EXPECT_GT(machine(0).lease_until_ns(), model_.now_ns()) << "it goes on being the owner";
    start_again(1);
    std::optional<core::Result<store::ReplicaPosition>> done;
    ASSERT_TRUE(run_until([&] { return (done = machine(0).done()).has_value(); }));
    ASSERT_TRUE(*done);
    EXPECT_EQ(nodes_[1].copy.batches.back(), "two");
}

TEST_F(PartitionMachineTest, HandedOverItIsOwnedByWhoItWasGivenTo) {
    ASSERT_TRUE(own(0));
    ASSERT_TRUE(append(0, "one"));
    machine(0).hand_over("c");
    ASSERT_TRUE(run_until([&] { return role(2) == PartitionRole::kOwner; }, 5 * kSecond));
    EXPECT_EQ(role(0), PartitionRole::kReleased);
    EXPECT_EQ(role(1), PartitionRole::kStandby);
    ASSERT_TRUE(append(2, "two"));
    EXPECT_EQ(nodes_[2].copy.batches, (std::vector<std::string>{"one", "two"}));
}

TEST_F(PartitionMachineTest, AnEndThatTheStreamHasLostIsSentAgain) {
    ASSERT_TRUE(own(0));
    std::vector<std::string> all;
    for (int i = 0; i < 10; ++i) {
        all.push_back("batch " + std::to_string(i));
        ASSERT_TRUE(append(0, all.back()));
    }
    run(kSecond);
    const std::uint64_t last = model_.last();
    model_.lose_tail(4);
    ASSERT_TRUE(run_until([&] { return model_.last() > last; }, 30 * kSecond));
    all.push_back("after");
    ASSERT_TRUE(append(0, "after"));
    // Who reads it for the first time reads the same.
    stop(2);
    nodes_[2].copy = {};
    start_again(2);
    run(3 * kSecond);
    EXPECT_EQ(nodes_[1].copy.batches, all);
    EXPECT_EQ(nodes_[2].copy.batches, all);
}

TEST_F(PartitionMachineTest, AfterItsOwnersDeathAStandbySendsALostEndAgain) {
    ASSERT_TRUE(own(0));
    for (int i = 0; i < 6; ++i) ASSERT_TRUE(append(0, std::to_string(i)));
    run(kSecond);
    stop(0);
    model_.lose_tail(3);
    run(3 * kSecond);
    ASSERT_TRUE(own(1));
    ASSERT_TRUE(append(1, "6"));
    start_again(0);
    run(3 * kSecond);
    EXPECT_EQ(nodes_[0].copy.batches.size(), 7u);
    EXPECT_EQ(nodes_[0].copy.batches, nodes_[2].copy.batches);
}

TEST_F(PartitionMachineTest, AnotherStreamOfTheSameNameIsNotFollowed) {
    ASSERT_TRUE(own(0));
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(append(0, std::to_string(i)));
    run(2 * kSecond);
    model_.recreate();
    run(5 * kSecond);
    EXPECT_NE(role(1), PartitionRole::kDiverged) << "an old answer may say so for a while";
    run(15 * kSecond);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(role(i), PartitionRole::kDiverged) << i;
    EXPECT_EQ(nodes_[1].copy.batches.size(), 3u);
    // A person says whose copy is the truth; who has the same goes on behind it.
    stop(0);
    start_again(0);
    run(15 * kSecond);
    machine(1).heal();
    ASSERT_TRUE(run_until([&] { return role(1) == PartitionRole::kOwner; }, 10 * kSecond));
    ASSERT_TRUE(append(1, "3"));
    ASSERT_TRUE(run_until([&] { return nodes_[2].copy.batches.size() == 4u; }, 20 * kSecond));
    EXPECT_TRUE(run_until([&] { return nodes_[0].copy.batches.size() == 4u; }, 20 * kSecond));
    EXPECT_EQ(role(2), PartitionRole::kStandby);
}

TEST_F(PartitionMachineTest, AStreamThatIsGoneIsNotMadeAnew) {
    ASSERT_TRUE(own(0));
    ASSERT_TRUE(append(0, "0"));
    run(2 * kSecond);
    model_.remove();
    run(20 * kSecond);
    EXPECT_EQ(role(1), PartitionRole::kDiverged);
    EXPECT_NE(machine(1).status().trouble.find("is gone"), std::string::npos);
}

TEST_F(PartitionMachineTest, AStreamThatComesBackTheSameIsFollowedAgain) {
    ASSERT_TRUE(own(0));
    ASSERT_TRUE(append(0, "0"));
    run(2 * kSecond);
    stop(0);
    model_.remove();
    run(20 * kSecond);
    ASSERT_EQ(role(1), PartitionRole::kDiverged);
    model_.bring_back();
    ASSERT_TRUE(run_until([&] { return role(1) == PartitionRole::kStandby; }, 20 * kSecond))
        << machine(1).status().trouble;
    ASSERT_TRUE(own(1));
    ASSERT_TRUE(append(1, "1"));
    EXPECT_TRUE(run_until([&] { return nodes_[2].copy.batches.size() == 2u; }, 20 * kSecond));
}

TEST_F(PartitionMachineTest, AStreamThatIsAnotherOneIsNotFollowedThoughItIsThere) {
    ASSERT_TRUE(own(0));
    ASSERT_TRUE(append(0, "0"));
    run(2 * kSecond);
    stop(0);
    model_.remove();
    run(20 * kSecond);
    model_.recreate();
    run(20 * kSecond);
    EXPECT_EQ(role(1), PartitionRole::kDiverged);
}

TEST_F(PartitionMachineTest, AStreamThatIsSeenGoneOnBothSidesOfACutIsNotGone) {
    ASSERT_TRUE(own(0));
    ASSERT_TRUE(append(0, "0"));
    run(2 * kSecond);
    model_.remove();
    run(4 * kSecond);
    model_.cut(1, 30 * kSecond);
    run(34 * kSecond);
    EXPECT_NE(role(1), PartitionRole::kDiverged);
}

TEST_F(PartitionMachineTest, WhyACopyHasDivergedIsToldThoughItsLineGoesDown) {
    ASSERT_TRUE(own(0));
    ASSERT_TRUE(append(0, "0"));
    run(2 * kSecond);
    model_.remove();
    run(20 * kSecond);
    StreamEvent down;
    down.kind = StreamEvent::Kind::kDown;
    down.words = "NATS at 127.0.0.1:4222: no answer in 2 s";
    machine(1).on(std::move(down), model_.now_ns());
    EXPECT_NE(machine(1).status().trouble.find("is gone"), std::string::npos);
}

TEST_F(PartitionMachineTest, ACopyBehindTheStreamsBeginningNeedsASnapshot) {
    ASSERT_TRUE(own(0));
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(append(0, std::to_string(i)));
    run(kSecond);
    stop(2);
    for (int i = 3; i < 9; ++i) ASSERT_TRUE(append(0, std::to_string(i)));
    run(kSecond);
    model_.drop_first(model_.last() - 2);
    start_again(2);
    run(3 * kSecond);
    EXPECT_TRUE(machine(2).status().needs_snapshot);
    EXPECT_EQ(role(2), PartitionRole::kCatchingUp);
    machine(2).own();
    run(5 * kSecond);
    EXPECT_NE(role(2), PartitionRole::kOwner);
    EXPECT_EQ(role(0), PartitionRole::kOwner);
}

TEST_F(PartitionMachineTest, SignsOfLifeThatTheRingHasLetGoAreNotMissing) {
    ASSERT_TRUE(own(0));
    ASSERT_TRUE(append(0, "0"));
    run(kSecond);
    stop(2);
    run(20 * kSecond);  // signs of life, and nothing else
    model_.drop_first(model_.last() - 2);
    start_again(2);
    run(3 * kSecond);
    EXPECT_FALSE(machine(2).status().needs_snapshot) << machine(2).status().trouble;
    EXPECT_EQ(role(2), PartitionRole::kStandby);
    ASSERT_TRUE(append(0, "1"));
    run(kSecond);
    EXPECT_EQ(nodes_[2].copy.batches, (std::vector<std::string>{"0", "1"}));
    // What stands at its beginning may be the next unit, too.
    stop(2);
    run(5 * kSecond);
    ASSERT_TRUE(append(0, "2"));
    model_.drop_first(model_.last() - model_.first());
    start_again(2);
    run(3 * kSecond);
    EXPECT_EQ(nodes_[2].copy.batches, (std::vector<std::string>{"0", "1", "2"}));
}

TEST_F(PartitionMachineTest, AUnitWhoseFirstPartIsGoneIsMissing) {
    ASSERT_TRUE(own(0));
    ASSERT_TRUE(append(0, "0"));
    run(kSecond);
    stop(2);
    ASSERT_TRUE(append(0, millrace::test::noise(3 * kPartBytesMax)));
    while (model_.at(model_.first()).size() < kPartBytesMax) model_.drop_first(1);
    model_.drop_first(1);
    start_again(2);
    run(3 * kSecond);
    EXPECT_TRUE(machine(2).status().needs_snapshot) << machine(2).status().trouble;
    EXPECT_EQ(role(2), PartitionRole::kCatchingUp);
}

TEST_F(PartitionMachineTest, BehindAGapAnotherHistoryIsAnotherHistory) {
    ASSERT_TRUE(own(0));
    ASSERT_TRUE(append(0, "0"));
    run(kSecond);
    stop(2);
    nodes_[2].copy.at.hash ^= 1;
    ASSERT_TRUE(append(0, "1"));
    model_.drop_first(model_.last() - model_.first());
    nodes_[2].copy.at.sequence = 1;
    start_again(2);
    run(3 * kSecond);
    EXPECT_EQ(role(2), PartitionRole::kDiverged) << "it is not to be filled over";
    EXPECT_FALSE(machine(2).status().needs_snapshot);
}

TEST_F(PartitionMachineTest, AnOwnerDoesNotRunAwayFromACopyInSync) {
    model_.ring_bytes = 64u << 10;
    ASSERT_TRUE(own(0));
    run(3 * kSecond);  // all have told where they are
    machine(0).in_sync({"b", "c"});
    stop(2);
    const std::string batch = millrace::test::noise(1'000);
    int appended = 0;
    while (machine(0).has_room(batch.size(), model_.now_ns()) && ++appended < 200)
        ASSERT_TRUE(append(0, batch));
    EXPECT_LT(appended, 40);
    EXPECT_GT(appended, 20);
    EXPECT_TRUE(machine(0).status().waits_for.empty());
    run(6 * kSecond);
    EXPECT_FALSE(machine(0).has_room(batch.size(), model_.now_ns()));
    EXPECT_EQ(machine(0).status().waits_for, std::vector<std::string>{"c"});
    EXPECT_GT(machine(0).lease_until_ns(), model_.now_ns()) << "it goes on being the owner";
    // It comes back, and nothing of it is missing.
    start_again(2);
    run(3 * kSecond);
    EXPECT_FALSE(machine(2).status().needs_snapshot);
    EXPECT_TRUE(machine(0).has_room(batch.size(), model_.now_ns()));
    EXPECT_TRUE(machine(0).status().waits_for.empty());
    // Put out of sync, it is run over.
    stop(2);
    machine(0).in_sync({"b"});
    for (int i = 0; i < 100; ++i) {
        while (!machine(0).has_room(batch.size(), model_.now_ns())) step();
        ASSERT_TRUE(append(0, batch));
    }
    start_again(2);
    run(3 * kSecond);
    EXPECT_TRUE(machine(2).status().needs_snapshot);
    EXPECT_FALSE(machine(1).status().needs_snapshot);
}

TEST_F(PartitionMachineTest, WhoseHistoryIsAnotherIsToldThatAPersonHasDecided) {
    ASSERT_TRUE(own(0));
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(append(0, std::to_string(i)));
    run(2 * kSecond);
    stop(0);  // it would send again what the stream has lost
    stop(2);
    nodes_[2].copy.at.hash ^= 1;
    model_.recreate();
    start_again(2);
    run(20 * kSecond);
    EXPECT_EQ(role(2), PartitionRole::kDiverged);
    EXPECT_FALSE(machine(2).status().healed_without);
    machine(1).heal();
    ASSERT_TRUE(run_until([&] { return role(1) == PartitionRole::kOwner; }, 10 * kSecond));
    EXPECT_TRUE(run_until([&] { return machine(2).status().healed_without; }, 20 * kSecond));
    EXPECT_EQ(role(2), PartitionRole::kDiverged) << "what it has stays as it is";
    // Its folder is put aside, and it begins with nothing: not from the middle of the chain.
    stop(2);
    nodes_[2].copy = {};
    start_again(2);
    run(3 * kSecond);
    EXPECT_TRUE(machine(2).status().needs_snapshot) << machine(2).status().trouble;
    EXPECT_EQ(role(2), PartitionRole::kCatchingUp);
}

TEST_F(PartitionMachineTest, OneThatBeganWithNothingDoesNotHoldOnToWhatAHealedCopyLeftOut) {
    ASSERT_TRUE(own(0));
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(append(0, std::to_string(i)));
    run(2 * kSecond);
    stop(1);
    ASSERT_TRUE(append(0, "3"));
    stop(0);
    // Behind all of it a person's word for the copy that has less.
    store::ReplicaPosition less = nodes_[1].copy.at;
    const EpochBody body{"b", "http://b", "b", true};
    model_.port(2).publish(
        1,
        seal_unit(MessageKind::kEpoch, {7, 2, less.unit + 1, less.hash}, body.json()).messages[0],
        millrace::test::kExpectsNothing);
    stop(2);
    run(kSecond);
    nodes_[2].copy = {};
    start_again(2);
    run(3 * kSecond);
    EXPECT_TRUE(machine(2).status().needs_snapshot) << machine(2).status().trouble;
    EXPECT_EQ(role(2), PartitionRole::kCatchingUp);
    // Whoever had something before is diverged, and keeps it.
    start_again(0);
    run(20 * kSecond);
    EXPECT_EQ(role(0), PartitionRole::kDiverged);
    EXPECT_TRUE(machine(0).status().healed_without);
}

TEST_F(PartitionMachineTest, WhatDoesNotFollowEndsTheFollowing) {
    ASSERT_TRUE(own(0));
    ASSERT_TRUE(append(0, "0"));
    run(kSecond);
    // Somebody else's message, where the owner's would stand.
    model_.port(1).publish(1, seal_unit(MessageKind::kUnit, {7, 1, 99, 5}, "stray").messages[0],
                           millrace::test::kExpectsNothing);
    run(3 * kSecond);
    EXPECT_EQ(role(1), PartitionRole::kDiverged);
    EXPECT_EQ(role(0), PartitionRole::kDiverged);
    EXPECT_EQ(nodes_[1].copy.batches.size(), 1u);
}

}  // namespace
}  // namespace millrace::runtime::cluster
