// Goal: a stream sends each event of its tenant that it wants, in the log's order, until somebody
// has answered for it; its position is never beyond one that nobody has answered for; what a peer
// will not have is tried alone and given up at last. Method: a log of the test's, answers by hand.
#include "runtime/links/link_stream.h"

#include "store/retention/retention.h"
#include "tests/store/store_fixture.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace millrace::runtime {
namespace {

class LinkStreamTest : public store::test::StoreTest {
protected:
    void SetUp() override { open(); }
    void start(const std::string& position = "") {
        auto made =
            LinkStream::make(*database_, std::make_shared<const Link>(link_), kShards, position);
        ASSERT_TRUE(made) << made.error().message;
        stream_ = std::move(*made);
    }
    void events(core::ShardId shard, int from, int to, const std::string& pattern = "order.paid",
                core::TenantId tenant = {}) {
        for (int i = from; i < to; ++i)
            append(shard, {.id = "e" + std::to_string(i), .pattern = pattern, .tenant = tenant});
        commit(shard);
    }
    void read() {
        const auto moved = stream_->read();
        ASSERT_TRUE(moved) << moved.error().message;
    }
    // What is sent now; the tickets stay in `tickets_`.
    std::string sent() {
        std::string out;
        while (auto text = stream_->next(now_ns_)) {
            out += text->id + ";";
            tickets_.push_back(text->ticket);
            last_ = std::move(*text);
        }
        return out;
    }
    std::optional<LinkUnsent> answer(std::size_t index, const std::string& error = "") {
        return stream_->answered(tickets_[index], error, now_ns_);
    }

