// Goal: a message of MQTT is acknowledged when its event is durable and not before, a session that
// the broker has lost is told, and a sink's deliveries are done when the broker has them. Method: a
// broker of the test's on loopback that says what it is told to, a clock that is moved by hand.
#include "runtime/links/mqtt_link.h"

#include "runtime/event/tenant_names.h"
#include "tests/runtime/links/peer_fixture.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace millrace::runtime {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kLetIn = "\x20\x03\x00\x00\x00"sv;
constexpr std::string_view kKnown = "\x20\x03\x01\x00\x00"sv;
constexpr std::string_view kFarewell = "\xe0\x07\x00\x05\x11\x00\x00\x00\x00"sv;
constexpr std::string_view kSubscribed = "\x90\x04\x00\x01\x00\x01"sv;

std::string message(std::string_view topic, std::string_view payload, std::uint16_t id) {
    std::string out;
    io::append_mqtt_publish(out, {topic, payload, id, false});
    return out;
}
std::string exactly_once(std::string_view topic, std::string_view payload, std::uint16_t id,
                         bool again = false) {
    std::string out = message(topic, payload, id);
    out[0] = static_cast<char>(again ? 0x3c : 0x34);
    return out;
}
// PUBREC (5) and PUBCOMP (7).
std::string answer(int kind, std::uint16_t id) {
    std::string out;
    kind == 5 ? io::append_mqtt_pubrec(out, id) : io::append_mqtt_pubcomp(out, id);
    return out;
}
std::string release(std::uint16_t id) {
    std::string out;
    io::append_mqtt_pubrel(out, id);
    return out;
}
std::string puback(std::uint16_t id) {
    std::string out;
    io::append_mqtt_puback(out, id);
    return out;
}

class MqttLinkTest : public test::PeerTest {
protected:
    void SetUp() override {
        PeerTest::SetUp();
        link_.id = "in";
        config_.host = "127.0.0.1";
        config_.port = port_;
        config_.subject = "a/#";
    }
    PeerDeps deps(bool probes = false) {
        PeerDeps out;
        out.clock = &clock_;
        out.rules = &rules_;
        out.probes = probes;
        out.server_mark = mark_;
        return out;
    }
    void begin(std::string_view position = "", bool probes = false) {
        source_ = std::make_unique<MqttSource>(deps(probes), link_, config_, position);
        accept();
    }
    void begin_sink() {
        link_.direction = LinkDirection::kOut;
        PeerDeps with = deps();
        with.sink_memory = &memory_;
        sink_ = std::make_unique<MqttSink>(with, link_, config_);
        accept();
    }
    void send(std::uint64_t ticket, const std::string& delivery) {
        sink_->send(
            {.ticket = ticket, .id = {}, .pattern = "a", .text = delivery, .delivery = delivery});
        turn();
    }
    void accept() {
        PeerTest::accept();
        turn();
    }
    void turn_once(int wait_ms) override {
        if (source_) wait_for_bytes(*source_, wait_ms);
        if (sink_) wait_for_bytes(*sink_, source_ ? 0 : wait_ms);
        if (source_) (void)source_->turn(batch_);
        if (sink_) (void)sink_->turn(answers_);
    }
    std::string heard() { return hear(); }
    std::string texts() {
        std::string out;
        for (std::size_t i = 0; i < batch_.size(); ++i)
            out += std::string(batch_[i].subject) + "=" + std::string(batch_[i].text) + ";";
        return out;
    }
    std::string answers() {
        std::string out;
        for (const SinkAnswer& one : std::exchange(answers_, {}))
            out +=
                std::to_string(one.ticket) + (one.error.empty() ? " ok;" : " " + one.error + ";");
        return out;
    }

    std::uint64_t mark_ = 0;
    Link link_;
    LinkConfig config_;
    std::unique_ptr<MqttSource> source_;
    std::unique_ptr<MqttSink> sink_;
    SourceBatch batch_;
    std::vector<SinkAnswer> answers_;
    std::shared_ptr<SinkMemory> memory_;
};

