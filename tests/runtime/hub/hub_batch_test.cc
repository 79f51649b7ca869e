// Goal: a batch comes out as it went in, and whatever was changed on its way is refused: each
// offset is carried or skipped, once. Method: round trips; every cut, and every byte flipped.
#include "runtime/hub/hub_batch.h"

#include "store/commit/crc32c.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <string>
#include <vector>

namespace millrace::runtime::hub {
namespace {

constexpr std::string_view kOrder = R"({"pattern":"order.placed","payload":{"n":1}})";

// Offsets 5 and 8 are carried, 6 and 7 skipped.
std::string some_batch() {
    BatchWriter writer;
    writer.begin(5);
    writer.add(
        {.offset = 5, .received_at_us = 1'700'000'000'000'000, .id = "ev_x", .text = kOrder});
    writer.skip(6, 7);
    writer.skip(7, 8);
    writer.add({.offset = 8,
                .received_at_us = -1,
                .depth = 3,
                .id = "",
                .text = "{}",
                .trace = "a trace"});
    return writer.finish({.incarnation = 77,
                          .to = 9,
                          .end = 12,
                          .hash_before = 1,
                          .hash_after = 2,
                          .filter_version = 4,
                          .lane = 3});
}

// With a sum that fits, so that what is behind it is looked at.
std::string summed(std::string bytes) {
    const std::uint32_t sum = store::crc32c(std::string_view(bytes).substr(8));
    std::memcpy(bytes.data() + 4, &sum, sizeof sum);
    return bytes;
}

std::string with_head(const std::string& bytes, const std::function<void(BatchHead&)>& change) {
    std::string out = bytes;
    BatchHead head;
    std::memcpy(&head, out.data(), sizeof head);
    change(head);
    std::memcpy(out.data(), &head, sizeof head);
    return summed(out);
}

TEST(HubBatch, ComesOutAsItWentIn) {
    const auto batch = read_batch(some_batch());
    ASSERT_TRUE(batch) << batch.error().message;
    EXPECT_EQ(batch->head.incarnation, 77u);
    EXPECT_EQ(batch->head.from, 5u);
    EXPECT_EQ(batch->head.end, 12u);
    EXPECT_EQ(batch->head.lane, 3u);
    EXPECT_EQ(batch->skipped, (std::vector<OffsetRange>{{6, 8}}));
    ASSERT_EQ(batch->events.size(), 2u);
    EXPECT_EQ(batch->events[0].offset, 5u);
    EXPECT_EQ(batch->events[0].id, "ev_x");
    EXPECT_EQ(batch->events[0].text, kOrder);
    EXPECT_EQ(batch->events[0].received_at_us, 1'700'000'000'000'000);
    EXPECT_EQ(batch->events[1].offset, 8u);
    EXPECT_EQ(batch->events[1].depth, 3);
    EXPECT_EQ(batch->events[1].text, "{}");
    EXPECT_TRUE(batch->events[1].id.empty());
    EXPECT_EQ(batch->events[1].trace, "a trace");
    EXPECT_EQ(batch->events[0].trace, "");
}

TEST(HubBatch, OfSkippedOffsetsAloneIsOneToo) {
    BatchWriter writer;
    writer.begin(0);
    writer.skip(0, 1'000'000'000'000);
    const auto batch =
        read_batch(writer.finish({.to = 1'000'000'000'000, .end = 1'000'000'000'000}));
    ASSERT_TRUE(batch) << batch.error().message;
    EXPECT_TRUE(batch->events.empty());
}

TEST(HubBatch, NoCutAndNoFlippedByteIsOne) {
    const std::string whole = some_batch();
    for (std::size_t bytes = 0; bytes < whole.size(); ++bytes)
        EXPECT_FALSE(read_batch(whole.substr(0, bytes))) << bytes;
    for (std::size_t at = 0; at < whole.size(); ++at) {
        std::string other = whole;
        other[at] = static_cast<char>(other[at] ^ 0x40);
        EXPECT_FALSE(read_batch(other)) << at;
    }
}

TEST(HubBatch, AccountsForEachOffset) {
    const std::string whole = some_batch();
    const auto refused = [&](const std::function<void(BatchHead&)>& change) {
        return !read_batch(with_head(whole, change));
    };
    EXPECT_FALSE(refused([](BatchHead&) {}));
    EXPECT_TRUE(refused([](BatchHead& head) { ++head.to; }));
    EXPECT_TRUE(refused([](BatchHead& head) { head.from = head.to; }));
    EXPECT_TRUE(refused([](BatchHead& head) { head.from = 4; }));
    EXPECT_TRUE(refused([](BatchHead& head) { head.events = 1; }));
    EXPECT_TRUE(refused([](BatchHead& head) { head.skipped = 0; }));
    EXPECT_TRUE(refused([](BatchHead& head) { head.end = 8; }));
    EXPECT_TRUE(refused([](BatchHead& head) { head.raw_bytes = kBatchRawBytesMax; }));
    EXPECT_TRUE(refused([](BatchHead& head) { head.raw_bytes -= 1; }));
    EXPECT_TRUE(refused([](BatchHead& head) { head.lane = kPartStep * kPartsMax; }));
    EXPECT_TRUE(refused([](BatchHead& head) {
        head.from = ~std::uint64_t{0} - 3;
        head.to = ~std::uint64_t{0};
        head.end = head.to;
    }));
}

TEST(HubBatch, AWholeRunHasTheHashThatItSays) {
    BatchWriter writer;
    writer.begin(0);
    writer.add({.offset = 0, .received_at_us = 5, .id = "", .text = kOrder});
    const std::uint64_t hash = chain_on(9, 0, 5, kOrder);
    const BatchHead head{.to = 1, .end = 1, .hash_before = 9, .hash_after = hash};
    const std::string good = writer.finish(head);
    EXPECT_TRUE(read_batch(good));
    EXPECT_FALSE(read_batch(with_head(good, [](BatchHead& other) { other.hash_before = 8; })));
    EXPECT_FALSE(read_batch(with_head(good, [](BatchHead& other) { ++other.hash_after; })));
}

TEST(HubBatch, TheChainTellsTextPlaceTimeAndWhatWasBefore) {
    const std::uint64_t hash = chain_on(1, 2, 3, "abc");
    EXPECT_EQ(hash, chain_on(1, 2, 3, "abc"));
    EXPECT_NE(hash, chain_on(0, 2, 3, "abc"));
    EXPECT_NE(hash, chain_on(1, 3, 3, "abc"));
    EXPECT_NE(hash, chain_on(1, 2, 4, "abc"));
    EXPECT_NE(hash, chain_on(1, 2, 3, "abd"));
    std::uint64_t read = 0;
    EXPECT_TRUE(read_hash_text(hash_text(hash), read));
    EXPECT_EQ(read, hash);
    EXPECT_EQ(hash_text(0x0f), "000000000000000f");
    EXPECT_FALSE(read_hash_text("f", read));
    EXPECT_FALSE(read_hash_text("000000000000000g", read));
}

}  // namespace
}  // namespace millrace::runtime::hub
