// Goal: a stream whose log does not read any further says so and ends; what a client has no room
// for is read again, and nothing of it is kept meanwhile. Method: a real store with one damaged
// block, a client that takes everything, and one whose window was full.
#include "runtime/stream/event_tail.h"

#include "store/engine.h"
#include "store/rows/keys.h"
#include "tests/store/store_fixture.h"

namespace millrace::runtime {
namespace {

class EventTailTest : public store::test::StoreTest {
protected:
    void SetUp() override {
        open();
        for (int i = 0; i < 3; ++i) put(kZero, {.id = "e" + std::to_string(i)});
        damage(core::LogOffset{1});
        EventTail::Deps deps;
        deps.clock = &clock_;
        deps.database = database_.get();
        deps.render = [](std::string& out, const store::StoredEvent& event) { out += event.raw; };
        deps.edge.begin = [this](core::ShardId, io::RequestToken, const std::string&,
                                 std::function<void(bool)> begun) { begun_ = std::move(begun); };
        deps.edge.write = [this](core::ShardId, io::RequestToken, std::string bytes,
                                 std::function<void(io::WriteOutcome)> written) {
            const io::WriteOutcome outcome =
                full_-- > 0 ? io::WriteOutcome::kFull : io::WriteOutcome::kOk;
            if (outcome == io::WriteOutcome::kOk) told_ += bytes;
            written_ = [written = std::move(written), outcome] { written(outcome); };
        };
        deps.edge.end = [this](core::ShardId, io::RequestToken) { ++ends_; };
        deps.room.writing_bytes = 1;
        tail_ = std::make_unique<EventTail>(std::move(deps));
        begin("beginning", {});
    }
    void begin(std::string from, std::string last_event_id) {
        StreamRequest request;
        request.from = std::move(from);
        request.last_event_id = std::move(last_event_id);
        tail_->open(std::move(request));
        begun_(true);
    }
    static std::size_t count(std::string_view text, std::string_view what) {
        std::size_t n = 0;
        for (std::size_t at = text.find(what); at != std::string_view::npos;
             at = text.find(what, at + what.size()))
            ++n;
        return n;
    }
    void damage(core::LogOffset first) {
        store::Engine& engine = database_->engine();
        const std::string key = store::log_key({kZero, first});
        rocksdb::PinnableSlice value;
        ASSERT_TRUE(*engine.get(store::ColumnFamily::kLog, key, value));
        std::string bytes = value.ToString();
        bytes.back() = static_cast<char>(bytes.back() ^ 1);
        rocksdb::WriteBatch batch;
        batch.Put(engine.family(store::ColumnFamily::kLog), key, bytes);
        ASSERT_TRUE(engine.commit(batch, store::Durability::kFsync));
    }
    void work() {
        for (int i = 0; i < 10; ++i) {
            tail_->do_work();
            if (auto written = std::exchange(written_, nullptr)) written();
            if (full_ >= 0) tail_->drained({}, {});
        }
    }
    void expect_end() {
        EXPECT_NE(told_.find("\"e0\""), std::string::npos);
        EXPECT_EQ(told_.find("\"e1\""), std::string::npos);
        const std::size_t error = told_.find("event: error\ndata: {\"code\":\"INTERNAL\"");
        ASSERT_NE(error, std::string::npos) << told_;
        EXPECT_EQ(told_.find("event: error", error + 1), std::string::npos) << told_;
        EXPECT_NE(told_.find("\"position\":\"0-1.1-0\""), std::string::npos) << told_;
        EXPECT_EQ(ends_, 1);
        EXPECT_EQ(tail_->streams(), 0u);
    }

    std::unique_ptr<EventTail> tail_;
    std::function<void(bool)> begun_;
    std::function<void()> written_;
    std::string told_;
    int full_ = 0;
    int ends_ = 0;
};

TEST_F(EventTailTest, ABlockThatDoesNotReadEndsTheStreamAndIsTold) {
    work();
    expect_end();
}

TEST_F(EventTailTest, TheEndIsToldOnceToAClientThatWasSlow) {
    full_ = 2;
    work();
    expect_end();
}

TEST_F(EventTailTest, WhatAClientHasNoRoomForIsReadAgainAndNotKept) {
    work();  // the first stream has ended
    told_.clear();
    full_ = 2;
    begin("", "0-2.1-9");  // behind the damaged block, and further than the log of the other shard
    const std::size_t ends = static_cast<std::size_t>(ends_);
    tail_->do_work();
    EXPECT_GT(tail_->held_bytes(), 0u) << "it is on its way";
    std::exchange(written_, nullptr)();
    EXPECT_EQ(told_, "");
    for (int i = 0; i < 3; ++i) tail_->do_work();
    EXPECT_FALSE(written_) << "it waits until there is room";
    work();
    EXPECT_EQ(count(told_, "event: reset"), 1u) << told_;
    EXPECT_EQ(count(told_, "\"e2\""), 1u) << told_;
    EXPECT_LT(told_.find("event: reset"), told_.find("\"e2\""));
    EXPECT_EQ(static_cast<std::size_t>(ends_), ends);
}

TEST_F(EventTailTest, WhatIsOnItsWayHasABoundAndStreamsTakeTurns) {
    work();
    told_.clear();
    begin("0-2.1-0", {});
    begin("0-2.1-0", {});
    tail_->do_work();
    ASSERT_TRUE(written_);
    tail_->do_work();
    EXPECT_EQ(count(told_, "\"e2\""), 1u) << "the other one waits for its turn";
    std::exchange(written_, nullptr)();
    tail_->do_work();
    ASSERT_TRUE(written_);
    std::exchange(written_, nullptr)();
    EXPECT_EQ(count(told_, "\"e2\""), 2u);
    EXPECT_EQ(tail_->streams(), 2u);
}

TEST_F(EventTailTest, ABlockIsReadOnceForAllAndGoesWhenItIsOldOrInTheWay) {
    core::ManualClock turning;
    BlockShelf shelf(*database_, turning, 1);
    const auto first = shelf.read(kZero, core::LogOffset{0});
    ASSERT_TRUE(first && *first);
    EXPECT_EQ(shelf.bytes(), first->body().capacity()) << "alone it may pass";
    EXPECT_EQ(shelf.read(kZero, core::LogOffset{0})->body().get(), first->body().get());
    const auto other = shelf.read(kZero, core::LogOffset{2});
    ASSERT_TRUE(other && *other);
    EXPECT_EQ(shelf.bytes(), other->body().capacity()) << "the first has gone";
    turning.advance_us(10'000'000);  // too old: read again
    EXPECT_TRUE(*shelf.read(kZero, core::LogOffset{2}));
    EXPECT_EQ(shelf.bytes(), other->body().capacity());
    EXPECT_FALSE(shelf.read(kZero, core::LogOffset{1})) << "it does not read";
    EXPECT_FALSE(*shelf.read(kZero, core::LogOffset{3})) << "the log ends there";
    shelf.clear();
    EXPECT_EQ(shelf.bytes(), 0u);
}

}  // namespace
}  // namespace millrace::runtime
