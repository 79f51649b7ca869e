// Goal: keys of tickets are used for twelve hours, known for as long again, and gone then, however
// long nobody asked. Method: a clock that is moved by hand.
#include "io/tls/ticket_keys.h"

#include <gtest/gtest.h>

namespace millrace::io {
namespace {

constexpr std::int64_t kRotateUs = TicketKeys::kRotateNs / 1000;

class TicketKeysTest : public testing::Test {
protected:
    bool known(const TicketKey& key) { return keys_.find(key.name).has_value(); }

    core::ManualClock clock_;
    TicketKeys keys_{clock_};
};

TEST_F(TicketKeysTest, TheSameKeyIsUsedForTwelveHours) {
    const TicketKey first = keys_.current();
    clock_.advance_us(kRotateUs - 1);
    EXPECT_EQ(keys_.current().name, first.name);
    EXPECT_FALSE(keys_.find(first.name)->old);
    clock_.advance_us(1);
    EXPECT_NE(keys_.current().name, first.name);
    EXPECT_NE(keys_.current().cipher, first.cipher);
    EXPECT_NE(keys_.current().mac, first.mac);
}

TEST_F(TicketKeysTest, TheKeyOfBeforeOpensForAsLongAgain) {
    const TicketKey first = keys_.current();
    clock_.advance_us(kRotateUs);
    ASSERT_TRUE(known(first));
    EXPECT_TRUE(keys_.find(first.name)->old);
    EXPECT_EQ(keys_.find(first.name)->key.cipher, first.cipher);
    clock_.advance_us(kRotateUs);
    EXPECT_FALSE(known(first));
}

TEST_F(TicketKeysTest, AfterALongSilenceNothingOfBeforeIsKnown) {
    const TicketKey first = keys_.current();
    clock_.advance_us(3 * kRotateUs);
    EXPECT_FALSE(known(first));
    EXPECT_FALSE(known(TicketKey{}));
}

}  // namespace
}  // namespace millrace::io
