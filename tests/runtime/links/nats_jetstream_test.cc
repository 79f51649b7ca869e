// Goal: what JetStream answers is read as it is, and where a stream stands means what it means for
// one who has read so far. Method: answers as texts.
#include "runtime/links/nats_jetstream.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace::runtime {
namespace {

constexpr const char* kCreated = "2026-01-02T03:04:05.123456789Z";

std::string stream_json(const std::string& state, const std::string& retention = "limits") {
    return R"({"type":"io.nats.jetstream.api.v1.stream_info_response","config":{"name":"s","retention":")" +
           retention + R"("},"created":")" + kCreated + R"(","state":)" + state + "}";
}
NatsStreamInfo stream_of(const std::string& json) {
    NatsAnswers answers;
    NatsStreamInfo out;
    EXPECT_EQ(answers.stream(json, out), NatsAnswers::Kind::kGood) << json;
    return out;
}
NatsStreamInfo numbers(std::uint64_t first, std::uint64_t last) {
    return stream_of(stream_json(R"({"messages":1,"first_seq":)" + std::to_string(first) +
                                 R"(,"last_seq":)" + std::to_string(last) + "}"));
}
NatsPosition read_to(std::uint64_t seq, std::uint64_t seen = 0) {
    return {seq, seen, numbers(1, 1).created_us};
}

TEST(NatsAnswers, OfAStream) {
    const NatsStreamInfo info = numbers(3, 9);
    EXPECT_TRUE(info.there && info.keeps);
    EXPECT_EQ(info.first, 3u);
    EXPECT_EQ(info.last, 9u);
    EXPECT_EQ(info.created_us, 1767323045123456);
    EXPECT_FALSE(stream_of(stream_json(R"({"first_seq":1,"last_seq":0})", "workqueue")).keeps);
    EXPECT_FALSE(
        stream_of(R"({"error":{"code":404,"err_code":10059,"description":"stream not found"}})")
            .there);
}

TEST(NatsAnswers, ThatRefuseOrDoNotRead) {
    NatsAnswers answers;
    NatsStreamInfo stream;
    NatsPubAck ack;
    EXPECT_EQ(
        answers.stream(R"({"error":{"code":503,"err_code":10008,"description":"no"}})", stream),
        NatsAnswers::Kind::kRefused);
    EXPECT_EQ(answers.refusal().words, "no");
    for (const char* bad :
         {"", "[]", "{}", "no", R"({"created":"x","config":{},"state":{}})", R"({"error":7})"})
        EXPECT_EQ(answers.stream(bad, stream), NatsAnswers::Kind::kUnreadable) << bad;
    EXPECT_EQ(answers.published(R"({"stream":"s","seq":7})", ack), NatsAnswers::Kind::kGood);
    EXPECT_TRUE(ack.stream == "s" && ack.seq == 7 && !ack.duplicate);
    EXPECT_EQ(answers.published(R"({"stream":"s","seq":7,"duplicate":true})", ack),
              NatsAnswers::Kind::kGood);
    EXPECT_TRUE(ack.duplicate);
    EXPECT_EQ(
        answers.published(
            R"({"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 4"}})",
            ack),
        NatsAnswers::Kind::kRefused);
    EXPECT_EQ(answers.refusal().number, NatsRefusal::kWrongLastSequence);
    EXPECT_EQ(answers.published("{}", ack), NatsAnswers::Kind::kUnreadable);
}

TEST(NatsAnswers, OfAConsumer) {
    NatsAnswers answers;
    NatsConsumerInfo info;
    EXPECT_EQ(
        answers.consumer(
            R"({"name":"c","delivered":{"consumer_seq":4,"stream_seq":9},"num_pending":3})", info),
        NatsAnswers::Kind::kGood);
    EXPECT_TRUE(info.name == "c" && info.delivered == 4 && info.pending == 3);
    EXPECT_EQ(answers.consumer(R"({"name":"c"})", info), NatsAnswers::Kind::kUnreadable);
}

