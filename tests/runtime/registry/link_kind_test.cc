// Goal: a link's document is read as it is shown, its place is not moved under its position, and
// what this server has not is refused in so many words. Method: a registry over rows in memory.
#include "runtime/registry/registry.h"
#include "tests/runtime/registry/memory_registry_rows.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace::runtime {
namespace {

constexpr core::TenantId kTenant{2};
constexpr const char* kRedisIn =
    R"({"id":"r","direction":"in","type":"redis","config":{"host":"h","stream":"s"}})";

class LinkKindTest : public ::testing::Test {
protected:
    void SetUp() override { open(); }
    void open() {
        Registry::Options options;
        options.check_link = [](const Link& link) -> core::Status {
            if (link.config.path != "/forbidden/file") return {};
            return core::fail(core::ErrorCode::kForbidden, "not listed");
        };
        registry_ = *Registry::open(rows_, clock_, random_, options);
    }
    DocumentTable<Link>& table() { return registry_->table<Link>(); }
    LinkRef create(const std::string& body) {
        auto made = table().create({.tenant = kTenant}, body);
        EXPECT_TRUE(made) << made.error().message;
        return made ? made->after : nullptr;
    }
    core::Error refused(const std::string& body) {
        auto made = table().create({.tenant = kTenant}, body);
        EXPECT_FALSE(made) << body;
        return made ? core::Error() : made.error();
    }
    std::string in_file(const std::string& config) {
        return R"({"direction":"in","type":"file","config":{"path":"/l/a",)" + config + "}}";
    }

