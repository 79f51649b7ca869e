// Goal: a partition's process gets the node's settings, but for what is the node's own: no listener
// of clients, no cluster, a share of the memory.
#include "runtime/node/child_settings.h"

#include "core/json_dom.h"

#include <gtest/gtest.h>

namespace millrace::runtime::node {
namespace {

core::Config node_config() {
    core::Config config;
    config.data.dir = "/srv/m";
    config.http.listen = "10.0.0.5:7070";
    config.tls.cert = "/c.pem";
    config.otlp.headers = "authorization=geheim \"x\"";
    config.memory.max = 1LL << 30;
    config.script.timeout_us = 5'000'000;
    config.cluster.name = "c1";
    config.cluster.token = std::string(32, 't');
    return config;
}

TEST(ChildSettings, TheNodesOwnStaysBehind) {
    const core::Config own = child_config(node_config(), 7, 4);
    EXPECT_EQ(own.data.dir, "/srv/m/p07");
    EXPECT_EQ(own.http.listen, "unix:/srv/m/p07.sock");
    EXPECT_EQ(own.http.hosts, "10.0.0.5");
    EXPECT_EQ(own.socket.listen, "");
    EXPECT_EQ(own.tls.cert, "");
    EXPECT_EQ(own.cluster.name, "");
    EXPECT_EQ(own.cluster.token, "");
    EXPECT_EQ(own.engine.shards, 1);
    EXPECT_EQ(own.memory.max, 256LL << 20);
    EXPECT_EQ(child_config(node_config(), 7, 1000).memory.max, 64LL << 20);
}

TEST(ChildSettings, TheTextReadsAsTheSettingsItIsOf) {
    const core::Config own = child_config(node_config(), 7, 4);
    core::Config read;
    ASSERT_TRUE(core::apply_config_toml(read, config_text(own), "text"));
    for (const core::ConfigKey& key : core::config_keys())
        EXPECT_EQ(core::config_value_text(read, key), core::config_value_text(own, key))
            << key.name;
}

TEST(ChildSettings, TheLineIsOneLineOfJson) {
    core::Config config = node_config();
    config.cluster.nats = "nats://a:1,nats://b:2";
    NodeSettings settings;
    settings.cluster = "c1";
    settings.node = "a";
    settings.token = config.cluster.token;
    settings.nats.resize(2);
    Meta meta;
    meta.hash_seed = 18'446'744'073'709'551'615u;
    meta.partition_by = "key";
    settings.advertise = *io::Address::parse("10.0.0.5:7080");
    meta.lists = {{"a", "b"}};
    meta.members = {{"a", "10.0.0.5:7080", "x"}, {"b", "10.0.0.6:7080", "y"}};
    const std::string line = child_settings_line(config, settings, meta, 0);
    EXPECT_EQ(line.find('\n'), std::string::npos);
    core::JsonDom dom;
    const auto root = dom.parse(line);
    ASSERT_TRUE(root);
    core::JsonElement member;
    std::string_view text;
    std::int64_t number = 0;
    EXPECT_TRUE(root->find("hashSeed", member) && member.get(text));
    EXPECT_EQ(text, "18446744073709551615");
    EXPECT_TRUE(root->find("partitionBy", member) && member.get(text));
    EXPECT_EQ(text, "key");
    EXPECT_TRUE(root->find("front", member) && member.get(text));
    EXPECT_EQ(text, "10.0.0.5:7080");
    EXPECT_TRUE(root->find("natsReplicas", member) && member.get(number));
    EXPECT_EQ(number, 2);
    EXPECT_TRUE(root->find("peers", member));
    EXPECT_EQ(member.raw(), R"([{"node":"b","url":"http://10.0.0.6:7080"}])");
}

}  // namespace
}  // namespace millrace::runtime::node
