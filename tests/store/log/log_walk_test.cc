// Goal: a walk gives each offset of a shard's log once and in order, ends where it is told to, and
// says where the log has nothing although it should. Method: a log in several blocks, of which
// retention has taken some.
#include "store/log/log_walk.h"

#include "store/retention/retention.h"
#include "tests/store/store_fixture.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace::store {
namespace {

struct Told {
    std::size_t events_max = 100;
    std::string text;
    std::size_t events = 0;

    bool goes_on() const { return events < events_max; }
    void event(const StoredEvent& event) {
        text += std::to_string(event.position.offset.value) + ";";
        ++events;
    }
    void lost(std::uint64_t from, std::uint64_t to) {
        text += "lost " + std::to_string(from) + "-" + std::to_string(to) + ";";
    }
};

class LogWalkTest : public test::StoreTest {
protected:
    void SetUp() override {
        open();
        for (int block = 0; block < 3; ++block) {
            for (int i = 0; i < 2; ++i) append(kZero, {.id = std::to_string(2 * block + i)});
            commit(kZero);
        }
    }
    LogWalkEnd walk(Told& told, std::uint64_t from, std::uint64_t end, std::size_t blocks = 10) {
        auto way =
            walk_log(database_->log_reader(), {{kZero, core::LogOffset(from)}, end, blocks}, told);
        EXPECT_TRUE(way) << way.error().message;
        return way ? *way : LogWalkEnd{};
    }
};

TEST_F(LogWalkTest, GivesEachOffsetOnce) {
    Told told;
    EXPECT_EQ(walk(told, 1, 5).to, 5u);
    EXPECT_EQ(told.text, "1;2;3;4;");
    Told few{.events_max = 3, .text = {}};
    EXPECT_EQ(walk(few, 0, 6).to, 3u);
    EXPECT_EQ(walk(few, 3, 6).to, 3u);
    Told one;
    EXPECT_EQ(walk(one, 0, 6, 1).to, 2u);
    EXPECT_EQ(one.text, "0;1;");
    EXPECT_EQ(walk(one, 6, 6).to, 6u);
}

TEST_F(LogWalkTest, SaysWhatIsNotThereAnyMore) {
    RowBatch rows;
    rows.put_cursor("deliveries", {kZero, core::LogOffset{6}});
    ASSERT_TRUE(database_->write_now(rows));
    RetentionRule rule{.keep_bytes_max = 1};
    ASSERT_TRUE(apply_retention(*database_, rule));
    ASSERT_EQ(database_->first_kept(kZero).value, 4u);
    Told told;
    EXPECT_EQ(walk(told, 1, 6).to, 6u);
    EXPECT_EQ(told.text, "lost 1-4;4;5;");
    Told before;
    EXPECT_EQ(walk(before, 1, 3).to, 3u);
    EXPECT_EQ(before.text, "lost 1-3;");
    EXPECT_TRUE(walk(told, 6, 9).missing);
    EXPECT_FALSE(walk(told, 6, 6).missing);
}

}  // namespace
}  // namespace millrace::store