    MemoryRegistryRows rows_;
    core::ManualClock clock_;
    core::Random random_{1};
    std::unique_ptr<Registry> registry_;
};

TEST_F(LinkKindTest, LinksAreReadAgain) {
    for (
        const char* body :
        {R"({"id":"a","direction":"in","type":"file","config":{"path":"/l/a","from":"end","format":"text","pattern":"p"}})",
         R"({"id":"b","direction":"out","type":"file","config":{"path":"/l/b"}})",
         R"({"id":"c","direction":"in","type":"redis","config":{"host":"h","port":1,"database":2,"user":"u","password":"{{secrets.pw}}","stream":"s","from":"17-3","format":"fields","pattern":"p"}})",
         R"({"id":"e","direction":"in","type":"postgres-notify","config":{"connection":"main","channel":"c"}})",
         R"({"id":"n","direction":"in","type":"nats","config":{"host":"h","port":1,"user":"u","password":"{{secrets.pw}}","token":"{{secrets.t}}","stream":"S","subject":"a.>","from":"17","format":"payload","pattern":"in.{subject}"}})",
         R"({"id":"o","direction":"in","type":"nats","config":{"host":"h","subject":"a.*","format":"text","pattern":"p"}})",
         R"({"id":"p","direction":"out","type":"nats","config":{"host":"h","stream":"S","subject":"out.{pattern}"}})",
         R"({"id":"q","direction":"in","type":"mqtt","config":{"host":"h","user":"u","clientId":"c","topic":"a/+/#","format":"payload","pattern":"in.{subject}"}})",
         R"({"id":"r","direction":"out","type":"mqtt","config":{"host":"h","port":8883,"topic":"out/{pattern}"}})",
         R"({"id":"k","direction":"in","type":"kafka","config":{"brokers":"h:9092,[2001:db8::1]:1","topic":"a.b_c-1","user":"u","password":"{{secrets.pw}}","mechanism":"SCRAM-SHA-512","tls":true,"from":"end","format":"payload","pattern":"p"}})",
         R"({"id":"l","direction":"out","type":"kafka","config":{"brokers":"h:1","topic":"t"}})",
         R"({"id":"x","direction":"in","type":"amqp","config":{"host":"h","user":"u","password":"{{secrets.pw}}","vhost":"v","queue":"q","ignoreMessageIds":true,"format":"text","pattern":"in.{subject}"}})",
         R"({"id":"y","direction":"out","type":"amqp","config":{"host":"h","port":1,"exchange":"e","routingKey":"out.{pattern}"}})",
         R"({"id":"z","direction":"out","type":"amqp","config":{"host":"h","routingKey":"queue"}})",
         R"({"id":"t","direction":"out","type":"file","mode":"stream","config":{"path":"/l/c","from":"start","pattern":"order.*","filter":"$.amount > 1"}})",
         R"({"id":"u","direction":"out","type":"nats","mode":"stream","config":{"host":"h","stream":"S","subject":"a","filter":{"payload.n":5}}})",
         R"({"id":"d","direction":"out","type":"redis","config":{"host":"h","stream":"s","field":"f","maxLength":9},"mode":"executor"})"}) {
        const std::string id = create(body)->id;
        const std::string before = document_kind<Link>().show(*table().find(kTenant, id));
        open();
        EXPECT_EQ(document_kind<Link>().show(*table().find(kTenant, id)), before);
        auto put = table().put({.tenant = kTenant}, id, before);
        EXPECT_TRUE(put) << put.error().message;
        auto patched = table().patch({.tenant = kTenant}, id, R"({"name":"n"})");
        EXPECT_TRUE(patched) << patched.error().message;
    }
}

TEST_F(LinkKindTest, TypesThatNobodyKnowsAreRefused) {
    EXPECT_EQ(refused(R"({"direction":"in","type":"ftp","config":{}})").code,
              core::ErrorCode::kValidation);
}

TEST_F(LinkKindTest, QueuesOfOthersNameWhatIsWrongWithThem) {
    struct Row {
        const char* direction;
        const char* type;
        std::string config;
        const char* field;
    };
    const std::string kafka = R"("brokers":"h:1","topic":"t")";
    const std::string amqp = R"("host":"h")";
    for (const Row& row : std::initializer_list<Row>{
             {"in", "kafka", R"("topic":"t")", "config.brokers"},
             {"in", "kafka", R"("brokers":"h","topic":"t")", "config.brokers"},
             {"in", "kafka", R"("brokers":"h:1,","topic":"t")", "config.brokers"},
             {"in", "kafka", R"("brokers":"::1:1","topic":"t")", "config.brokers"},
             {"in", "kafka", R"("brokers":"h:1 ,i:2","topic":"t")", "config.brokers"},
             {"in", "kafka", R"("brokers":"h:1","topic":"a b")", "config.topic"},
             {"in", "kafka", R"("brokers":"h:1")", "config.topic"},
             {"in", "kafka", kafka + R"(,"mechanism":"GSSAPI")", "config.mechanism"},
             {"in", "kafka", kafka + R"(,"password":"plain")", "config.password"},
             {"in", "kafka", kafka + R"(,"from":"17")", "config.from"},
             {"in", "kafka", kafka + R"(,"format":"text","pattern":"{subject}")", "config.pattern"},
             {"out", "kafka", kafka + R"(,"from":"end")", "config.from"},
             {"in", "amqp", amqp, "config.queue"},
             {"in", "amqp", amqp + R"(,"queue":"q","from":"end")", "config.from"},
             {"in", "amqp", amqp + R"(,"queue":"q","exchange":"e")", "config.exchange"},
             {"in", "amqp", amqp + R"(,"queue":"q","vhost":"")", "config.vhost"},
             {"out", "amqp", amqp, "config.routingKey"},
             {"out", "amqp", amqp + R"(,"routingKey":"{pattern}{pattern}")", "config.routingKey"},
             {"out", "amqp", amqp + R"(,"routingKey":"k","queue":"q")", "config.queue"},
         }) {
        const core::Error error =
            refused(std::string(R"({"direction":")") + row.direction + R"(","type":")" + row.type +
                    R"(","config":{)" + row.config + "}}");
        EXPECT_EQ(error.field, row.field) << row.config << " " << error.message;
    }
}

// Nobody's; valid for a hundred years.
constexpr const char* kAuthority =
    R"(-----BEGIN CERTIFICATE-----\nMIIBcjCCARegAwIBAgIUW7Qi17Pxxz1cU9IGEiS2gXCJE3MwCgYIKoZIzj0EAwIw\n)"
    R"(DTELMAkGA1UEAwwCY2EwIBcNMjYxMjAxMDM0MDI1WhgPMjEyNjExMDcwMzQwMjVa\n)"
    R"(MA0xCzAJBgNVBAMMAmNhMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEme0jD1mn\n)"
    R"(+l3I2EtmBFHaYrMd0owDqAb9Y8ji19tNuv9uzw9PoTUwhHD8/7HnEXA5RHmDa1QZ\n)"
    R"(RezGDcAYn/kdTKNTMFEwHQYDVR0OBBYEFKD9GlJOeN01xBSJyQIL97w24iWfMB8G\n)"
    R"(A1UdIwQYMBaAFKD9GlJOeN01xBSJyQIL97w24iWfMA8GA1UdEwEB/wQFMAMBAf8w\n)"
    R"(CgYIKoZIzj0EAwIDSQAwRgIhANxlr9cGYZXwQtKt63Gmz1wy+Oma5/7cY4SjYqMd\n)"
    R"(yvmkAiEArHqtZM4MbY9DNFawJzt86XUhANLnh1YA0ST7D+0GcVc=\n-----END CERTIFICATE-----\n)";