TEST_F(MqttLinkTest, AMessageIsAcknowledgedWhenItsEventIsDurable) {
    begin();
    EXPECT_NE(heard().find("millrace-in"), std::string::npos);
    EXPECT_FALSE(source_->ready());
    say(kLetIn);
    EXPECT_EQ(heard(),
              "\x82\x09\x00\x01\x00\x00\x03"
              "a/#"
              "\x11"sv);
    say(kSubscribed);
    EXPECT_TRUE(source_->ready());
    EXPECT_TRUE(batch_.changed() && !batch_.gap);
    say(message("a/b", "x", 7) + message("a", "y", 0) + message("a/c", "z", 9));
    EXPECT_EQ(texts(), "a.b=x;a=y;a.c=z;");
    EXPECT_EQ(heard(), "");
    const std::uint64_t first = batch_.acknowledges;
    batch_.clear();
    say(message("a", "w", 11));
    source_->kept(first);
    EXPECT_EQ(heard(), puback(7) + puback(9));
    source_->kept(first);
    EXPECT_EQ(heard(), "");
    source_->kept(batch_.acknowledges);
    EXPECT_EQ(heard(), puback(11));
    EXPECT_FALSE(source_->trouble());
}

TEST_F(MqttLinkTest, OfQos2EachIsTakenOnceAndReleasedWhenThatIsKept) {
    config_.qos = 2;
    begin();
    (void)heard();
    say(kLetIn);
    EXPECT_TRUE(heard().ends_with("a/#\x12"sv));  // QoS 2 is asked for
    say(kSubscribed);
    batch_.clear();
    say(exactly_once("a/b", "one", 7) + message("a/b", "two", 9));
    EXPECT_EQ(texts(), "a.b=one;a.b=two;");
    EXPECT_TRUE(batch_.whole) << "one commit with the ids of its packets";
    EXPECT_NE(batch_.position.find(R"("received":[7])"), std::string::npos) << batch_.position;
    EXPECT_EQ(heard(), "");  // not before it is durable
    const std::string kept = batch_.position;
    source_->kept(batch_.acknowledges);
    EXPECT_EQ(heard(), answer(5, 7) + puback(9));
    batch_.clear();
    say("\x62\x02\x00\x07"sv);
    EXPECT_TRUE(batch_.changed());
    EXPECT_EQ(texts(), "");
    EXPECT_EQ(batch_.position.find("received"), std::string::npos) << batch_.position;
    EXPECT_EQ(heard(), "");
    source_->kept(batch_.acknowledges);
    EXPECT_EQ(heard(), answer(7, 7));
    // Killed between PUBREC and PUBREL, or before the broker had that.
    batch_.clear();
    begin(kept);
    (void)heard();
    say(kKnown);
    say(kSubscribed);
    (void)heard();
    batch_.clear();
    say(exactly_once("a/b", "one", 7, true));
    EXPECT_EQ(texts(), "");
    EXPECT_TRUE(batch_.changed());
    source_->kept(batch_.acknowledges);
    EXPECT_EQ(heard(), answer(5, 7));
    batch_.clear();
    say("\x62\x02\x00\x07"sv);
    source_->kept(batch_.acknowledges);
    EXPECT_EQ(heard(), answer(7, 7));
    batch_.clear();
    say(exactly_once("a/b", "another", 7));
    EXPECT_EQ(texts(), "a.b=another;");
}

