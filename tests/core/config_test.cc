// Goal: later sources win, every refusal names key, value, bounds and source, and the dump reads
// back.
#include "core/config.h"

#include <gtest/gtest.h>

namespace millrace::core {
namespace {

TEST(Config, LaterSourcesWin) {
    Config config;
    ASSERT_TRUE(apply_config_toml(
        config,
        "[http]\nbody_bytes_max = 2048\nlisten = \"127.0.0.1:1\"\n[store]\nlinger = \"2ms\"",
        "a.toml"));
    const char* environment[] = {"PATH=/bin", "MILLRACE_HTTP_BODY_BYTES_MAX=4096", nullptr};
    ASSERT_TRUE(apply_config_environment(config, environment));
    ASSERT_TRUE(set_config_value(config, "http.listen", "127.0.0.1:2", "--listen"));
    EXPECT_EQ(config.http.body_bytes_max, 4096);
    EXPECT_EQ(config.http.listen, "127.0.0.1:2");
    EXPECT_EQ(config.store.linger_us, 2000);
}

TEST(Config, KnowsTheEventNames) {
    Config config;
    const char* environment[] = {"EVENT_BUFFER_SIZE=5000",
                                 "EVENT_WORKER_COUNT=3",
                                 "EVENT_RETRY_MAX_RETRIES=5",
                                 "EVENT_RETRY_INITIAL_DELAY=500ms",
                                 "EVENT_RETRY_MAX_DELAY=1h",
                                 "EVENT_RETRY_BACKOFF_FACTOR=1.5",
                                 nullptr};
    ASSERT_TRUE(apply_config_environment(config, environment));
    EXPECT_EQ(config.engine.queue_events, 5000);
    EXPECT_EQ(config.engine.lanes, 3);
    EXPECT_EQ(config.retry.max_retries, 5);
    EXPECT_EQ(config.retry.initial_delay_us, 500'000);
    EXPECT_EQ(config.retry.max_delay_us, 3'600'000'000);
    EXPECT_DOUBLE_EQ(config.retry.backoff_factor, 1.5);
}

TEST(Config, RefusalNamesKeyValueBoundsAndSource) {
    Config config;
    const auto status = set_config_value(config, "retry.max_retries", "1000", "--set");
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().message,
              "config: retry.max_retries = \"1000\" from --set is refused; expected a whole number "
              "from 0 to 100");
    const char* environment[] = {"EVENT_RETRY_INITIAL_DELAY=soon", nullptr};
    const auto second = apply_config_environment(config, environment);
    ASSERT_FALSE(second);
    EXPECT_EQ(
        second.error().message,
        "config: retry.initial_delay = \"soon\" from environment EVENT_RETRY_INITIAL_DELAY "
        "is refused; expected a duration with its unit, such as 500ms, 30s or 1h, from 0ms to "
        "720h");
}

// Below it the server could not end in good order: what is behind it is RocksDB's assertion.
TEST(Config, AReserveIsAboveWhatAStartNeeds) {
    Config config;
    EXPECT_FALSE(set_config_value(config, "store.reserve_bytes", "20MB", "--set"));
    EXPECT_TRUE(set_config_value(config, "store.reserve_bytes", "64MB", "--set"));
}

// Where the disk is quick they cost, and bring nothing.
TEST(Config, SeveralSyncsOfTheLogAtOnceAreAskedFor) { EXPECT_EQ(Config().store.sync_depth_max, 1); }

TEST(Config, DurationsWantTheirUnitAndSizesTakeOne) {
    Config config;
    EXPECT_FALSE(set_config_value(config, "engine.drain_timeout", "30", "--set"));
    EXPECT_FALSE(apply_config_toml(config, "[engine]\ndrain_timeout = 30", "a.toml"));
    EXPECT_TRUE(set_config_value(config, "engine.drain_timeout", "30s", "--set"));
    EXPECT_EQ(config.engine.drain_timeout_us, 30'000'000);
    EXPECT_TRUE(set_config_value(config, "retention.age", "0", "--set"));
    EXPECT_TRUE(set_config_value(config, "retention.bytes", "10GB", "--set"));
    EXPECT_EQ(config.retention.bytes, 10'000'000'000);
}

TEST(Config, UnknownKeysAreRefusedWithTheNearestName) {
    Config config;
    auto status = apply_config_toml(config, "[http]\nbody_byte_max = 2048\n", "a.toml");
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().message,
              "config: key http.body_byte_max from a.toml:2 is not known; did you mean "
              "http.body_bytes_max?");
}

// MILLRACE_ is also the beginning of others' names: of those only a key of a section of ours can be
// a slip.
TEST(Config, UnknownNamesInTheEnvironmentWarnAndWrongKeysAreRefused) {
    for (const char* wrong : {"MILLRACE_HTTP_BODY_BYTE_MAX=2048", "MILLRACE_STORE_=1",
                              "MILLRACE_LOG=debug", "MILLRACE_RETRY_MAX=1"}) {
        Config config;
        const char* environment[] = {wrong, nullptr};
        std::vector<std::string> warnings;
        const auto status = apply_config_environment(config, environment, &warnings);
        ASSERT_FALSE(status) << wrong;
        const std::string name = std::string(wrong).substr(0, std::string(wrong).find('='));
        EXPECT_NE(status.error().message.find(name), std::string::npos) << status.error().message;
        EXPECT_TRUE(warnings.empty());
    }
    Config config;
    const char* environment[] = {"MILLRACE_SERVER=http://x",
                                 "MILLRACE_URL=http://x",
                                 "MILLRACE_API_KEY=k",
                                 "MILLRACE_OUTPUT=json",
                                 "MILLRACE_THIRD_PARTY=/opt/x",
                                 "MILLRACE_NOPE=1",
                                 "MILLRACE_HTTPS_PORT=1",
                                 "MILLRACE_DATADIR=/x",
                                 "MILLRACEX=1",
                                 nullptr};
    std::vector<std::string> warnings;
    const auto status = apply_config_environment(config, environment, &warnings);
    ASSERT_TRUE(status) << status.error().message;
    ASSERT_EQ(warnings.size(), 3u);
    EXPECT_EQ(warnings[0],
              "MILLRACE_NOPE in the environment is no setting of the server and is ignored");
    EXPECT_NE(warnings[2].find("did you mean MILLRACE_DATA_DIR?"), std::string::npos)
        << warnings[2];
    EXPECT_TRUE(apply_config_environment(config, environment));
}

TEST(Config, SizesHaveUnits) {
    Config config;
    ASSERT_TRUE(set_config_value(config, "retention.bytes", "10GB", "--set"));
    EXPECT_EQ(config.retention.bytes, 10'000'000'000);
    ASSERT_TRUE(apply_config_toml(config, "[http]\nbody_bytes_max = \"2MiB\"", "a.toml"));
    EXPECT_EQ(config.http.body_bytes_max, 2 << 20);
    const auto status = set_config_value(config, "http.body_bytes_max", "2 megs", "--set");
    ASSERT_FALSE(status);
    EXPECT_NE(status.error().message.find("a size such as 64MiB or 10GB"), std::string::npos)
        << status.error().message;
}

TEST(Config, ListsAreArraysOrTextsWithCommas) {
    Config config;
    ASSERT_TRUE(apply_config_toml(config,
                                  "[http_client]\nallow = [\"10.0.0.0/8\", \"a.test\"]\n"
                                  "[executors.command]\nallow = \"/bin/a,/bin/b\"\nlimit = 3",
                                  "a.toml"));
    EXPECT_EQ(config.http_client.allow, "10.0.0.0/8,a.test");
    EXPECT_EQ(config.executors.command.allow, "/bin/a,/bin/b");
    EXPECT_EQ(config.executors.command.limit, 3);
    const char* environment[] = {"MILLRACE_EXECUTORS_COMMAND_ALLOW=/bin/c", nullptr};
    ASSERT_TRUE(apply_config_environment(config, environment));
    EXPECT_EQ(config.executors.command.allow, "/bin/c");
    EXPECT_FALSE(apply_config_toml(config, "[http]\nlisten = [\"a\"]", "a.toml"));
    EXPECT_FALSE(apply_config_toml(config, "[http_client]\nallow = [1]", "a.toml"));
    EXPECT_FALSE(apply_config_toml(config, "[executors.other]\nallow = [\"a\"]", "a.toml"));
}

TEST(Config, BrokenTomlNamesLineAndColumn) {
    Config config;
    const auto status = apply_config_toml(config, "[http]\nlisten = \n", "a.toml");
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().message.substr(0, 17), "config: a.toml:2:") << status.error().message;
}

TEST(Config, WrongTypesAreRefused) {
    for (const char* text :
         {"[http]\nbody_bytes_max = \"many\"", "[http]\nlisten = [1]", "[engine]\npin = 7",
          "[store]\ndurability = \"maybe\"", "[retry]\nbackoff_factor = nan", "[http.x]\ny=1"}) {
        Config config;
        EXPECT_FALSE(apply_config_toml(config, text, "a.toml")) << text;
    }
}

TEST(Config, DumpReadsBackToTheSame) {
    Config config;
    ASSERT_TRUE(set_config_value(config, "data.dir", "/tmp/a \"b\"", "t"));
    ASSERT_TRUE(set_config_value(config, "retry.backoff_factor", "1.25", "t"));
    const std::string dump = dump_config_toml(config);
    Config again;
    const auto status = apply_config_toml(again, dump, "dump");
    ASSERT_TRUE(status) << status.error().message;
    EXPECT_EQ(dump_config_toml(again), dump);
}

// Whoever starts a server with the file would have the hint for a secret.
TEST(Config, ADumpHoldsNoSecretAndNothingInItsPlace) {
    Config config;
    ASSERT_TRUE(set_config_value(config, "hub.token", "sesame", "t"));
    const std::string dump = dump_config_toml(config);
    EXPECT_EQ(dump.find("sesame"), std::string::npos);
    EXPECT_NE(dump.find("token = \"\"  # set, and not shown\n"), std::string::npos) << dump;
    Config again;
    ASSERT_TRUE(apply_config_toml(again, dump, "dump"));
    EXPECT_EQ(again.hub.token, "");
}

TEST(Config, AUrlIsShownWithoutItsPassword) {
    Config config;
    const auto shown = [&](const char* name, const char* value) {
        EXPECT_TRUE(set_config_value(config, name, value, "t"));
        for (const ConfigKey& key : config_keys()) {
            if (key.name == name) return config_shown_text(config, key);
        }
        return std::string();
    };
    EXPECT_EQ(shown("otlp.endpoint", "http://127.0.0.1:4318"), "http://127.0.0.1:4318");
    EXPECT_EQ(shown("hub.url", "https://u:hush@h:1/a"), "https://***@h:1/a");
    EXPECT_EQ(shown("otlp.endpoint", "http://u:h/us@h@x:4318"), "http://***@x:4318");
    const std::string dump = dump_config_toml(config);
    EXPECT_EQ(dump.find("hush"), std::string::npos);
    EXPECT_NE(dump.find("endpoint = \"\"  # set, and not shown\n"), std::string::npos) << dump;
}

TEST(Config, AProfileStandsBelowEverySource) {
    Config config;
    use_profile(config);
    EXPECT_EQ(config.engine.lanes, 0) << "the default one changes nothing";
    ASSERT_TRUE(set_config_value(config, "profile", "edge", "--profile"));
    use_profile(config);
    EXPECT_EQ(config.engine.shards, 1);
    EXPECT_EQ(config.memory.max, 64 << 20);
    ASSERT_TRUE(
        apply_config_toml(config, "profile = \"edge\"\n[memory]\nmax = \"128MiB\"", "a.toml"));
    EXPECT_EQ(config.memory.max, 128 << 20);
    EXPECT_EQ(config.engine.lanes, 1);
    for (const ConfigKey& key : config_keys()) {
        Config again;
        EXPECT_TRUE(set_config_value(again, key.name, config_value_text(config, key), "edge"))
            << key.name;
    }
    const char* environment[] = {"MILLRACE_PROFILE=large", nullptr};
    EXPECT_FALSE(apply_config_environment(config, environment));
}

TEST(Config, AKeyBeforeAllSectionsIsDumpedBeforeThem) {
    const std::string dump = dump_config_toml(Config{});
    EXPECT_LT(dump.find("profile = \"default\""), dump.find("[data]"));
    EXPECT_TRUE(dump.starts_with("# What the other keys begin with"));
}

TEST(Config, EveryDefaultIsWithinItsBounds) {
    const Config config;
    for (const ConfigKey& key : config_keys()) {
        Config again;
        const auto status =
            set_config_value(again, key.name, config_value_text(config, key), "default");
        EXPECT_TRUE(status) << status.error().message;
        EXPECT_FALSE(key.doc.empty()) << key.name;
    }
}

}  // namespace
}  // namespace millrace::core
