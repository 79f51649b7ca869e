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
    EXPECT_EQ(config.http_body_bytes_max, 4096);
    EXPECT_EQ(config.http_listen, "127.0.0.1:2");
    EXPECT_EQ(config.store_linger_us, 2000);
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
    EXPECT_EQ(config.engine_queue_events, 5000);
    EXPECT_EQ(config.engine_lanes, 3);
    EXPECT_EQ(config.retry_max_retries, 5);
    EXPECT_EQ(config.retry_initial_delay_us, 500'000);
    EXPECT_EQ(config.retry_max_delay_us, 3'600'000'000);
    EXPECT_DOUBLE_EQ(config.retry_backoff_factor, 1.5);
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
    EXPECT_EQ(second.error().message,
              "config: retry.initial_delay = \"soon\" from environment EVENT_RETRY_INITIAL_DELAY "
              "is refused; expected a "
              "duration such as 500ms, 1m or 1h from 0ms to 720h");
}

TEST(Config, UnknownKeysAreRefusedWithTheNearestName) {
    Config config;
    auto status = apply_config_toml(config, "[http]\nbody_byte_max = 2048\n", "a.toml");
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().message,
              "config: key http.body_byte_max from a.toml:2 is not known; did you mean "
              "http.body_bytes_max?");
    const char* environment[] = {"MILLRACE_SERVER=http://x", "MILLRACE_THIRD_PARTY=/opt/x",
                                 "MILLRACE_NOPE=1", nullptr};
    status = apply_config_environment(config, environment);
    ASSERT_FALSE(status);
    EXPECT_NE(status.error().message.find("MILLRACE_NOPE"), std::string::npos);
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
