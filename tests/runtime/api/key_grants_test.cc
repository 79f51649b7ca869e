// Goal: no key grants what its maker lacks.
#include "runtime/api/key_grants.h"

#include <gtest/gtest.h>

namespace millrace::runtime::api {
namespace {

using identity::Scope;

class KeyGrantsTest : public testing::Test {
protected:
    KeyGrantsTest() {
        by.scopes.add(Scope::kEventsWrite).add(Scope::kKeysWrite);
        made.scopes.add(Scope::kEventsWrite);
    }
    bool may() { return may_grant(by, &maker, made).has_value(); }
    identity::Principal by;
    ApiKey maker, made;
};

TEST_F(KeyGrantsTest, ScopesAreTheMakersOrFewer) {
    EXPECT_TRUE(may());
    made.scopes.add(Scope::kEventsRead);
    EXPECT_FALSE(may());
}

TEST_F(KeyGrantsTest, PatternsAreWithinTheMakers) {
    maker.patterns = {"invoice.*", "order.paid"};
    EXPECT_FALSE(may()) << "none is all";
    for (const char* within : {"invoice.*", "invoice.paid", "invoice.*.eu", "order.paid"}) {
        made.patterns = {within};
        EXPECT_TRUE(may()) << within;
    }
    for (const char* beyond : {"*", "inv*", "order.*", "user.made"}) {
        made.patterns = {"invoice.paid", beyond};
        EXPECT_FALSE(may()) << beyond;
    }
}

TEST_F(KeyGrantsTest, AStarThatIsACharacterCoversNothingButItself) {
    maker.patterns = {R"(a\*)"};
    made.patterns = {"a*"};
    EXPECT_FALSE(may());
    made.patterns = {R"(a\*)"};
    EXPECT_TRUE(may());
}

TEST_F(KeyGrantsTest, AddressesAndTimeAreWithinTheMakers) {
    maker.ips = {"10.0.0.0/8"};
    EXPECT_FALSE(may());
    made.ips = {"10.1.0.0/16"};
    EXPECT_TRUE(may());
    made.ips = {"0.0.0.0/0"};
    EXPECT_FALSE(may());
    made.ips = {"10.1.2.3"};
    maker.expires_at_us = 100;
    EXPECT_FALSE(may());
    made.expires_at_us = 101;
    EXPECT_FALSE(may());
    made.expires_at_us = 100;
    EXPECT_TRUE(may());
}

}  // namespace
}  // namespace millrace::runtime::api
