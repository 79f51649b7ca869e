// Goal: a stream whose log does not read any further says so and ends. Method: a real store with
// one damaged block, a client that takes everything, and one whose window was full.
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
        tail_ = std::make_unique<EventTail>(std::move(deps));
        StreamRequest request;
        request.from = "beginning";
        tail_->open(std::move(request));
        begun_(true);
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

}  // namespace
}  // namespace millrace::runtime
