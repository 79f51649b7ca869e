// A partition's stream on NATS: what goes out carries what it expects, what comes back is told as
// what it is, and what can not be worked with is refused with a reason. Method: a peer of the
// test's on loopback that says what nats-server says.
#include "runtime/cluster/nats_stream.h"

#include "core/base64.h"
#include "tests/runtime/links/peer_fixture.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <regex>
#include <string>

namespace millrace::runtime::cluster {
namespace {

using Kind = StreamEvent::Kind;

class NatsStreamTest : public runtime::test::PeerTest {
protected:
    void make(bool allow_old = false) {
        NatsStream::Options options;
        NatsPlace place;
        place.host = "127.0.0.1";
        place.port = port_;
        options.servers = {place};
        options.stream = "S";
        options.subject = "s.s";
        options.synced_subject = "s.synced";
        options.allow_old = allow_old;
        clock_.advance_us(1'000'000);
        stream_ = std::make_unique<NatsStream>(options, clock_, rules_);
        stream_->turn();
        accept();
    }
    void get_in(const std::string& version = "2.10.1", const std::string& payload = "1048576") {
        make();
        say("INFO {\"version\":\"" + version + "\",\"max_payload\":" + payload +
            ",\"headers\":true}\r\n");
        (void)heard();
        say("PONG\r\n");
    }
    void turn_once(int wait_ms) override {
        runtime::test::PeerTest::wait_for_bytes(*this, wait_ms);
        stream_->turn();
    }
    std::string heard() {
        turn();
        return hear();
    }
    std::optional<StreamEvent> event() {
        StreamEvent out;
        if (!stream_->next(out)) return std::nullopt;
        return out;
    }
    // To the last thing that was asked.
    void answer(const std::string& heard_text, const std::string& json) {
        static const std::regex kReply("(_INBOX\\.[A-Za-z0-9]+\\.r\\.[0-9]+)");
        std::string reply;
        for (auto at = std::sregex_iterator(heard_text.begin(), heard_text.end(), kReply);
             at != std::sregex_iterator(); ++at)
            reply = at->str();
        ASSERT_FALSE(reply.empty()) << heard_text;
        say("MSG " + reply + " 0 " + std::to_string(json.size()) + "\r\n" + json + "\r\n");
    }

public:
    void waits_for(pollfd& fd) const {
        fd = {peer_.get(), 0, 0};
        (void)stream_->waits_for(fd);
    }

protected:
    std::unique_ptr<NatsStream> stream_;
};

TEST(NatsVersion, OldOnesAreToldApart) {
    for (const char* good : {"2.9.22", "2.9.23", "2.10.0", "2.12.1-RC.2", "3.0.0"})
        EXPECT_TRUE(nats_is_new_enough(good)) << good;
    for (const char* bad : {"2.9.21", "2.9.10", "2.8.99", "1.99.99", "", "x", "2", "2.9"})
        EXPECT_FALSE(nats_is_new_enough(bad)) << bad;
}

TEST_F(NatsStreamTest, AServerThatLosesWhatItHasIsRefused) {
    get_in("2.9.10");
    const auto first = event();
    ASSERT_TRUE(first);
    EXPECT_EQ(first->kind, Kind::kUnfit);
    EXPECT_NE(first->words.find("older than 2.9.22"), std::string::npos);
    EXPECT_EQ(event()->kind, Kind::kDown);
}

TEST_F(NatsStreamTest, AServerThatTakesNoPartIsRefused) {
    get_in("2.10.1", "262144");
    const auto first = event();
    ASSERT_TRUE(first);
    EXPECT_EQ(first->kind, Kind::kUnfit);
    EXPECT_NE(first->words.find("max_payload"), std::string::npos);
}

TEST_F(NatsStreamTest, APublishSaysWhatItExpectsAndItsAnswerIsTold) {
    get_in();
    EXPECT_EQ(event()->kind, Kind::kUp);
    stream_->publish(77, "hello", 41);
    std::string asked = heard();
    EXPECT_NE(asked.find("HPUB s.s _INBOX."), std::string::npos) << asked;
    EXPECT_NE(asked.find("Nats-Expected-Last-Sequence: 41\r\n\r\nhello"), std::string::npos);
    EXPECT_EQ(asked.find("Nats-Msg-Id"), std::string::npos);
    answer(asked, R"({"stream":"S","seq":42})");
    auto taken = event();
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->kind, Kind::kTaken);
    EXPECT_EQ(taken->tag, 77u);
    EXPECT_EQ(taken->sequence, 42u);

    stream_->publish(78, "again", 41);
    answer(heard(),
           R"({"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 42"}})");
    auto refused = event();
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->kind, Kind::kRefused);
    EXPECT_TRUE(refused->wrong_place);

    stream_->publish(79, "nobody", 42);
    asked = heard();
    const std::size_t at = asked.find("_INBOX.");
    const std::string reply = asked.substr(at, asked.find(' ', at) - at);
    say("HMSG " + reply + " 0 16 16\r\nNATS/1.0 503\r\n\r\n\r\n");
    auto unsure = event();
    ASSERT_TRUE(unsure);
    EXPECT_EQ(unsure->kind, Kind::kUnsure);
    EXPECT_EQ(unsure->tag, 79u);
}