TEST_F(MqttLinkTest, OfQos2WhatComesAgainAndIsInNoRowHasTheIdsThatItHad) {
    config_.qos = 2;
    const auto ids = [this] {
        std::string out;
        for (std::size_t i = 0; i < batch_.size(); ++i) out += std::string(batch_[i].id) + ";";
        batch_.clear();
        return out;
    };
    begin();
    say(kLetIn);
    say(kSubscribed);
    batch_.clear();
    say(exactly_once("a/b", "one", 1));
    const std::string kept = batch_.position;
    (void)ids();
    clock_.advance_us(10);
    say(exactly_once("a/b", "two", 2) + exactly_once("a/b", "two", 3));
    const std::string before = ids();
    const std::string of_two = before.substr(0, before.find(';') + 1);
    const std::string again = exactly_once("a/b", "one", 1, true) +
                              exactly_once("a/b", "two", 2, true) +
                              exactly_once("a/b", "two", 3, true);
    clock_.advance_us(1'000'000);
    begin(kept);
    say(kKnown);
    say(kSubscribed);
    batch_.clear();
    say(again);
    EXPECT_EQ(ids(), before) << "and the one that the row has is none";
    begin(kept);
    say(kKnown);
    say(kSubscribed);
    batch_.clear();
    say(exactly_once("a/b", "other", 3, true) + exactly_once("a/b", "two", 2, true));
    EXPECT_EQ(ids().find(of_two), std::string::npos) << "in another order it is another one";
    begin(kept);
    say(kLetIn);  // the broker has lost the session
    say(kSubscribed);
    batch_.clear();
    say(exactly_once("a/b", "two", 2));
    EXPECT_EQ(ids().find(of_two), std::string::npos);
}

// The broker gives an id to several messages at once: each is one, and is answered for when the one
// before it is released.
TEST_F(MqttLinkTest, OfQos2AnotherMessageUnderAnIdThatIsHeldIsOne) {
    config_.qos = 2;
    begin();
    say(kLetIn);
    say(kSubscribed);
    batch_.clear();
    say(exactly_once("a/b", "one", 7));
    const std::string kept = batch_.position;
    source_->kept(batch_.acknowledges);
    begin(kept);
    say(kKnown);
    say(kSubscribed);
    (void)heard();
    batch_.clear();
    say(exactly_once("a/b", "one", 7, true) + exactly_once("a/b", "two", 7) +
        exactly_once("a/c", "two", 7));
    EXPECT_EQ(texts(), "a.b=two;a.c=two;");
    source_->kept(batch_.acknowledges);
    EXPECT_EQ(heard(), answer(5, 7));
    for (int left = 2; left >= 0; --left) {
        batch_.clear();
        say(release(7));
        EXPECT_EQ(heard(), "") << "it is not durable yet";
        source_->kept(batch_.acknowledges);
        EXPECT_EQ(heard(), answer(7, 7) + (left > 0 ? answer(5, 7) : std::string()));
    }
    EXPECT_EQ(batch_.position.find("received"), std::string::npos) << batch_.position;
}

// DUP is what tells two messages of one content from one that comes again.
TEST_F(MqttLinkTest, OfQos2WhatIsSentForTheFirstTimeUnderAnIdThatIsHeldIsNoRepeat) {
    config_.qos = 2;
    begin();
    say(kLetIn);
    say(kSubscribed);
    batch_.clear();
    say(exactly_once("a/b", "on", 7) + exactly_once("a/b", "on", 7));
    EXPECT_EQ(texts(), "a.b=on;a.b=on;");
    EXPECT_NE(batch_[0].id, batch_[1].id);
    const std::string kept = batch_.position;
    source_->kept(batch_.acknowledges);
    EXPECT_TRUE(heard().ends_with(answer(5, 7)));
    say(release(7));
    source_->kept(batch_.acknowledges);
    EXPECT_EQ(heard(), answer(7, 7) + answer(5, 7)) << "the broker waits for both";
    // Killed before the release: what the broker had sent comes with DUP, what it had not without.
    begin(kept);
    say(kKnown);
    say(kSubscribed);
    (void)heard();
    batch_.clear();
    say(exactly_once("a/b", "on", 7, true) + exactly_once("a/b", "on", 7, true) +
        exactly_once("a/b", "on", 7));
    EXPECT_EQ(texts(), "a.b=on;");
    source_->kept(batch_.acknowledges);
    EXPECT_EQ(heard(), answer(5, 7));
    // Of before there were marks, too.
    begin(R"({"session":1,"exact":5,"received":[7]})");
    say(kKnown);
    say(kSubscribed);
    batch_.clear();
    say(exactly_once("a/b", "on", 7, true) + exactly_once("a/b", "off", 7));
    EXPECT_EQ(texts(), "a.b=off;");
}

