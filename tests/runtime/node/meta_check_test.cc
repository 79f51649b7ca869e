// Goal: a node that is configured otherwise than its cluster was made is told so, with both values.
#include "runtime/node/meta_check.h"

#include <gtest/gtest.h>

namespace millrace::runtime::node {
namespace {

class MetaCheck : public testing::Test {
protected:
    MetaCheck() {
        meta.hash_seed = 7;
        meta.partition_by = "tenant";
        meta.lists.resize(4);
        config.partition_by = "tenant";
        config.partitions = 4;
    }
    Meta meta;
    core::ClusterConfig config;
};

TEST_F(MetaCheck, ANodeThatAgreesIsNotStopped) {
    EXPECT_EQ(configured_otherwise(meta, config), "");
    EXPECT_EQ(another_cluster(meta, meta), "");
}

TEST_F(MetaCheck, WhatDiffersIsNamedWithBothValues) {
    config.partitions = 16;
    EXPECT_TRUE(configured_otherwise(meta, config)
                    .starts_with("cluster.partitions is 16 here, and the cluster was made with 4"));
    config.partition_by = "key";
    EXPECT_TRUE(configured_otherwise(meta, config)
                    .starts_with("cluster.partition_by is \"key\" here, and the cluster was made "
                                 "with \"tenant\""));
    Meta known = meta;
    known.hash_seed = 8;
    const std::string other = another_cluster(meta, known);
    EXPECT_NE(other.find("hash seed 8"), std::string::npos) << other;
    EXPECT_NE(other.find("has 7"), std::string::npos) << other;
}

}  // namespace
}  // namespace millrace::runtime::node