TEST_F(NatsStreamTest, AServerThatSaysNothingIsLeft) {
    get_in();
    EXPECT_EQ(event()->kind, Kind::kUp);
    stream_->publish(1, "hello", 0);
    turn();
    EXPECT_FALSE(event());
    clock_.advance_us(NatsStream::kAnswerNs / 1000 + 1);
    turn();
    const auto down = event();
    ASSERT_TRUE(down);
    EXPECT_EQ(down->kind, Kind::kDown);
    EXPECT_NE(down->words.find("no answer"), std::string::npos);
}

TEST_F(NatsStreamTest, TheLastMessageAndTheStateAreTold) {
    get_in();
    EXPECT_EQ(event()->kind, Kind::kUp);
    stream_->ask_last();
    std::string asked = heard();
    EXPECT_NE(asked.find("$JS.API.STREAM.MSG.GET.S"), std::string::npos);
    EXPECT_NE(asked.find(R"({"last_by_subj":"s.s"})"), std::string::npos);
    answer(asked, R"({"message":{"subject":"s.s","seq":9,"data":")" + core::encode_base64("body") +
                      R"(","time":"2026-01-01T00:00:00Z"}})");
    auto last = event();
    ASSERT_TRUE(last);
    EXPECT_EQ(last->kind, Kind::kLast);
    EXPECT_EQ(last->sequence, 9u);
    EXPECT_EQ(last->bytes, "body");
    stream_->ask_last();
    answer(heard(), R"({"error":{"code":404,"err_code":10037,"description":"no message found"}})");
    EXPECT_EQ(event()->sequence, 0u);
    // What is no answer is none.
    stream_->ask_last();
    answer(heard(), R"({"error":{"code":503,"err_code":10008,"description":"unavailable"}})");
    EXPECT_FALSE(event());

    stream_->ask_info();
    asked = heard();
    EXPECT_NE(asked.find("$JS.API.STREAM.INFO.S"), std::string::npos);
    answer(asked, R"({"created":"2026-01-01T00:00:00Z","config":{"retention":"limits"},)"
                  R"("state":{"first_seq":3,"last_seq":9}})");
    const auto info = event();
    ASSERT_TRUE(info);
    EXPECT_TRUE(info->there);
    EXPECT_EQ(info->first, 3u);
    EXPECT_EQ(info->last, 9u);
    EXPECT_NE(info->created_us, 0);
}

TEST_F(NatsStreamTest, ReadsInOrderAndBeginsAnewWhereNumbersDoNotFollow) {
    get_in();
    EXPECT_EQ(event()->kind, Kind::kUp);
    stream_->read_from(5);
    std::string asked = heard();
    EXPECT_NE(asked.find("CONSUMER.CREATE.S"), std::string::npos) << asked;
    EXPECT_NE(asked.find(R"("opt_start_seq":5)"), std::string::npos) << asked;
    answer(asked, R"({"name":"C1","delivered":{"consumer_seq":0},"num_pending":2})");
    asked = heard();
    const auto deliver = [&](std::uint64_t sid, int seq, int consumer_seq) {
        say("MSG s.s " + std::to_string(sid) + " $JS.ACK.S.C1.1." + std::to_string(seq) + "." +
            std::to_string(consumer_seq) + ".1700000000000000000.0 1\r\nx\r\n");
    };
    deliver(1, 5, 1);
    deliver(1, 6, 2);
    EXPECT_EQ(event()->sequence, 5u);
    EXPECT_EQ(event()->sequence, 6u);
    clock_.advance_us(NatsStream::kRestNs / 1000 + 1);
    deliver(1, 9, 4);  // one was left out
    EXPECT_FALSE(event());
    asked = heard();
    EXPECT_NE(asked.find(R"("opt_start_seq":7)"), std::string::npos) << asked;
}

TEST_F(NatsStreamTest, FollowersTellWhatIsOnTheirDisks) {
    get_in();
    EXPECT_EQ(event()->kind, Kind::kUp);
    stream_->tell_synced({3, 41, 99, "b", false});
    EXPECT_NE(heard().find("PUB s.synced 9\r\n3 41 99 b\r\n"), std::string::npos);
    const std::string sid = std::to_string(std::uint64_t{1} << 40);
    say("MSG s.synced " + sid + " 9\r\n3 41 99 b\r\n");
    const auto told = event();
    ASSERT_TRUE(told);
    EXPECT_EQ(told->kind, Kind::kSynced);
    EXPECT_EQ(told->synced.epoch, 3u);
    EXPECT_EQ(told->synced.unit, 41u);
    EXPECT_EQ(told->synced.sequence, 99u);
    EXPECT_EQ(told->synced.node, "b");
    EXPECT_FALSE(told->synced.holds);
    stream_->tell_synced({3, 41, 98, "b", true});
    EXPECT_NE(heard().find("3 41 98 b holds\r\n"), std::string::npos);
    say("MSG s.synced " + sid + " 15\r\n3 41 98 b holds\r\n");
    EXPECT_TRUE(event()->synced.holds);
    for (const std::string wrong : {"nothing", "3 41", "3 41 99", "3 41 99 ", "3 41 x b", ""})
        say("MSG s.synced " + sid + " " + std::to_string(wrong.size()) + "\r\n" + wrong + "\r\n");
    EXPECT_FALSE(event());
}

}  // namespace
}  // namespace millrace::runtime::cluster