TEST_F(MqttLinkTest, PacketsOfALostSessionAreOthers) {
    config_.qos = 2;
    const std::string position = R"({"since":"2026-01-02T03:04:05Z","count":1,"received":[7]})";
    begin(position);
    say(kLetIn);
    say(kSubscribed);
    batch_.clear();
    say(exactly_once("a/b", "new", 7));
    EXPECT_EQ(texts(), "a.b=new;");
    // A release of what is not known is answered too: the answer to it was lost.
    batch_.clear();
    (void)heard();
    say("\x62\x02\x00\x63"sv);
    source_->kept(batch_.acknowledges);
    EXPECT_TRUE(heard().ends_with(answer(7, 0x63)));
    begin(R"({"received":["x"]})");
    EXPECT_TRUE(source_->trouble() && source_->trouble()->stops);
}

TEST_F(MqttLinkTest, WhoHasNeverListenedTakesOverNobodysSession) {
    begin();
    (void)heard();
    say(kKnown);  // a link of that id which is gone has left one
    EXPECT_TRUE(source_->trouble() && !source_->trouble()->stops);
    EXPECT_EQ(heard(), kFarewell);
    begin();
    (void)heard();
    say(kLetIn);
    EXPECT_FALSE(source_->trouble());
}

TEST_F(MqttLinkTest, LinksOfTwoTenantsAreTwoClients) {
    link_.tenant = core::TenantId(77);
    name_tenant(link_.tenant, "acme");
    begin();
    EXPECT_NE(heard().find("millrace-acme/in"), std::string::npos);
}

TEST_F(MqttLinkTest, LinksOfTwoServersAreTwoClientsAndEachStaysTheOneThatItWas) {
    mark_ = 0xabcd'0012'3456'789a;
    begin();
    EXPECT_NE(heard().find("millrace-3456789a-in"), std::string::npos);
    say(kLetIn);
    say(kSubscribed);
    const std::string position = batch_.position;
    mark_ = 7;  // its rows in another folder
    begin(position);
    EXPECT_NE(heard().find("millrace-3456789a-in"), std::string::npos);
    // Of before there were marks: the broker keeps its session by that name.
    begin(R"({"since":"2026-01-02T03:04:05Z","count":1})");
    EXPECT_NE(heard().find("millrace-in"), std::string::npos);
    config_.client = "mine";
    begin(position);
    const std::string hello = heard();
    EXPECT_NE(hello.find("mine"), std::string::npos);
    EXPECT_EQ(hello.find("millrace-"), std::string::npos);
}

