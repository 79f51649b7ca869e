// Goal: a flood of refusals is a few events, and what was left out is told.
#include "runtime/identity/security_events.h"

#include <gtest/gtest.h>

namespace millrace::runtime::identity {
namespace {

constexpr std::int64_t kSecond = TokenBucket::kSecondNs;

TEST(SecurityEvents, AreCappedForEachKindAndTenant) {
    SecurityEvents events;
    for (int i = 0; i < 100; ++i)
        events.note(SecurityKind::kAuthFailed, core::TenantId{0}, "\"n\":1", kSecond);
    events.note(SecurityKind::kForbidden, core::TenantId{7}, "", kSecond);
    auto taken = events.take();
    ASSERT_EQ(taken.size(), SecurityEvents::kPerSecond + 1u);
    EXPECT_EQ(taken.back().tenant.value, 7u);
    EXPECT_NE(taken.back().text.find("system.security.forbidden"), std::string::npos);
    EXPECT_EQ(taken.front().text.find("leftOut"), std::string::npos);
    events.note(SecurityKind::kAuthFailed, core::TenantId{0}, "\"n\":1", 10 * kSecond);
    taken = events.take();
    ASSERT_EQ(taken.size(), 1u);
    EXPECT_NE(taken.front().text.find("\"n\":1,\"leftOut\":95"), std::string::npos)
        << taken.front().text;
    EXPECT_TRUE(events.take().empty());
}

}  // namespace
}  // namespace millrace::runtime::identity
