// Goal: what a node may not start with is refused in words that say what to do.
#include "runtime/node/node_settings.h"

#include <gtest/gtest.h>

namespace millrace::runtime::node {
namespace {

core::Config good() {
    core::Config config;
    config.cluster.name = "c1";
    config.cluster.node = "a";
    config.cluster.nats = "nats://10.0.0.1:4222, nats://u:p@10.0.0.2";
    config.cluster.advertise = "10.0.0.5:7080";
    config.cluster.token = "0123456789abcdef0123456789abcdef";
    config.cluster.partition_by = "tenant";
    config.secrets.key_file = "/etc/millrace/secrets.key";
    return config;
}

std::string refusal(void (*change)(core::Config&)) {
    core::Config config = good();
    change(config);
    const auto read = read_node_settings(config);
    return read ? std::string() : read.error().field + " | " + read.error().message;
}

#define EXPECT_REFUSED(change, field, words)                               \
    do {                                                                   \
        const std::string said = refusal([](core::Config& c) { change; }); \
        EXPECT_TRUE(said.starts_with(field " | ")) << said;                \
        EXPECT_NE(said.find(words), std::string::npos) << said;            \
    } while (false)

TEST(NodeSettings, ReadsWhatIsRight) {
    const auto read = read_node_settings(good());
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->cluster, "c1");
    EXPECT_EQ(read->node, "a");
    ASSERT_EQ(read->nats.size(), 2u);
    EXPECT_EQ(read->nats[0].host, "10.0.0.1");
    EXPECT_EQ(read->nats[0].port, 4222);
    EXPECT_EQ(read->nats[1].user, "u");
    EXPECT_EQ(read->nats[1].password, "p");
    EXPECT_EQ(read->nats[1].port, 4222);
    EXPECT_EQ(read->advertise.port, 7080);
}

TEST(NodeSettings, PartitionByHasNoDefault) {
    core::Config by_key = good();
    by_key.cluster.partition_by = "key";
    EXPECT_TRUE(read_node_settings(by_key));
    EXPECT_REFUSED(c.cluster.partition_by = "", "cluster.partition_by", "can not be changed");
    EXPECT_REFUSED(c.cluster.partition_by = "month", "cluster.partition_by", "'month'");
}

TEST(NodeSettings, TheTokenAndTheKeyOfSecretsMustBeNamed) {
    EXPECT_REFUSED(c.cluster.token = "", "cluster.token", "MILLRACE_CLUSTER_TOKEN");
    EXPECT_REFUSED(c.cluster.token = "short", "cluster.token", "32");
    EXPECT_REFUSED(c.cluster.token.back() = '\n', "cluster.token", "ASCII");
    EXPECT_REFUSED(c.secrets.key_file = "", "secrets.key_file", "same key on all");
    EXPECT_REFUSED(c.secrets.key_file = "k", "secrets.key_file", "absolute");
}

TEST(NodeSettings, NamesStandInSubjectsAndFolders) {
    EXPECT_REFUSED(c.cluster.node = "", "cluster.node", "letters");
    EXPECT_REFUSED(c.cluster.node = "a.b", "cluster.node", "letters");
    EXPECT_REFUSED(c.cluster.node = "../x", "cluster.node", "letters");
    EXPECT_REFUSED(c.cluster.name = "a b", "cluster.name", "letters");
    EXPECT_FALSE(is_node_name(std::string(33, 'a')));
}

TEST(NodeSettings, ServersOfNats) {
    EXPECT_REFUSED(c.cluster.nats = "", "cluster.nats", "not set");
    EXPECT_REFUSED(c.cluster.nats = "10.0.0.1:4222", "cluster.nats", "nats://");
    EXPECT_REFUSED(c.cluster.nats = "tls://h:4222", "cluster.nats", "without TLS");
    EXPECT_REFUSED(c.cluster.nats = "nats://h:70000", "cluster.nats", "65535");
    EXPECT_REFUSED(c.cluster.nats = "nats://:4222", "cluster.nats", "no host");
    // Whatever is wrong, a password is not told.
    EXPECT_EQ(
        refusal([](core::Config& c) { c.cluster.nats = "nats://u:geheim@h:x"; }).find("geheim"),
        std::string::npos);
    EXPECT_EQ(read_nats_place("nats://[::1]:4222")->host, "::1");
    EXPECT_EQ(read_nats_place("nats://sesam@h")->token, "sesam");
}

TEST(NodeSettings, WhatAClusterDoesNotGoWith) {
    EXPECT_REFUSED(c.cluster.advertise = "host:7080", "cluster.advertise", "IP:PORT");
    EXPECT_REFUSED(c.cluster.advertise = "10.0.0.5:0", "cluster.advertise", "IP:PORT");
    EXPECT_REFUSED(c.cluster.lease_us = c.cluster.node_timeout_us, "cluster.lease", "shorter");
    EXPECT_REFUSED(c.cluster.ack = "replicated-fsync";
                   c.cluster.replicas = 1, "cluster.ack", "no other copy");
    core::Config both = good();
    both.cluster.ack = "replicated-fsync";
    EXPECT_TRUE(read_node_settings(both));
    EXPECT_REFUSED(c.hub.url = "https://h", "hub.url", "no edge");
    EXPECT_REFUSED(c.tls.client_auth = "optional", "tls.client_auth", "keys");
    EXPECT_REFUSED(c.socket.unix_path = "/tmp/s", "socket.unix", "line protocol");
    EXPECT_REFUSED(c.store.durability = "memory", "store.durability", "fsync");
}

TEST(NodeSettings, OldNatsIsRefusedUnlessItIsAllowed) {
    EXPECT_NE(nats_version_refusal("2.9.10", false).find("older than 2.9.22"), std::string::npos);
    EXPECT_EQ(nats_version_refusal("2.9.10", true), "");
    EXPECT_EQ(nats_version_refusal("2.9.22", false), "");
    EXPECT_EQ(nats_version_refusal("2.12.1", false), "");
    EXPECT_EQ(nats_version_refusal("2.10.0-RC.1", false), "");
    EXPECT_EQ(nats_version_refusal("3", false), "");
    EXPECT_NE(nats_version_refusal("1.4.0", false), "");
    EXPECT_NE(nats_version_refusal("abc", true), "");
    EXPECT_NE(nats_version_refusal("", true), "");
}

}  // namespace
}  // namespace millrace::runtime::node