TEST_F(LinkKindTest, OfTlsItIsKnownWhomToTrustBeforeAnybodyIsCalled) {
    const std::string ca = std::string(R"(,"ca":")") + kAuthority + "\"";
    struct Row {
        const char* type;
        const char* config;
        std::int64_t port;  // that TLS has there
    };
    int count = 0;
    for (const Row& row : std::initializer_list<Row>{
             {"redis", R"("host":"h","stream":"s")", 6379},
             {"nats", R"("host":"h","subject":"s")", 4222},
             {"mqtt", R"("host":"h","topic":"t")", 8883},
             {"amqp", R"("host":"h","queue":"q")", 5671},
             {"kafka", R"("brokers":"h:1","topic":"t")", 6379},
         }) {
        const auto body = [&](const std::string& more) {
            return R"({"id":"t)" + std::to_string(++count) + R"(","direction":"in","type":")" +
                   row.type + R"(","config":{)" + row.config + more + "}}";
        };
        const LinkRef made = create(body(R"(,"tls":true)" + ca));
        EXPECT_TRUE(made->config.tls);
        EXPECT_EQ(made->config.port, row.port) << row.type;
        const std::string shown = document_kind<Link>().show(*made);
        open();
        EXPECT_EQ(document_kind<Link>().show(*table().find(kTenant, made->id)), shown);
        EXPECT_EQ(refused(body(ca)).field, "config.ca") << "it would trust nobody";
        EXPECT_EQ(refused(body(R"(,"tls":true,"ca":"text")")).field, "config.ca");
    }
    const std::string postgres =
        R"({"direction":"in","type":"postgres-notify","config":{"connection":"m","channel":"c")";
    EXPECT_EQ(refused(postgres + R"(,"tls":true}})").field, "config.tls") << "its conninfo says so";
    create(postgres + ca + "}}");
}

TEST_F(LinkKindTest, BrokersMayMoveAndTopicsMayNot) {
    create(R"({"id":"k","direction":"in","type":"kafka","config":{"brokers":"h:1","topic":"t"}})");
    EXPECT_TRUE(
        table().patch({.tenant = kTenant}, "k", R"({"config":{"brokers":"i:2","topic":"t"}})"));
    EXPECT_FALSE(
        table().patch({.tenant = kTenant}, "k", R"({"config":{"brokers":"i:2","topic":"u"}})"));
}

TEST_F(LinkKindTest, ABrokerKnowsOneLinkByAClientId) {
    const auto mqtt = [](const std::string& id, const std::string& more) {
        return R"({"id":")" + id + R"(","direction":"out","type":"mqtt","config":{"host":"h",)" +
               more + R"("topic":"t"}})";
    };
    create(mqtt("a", R"("clientId":"c",)"));
    create(mqtt("b", R"("clientId":"c","port":1884,)"));
    create(mqtt("d", ""));
    create(mqtt("e", ""));
    const core::Error error = refused(mqtt("f", R"("clientId":"c",)"));
    EXPECT_EQ(error.code, core::ErrorCode::kConflict);
    EXPECT_EQ(error.field, "config.clientId");
    EXPECT_EQ(error.message,
              "config.clientId: by \"c\" h:1883 knows link \"a\" already, and a broker keeps one "
              "connection for a client id");
    const auto moved = table().patch({.tenant = kTenant}, "b", R"({"config":{"port":1883}})");
    ASSERT_FALSE(moved);
    EXPECT_EQ(moved.error().code, core::ErrorCode::kConflict);
    EXPECT_TRUE(table().patch({.tenant = kTenant}, "a", R"({"name":"its own"})"));
    const auto others =
        table().create({.tenant = core::TenantId(3)}, mqtt("a", R"("clientId":"c",)"));
    ASSERT_FALSE(others);
    EXPECT_NE(others.error().message.find("a link of another tenant"), std::string::npos);
}

