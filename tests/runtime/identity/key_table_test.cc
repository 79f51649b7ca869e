// Goal: a shard finds a key by its text as long as it counts, and no longer.
// Method: tables published to one ring, a reader that remembers.
#include "runtime/identity/key_table.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace millrace::runtime::identity {
namespace {

std::string text_of(std::uint32_t number) {
    KeyBits bits{};
    for (std::size_t i = 0; i < 4; ++i) bits[i] = static_cast<std::uint8_t>(number >> (8 * i));
    return make_key_text(bits);
}

KeyGrantRef grant_of(std::uint32_t tenant) {
    auto grant = std::make_shared<KeyGrant>();
    grant->tenant = core::TenantId{tenant};
    return grant;
}

KeyTable::Entry entry_of(std::uint32_t number, std::int64_t until_us = 0) {
    return {core::crypto::sha256(text_of(number)), until_us, grant_of(number)};
}

TEST(KeyTable, FindsEachOfMany) {
    KeyTable table;
    constexpr std::uint32_t kKeys = 2000;
    for (std::uint32_t i = 0; i < kKeys; ++i) table.put(entry_of(i));
    for (std::uint32_t i = 0; i < kKeys; ++i) {
        const auto* found = table.find(core::crypto::sha256(text_of(i)));
        ASSERT_NE(found, nullptr) << i;
        EXPECT_EQ(found->grant->tenant.value, i);
    }
    table.erase(core::crypto::sha256(text_of(7)));
    EXPECT_EQ(table.find(core::crypto::sha256(text_of(7))), nullptr);
    EXPECT_NE(table.find(core::crypto::sha256(text_of(8))), nullptr);
    EXPECT_EQ(table.find(core::crypto::sha256(text_of(kKeys))), nullptr);
}

TEST(KeyTable, IsMadeOfManyAtOnce) {
    std::vector<KeyTable::Entry> entries;
    for (std::uint32_t i = 0; i < 2000; ++i) entries.push_back(entry_of(i));
    entries.push_back(entry_of(9));
    entries.back().grant = grant_of(77);
    const auto table = KeyTable::of(std::move(entries));
    for (std::uint32_t i = 0; i < 2000; ++i) {
        const auto* found = table->find(core::crypto::sha256(text_of(i)));
        ASSERT_NE(found, nullptr) << i;
        EXPECT_EQ(found->grant->tenant.value, i == 9 ? 77 : i);
    }
    EXPECT_EQ(table->find(core::crypto::sha256(text_of(2000))), nullptr);
    table->put(entry_of(2000));
    EXPECT_NE(table->find(core::crypto::sha256(text_of(2000))), nullptr);
    EXPECT_EQ(KeyTable::of({})->find(core::crypto::sha256(text_of(1))), nullptr);
}

TEST(KeyReader, SeesWhatWasPublishedAndForgetsWhatWasTakenAway) {
    KeyRing ring;
    KeyReader reader(ring);
    EXPECT_EQ(reader.find(text_of(1), 0), nullptr);
    auto table = std::make_shared<KeyTable>();
    table->put(entry_of(1));
    ring.publish(table);
    for (int again = 0; again < 2; ++again) {  // looked up, then remembered
        const KeyGrant* grant = reader.find(text_of(1), 0);
        ASSERT_NE(grant, nullptr);
        EXPECT_EQ(grant->tenant.value, 1u);
    }
    ring.publish(std::make_shared<KeyTable>());
    EXPECT_EQ(reader.find(text_of(1), 0), nullptr);
}

TEST(KeyReader, TakesATextThatWasRotatedOutUntilItsTimeIsOver) {
    KeyRing ring;
    auto table = std::make_shared<KeyTable>();
    table->put(entry_of(1, 1000));
    ring.publish(table);
    KeyReader reader(ring);
    EXPECT_NE(reader.find(text_of(1), 999), nullptr);
    EXPECT_EQ(reader.find(text_of(1), 1000), nullptr);
}

TEST(KeyReader, TakesNothingThatIsNoKey) {
    KeyRing ring;
    KeyReader reader(ring);
    for (const std::string& text : {std::string(), std::string("mr_live_"), std::string(57, 'x'),
                                    text_of(1) + "x", text_of(1).substr(1)})
        EXPECT_EQ(reader.find(text, 0), nullptr) << text;
}

}  // namespace
}  // namespace millrace::runtime::identity
