// Goal: events go into blocks byte for byte, duplicates are told, blocks close by size and by
//       count.
#include "store/log/shard_log.h"

#include "store/commit/crc32c.h"
#include "store/log/block_codec.h"
#include "store/retention/block_thinner.h"
#include "tests/store/store_fixture.h"

namespace millrace::store::test {
namespace {

class ShardLogTest : public StoreTest {
protected:
    void SetUp() override { open(); }
};

TEST_F(ShardLogTest, SealedBlockHoldsTheBytesAsTheyCame) {
    std::vector<std::string> texts;
    for (int i = 0; i < 300; ++i) {
        const TestEvent event{.id = std::to_string(i),
                              .pattern = "p." + std::to_string(i % 7),
                              .body = std::string(static_cast<std::size_t>(i * 13 % 900), 'b')};
        texts.push_back(event.text());
        ASSERT_EQ(append(kZero, event).status, AppendStatus::kAppended);
    }
    SealedBlock block = database_->shard_log(kZero).seal();
    ASSERT_EQ(block.events.count(), 300u);
    auto opened = open_block({kZero, core::LogOffset{0}}, block.value.view());
    ASSERT_TRUE(opened) << opened.error().message;
    auto decoded = decode_block(*opened, database_->pools());
    ASSERT_TRUE(decoded) << decoded.error().message;
    for (std::uint32_t i = 0; i < 300; ++i) {
        const std::string pattern = "p." + std::to_string(i % 7);
        auto alone = decode_event(*opened, i, database_->pools());
        ASSERT_TRUE(alone);
        for (const StoredEvent& event : {block.events.event(i), decoded->event(i), alone->event}) {
            EXPECT_EQ(event.raw, texts[i]);
            EXPECT_EQ(event.pattern, pattern);
            EXPECT_EQ(event.position.offset.value, i);
            EXPECT_EQ(event.received_at_us, clock_.wall_us());
        }
    }
}

TEST_F(ShardLogTest, ABlockNamesTheRevisionItWasSealedUnder) {
    append(kZero, {.id = "a"});
    const SealedBlock block = database_->shard_log(kZero).seal(77);
    EXPECT_EQ(block.events.registry_revision(), 77u);
    auto opened = open_block({kZero, core::LogOffset{0}}, block.value.view());
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_EQ(decode_block(*opened, database_->pools())->registry_revision(), 77u);
}

// As formats 1 to 4 sealed them, whole and thinned.
TEST_F(ShardLogTest, ABlockOfTheFirstVersionReadsAsItDid) {
    for (int i = 0; i < 5; ++i) append(kZero, {.id = std::to_string(i)});
    const SealedBlock block = database_->shard_log(kZero).seal(77);
    std::string value(block.value.view());
    value.erase(kBlockHeaderBytesFirst, sizeof(BlockHeader) - kBlockHeaderBytesFirst);
    value[0] = 1;
    const auto sum = [&value] {
        const std::uint32_t crc = record_crc(value, offsetof(BlockHeader, crc32c));
        std::memcpy(value.data() + offsetof(BlockHeader, crc32c), &crc, sizeof(crc));
    };
    sum();
    auto opened = open_block({kZero, core::LogOffset{0}}, value);
    ASSERT_TRUE(opened) << opened.error().message;
    auto decoded = decode_block(*opened, database_->pools());
    ASSERT_TRUE(decoded) << decoded.error().message;
    EXPECT_EQ(decoded->registry_revision(), 0u);
    EXPECT_EQ(decoded->event(4).raw, block.events.event(4).raw);
    EXPECT_EQ(opened->id(3), open_block({kZero, core::LogOffset{0}}, block.value.view())->id(3));
    auto summary = open_summary({kZero, core::LogOffset{0}}, block.summary.view());
    ASSERT_TRUE(summary);
    const std::uint64_t sealed = block_hash(value);
    const std::string thinned =
        thin_block(*opened, *decoded, *summary, {true, false, true, false, true}).value;
    auto again = open_block({kZero, core::LogOffset{0}}, thinned);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(again->header.version, 1);
    EXPECT_EQ(block_hash(thinned), sealed);
    auto left = decode_block(*again, database_->pools());
    ASSERT_TRUE(left) << left.error().message;
    EXPECT_TRUE(left->gone(0));
    EXPECT_EQ(left->event(1).raw, block.events.event(1).raw);
}

TEST_F(ShardLogTest, AnyFlippedBitOfAValueIsFound) {
    for (int i = 0; i < 5; ++i) append(kZero, {.id = std::to_string(i)});
    const SealedBlock block = database_->shard_log(kZero).seal();
    const std::string value(block.value.view());
    for (std::size_t at = 0; at < value.size(); ++at) {
        std::string changed = value;
        changed[at] = static_cast<char>(changed[at] ^ 4);
        EXPECT_FALSE(open_block({kZero, core::LogOffset{0}}, changed)) << at;
    }
    for (std::size_t bytes = 0; bytes < value.size(); ++bytes) {
        EXPECT_FALSE(
            open_block({kZero, core::LogOffset{0}}, std::string_view(value).substr(0, bytes)));
    }
}

TEST_F(ShardLogTest, TellsADuplicateItsFirstPosition) {
    append(kZero, {.id = "x"});
    append(kZero, {.id = "y"});
    AppendResult again = append(kZero, {.id = "y"});
    EXPECT_EQ(again.status, AppendStatus::kDuplicate);
    EXPECT_EQ(again.position.offset.value, 1u);
    EXPECT_FALSE(again.durable);
    commit(kZero);
    again = append(kZero, {.id = "y"});
    EXPECT_EQ(again.status, AppendStatus::kDuplicate);
    EXPECT_TRUE(again.durable);
    EXPECT_EQ(append(kZero, {.id = "y", .source = "elsewhere"}).status, AppendStatus::kAppended);
    EXPECT_EQ(append(kZero, {.id = "y", .tenant = core::TenantId{9}}).status,
              AppendStatus::kAppended);
}

TEST_F(ShardLogTest, RemembersDuplicatesOverRestart) {
    put(kZero, {.id = "x"});
    put(kZero, {.id = "y"});
    reopen();
    const AppendResult again = append(kZero, {.id = "y"});
    EXPECT_EQ(again.status, AppendStatus::kDuplicate);
    EXPECT_EQ(again.position.offset.value, 1u);
    EXPECT_TRUE(again.durable);
}

TEST_F(ShardLogTest, ClosesABlockBySizeAndByCount) {
    ShardLog& log = database_->shard_log(kZero);
    AppendInput input;
    const std::string big(core::kBlockBytesTarget / 2 + 1, 'x');
    input.raw = big;
    EXPECT_EQ(log.append(input).status, AppendStatus::kAppended);
    EXPECT_EQ(log.append(input).status, AppendStatus::kBlockFull);
    commit(kZero);
    input.raw = "{}";
    for (std::size_t i = 0; i < core::kBlockEventsMax; ++i)
        ASSERT_EQ(log.append(input).status, AppendStatus::kAppended);
    EXPECT_TRUE(log.full());
    EXPECT_EQ(log.append(input).status, AppendStatus::kBlockFull);
    commit(kZero);
    EXPECT_EQ(database_->durable_end(kZero).value, core::kBlockEventsMax + 1);
}

TEST_F(ShardLogTest, TakesAnEventLargerThanABlock) {
    AppendInput input;
    const std::string huge(core::kEventBytesMax, 'y');
    const std::string fills(1000, 'f');
    input.raw = huge;
    input.fills = fills;
    put(kZero, {});
    ASSERT_EQ(database_->shard_log(kZero).append(input).status, AppendStatus::kAppended);
    commit(kZero);
    const auto event = database_->log_reader().read_event({kZero, core::LogOffset{1}});
    ASSERT_TRUE(event && *event);
    EXPECT_EQ((*event)->event.raw, huge);
    EXPECT_EQ((*event)->event.fills, fills);
}

TEST_F(ShardLogTest, ASmallBlockDoesNotHoldALargeBuffer) {
    append(kZero, {});
    const SealedBlock block = database_->shard_log(kZero).seal();
    EXPECT_LE(block.events.body().capacity(), 4096u);
    EXPECT_GE(block.events.body().capacity() + core::kPaddingBytes,
              block.events.body().size() + core::kPaddingBytes);
}

TEST_F(ShardLogTest, ThousandsOfPatternsInABlockAreAllKept) {
    for (int i = 0; i < 2000; ++i) append(kZero, {.pattern = "pattern." + std::to_string(i)});
    commit(kZero);
    const auto block = database_->log_reader().read_block(kZero, core::LogOffset{0});
    ASSERT_TRUE(block);
    for (std::uint32_t i = 0; i < block->count(); ++i)
        EXPECT_EQ(block->event(i).pattern, "pattern." + std::to_string(i));
}

}  // namespace
}  // namespace millrace::store::test