TEST_F(LinkKindTest, AStreamSaysWhatItSendsAndFromWhere) {
    const auto stream = [](const std::string& more) {
        return R"({"id":"s","direction":"out","type":"redis","mode":"stream","config":{"host":"h","stream":"s")" +
               more + "}}";
    };
    for (const char* bad : {R"(,"from":"5-0")", R"(,"pattern":"")", R"(,"filter":"$.amount >")",
                            R"(,"filter":{"amount":{"$no":1}})"}) {
        const core::Error error = refused(stream(bad));
        EXPECT_EQ(error.code, core::ErrorCode::kValidation) << bad;
        EXPECT_TRUE(error.field.starts_with("config.")) << bad << error.field;
    }
    EXPECT_EQ(
        refused(
            R"({"direction":"in","type":"redis","mode":"stream","config":{"host":"h","stream":"s"}})")
            .field,
        "mode");
    const LogEnds ends = {core::LogOffset(7), core::LogOffset(9)};
    auto made = table().create({.tenant = kTenant, .log_ends = ends}, stream(""));
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_EQ(made->after->begin, ends);
    ASSERT_TRUE(table().patch({.tenant = kTenant}, "s", R"({"name":"n"})"));
    open();
    EXPECT_EQ(table().find(kTenant, "s")->begin, ends);
    EXPECT_FALSE(table().patch({.tenant = kTenant}, "s", R"({"mode":"executor"})"));
    EXPECT_TRUE(check_link_place(*table().find(kTenant, "s"), "end"));
    EXPECT_FALSE(check_link_place(*table().find(kTenant, "s"), "5-0"));
}