    Link link_ = [] {
        Link link;
        link.id = "out";
        link.direction = LinkDirection::kOut;
        link.mode = LinkMode::kStream;
        link.config.pattern = "order.*";
        return link;
    }();
    std::unique_ptr<LinkStream> stream_;
    std::vector<std::uint64_t> tickets_;
    SinkText last_;
    std::int64_t now_ns_ = 1;
};

TEST_F(LinkStreamTest, TakesWhatItWantsInOrder) {
    link_.config.filter = R"({"text":"x"})";
    append(kZero, {.id = "a", .pattern = "order.paid", .body = "x"});
    append(kZero, {.id = "b", .pattern = "order.paid", .body = "y"});
    append(kZero, {.id = "c", .pattern = "other", .body = "x"});
    append(kZero, {.id = "d", .pattern = "order.sent", .body = "x"});
    append(kZero, {.id = "t", .pattern = "order.sent", .body = "x", .tenant = core::TenantId(4)});
    commit(kZero);
    start();
    EXPECT_EQ(stream_->lag(), 5u);
    read();
    EXPECT_EQ(sent(), "a;d;");
    EXPECT_EQ(last_.pattern, "order.sent");
    EXPECT_EQ(last_.identity, "external/shop/d");
    EXPECT_NE(last_.text.find(R"("eventId":"d")"), std::string::npos) << last_.text;
    EXPECT_NE(last_.text.find("timestamp"), std::string::npos) << "the whole envelope";
    EXPECT_EQ(stream_->pending(), 2u);
    answer(0);
    answer(1);
    EXPECT_EQ(stream_->lag(), 0u);
    EXPECT_EQ(stream_->position(), R"({"next":[5,0]})");
}

TEST_F(LinkStreamTest, ThePositionWaitsForWhatWasNotAnswered) {
    events(kZero, 0, 4);
    start();
    read();
    EXPECT_EQ(sent(), "e0;e1;e2;e3;");
    answer(1);
    answer(2);
    EXPECT_EQ(stream_->position(), R"({"next":[0,0]})");
    EXPECT_FALSE(stream_->has_moved());
    answer(0);
    EXPECT_EQ(stream_->position(), R"({"next":[3,0]})");
    EXPECT_TRUE(stream_->has_moved());
    EXPECT_EQ(stream_->kept(0), core::LogOffset(0));
    stream_->note_kept();
    EXPECT_EQ(stream_->kept(0), core::LogOffset(3));
    start(R"({"next":[3,0]})");  // after a restart
    read();
    EXPECT_EQ(sent(), "e3;");
}

TEST_F(LinkStreamTest, BeginsWhereTheLinkDoes) {
    events(kZero, 0, 3);
    events(kOne, 10, 12);
    link_.begin = {core::LogOffset(2), core::LogOffset(2)};
    start();
    events(kOne, 12, 13);
    read();
    EXPECT_EQ(sent(), "e2;e12;");
    EXPECT_FALSE(LinkStream::make(*database_, std::make_shared<const Link>(link_), kShards, "{}"));
    EXPECT_FALSE(LinkStream::make(*database_, std::make_shared<const Link>(link_), kShards,
                                  R"({"next":["x"]})"));
}

TEST_F(LinkStreamTest, WhatWasOnItsWayToAPeerThatIsGoneComesAgain) {
    events(kZero, 0, 3);
    start();
    read();
    EXPECT_EQ(sent(), "e0;e1;e2;");
    answer(0);
    stream_->begin_anew();
    answer(1);  // of the connection before: nobody's
    EXPECT_EQ(stream_->position(), R"({"next":[1,0]})");
    read();
    EXPECT_EQ(sent(), "e1;e2;");
}

TEST_F(LinkStreamTest, WhatIsRefusedGoesAloneAndIsGivenUpAtLast) {
    events(kZero, 0, 4);
    start();
    read();
    EXPECT_EQ(sent(), "e0;e1;e2;e3;");
    answer(0);
    EXPECT_FALSE(answer(1, "no"));
    answer(2);  // it is sent again with what is before it
    EXPECT_EQ(stream_->position(), R"({"next":[1,0]})");
    for (std::uint32_t tries = 2;; ++tries) {
        ASSERT_LE(tries, LinkStream::kTriesMax);
        read();
        EXPECT_EQ(sent(), "");  // it waits
        now_ns_ += LinkStream::kAgainNsMax;
        EXPECT_EQ(sent(), "e1;");
        if (const auto unsent = answer(tickets_.size() - 1, "no")) {
            EXPECT_EQ(tries, LinkStream::kTriesMax);
            EXPECT_EQ(unsent->event_id, "e1");
            EXPECT_EQ(unsent->why, "no");
            EXPECT_NE(unsent->text.find(R"("eventId":"e1")"), std::string::npos);
            break;
        }
    }
    EXPECT_EQ(stream_->position(), R"({"next":[2,0]})");
    EXPECT_EQ(sent(), "e2;e3;");
}

TEST_F(LinkStreamTest, WhatRetentionHasTakenIsCountedOnceWithThePositionBehindIt) {
    const auto lost = [this] {
        const LinkStream::Lost found = stream_->take_lost();
        return std::to_string(found.events) + " in " + std::to_string(found.gaps);
    };
    events(kZero, 0, 2);
    start();
    read();
    EXPECT_EQ(sent(), "e0;e1;");
    events(kZero, 2, 4);
    events(kZero, 4, 6);
    store::RowBatch rows;
    rows.put_cursor("deliveries", {kZero, core::LogOffset{5}});
    ASSERT_TRUE(database_->write_now(rows));
    ASSERT_TRUE(store::apply_retention(*database_, {.keep_bytes_max = 1}));
    ASSERT_EQ(database_->first_kept(kZero).value, 4u);
    read();
    EXPECT_EQ(sent(), "e4;e5;");
    EXPECT_EQ(lost(), "0 in 0") << "a crash would find it again";
    answer(0);
    EXPECT_EQ(lost(), "0 in 0");
    answer(1);
    EXPECT_EQ(stream_->position(), R"({"next":[4,0]})");
    EXPECT_EQ(lost(), "2 in 1");
    EXPECT_EQ(lost(), "0 in 0");
    start(R"({"next":[2,0]})");
    read();
    EXPECT_EQ(lost(), "2 in 1");
    stream_->begin_anew();
    read();
    EXPECT_EQ(lost(), "0 in 0") << "it was passed before";
}

TEST_F(LinkStreamTest, WhatCanNeverBeSentIsPassedAtOnceAndHoldsNothingUp) {
    events(kZero, 0, 3);
    start();
    read();
    EXPECT_EQ(sent(), "e0;e1;e2;");
    const std::uint64_t ticket = tickets_[1];
    SinkText text;
    text.ticket = ticket;
    text.id = "e1";
    text.text = "the envelope";
    const auto unsent = stream_->returned(ticket, std::move(text), "no topic");
    ASSERT_TRUE(unsent);
    EXPECT_EQ(unsent->event_id + ", " + unsent->text + ", " + unsent->why,
              "e1, the envelope, no topic");
    EXPECT_FALSE(stream_->returned(ticket, {}, "again"));
    answer(2);
    EXPECT_EQ(sent(), "") << "nothing is sent again";
    answer(0);
    EXPECT_EQ(stream_->position(), R"({"next":[3,0]})");
}

TEST_F(LinkStreamTest, OneShardThatWaitsHoldsUpNoOther) {
    events(kZero, 0, 2);
    events(kOne, 10, 12);
    start();
    read();
    EXPECT_EQ(sent(), "e0;e10;e1;e11;");
    answer(0, "no");
    answer(1);
    answer(3);
    EXPECT_EQ(stream_->position(), R"({"next":[0,2]})");
    events(kOne, 12, 13);
    read();
    EXPECT_EQ(sent(), "e12;");
}

TEST_F(LinkStreamTest, SendsNothingOfWhatLinksTellOfThemselves) {
    link_.config.pattern = "*";
    events(kZero, 0, 1, "system.link.unsent");
    events(kZero, 1, 2, "system.dlq.added");
    events(kZero, 2, 3, "order.paid");
    start();
    read();
    EXPECT_EQ(sent(), "e2;");
    link_.config.pattern = "system.*";
    start();
    read();
    EXPECT_EQ(sent(), "e1;");
}

TEST_F(LinkStreamTest, ReadsNoMoreThanHasRoom) {
    const int many = static_cast<int>(LinkStream::kTextsMax) + 10;
    events(kZero, 0, many);
    start();
    read();
    (void)sent();
    EXPECT_EQ(stream_->pending(), LinkStream::kTextsMax);
    answer(0);
    read();
    EXPECT_EQ(sent(), "e" + std::to_string(LinkStream::kTextsMax) + ";");
}

TEST_F(LinkStreamTest, ATransformStandsBetween) {
    link_.transform_script_id = "t";
    events(kZero, 0, 4);
    start();
    read();
    EXPECT_EQ(sent(), "");
    auto texts = stream_->drafts();
    ASSERT_EQ(texts.size(), 4u);
    EXPECT_TRUE(stream_->drafts().empty());
    EXPECT_NE(texts[0].event.find(R"("eventId":"e0")"), std::string::npos);
    texts[0].shaped = "body";
    texts[1].error = "TRANSFORM_FAILED: x";
    texts[3].shaped = "last";
    stream_->shaped(texts);
    EXPECT_EQ(sent(), "e0;e3;");
    EXPECT_EQ(last_.text, "last");
    const auto unsent = stream_->take_unsent();
    ASSERT_EQ(unsent.size(), 1u);
    EXPECT_EQ(unsent[0].event_id, "e1");
    EXPECT_NE(unsent[0].text.find(R"("eventId":"e1")"), std::string::npos);
    answer(0);
    answer(1);
    EXPECT_EQ(stream_->position(), R"({"next":[4,0]})");
}

TEST_F(LinkStreamTest, AnswersOfATransformFindTheirOwn) {
    link_.transform_script_id = "t";
    events(kZero, 0, 2);
    events(kOne, 10, 12);
    start();
    read();
    auto texts = stream_->drafts();
    for (auto& text : texts) text.shaped = text.id;
    stream_->shaped(texts);
    EXPECT_EQ(sent(), "e0;e10;e1;e11;");
    events(kOne, 12, 13);
    read();
    texts = stream_->drafts();
    ASSERT_EQ(texts.size(), 1u);
    answer(0, "no");  // the first shard goes back while the script is at the other's
    for (auto& text : texts) text.shaped = text.id;
    stream_->shaped(texts);
    EXPECT_EQ(sent(), "e12;");
    EXPECT_EQ(last_.text, last_.identity);
}

}  // namespace
}  // namespace millrace::runtime