TEST_F(MqttLinkTest, OfQos2IdsThatFollowEachOtherAreKeptAsRanges) {
    config_.qos = 2;
    begin(R"({"session":1,"exact":5,"received":[2,"7-9"]})");
    say(kKnown);
    say(kSubscribed);
    batch_.clear();
    std::string came;
    for (const int id : {2, 7, 8, 9, 10, 12, 65'535})
        came += exactly_once("a/b", "new", static_cast<std::uint16_t>(id), true);
    say(came);
    EXPECT_EQ(texts(), "a.b=new;a.b=new;a.b=new;");
    EXPECT_NE(batch_.position.find(R"("received":[2,"7-10",12,65535])"), std::string::npos)
        << batch_.position;
    const std::string position = batch_.position;
    batch_.clear();
    begin(position);
    say(kKnown);
    say(kSubscribed);
    batch_.clear();
    say(came);
    EXPECT_EQ(texts(), "");
    for (const char* bad :
         {R"({"received":["7"]})", R"({"received":["9-7"]})", R"({"received":["7-x"]})",
          R"({"received":["0-7"]})", R"({"received":["7-70000"]})"}) {
        begin(bad);
        EXPECT_TRUE(source_->trouble() && source_->trouble()->stops) << bad;
    }
}

TEST_F(MqttLinkTest, OfQos2TheSessionIsKeptBeforeItsFirstMessage) {
    config_.qos = 2;
    begin();
    say(kLetIn);
    say(kSubscribed);
    EXPECT_NE(batch_.position.find(R"("session":)"), std::string::npos) << batch_.position;
    EXPECT_TRUE(batch_.whole);
}

TEST_F(MqttLinkTest, ASessionThatTheBrokerHasLostIsAGap) {
    begin(R"({"since":"2026-01-02T03:04:05Z","count":1})");
    say(kKnown);
    say(kSubscribed);
    EXPECT_FALSE(batch_.gap);
    batch_.clear();
    begin(R"({"since":"2026-01-02T03:04:05Z","count":1})");
    say(kLetIn);
    say(kSubscribed);
    EXPECT_TRUE(batch_.gap);
    EXPECT_EQ(batch_.missed, 0u);
}

TEST_F(MqttLinkTest, WhatTheBrokerRefusesIsTold) {
    begin();
    say("\x20\x03\x00\x86\x00"sv);
    EXPECT_EQ(source_->trouble()->why, "the broker refuses: bad user name or password");
    begin();
    say(kLetIn);
    say("\x90\x04\x00\x01\x00\x87"sv);
    EXPECT_EQ(source_->trouble()->why, "the broker refuses the topic: not authorized");
    begin();
    say(kLetIn);
    say("\xe0\x01\x8e"sv);
    EXPECT_EQ(source_->trouble()->why,
              "the broker has ended the connection: somebody else has come with our client id");
    begin();
    say("SSH-2.0-OpenSSH\r\n");
    EXPECT_NE(source_->trouble()->why.find("is not MQTT"), std::string::npos);
    begin();
    clock_.advance_us(MqttConnection::kGreetNs / 1000 + 1);
    turn();
    EXPECT_EQ(source_->trouble()->why, "the broker does not let us in");
}

TEST_F(MqttLinkTest, ASilentBrokerIsAskedWhetherItIsThere) {
    begin();
    say(kLetIn);
    say(kSubscribed);
    (void)heard();
    clock_.advance_us(MqttConnection::kKeepAliveSeconds * 500'000 + 1);
    turn();
    EXPECT_EQ(heard(), "\xc0\x00"sv);
    say("\xd0\x00"sv);
    clock_.advance_us(MqttConnection::kKeepAliveSeconds * 500'000 + 1);
    turn();
    EXPECT_EQ(heard(), "\xc0\x00"sv);
    clock_.advance_us(MqttConnection::kAnswerNs / 1000 + 1);
    turn();
    EXPECT_EQ(source_->trouble()->why, "no answer in 10 s");
}

TEST_F(MqttLinkTest, WhoOnlyLooksIsNobodyThatTheBrokerKnows) {
    begin("", true);
    EXPECT_EQ(heard().find("millrace-in"), std::string::npos);
    say(kLetIn);
    EXPECT_TRUE(source_->ready());
    EXPECT_EQ(heard(), "");
}

TEST_F(MqttLinkTest, DeliveriesAreDoneWhenTheBrokerHasThem) {
    config_.subject = "out/{pattern}";
    begin_sink();
    (void)heard();
    say("\x20\x06\x00\x00\x03\x21\x00\x02"sv);  // two at once
    ASSERT_TRUE(sink_->ready());
    for (std::uint64_t ticket = 1; ticket <= 3; ++ticket)
        sink_->send({.ticket = ticket, .id = {}, .pattern = "a.b", .text = std::to_string(ticket)});
    sink_->send({.ticket = 4, .id = {}, .pattern = "a#", .text = "x"});
    EXPECT_EQ(sink_->pending(), 4u);
    turn();
    EXPECT_EQ(heard(), message("out/a/b", "1", 1) + message("out/a/b", "2", 2));
    EXPECT_EQ(answers(), "4 the event's pattern makes no topic: a topic has no + and no #;");
    say(puback(2));
    EXPECT_EQ(answers(), "2 ok;");
    EXPECT_EQ(heard(), message("out/a/b", "3", 3));
    say("\x40\x03\x00\x01\x97"sv);
    EXPECT_EQ(answers(), "1 the broker refuses: quota exceeded;");
    say(puback(3) + puback(77));
    EXPECT_EQ(answers(), "3 ok;");
    EXPECT_EQ(sink_->pending(), 0u);
}

TEST_F(MqttLinkTest, OfQos2WhatIsUnderWayGoesOnOverTheNextConnection) {
    config_.subject = "out";
    config_.qos = 2;
    begin_sink();
    const std::string hello = heard();
    EXPECT_NE(hello.find("millrace-in"), std::string::npos);
    say(kKnown);
    EXPECT_EQ(heard(), kFarewell) << "of before nobody knows anything: a session anew";
    EXPECT_TRUE(sink_->trouble());
    begin_sink();
    (void)heard();
    say(kLetIn);
    send(1, "d1");
    send(2, "d2");
    send(3, "d3");
    EXPECT_EQ(heard(), exactly_once("out", "d1", 1) + exactly_once("out", "d2", 2) +
                           exactly_once("out", "d3", 3));
    say(answer(5, 1) + answer(5, 3));
    EXPECT_EQ(heard(), release(1) + release(3));
    EXPECT_EQ(answers(), "") << "done when it is released";
    say(answer(7, 1));
    EXPECT_EQ(answers(), "1 ok;");
    // The connection ends; what was given fails, and is tried again.
    begin_sink();
    (void)heard();
    say(kKnown);
    EXPECT_EQ(heard(), exactly_once("out", "d2", 2, true) + release(3));
    send(12, "d2");
    EXPECT_EQ(heard(), "") << "it is on its way";
    say(answer(5, 2) + answer(7, 3));
    EXPECT_EQ(heard(), release(2));
    send(13, "d3");
    EXPECT_EQ(answers(), "13 ok;") << "it has arrived meanwhile";
    say("\x70\x03\x00\x02\x92"sv);  // it is not known any more: it was released before
    EXPECT_EQ(answers(), "12 ok;");
    EXPECT_EQ(sink_->pending(), 0u);
    send(14, "d4");
    (void)heard();
    say("\x50\x03\x00\x04\x97"sv);
    EXPECT_EQ(answers(), "14 the broker refuses: quota exceeded;");
    // A broker that has lost the session is given what is given to it.
    send(15, "d5");
    (void)heard();
    begin_sink();
    (void)heard();
    say(kLetIn);
    EXPECT_EQ(heard(), "");
    send(16, "d5");
    EXPECT_EQ(heard(), exactly_once("out", "d5", 6));
}

TEST_F(MqttLinkTest, ABrokerThatTakesLessIsTroubleBeforeAnythingIsSent) {
    config_.subject = "out";
    for (const char qos_max : {'\0', '\1'}) {
        config_.qos = qos_max + 1;
        begin_sink();
        say(std::string("\x20\x05\x00\x00\x02\x24", 6) + qos_max);
        EXPECT_FALSE(sink_->ready()) << "whoever tests the link is told so, too";
        EXPECT_EQ(sink_->trouble()->why,
                  "the broker takes no messages of QoS " + std::to_string(qos_max + 1));
    }
}

}  // namespace
}  // namespace millrace::runtime
