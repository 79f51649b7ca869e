// Goal: the events of one entity's changes have one order, whoever sends one in the server's words
// gets none by it, and a partition key wins.
#include "runtime/entity/order_key.h"

#include <gtest/gtest.h>

namespace millrace::runtime {
namespace {

core::Envelope change_of(std::string_view entity) {
    core::Envelope envelope;
    envelope.pattern = "entity.order.updated";
    envelope.source_type = kEntitySourceType;
    envelope.source_id = kEntitySourceId;
    envelope.context_id = entity;
    return envelope;
}

TEST(OrderKey, IsTheEntityOfAChange) {
    EXPECT_EQ(order_key(change_of("order/o7"), true), "order/o7");
    EXPECT_EQ(order_key(change_of("order/o7"), false), "") << "somebody else says so";
}

TEST(OrderKey, IsThePartitionKeyWhereThereIsOne) {
    core::Envelope envelope = change_of("order/o7");
    envelope.partition_key = "k";
    EXPECT_EQ(order_key(envelope, true), "k");
    EXPECT_EQ(order_key(envelope, false), "k");
}

TEST(OrderKey, IsNoneOfOtherEvents) {
    core::Envelope envelope = change_of("order/o7");
    envelope.pattern = "order.updated";
    EXPECT_EQ(order_key(envelope, true), "");
    envelope = change_of("order/o7");
    envelope.source_type = "task";
    EXPECT_EQ(order_key(envelope, true), "");
}

}  // namespace
}  // namespace millrace::runtime
