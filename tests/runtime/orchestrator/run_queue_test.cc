// Goal: runs of a tenant have their turn in their order, and no tenant waits behind all of
// another's. Method: two tenants in one queue.
#include "runtime/orchestrator/run_queue.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace::runtime {
namespace {

TEST(RunQueue, TakesTenantsInTurnAndEachOnesRunsInOrder) {
    RunQueue queue;
    for (int i = 0; i < 3; ++i) queue.push({core::TenantId(1), "a" + std::to_string(i)});
    queue.push({core::TenantId(2), "b0"});
    EXPECT_EQ(queue.size(), 4u);
    std::string order;
    for (int i = 0; i < 2; ++i) order += queue.pop().id + " ";
    queue.push({core::TenantId(2), "b1"});
    while (!queue.empty()) {
        const RunName run = queue.pop();
        EXPECT_EQ(run.tenant.value, run.id[0] == 'a' ? 1u : 2u);
        order += run.id + " ";
    }
    EXPECT_EQ(order, "a0 b0 a1 b1 a2 ");
    EXPECT_EQ(queue.size(), 0u);
}

TEST(RunQueue, TakesWhatAnotherRunHasBegunFirst) {
    RunQueue queue;
    queue.push({core::TenantId(1), "a"});
    queue.push({core::TenantId(1), "b"}, RunQueue::Kind::kChild);
    queue.push({core::TenantId(1), "c"}, RunQueue::Kind::kChild);
    std::string order;
    while (!queue.empty()) order += queue.pop().id;
    EXPECT_EQ(order, "bca");
}

}  // namespace
}  // namespace millrace::runtime