TEST(NatsDelivery, IsReadOfOldAndNewSubjects) {
    for (const char* subject : {"$JS.ACK.s.c.1.7.3.1700000000000000000.4",
                                "$JS.ACK._.hash.s.c.1.7.3.1700000000000000000.4",
                                "$JS.ACK.hub.hash.s.c.1.7.3.1700000000000000000.4.random"}) {
        NatsDelivery at;
        ASSERT_TRUE(read_nats_delivery(subject, at)) << subject;
        EXPECT_EQ(at.stream_seq, 7u);
        EXPECT_EQ(at.consumer_seq, 3u);
        EXPECT_EQ(at.at_us, 1'700'000'000'000'000);
        EXPECT_EQ(at.pending, 4u);
    }
    NatsDelivery at;
    for (const char* bad : {"", "$JS.ACK.", "$JS.FC.s.c.1", "$JS.ACK.s.c.1.7.3.17.x",
                            "$JS.ACK.s.c.1.7.3.17", "$JS.ACK.a.s.c.1.7.3.17.4"})
        EXPECT_FALSE(read_nats_delivery(bad, at)) << bad;
}

TEST(NatsPosition, IsReadAsItIsWritten) {
    const NatsPosition place{12, 20, 1'767'323'045'123'456, 1'767'323'046'000'001};
    auto again = NatsPosition::read(place.json());
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(again->seq, 12u);
    EXPECT_EQ(again->seen, 20u);
    EXPECT_EQ(again->created_us, place.created_us);
    EXPECT_EQ(again->at_us, place.at_us);
    EXPECT_FALSE(NatsPosition::read("{}"));
    EXPECT_FALSE(NatsPosition::read(R"({"seq":-1})"));
}

TEST(NatsStream, BeginsWhereItBegins) {
    NatsPosition place;
    const NatsCheck check = check_nats_stream(numbers(5, 9), place, false);
    EXPECT_TRUE(check.stops.empty() && !check.gap);
    EXPECT_EQ(place.seq, 4u);
    EXPECT_EQ(place.created_us, numbers(1, 1).created_us);
}

TEST(NatsStream, ThatHasGoneBackStops) {
    NatsPosition place = read_to(10);
    EXPECT_NE(check_nats_stream(numbers(1, 9), place, true).stops.find("gone back"),
              std::string::npos);
    EXPECT_NE(check_nats_stream({}, place, true).stops.find("gone;"), std::string::npos);
    EXPECT_TRUE(check_nats_stream({}, place, false).stops.empty());
    NatsPosition other = {3, 0, 1'000'000};
    EXPECT_NE(check_nats_stream(numbers(1, 9), other, true).stops.find("made anew"),
              std::string::npos);
    EXPECT_EQ(other.seq, 3u);
    NatsStreamInfo queue = numbers(1, 20);
    queue.keeps = false;
    EXPECT_NE(check_nats_stream(queue, place, true).stops.find("retention"), std::string::npos);
}

TEST(NatsStream, WhatWasDroppedUnreadIsTold) {
    NatsPosition place = read_to(10);
    place.at_us = 5;
    EXPECT_FALSE(check_nats_stream(numbers(11, 20), place, true).gap);
    EXPECT_EQ(place.at_us, 5);
    const NatsCheck check = check_nats_stream(numbers(14, 20), place, true);
    EXPECT_TRUE(check.gap);
    EXPECT_EQ(check.missed, 3u);
    EXPECT_EQ(place.seq, 13u);
    EXPECT_EQ(place.at_us, 0);  // of a message that nobody has read
    // What belongs to others has been seen to go.
    NatsPosition seen = read_to(10, 15);
    EXPECT_FALSE(check_nats_stream(numbers(16, 20), seen, true).gap);
    EXPECT_EQ(seen.seq, 15u);
    NatsPosition partly = read_to(10, 12);
    EXPECT_EQ(check_nats_stream(numbers(16, 20), partly, true).missed, 3u);
}

}  // namespace
}  // namespace millrace::runtime
