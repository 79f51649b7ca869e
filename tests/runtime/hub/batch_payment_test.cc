// Goal: a batch that is more than a tenant may send in a second is paid for by and by, and nothing
// is paid twice. Method: a quota that gives so much in each of a few seconds.
#include "runtime/hub/batch_payment.h"

#include <gtest/gtest.h>

namespace millrace::runtime::hub {
namespace {

struct Second {
    std::size_t events = 0;  // what is left of it
    std::size_t bytes = 0;

    core::Status take(std::size_t some_events, std::size_t some_bytes) {
        if (some_events > events || some_bytes > bytes)
            return core::fail(core::ErrorCode::kRateLimited, "too fast");
        events -= some_events;
        bytes -= some_bytes;
        return {};
    }
};

bool pays(BatchPayment& payment, std::size_t events, std::size_t bytes, Second& second) {
    return payment
        .pay(events, bytes,
             [&](std::size_t some, std::size_t more) { return second.take(some, more); })
        .has_value();
}

TEST(BatchPayment, WhatFitsIsPaidAtOnce) {
    BatchPayment payment;
    Second second{10, 1000};
    EXPECT_TRUE(pays(payment, 10, 900, second));
    payment.use(10, 900);
    EXPECT_EQ(second.events, 0u);
    EXPECT_EQ(second.bytes, 100u);
    EXPECT_FALSE(pays(payment, 1, 1, second));
}

TEST(BatchPayment, MoreThanASecondsWorthIsPaidByAndBy) {
    BatchPayment payment;
    int seconds = 0;
    for (bool paid = false; !paid && seconds < 100; ++seconds) {
        Second second{100, 50'000};
        paid = pays(payment, 1000, 1u << 20, second);
    }
    // Each event and each byte once: 10 seconds of events, 21 of bytes, at the same time.
    EXPECT_EQ(seconds, 21);
}

TEST(BatchPayment, WhatWasPaidCountsForASmallerOneAndWhatIsLeftForTheNext) {
    BatchPayment payment;
    Second one{60, 10'000};
    EXPECT_FALSE(pays(payment, 100, 1000, one));
    EXPECT_EQ(one.events, 0u);
    Second none{0, 500};
    EXPECT_TRUE(pays(payment, 50, 500, none));
    payment.use(50, 500);
    EXPECT_TRUE(pays(payment, 10, 0, none));
    EXPECT_FALSE(pays(payment, 11, 0, none));
}

TEST(BatchPayment, WhatIsNotUsedIsNotPaidAgain) {
    BatchPayment payment;
    Second second{10, 100};
    EXPECT_TRUE(pays(payment, 10, 100, second));
    // Somebody else has refused it: it comes again.
    EXPECT_TRUE(pays(payment, 10, 100, second));
}

}  // namespace
}  // namespace millrace::runtime::hub