TEST_F(LinkKindTest, AStreamChoosesByPatternsAsSubscriptionsDo) {
    const auto of = [](const std::string& pattern) {
        return R"({"id":"s","direction":"out","type":"redis","mode":"stream","config":{"host":"h","stream":"s","pattern":)" +
               pattern + "}}";
    };
    for (const std::string pattern :
         {R"("order.paid")", R"("order.*")", R"("*.paid")", R"("*")", R"("a>b")",
          R"({"type":"exact","value":"a*b"})", R"({"type":"prefix","value":"order."})",
          R"({"type":"regex","value":"^order\\.(paid|sent)$"})"}) {
        const LinkRef link = create(of(pattern));
        ASSERT_NE(link, nullptr) << pattern;
        const auto own = link_choice(link->config);
        const auto theirs = matcher::parse_subscription(
            {.pattern = pattern, .filters = {}, .filter = {}, .form = {}, .priority = {}});
        ASSERT_TRUE(own && theirs) << pattern;
        EXPECT_EQ(own->pattern.kind, theirs->pattern.kind) << pattern;
        EXPECT_EQ(own->pattern.value, theirs->pattern.value) << pattern;
        const std::string shown = document_kind<Link>().show(*link);
        EXPECT_NE(shown.find(R"("pattern":)" + pattern), std::string::npos) << shown;
        open();
        EXPECT_EQ(document_kind<Link>().show(*table().find(kTenant, "s")), shown);
        // A patch gives the whole of it.
        EXPECT_TRUE(table().patch({.tenant = kTenant}, "s", R"({"config":{"pattern":"x.*"}})"));
        ASSERT_TRUE(table().remove({.tenant = kTenant}, "s"));
    }
    for (const std::string bad : {R"({"type":"prefix"})", R"({"type":"glob","value":"a"})",
                                  R"({"type":"regex","value":"("})", "7", R"("")"})
        EXPECT_EQ(refused(of(bad)).field.substr(0, 14), "config.pattern") << bad;
}

TEST_F(LinkKindTest, APatchOfAConfigIsAMergePatch) {
    create(R"({"id":"r","direction":"in","type":"redis","config":{"host":"h","port":1,"user":"u",)"
           R"("password":"{{secrets.pw}}","stream":"s","format":"payload","pattern":"p"}})");
    const auto patch = [&](const char* id, const char* body) {
        auto made = table().patch({.tenant = kTenant}, id, body);
        return made ? document_kind<Link>().show(*made->after) : made.error().message;
    };
    const std::string one = patch("r", R"({"config":{"pattern":"q"}})");
    EXPECT_NE(one.find(R"("password":"{{secrets.pw}}")"), std::string::npos) << one;
    EXPECT_NE(one.find(R"("port":1)"), std::string::npos) << one;
    EXPECT_NE(one.find(R"("pattern":"q")"), std::string::npos) << one;
    EXPECT_EQ(table().find(kTenant, "r")->config.password, "{{secrets.pw}}");
    const std::string less = patch("r", R"({"config":{"user":null,"password":null}})");
    EXPECT_EQ(less.find("secrets.pw"), std::string::npos) << less;
    EXPECT_EQ(patch("r", R"({"config":{"host":null}})"), "config.host is required");
    EXPECT_EQ(patch("r", R"({"config":{"hots":null}})"), "config.hots is not a known member");
    EXPECT_EQ(patch("r", R"({"config":{"hots":"i"}})"), "config.hots is not a known member");
    // What PUT refuses a patch does, and the other way round.
    for (
        const char* config :
        {R"({"config":{"host":"h","port":1,"stream":"t","format":"payload","pattern":"q"}})",
         R"({"config":{"host":"redis://h","port":1,"stream":"s","format":"payload","pattern":"q"}})",
         R"({"config":{"host":"h","port":1,"stream":"s","format":"payload","pattern":"system.q"}})"}) {
        const auto put = table().put({.tenant = kTenant}, "r", config);
        const auto patched = table().patch({.tenant = kTenant}, "r", config);
        ASSERT_FALSE(put || patched) << config;
        EXPECT_EQ(put.error().message, patched.error().message);
    }
    create(
        R"({"id":"t","direction":"out","type":"redis","mode":"stream","config":{"host":"h","stream":"s","filter":{"payload.n":5}}})");
    const std::string other = patch("t", R"({"config":{"filter":{"payload.m":null}}})");
    EXPECT_NE(other.find(R"("filter":{"payload.m":null})"), std::string::npos) << other;
    EXPECT_NE(other.find(R"("host":"h")"), std::string::npos) << other;
}

TEST_F(LinkKindTest, AHostIsANameOrAnAddressAndWhatElseIsSaidInWords) {
    const auto of = [](const std::string& type, const std::string& host) {
        const std::string rest = type == "redis"  ? R"(,"stream":"s"})"
                                 : type == "nats" ? R"(,"subject":"s"})"
                                 : type == "mqtt" ? R"(,"topic":"s"})"
                                                  : R"(,"routingKey":"s"})";
        return R"({"id":"l","direction":"out","type":")" + type + R"(","config":{"host":")" + host +
               "\"" + rest + "}";
    };
    for (const char* type : {"redis", "nats", "mqtt", "amqp"}) {
        for (const char* host : {"::1", "[::1]", "[2001:db8::1]", "10.0.0.1", "a.example", "a"}) {
            const LinkRef link = create(of(type, host));
            ASSERT_NE(link, nullptr) << host;
            EXPECT_EQ(link->config.host.find_first_of("[]"), std::string::npos) << host;
            ASSERT_TRUE(table().remove({.tenant = kTenant}, "l"));
        }
        for (const auto& [host, word] :
             std::initializer_list<std::pair<const char*, const char*>>{{"redis://u:hush@h", "URL"},
                                                                        {"nats://h:4222", "URL"},
                                                                        {"h:6379", "\"port\""},
                                                                        {"[::1]:6379", "expected"},
                                                                        {"a/b", "expected"},
                                                                        {"[a]", "expected"}}) {
            const core::Error error = refused(of(type, host));
            EXPECT_EQ(error.field, "config.host") << host;
            EXPECT_NE(error.message.find(word), std::string::npos) << error.message;
            EXPECT_EQ(error.message.find("hush"), std::string::npos) << error.message;
        }
    }
    const core::Error url = refused(
        R"({"direction":"in","type":"postgres-notify","config":{"connection":"postgres://u:hush@h/d","channel":"c"}})");
    EXPECT_EQ(url.field, "config.connection");
    EXPECT_EQ(url.message.find("hush"), std::string::npos) << url.message;
    const core::Error brokers = refused(
        R"({"direction":"in","type":"kafka","config":{"brokers":"h:1,kafka://i:2","topic":"t"}})");
    EXPECT_NE(brokers.message.find("kafka://i:2"), std::string::npos) << brokers.message;
}

TEST_F(LinkKindTest, ATransformIsAScriptThatIsThere) {
    const std::string body =
        R"({"id":"r","direction":"in","type":"redis","config":{"host":"h","stream":"s"},"transform":"t"})";
    EXPECT_EQ(refused(body).field, "transformScriptId");
    auto script = registry_->table<Script>().create(
        {.tenant = kTenant},
        R"({"id":"t","name":"t","type":"transform","source":"return function(e) return e end"})");
    if (!script)
        script = registry_->table<Script>().create(
            {.tenant = kTenant}, R"({"id":"t","source":"return function(e) return e end"})");
    ASSERT_TRUE(script) << script.error().message;
    const LinkRef link = create(body);
    ASSERT_TRUE(link);
    EXPECT_EQ(link->transform_script, script->after->number);
    EXPECT_NE(document_kind<Link>().show(*link).find(R"("transformScriptId":"t")"),
              std::string::npos);
    EXPECT_EQ(registry_->table<Script>().remove({.tenant = kTenant}, "t").error().code,
              core::ErrorCode::kConflict);
    auto without = table().patch({.tenant = kTenant}, "r", R"({"transformScriptId":null})");
    ASSERT_TRUE(without) << without.error().message;
    EXPECT_EQ(without->after->transform_script_id, "");
    EXPECT_TRUE(registry_->table<Script>().remove({.tenant = kTenant}, "t"));
}

TEST_F(LinkKindTest, BadBodiesNameTheMember) {
    EXPECT_EQ(refused(R"({"type":"file","config":{"path":"/a/b"}})").field, "direction");
    EXPECT_EQ(refused(R"({"direction":"in","type":"file"})").field, "config");
    EXPECT_EQ(refused(R"({"direction":"in","type":"file","config":{"path":"a"}})").field,
              "config.path");
    EXPECT_EQ(
        refused(R"({"direction":"in","type":"file","config":{"path":"/a","stream":"s"}})").field,
        "config.stream");
    EXPECT_EQ(
        refused(
            R"({"direction":"in","type":"postgres-notify","config":{"connection":"m","channel":"c","from":"end"}})")
            .field,
        "config.from");
    EXPECT_EQ(refused(in_file(R"("from":"17-3")")).field, "config.from");
    EXPECT_EQ(refused(in_file(R"("format":"fields","pattern":"p")")).field, "config.format");
    EXPECT_EQ(refused(in_file(R"("format":"text")")).field, "config.pattern");
    EXPECT_EQ(refused(in_file(R"("pattern":"p")")).field, "config.pattern");
    EXPECT_EQ(refused(in_file(R"("format":"text","pattern":"system.x")")).field, "config.pattern");
    EXPECT_EQ(
        refused(R"({"direction":"out","type":"file","config":{"path":"/a","from":"end"}})").field,
        "config.from");
    EXPECT_EQ(
        refused(
            R"({"direction":"in","type":"redis","config":{"host":"h","stream":"s","password":"plain"}})")
            .field,
        "config.password");
    for (const char* host : {"a b", "redis://h", "[::1]:1", "u@h", ""})
        EXPECT_EQ(refused(std::string(R"({"direction":"out","type":"redis","config":{"host":")") +
                          host + R"(","stream":"s"}})")
                      .field,
                  "config.host")
            << host;
    const auto nats = [&](const std::string& direction, const std::string& config) {
        return refused(R"({"direction":")" + direction +
                       R"(","type":"nats","config":{"host":"h",)" + config + "}}")
            .field;
    };
    EXPECT_EQ(nats("in", R"("port":4222)"), "config.stream");
    EXPECT_EQ(nats("in", R"("stream":"a b")"), "config.stream");
    EXPECT_EQ(nats("in", R"("subject":"a..b")"), "config.subject");
    EXPECT_EQ(nats("in", R"("subject":"a","from":"start")"), "config.from");
    EXPECT_EQ(nats("in", R"("stream":"a","from":"7-0")"), "config.from");
    EXPECT_EQ(nats("in", R"("stream":"a","token":"plain")"), "config.token");
    EXPECT_EQ(nats("out", R"("stream":"a")"), "config.subject");
    EXPECT_EQ(nats("out", R"("subject":"a.*")"), "config.subject");
    EXPECT_EQ(nats("out", R"("subject":"a.{pattern}.{pattern}")"), "config.subject");
    const auto mqtt = [&](const std::string& direction, const std::string& config) {
        return refused(R"({"direction":")" + direction +
                       R"(","type":"mqtt","config":{"host":"h",)" + config + "}}")
            .field;
    };
    EXPECT_EQ(mqtt("in", R"("port":1883)"), "config.topic");
    EXPECT_EQ(mqtt("in", R"("topic":"a/#/b")"), "config.topic");
    EXPECT_EQ(mqtt("in", R"("topic":"a","from":"start")"), "config.from");
    EXPECT_EQ(mqtt("in", R"("topic":"a","password":"plain")"), "config.password");
    EXPECT_EQ(mqtt("out", R"("topic":"a/+")"), "config.topic");
    EXPECT_EQ(mqtt("in", R"("topic":"a","qos":3)"), "config.qos");
    EXPECT_EQ(mqtt("out", R"("topic":"a","qos":0)"), "config.qos");
    EXPECT_EQ(mqtt("out", R"("topic":"{pattern}/{pattern}")"), "config.topic");
    EXPECT_EQ(refused(in_file(R"("format":"text","pattern":"{subject}")")).field, "config.pattern");
    EXPECT_EQ(
        refused(R"({"direction":"in","type":"file","config":{"path":"/forbidden/file"}})").code,
        core::ErrorCode::kForbidden);
}

TEST_F(LinkKindTest, WhereASourceReadsStays) {
    create(kRedisIn);
    for (const char* patch :
         {R"({"config":{"host":"h","stream":"t"}})", R"({"config":{"host":"i","stream":"s"}})",
          R"({"direction":"out"})"}) {
        EXPECT_FALSE(table().patch({.tenant = kTenant}, "r", patch)) << patch;
    }
    EXPECT_TRUE(
        table().patch({.tenant = kTenant}, "r",
                      R"({"config":{"host":"h","stream":"s","format":"payload","pattern":"p"}})"));
}

TEST_F(LinkKindTest, AResetIsKept) {
    create(kRedisIn);
    auto made = table().amend({.tenant = kTenant}, "r", "reset", [](Link& next) {
        ++next.resets;
        next.reset_to = "5-0";
        next.paused = true;
        return core::Status{};
    });
    ASSERT_TRUE(made);
    ASSERT_TRUE(table().patch({.tenant = kTenant}, "r", R"({"name":"n"})"));
    open();
    const LinkRef link = table().find(kTenant, "r");
    EXPECT_EQ(link->resets, 1u);
    EXPECT_EQ(link->reset_to, "5-0");
    EXPECT_TRUE(link->paused);
    EXPECT_TRUE(check_link_place(*link, "start") && check_link_place(*link, "7-9"));
    for (const char* bad : {"", "7", "7-", "-7", "7-a", "$", "0-0 x"})
        EXPECT_FALSE(check_link_place(*link, bad)) << bad;
}

TEST_F(LinkKindTest, ASubscriptionSendsToASinkAndKeepsIt) {
    create(kRedisIn);
    create(R"({"id":"out","direction":"out","type":"redis","config":{"host":"h","stream":"s"}})");
    const auto subscription = [](const std::string& link) {
        return R"({"id":"s","pattern":"a","executor":{"type":"link","linkId":")" + link + "\"}}";
    };
    auto made = registry_->create_subscription(kTenant, subscription("r"), {});
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().field, "executor.linkId");
    EXPECT_FALSE(registry_->create_subscription(kTenant, subscription("none"), {}));
    create(
        R"({"id":"log","direction":"out","type":"file","mode":"stream","config":{"path":"/a"}})");
    made = registry_->create_subscription(kTenant, subscription("log"), {});
    ASSERT_FALSE(made) << "it takes its events from the log by itself";
    EXPECT_EQ(made.error().field, "executor.linkId");
    made = registry_->create_subscription(kTenant, subscription("out"), {});
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_EQ((*made)->executor.link, table().find(kTenant, "out")->number);
    EXPECT_EQ(table().remove({.tenant = kTenant}, "out").error().code, core::ErrorCode::kConflict);
    open();
    EXPECT_EQ(registry_->find_subscription(kTenant, "s")->executor.link,
              table().find(kTenant, "out")->number);
    ASSERT_TRUE(registry_->remove_subscription(kTenant, "s"));
    EXPECT_TRUE(table().remove({.tenant = kTenant}, "out"));
}

}  // namespace
}  // namespace millrace::runtime
