// Goal: blocks and single events come back exactly, by place, by id and by time, durable ones only.
#include "store/log/log_reader.h"

#include "store/log/event_id.h"
#include "tests/store/store_fixture.h"

namespace millrace::store::test {
namespace {

class LogReaderTest : public StoreTest {
protected:
    void SetUp() override {
        open();
        for (int block = 0; block < 5; ++block) {
            for (int i = 0; i < 10; ++i) append(kZero, {.id = std::to_string(block * 10 + i)});
            commit(kZero);
            put(kOne, {.id = "one-" + std::to_string(block)});
            clock_.advance_us(1000);
        }
    }
    LogReader& reader() { return database_->log_reader(); }
};

TEST_F(LogReaderTest, WalksAllBlocksForwards) {
    std::uint64_t at = 0;
    for (;;) {
        const auto block = reader().read_block(kZero, core::LogOffset{at});
        ASSERT_TRUE(block);
        if (!*block) break;
        EXPECT_EQ(block->first_offset().value, at);
        EXPECT_EQ(block->count(), 10u);
        at = block->end_offset().value;
    }
    EXPECT_EQ(at, 50u);
}

TEST_F(LogReaderTest, WalksAllBlocksBackwards) {
    core::LogOffset end = database_->durable_end(kZero);
    int blocks = 0;
    for (;;) {
        const auto block = reader().read_block_before(kZero, end);
        ASSERT_TRUE(block);
        if (!*block) break;
        EXPECT_EQ(block->end_offset(), end);
        end = block->first_offset();
        ++blocks;
    }
    EXPECT_EQ(blocks, 5);
}

TEST_F(LogReaderTest, GivesTheBlockThatHoldsAnOffset) {
    const auto block = reader().read_block(kZero, core::LogOffset{27});
    ASSERT_TRUE(block && *block);
    EXPECT_EQ(block->first_offset().value, 20u);
    EXPECT_EQ(block->event(block->index_of(core::LogOffset{27})).position.offset.value, 27u);
}

TEST_F(LogReaderTest, ShowsOnlyWhatIsDurable) {
    const AppendResult open_one = append(kZero, {.id = "not yet"});
    auto event = reader().read_event(open_one.position);
    ASSERT_TRUE(event);
    EXPECT_FALSE(*event);
    event = reader().find(core::TenantId{0}, "not yet");
    ASSERT_TRUE(event);
    EXPECT_FALSE(*event);
    commit(kZero);
    event = reader().find(core::TenantId{0}, "not yet");
    ASSERT_TRUE(event);
    EXPECT_TRUE(*event);
}

TEST_F(LogReaderTest, FindsServerMadeIdsByTheirPlace) {
    const AppendResult result = put(kOne, {});
    const std::string id = encode_event_id(database_->hasher(), result.position);
    const auto event = reader().find(core::TenantId{0}, id);
    ASSERT_TRUE(event && *event);
    EXPECT_EQ((*event)->event.position, result.position);
    const auto foreign = reader().find(core::TenantId{5}, id);
    ASSERT_TRUE(foreign);
    EXPECT_FALSE(*foreign);
    // The place of an event that has an id of its own is not reachable under a made one.
    const auto other = reader().find(
        core::TenantId{0}, encode_event_id(database_->hasher(), {kZero, core::LogOffset{3}}));
    ASSERT_TRUE(other);
    EXPECT_FALSE(*other);
}

TEST_F(LogReaderTest, FindsAnEventAfterRestartWithoutUnpackingItsBlock) {
    reopen();
    for (int i = 0; i < 50; ++i) {
        const auto event = reader().find(core::TenantId{0}, std::to_string(i));
        ASSERT_TRUE(event && *event);
        EXPECT_EQ((*event)->event.position.offset.value, static_cast<std::uint64_t>(i));
        EXPECT_EQ((*event)->block_first_offset.value, static_cast<std::uint64_t>(i / 10 * 10));
        EXPECT_EQ((*event)->event.raw, TestEvent{.id = std::to_string(i)}.text());
    }
}

TEST_F(LogReaderTest, FindsTheOffsetOfATime) {
    const std::int64_t start = clock_.wall_us() - 5000;
    EXPECT_EQ(reader().offset_at_time(kZero, start)->value, 0u);
    EXPECT_EQ(reader().offset_at_time(kZero, start + 1)->value, 10u);
    EXPECT_EQ(reader().offset_at_time(kZero, start + 3000)->value, 30u);
    EXPECT_EQ(reader().offset_at_time(kZero, start + 1'000'000)->value, 50u);
}

}  // namespace
}  // namespace millrace::store::test
